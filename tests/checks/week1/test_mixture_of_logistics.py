"""This homework's classic wrong answers are rejected, each with its cause; right ones are accepted however written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch.distributions import Categorical, MixtureSameFamily

from deepul_utils import checks
from deepul_utils.checks.student import NotebookStudent
from deepul_utils.distributions.discretized_logistic import DiscretizedLogistic

SEEDS = [0, 1, 2, 3]


def outcome(question: str, name: str, answer: Callable[..., Any], seed: int) -> checks.Outcome:
    with np.errstate(all="ignore"):
        return checks.QUESTIONS[question].judge(NotebookStudent({name: answer}), seed)


def accept(question: str, name: str, answer: Callable[..., Any]) -> None:
    for seed in SEEDS:
        got = outcome(question, name, answer, seed)
        assert got.score == got.points, [case for case in got.cases if not case.passed]


def reject(question: str, name: str, answer: Callable[..., Any], cause: str) -> None:
    """The answer loses points, and whatever the seed some case names the cause."""
    for seed in SEEDS:
        got = outcome(question, name, answer, seed)
        assert got.score < got.points
        assert any(cause in case.message for case in got.cases), [case.message for case in got.cases]


# fit_histogram


def fit_by_formula(x, num_values, steps, lr, gradient=lambda p, counts: p - counts / counts.sum()):
    counts, logits = np.array([(x == k).sum() for k in range(num_values)]), np.zeros(num_values)
    for _ in range(steps):
        p = np.exp(logits) / np.exp(logits).sum()
        logits -= lr * gradient(p, counts)
    return np.exp(logits) / np.exp(logits).sum()


def fit_by_autograd(x, num_values, steps, lr):
    logits = torch.zeros(num_values, requires_grad=True)
    sgd = torch.optim.SGD([logits], lr=lr)
    for _ in range(steps):
        sgd.zero_grad()
        torch.nn.functional.cross_entropy(logits.expand(len(x), -1), torch.as_tensor(x)).backward()
        sgd.step()
    return logits.softmax(0)


@pytest.mark.parametrize("answer", [fit_by_formula, fit_by_autograd])
def test_fit_histogram_accepts(answer):
    accept("mixture_of_logistics.fit_histogram", "fit_histogram", answer)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (lambda *a: fit_by_formula(*a, lambda p, n: n / n.sum() - p), "descend"),
        (lambda *a: fit_by_formula(*a, lambda p, n: n.sum() * p - n), "take the mean"),
        (lambda *a: fit_by_formula(*a, lambda p, n: -n / n.sum()), "leaves out the normaliser"),
        (lambda *a: fit_by_formula(*a, lambda p, n: p - n / len(n)), "divided by the number of values"),
        (lambda *a: np.log(fit_by_formula(*a)), "return probabilities"),
        (lambda *a: np.log(fit_by_formula(*a)) - np.log(fit_by_formula(*a)).mean(), "return softmax(logits)"),
        (lambda x, k, steps, lr: fit_by_formula(x, k, steps + 1, lr), "one step too many"),
        (lambda x, k, steps, lr: np.bincount(x, minlength=k) / len(x), "take the steps"),
        (lambda x, k, steps, lr: fit_by_formula(x, k, min(steps, 30), lr), "the distribution: wrong in"),
    ],
)
def test_fit_histogram_rejects(answer, cause):
    reject("mixture_of_logistics.fit_histogram", "fit_histogram", answer, cause)


# log_prob


def with_scipy(x, loc, log_scale, num_values):
    x, logistic = np.asarray(x), stats.logistic(loc, np.exp(log_scale))
    below = np.where(x == 0, -np.inf, logistic.logcdf(x - 0.5))
    above = np.where(x == num_values - 1, -np.inf, logistic.logsf(x + 0.5))
    # P = 1 - below - above; on the side of the mean where it is small, take the difference there.
    with np.errstate(divide="ignore", over="ignore"):
        left = logistic.logcdf(x + 0.5) + np.log1p(-np.exp(below - logistic.logcdf(x + 0.5)))
        right = logistic.logsf(x - 0.5) + np.log1p(-np.exp(above - logistic.logsf(x - 0.5)))
    result = np.where(x < loc, left, right)
    result = np.where(x == 0, logistic.logcdf(0.5), result)
    return np.where(x == num_values - 1, logistic.logsf(num_values - 1.5), result)


def with_torch(x, loc, log_scale, num_values):
    x, loc, log_scale = (torch.as_tensor(a, dtype=torch.float64) for a in (x, loc, log_scale))
    a, b = (x + 0.5 - loc) / log_scale.exp(), (x - 0.5 - loc) / log_scale.exp()
    softplus = torch.nn.functional.softplus
    inner = -softplus(-a) - softplus(b) + torch.log1p(-torch.exp(b - a))
    return torch.where(x == 0, -softplus(-a), torch.where(x == num_values - 1, -softplus(b), inner))


def without_logsigmoid(x, loc, log_scale, num_values):
    inverse = np.exp(-log_scale)
    a, b = (x + 0.5 - loc) * inverse, (x - 0.5 - loc) * inverse
    a, b = np.where(x == num_values - 1, np.inf, a), np.where(x == 0, -np.inf, b)
    return -np.logaddexp(0, -a) - np.logaddexp(0, b) + np.log(-np.expm1(b - a))


def cdf_difference(edges=(True, True), low=-0.5, high=0.5, scale=np.exp, clamp=0.0):
    def answer(x, loc, log_scale, num_values):
        s = scale(log_scale)
        upper, lower = special.expit((x + high - loc) / s), special.expit((x + low - loc) / s)
        upper = np.where((x == num_values - 1) & edges[1], 1, upper)
        lower = np.where((x == 0) & edges[0], 0, lower)
        return np.log(np.maximum(upper - lower, clamp))

    return answer


def edges_without_log(x, loc, log_scale, num_values):
    log_p = without_logsigmoid(x, loc, log_scale, num_values)
    return np.where((x == 0) | (x == num_values - 1), np.exp(log_p), log_p)


@pytest.mark.parametrize("answer", [with_scipy, with_torch, without_logsigmoid])
def test_log_prob_accepts(answer):
    accept("mixture_of_logistics.log_prob", "discretized_log_prob", answer)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (cdf_difference(edges=(False, False)), "0 and K - 1 lack their tails"),
        (cdf_difference(edges=(False, True)), "0 lacks its tail"),
        (cdf_difference(edges=(True, False)), "K - 1 lacks its tail"),
        (cdf_difference(), "rounds to 0 far from the mean"),
        (cdf_difference(clamp=1e-12), "a clamp hides"),
        (cdf_difference(low=0, high=1), "not from x to x + 1"),
        (cdf_difference(scale=lambda log_scale: log_scale), "take exp"),
        (cdf_difference(scale=lambda log_scale: np.exp(-log_scale)), "divide by it"),
        (lambda *a: np.exp(without_logsigmoid(*a)), "return its logarithm"),
        (edges_without_log, "return its logarithm"),
        (lambda x, loc, log_scale, k: stats.logistic.logpdf(x, loc, np.exp(log_scale)), "density"),
        (lambda x, loc, log_scale, k: without_logsigmoid(x, loc, log_scale, 10**6), "K - 1 lacks its tail"),
        (lambda x, loc, log_scale, k: np.full_like(with_scipy(x, loc, log_scale, k), -np.log(k)), ": wrong in"),
    ],
)
def test_log_prob_rejects(answer, cause):
    reject("mixture_of_logistics.log_prob", "discretized_log_prob", answer, cause)


def test_log_prob_gives_partial_credit_for_a_difference_that_underflows():
    got = outcome("mixture_of_logistics.log_prob", "discretized_log_prob", cdf_difference(), seed=0)
    assert [case.name for case in got.cases if not case.passed] == ["far from the mean, on either side"]


# mixture_log_prob


def mix_with_torch(log_probs, logits):
    return torch.logsumexp(torch.as_tensor(log_probs) + torch.log_softmax(torch.as_tensor(logits), 0), 1)


def mix_with_numpy(log_probs, logits):
    total = log_probs + logits
    top = total.max(1, keepdims=True)
    return np.log(np.exp(total - top).sum(1)) + top[:, 0] - np.logaddexp.reduce(logits)


@pytest.mark.parametrize("answer", [mix_with_torch, mix_with_numpy])
def test_mixture_log_prob_accepts(answer):
    accept("mixture_of_logistics.mixture_log_prob", "mixture_log_prob", answer)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (lambda lp, w: special.logsumexp(lp, axis=1), "weights are left out"),
        (lambda lp, w: special.logsumexp(lp, axis=1) - np.log(len(w)), "same weight"),
        (lambda lp, w: lp @ special.softmax(w), "logarithms are averaged"),
        (lambda lp, w: special.logsumexp(lp + w, axis=1), "not normalised"),
        (lambda lp, w: np.log(np.exp(lp) @ w), "take their softmax"),
        (lambda lp, w: np.log(np.exp(lp) @ special.softmax(w)), "use log-sum-exp"),
        (lambda lp, w: special.logsumexp(lp + special.softmax(w), axis=1), "add its logarithm"),
        (lambda lp, w: np.max(lp + special.log_softmax(w), axis=1), "only the best component"),
        (lambda lp, w: np.exp(mix_with_numpy(lp, w)), "return its logarithm"),
        (lambda lp, w: special.logsumexp(lp + special.log_softmax(w), axis=0), "should have shape"),
    ],
)
def test_mixture_log_prob_rejects(answer, cause):
    reject("mixture_of_logistics.mixture_log_prob", "mixture_log_prob", answer, cause)


# sample


def weights_of(logits):
    return np.exp(logits) / np.exp(logits).sum()


def draw(u, v, logits, loc, log_scale, num_values):
    m = (u[:, None] > np.cumsum(weights_of(logits))).sum(1)
    return np.clip(np.round(loc[m] + np.exp(log_scale[m]) * np.log(v / (1 - v))), 0, num_values - 1)


def draw_with_torch(u, v, logits, loc, log_scale, num_values):
    u, v, logits, loc, log_scale = map(torch.as_tensor, (u, v, logits, loc, log_scale))
    edges = logits.softmax(0).cumsum(0)
    edges[-1] = 1
    m = torch.searchsorted(edges, u)
    return torch.floor(loc[m] + log_scale[m].exp() * v.logit() + 0.5).clamp(0, num_values - 1).long()


def draw_by_search(u, v, logits, loc, log_scale, num_values):
    """The smallest value whose distribution function reaches v, without any latent variable."""
    result = []
    for one_u, one_v in zip(u, v, strict=True):
        m = next(m for m, total in enumerate(np.cumsum(weights_of(logits))) if one_u <= total)
        cdf = special.expit((np.arange(num_values) + 0.5 - loc[m]) / np.exp(log_scale[m]))
        result.append(next((k for k in range(num_values - 1) if one_v <= cdf[k]), num_values - 1))
    return result


def draw_wrongly(change):
    """`draw`, with some of its arguments changed first."""
    return lambda *args: draw(*change(*args))


def latents(u, v, logits, loc, log_scale):
    m = (u[:, None] > np.cumsum(weights_of(logits))).sum(1)
    return loc[m] + np.exp(log_scale[m]) * special.logit(v)


@pytest.mark.parametrize("answer", [draw, draw_with_torch, draw_by_search])
def test_sample_accepts(answer):
    accept("mixture_of_logistics.sample", "sample_mixture", answer)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (lambda *a: latents(*a[:5]), "round to the nearest integer and clip"),
        (lambda *a: np.clip(latents(*a[:5]), 0, a[5] - 1), "not rounded"),
        (lambda *a: np.round(latents(*a[:5])), "not clipped"),
        (lambda *a: np.clip(np.floor(latents(*a[:5])), 0, a[5] - 1), "rounded down"),
        (draw_wrongly(lambda u, v, w, loc, ls, k: (u, v, w, loc, 0 * ls, k)), "the scale is left out"),
        (draw_wrongly(lambda u, v, w, loc, ls, k: (u, v, w, loc, np.log(ls), k)), "take exp"),
        (draw_wrongly(lambda u, v, w, loc, ls, k: (u, special.expit(v), w, loc, ls, k)), "logit(v)"),
        (draw_wrongly(lambda u, v, w, loc, ls, k: (u, u, w, loc, ls, k)), "here u does both"),
        (draw_wrongly(lambda u, v, w, loc, ls, k: (v, v, w, loc, ls, k)), "here v chooses"),
        (draw_wrongly(lambda u, v, w, loc, ls, k: (u, v, 0 * w, loc, ls, k)), "every component is equally likely"),
        (
            lambda u, v, w, loc, ls, k: np.clip(
                np.round(loc[w.argmax()] + np.exp(ls[w.argmax()]) * special.logit(v)), 0, k - 1
            ),
            "draw it with u",
        ),
        (
            lambda u, v, w, loc, ls, k: np.clip(
                np.round((loc + np.exp(ls) * special.logit(v)[:, None]) @ weights_of(w)), 0, k - 1
            ),
            "the components are averaged",
        ),
    ],
)
def test_sample_rejects(answer, cause):
    reject("mixture_of_logistics.sample", "sample_mixture", answer, cause)


# All of them


ANSWERS = {
    "fit_histogram": "fit_histogram",
    "log_prob": "discretized_log_prob",
    "mixture_log_prob": "mixture_log_prob",
    "sample": "sample_mixture",
}


def unanswered(*args):
    raise NotImplementedError


@pytest.mark.parametrize(("question", "name"), ANSWERS.items())
@pytest.mark.parametrize(
    "answer",
    [
        unanswered,
        lambda *a: None,
        lambda *a: np.zeros_like(a[0]),
        lambda *a: np.full(len(a[0]), np.nan),
        lambda *a: "?",
    ],
)
def test_no_points_for_no_answer(question, name, answer):
    assert outcome(f"mixture_of_logistics.{question}", name, answer, seed=0).score == 0


def test_expected_values_are_those_of_the_library():
    """The sampler of the homework and the library's density agree, so that one law judges both."""
    rng = np.random.default_rng(0)
    logits, loc, log_scale = rng.normal(size=3), np.array([2.0, 8.0, 15.0]), np.log([1.0, 2.0, 0.5])
    drawn = draw(rng.random(50_000), rng.random(50_000), logits, loc, log_scale, 17)
    mixture = MixtureSameFamily(
        Categorical(logits=torch.tensor(logits)), DiscretizedLogistic(torch.tensor(loc), torch.tensor(log_scale), 17)
    )
    checks.laws.matches_sampler(drawn, mixture.log_prob(torch.arange(17)).exp())
