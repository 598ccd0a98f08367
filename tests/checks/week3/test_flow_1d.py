"""The homework flow_1d: right answers however written, classic mistakes with their causes."""

import math

import numpy as np
import torch
from answers import Answers
from scipy import special, stats


def pi(logits):
    return special.softmax(logits)


def normal_cdfs(x, loc, log_scale):
    return special.ndtr((x[:, None] - loc) / np.exp(log_scale))


def cdf(x, logits, loc, log_scale):
    return normal_cdfs(x, loc, log_scale) @ pi(logits)


def cdf_by_erfc(x, logits, loc, log_scale):
    x, logits, loc, log_scale = map(torch.as_tensor, (x, logits, loc, log_scale))
    t = (x[:, None] - loc) / log_scale.exp()
    return (logits.softmax(0) * 0.5 * torch.erfc(-t / 2**0.5)).sum(1)


def cdf_in_a_loop(x, logits, loc, log_scale):
    components = list(zip(pi(logits), loc, np.exp(log_scale), strict=True))
    return [sum(w * (1 + math.erf((value - m) / s / math.sqrt(2))) / 2 for w, m, s in components) for value in x]


def normals(x, loc, log_scale):
    return stats.norm.logpdf(x[:, None], loc, np.exp(log_scale))


def log_derivative(x, logits, loc, log_scale):
    return special.logsumexp(normals(x, loc, log_scale), b=pi(logits), axis=1)


def log_derivative_by_torch(x, logits, loc, log_scale):
    x, logits, loc, log_scale = map(torch.as_tensor, (x, logits, loc, log_scale))
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=logits), torch.distributions.Normal(loc, log_scale.exp())
    )
    return mixture.log_prob(x)


def summed(x, logits, loc, log_scale):
    with np.errstate(divide="ignore"):
        return np.log(np.exp(normals(x, loc, log_scale)) @ pi(logits))


def log_derivative_by_max(x, logits, loc, log_scale):
    t = (x[:, None] - loc) / np.exp(log_scale)
    terms = np.log(pi(logits)) - t**2 / 2 - log_scale - np.log(np.sqrt(2 * np.pi))
    top = terms.max(1)
    return top + np.log(np.exp(terms - top[:, None]).sum(1))


def inverse(u, logits, loc, log_scale, steps=60, low=None, high=None, keep=np.less):
    low = np.full_like(u, loc.min() - 40 * np.exp(log_scale).max() if low is None else low)
    high = np.full_like(u, loc.max() + 40 * np.exp(log_scale).max() if high is None else high)
    for _ in range(steps):
        middle = (low + high) / 2
        up = keep(cdf(middle, logits, loc, log_scale), u)
        low, high = np.where(up, middle, low), np.where(up, high, middle)
    return (low + high) / 2


def inverse_by_growing(u, logits, loc, log_scale):
    low, high = -np.ones_like(u), np.ones_like(u)
    while (cdf(low, logits, loc, log_scale) > u).any():
        low *= 2
    while (cdf(high, logits, loc, log_scale) < u).any():
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        up = cdf(middle, logits, loc, log_scale) < u
        low[up], high[~up] = middle[up], middle[~up]
    return torch.as_tensor(low)


def inverse_by_newton(u, logits, loc, log_scale):
    """Newton's steps, cut to an interval that bisection keeps."""
    ends = loc + np.exp(log_scale) * special.ndtri(u[:, None])
    low, high = ends.min(1), ends.max(1)
    x = (low + high) / 2
    for _ in range(100):
        error = cdf(x, logits, loc, log_scale) - u
        low, high = np.where(error < 0, x, low), np.where(error > 0, x, high)
        step = x - error / np.maximum(np.exp(log_derivative_by_max(x, logits, loc, log_scale)), 1e-12)
        x = np.where((low < step) & (step < high), step, (low + high) / 2)
    return x


def log_prob(x, shift, log_factor, *mixture):
    return log_factor + log_derivative(np.exp(log_factor) * x + shift, *mixture)


def log_prob_of_moved_mixture(x, shift, log_factor, logits, loc, log_scale):
    """An affine map of a mixture is a mixture."""
    factor = np.exp(log_factor)
    return log_derivative_by_torch(x, logits, (loc - shift) / factor, log_scale - log_factor)


class TestAnswers(Answers):
    notebook = "flow_1d"
    right = (
        ("cdf", "mixture_cdf", cdf),
        ("cdf", "mixture_cdf", cdf_by_erfc),
        ("cdf", "mixture_cdf", cdf_in_a_loop),
        ("log_derivative", "log_derivative", log_derivative),
        ("log_derivative", "log_derivative", log_derivative_by_torch),
        ("log_derivative", "log_derivative", log_derivative_by_max),
        ("inverse", "inverse_cdf", inverse),
        ("inverse", "inverse_cdf", inverse_by_growing),
        ("inverse", "inverse_cdf", inverse_by_newton),
        ("log_prob", "flow_log_prob", log_prob),
        ("log_prob", "flow_log_prob", log_prob_of_moved_mixture),
    )
    wrong = (
        ("cdf", lambda x, *m: np.exp(log_derivative(x, *m)), "this is the density"),
        ("cdf", lambda x, w, *m: cdf(x, 0 * w, *m), "every component has the same weight"),
        ("cdf", lambda x, w, loc, ls: normal_cdfs(x, loc, ls) @ w, "take their softmax"),
        ("cdf", lambda x, w, loc, ls: normal_cdfs(x, loc, ls).sum(1), "weights are left out"),
        ("cdf", lambda x, w, loc, ls: special.ndtr((x[:, None] - loc) / ls) @ pi(w), "take exp"),
        ("cdf", lambda x, w, loc, ls: cdf(x, w, loc, -ls), "divide by it"),
        ("cdf", lambda x, w, loc, ls: special.expit((x[:, None] - loc) / np.exp(ls)) @ pi(w), "logistic function"),
        ("cdf", lambda x, *m: 1 - cdf(x, *m), "on the way down"),
        ("log_derivative", lambda x, *m: np.exp(log_derivative(x, *m)), "return its logarithm"),
        ("log_derivative", lambda x, *m: np.log(cdf(x, *m)), "the derivative of F is the density"),
        ("log_derivative", lambda x, *m: -log_derivative(x, *m), "the sign is that of the inverse"),
        ("log_derivative", lambda x, w, loc, ls: summed(x, w, loc, ls), "use log-sum-exp"),
        (
            "log_derivative",
            lambda x, w, loc, ls: np.log(np.maximum(np.exp(normals(x, loc, ls)) @ pi(w), 1e-12)),
            "a clamp hides",
        ),
        (
            "log_derivative",
            lambda x, w, loc, ls: special.logsumexp(normals(x, loc, ls) + ls, b=pi(w), axis=1),
            "1 / scale is left out",
        ),
        ("log_derivative", lambda x, *m: log_derivative(x, *m) + np.log(2 * np.pi) / 2, "log sqrt(2 pi) is left out"),
        ("log_derivative", lambda x, w, *m: normals(x, *m) @ pi(w), "logarithms are averaged"),
        ("log_derivative", lambda x, w, *m: special.logsumexp(normals(x, *m), axis=1), "weights are left out"),
        ("log_derivative", lambda x, w, *m: special.logsumexp(normals(x, *m) + w, axis=1), "not normalised"),
        ("log_derivative", lambda x, w, *m: special.logsumexp(normals(x, *m) + pi(w), axis=1), "add its logarithm"),
        (
            "log_derivative",
            lambda x, w, *m: (normals(x, *m) + special.log_softmax(w)).max(1),
            "only the likeliest component",
        ),
        ("inverse", lambda u, w, loc, ls: stats.norm.ppf(u[:, None], loc, np.exp(ls)) @ pi(w), "are averaged"),
        ("inverse", lambda u, *m: inverse(1 - u, *m), "where F(x) = 1 - u"),
        (
            "inverse",
            lambda u, w, loc, ls: stats.norm.ppf(u, loc[w.argmax()], np.exp(ls)[w.argmax()]),
            "likeliest component alone",
        ),
        ("inverse", lambda u, *m: inverse(u, *m, steps=12), "halve the interval more often"),
        ("inverse", lambda u, *m: inverse(u, *m, low=-20, high=20), "an end of your interval"),
        ("inverse", lambda u, *m: inverse(u, *m, keep=np.greater), "the inverse: wrong in"),
        ("log_prob", lambda x, a, b, *m: log_derivative(np.exp(b) * x + a, *m), "only the second map's"),
        ("log_prob", lambda x, a, b, *m: np.full_like(x, b), "only the first map's"),
        ("log_prob", lambda x, a, b, *m: log_derivative(np.exp(b) * x + a, *m) - b, "is subtracted"),
        ("log_prob", lambda x, a, b, *m: log_prob(x, a * np.exp(b), b, *m), "the shift is multiplied too"),
        ("log_prob", lambda *a: -log_prob(*a), "signs are those of the inverse"),
        ("log_prob", lambda x, a, b, *m: log_derivative(x, *m) + b, "that of F at y, not at x"),
        ("log_prob", lambda x, a, b, *m: log_derivative(np.exp(b) * x + a, *m) + np.exp(b), "its logarithm is"),
        (
            "log_prob",
            lambda x, a, b, *m: log_prob(x, a, b, *m) + stats.norm.logpdf(cdf(np.exp(b) * x + a, *m)),
            "this takes a standard normal",
        ),
        (
            "log_prob",
            lambda x, a, b, *m: log_prob(x, a, b, *m) + np.log(cdf(np.exp(b) * x + a, *m)),
            "log u is added",
        ),
        ("log_prob", lambda *a: np.exp(log_prob(*a)), "return its logarithm"),
    )


def test_an_interval_that_is_too_narrow_fails_only_where_it_is():
    outcome = TestAnswers.judge("inverse", lambda u, *m: inverse(u, *m, low=-20, high=20))
    assert [case.name for case in outcome.cases if not case.passed] == ["narrow components, far from 0"]


def test_a_sum_that_underflows_fails_only_far_out():
    outcome = TestAnswers.judge("log_derivative", summed)
    assert [case.name for case in outcome.cases if not case.passed] == ["far from every component, on either side"]
