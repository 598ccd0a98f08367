"""The homework gradient_estimators: right answers however written, classic mistakes with their causes."""

import math

import numpy as np
import torch
from answers import Answers
from scipy import special
from torch.distributions import Categorical, Normal


def pair(of_loc, of_log_scale):
    return np.stack([of_loc, of_log_scale], axis=1)


def score_function(z, f, loc, log_scale, baseline):
    e = (z - loc) / np.exp(log_scale)
    return (f - baseline)[:, None, None] * pair(e / np.exp(log_scale), e**2 - 1)


def score_function_by_autograd(z, f, loc, log_scale, baseline):
    rows = []
    for each, cost in zip(torch.tensor(z), f, strict=True):
        params = torch.tensor(np.stack([loc, log_scale]), requires_grad=True)
        log_q = Normal(params[0], params[1].exp()).log_prob(each).sum()
        rows.append(torch.autograd.grad((cost - baseline) * log_q, params)[0])
    return torch.stack(rows)


def scored(change):
    """The score-function answer, with (better, noise, scale) -> (of_loc, of_log_scale) changed."""

    def answer(z, f, loc, log_scale, baseline):
        scale = np.exp(log_scale)
        return pair(*change((f - baseline)[:, None], (z - loc) / scale, scale))

    return answer


def density(better, e, scale):
    q = np.exp(-(e**2) / 2) / np.sqrt(2 * np.pi) / scale
    return better * e / scale * q, better * (e**2 - 1) * q


def log_scale_as_scale(z, f, loc, log_scale, baseline):
    e = (z - loc) / log_scale
    return (f - baseline)[:, None, None] * pair(e / log_scale, e**2 - 1)


def leave_one_out(f):
    return (f.sum(1, keepdims=True) - f) / (f.shape[1] - 1)


def leave_one_out_in_a_loop(f):
    return [[np.delete(row, k).mean() for k in range(len(row))] for row in f]


def leave_one_out_by_matrix(f):
    K = f.shape[1]
    return torch.tensor(f) @ (1 - torch.eye(K).double()) / (K - 1)


def pathwise(slope, noise, log_scale):
    return pair(slope, slope * np.exp(log_scale) * noise)


def pathwise_by_autograd(slope, noise, log_scale):
    rows = []
    for g, e in zip(torch.tensor(slope), torch.tensor(noise), strict=True):
        params = torch.stack([torch.zeros(len(log_scale)).double(), torch.tensor(log_scale)]).requires_grad_()
        rows.append(torch.autograd.grad(params[0] + params[1].exp() * e, params, g)[0])
    return torch.stack(rows)


class Kl:
    """The gradient of the KL, by hand, with one part changed."""

    def __init__(self, **changed):
        self.parts = {
            "f": lambda log_q, log_p: log_q - log_p,
            "better": lambda f: f - (f.sum() - f) / (len(f) - 1),
            "score": lambda hot, q: hot - q,
            "reduce": lambda each: each.mean(0),
        } | changed

    def __call__(self, logits, log_p, draws):
        log_q = special.log_softmax(logits)
        f = self.parts["f"](log_q, log_p)[draws]
        score = self.parts["score"](np.eye(len(logits))[draws], np.exp(log_q))
        return self.parts["reduce"](self.parts["better"](f)[:, None] * score)


def kl_by_autograd(surrogate):
    """surrogate(log_q, f) of the draws."""

    def answer(logits, log_p, draws):
        a, z = torch.tensor(logits, requires_grad=True), torch.tensor(draws)
        log_q = Categorical(logits=a).log_prob(z)
        return torch.autograd.grad(surrogate(log_q, log_q - torch.tensor(log_p)[z]).mean(), a)[0]

    return answer


def centred(f):
    return f - (f.sum() - f) / (len(f) - 1)


def kl_with_raw_logits(logits, log_p, draws):
    """Leave-one-out takes the constant away by which logits differ from log q."""
    f = torch.tensor(logits - log_p)[torch.tensor(draws)]
    scores = np.eye(len(logits))[draws] - special.softmax(logits)
    return sum(b * row for b, row in zip(centred(f).tolist(), scores, strict=True)) / len(draws)


def kl_exact(logits, log_p, draws):
    a = torch.tensor(logits, requires_grad=True)
    return torch.autograd.grad((a.softmax(0) * (a.log_softmax(0) - torch.tensor(log_p))).sum(), a)[0]


def parts(logits, f):
    q = special.softmax(logits)
    return q, np.eye(len(q)) - q


def variance(logits, f, baseline):
    q, scores = parts(logits, f)
    each = (f - baseline)[:, None] * scores
    return (q[:, None] * each**2).sum() - ((q @ each) ** 2).sum()


def variance_in_a_loop(logits, f, baseline):
    q, scores = parts(logits, f)
    mean = sum(q[z] * (f[z] - baseline) * scores[z] for z in range(len(q)))
    return sum(q[z] * np.linalg.norm((f[z] - baseline) * scores[z] - mean) ** 2 for z in range(len(q)))


def variance_as_a_trace(logits, f, baseline):
    q, scores = parts(logits, f)
    return np.trace(np.cov(((f - baseline)[:, None] * scores).T, aweights=q, ddof=0))


def varied(change):
    """change(q, f - b, scores, f)"""

    def answer(logits, f, baseline):
        q, scores = parts(logits, f)
        return change(q, f - baseline, scores, f)

    return answer


def best_baseline(logits, f):
    q, scores = parts(logits, f)
    weights = q * (scores**2).sum(1)
    return weights @ f / weights.sum()


def best_baseline_by_three_points(logits, f):
    """The variance is a parabola in the baseline, whose lowest point three of its values give."""
    low, middle, high = (variance(logits, f - f.mean(), b) for b in (-1.0, 0.0, 1.0))
    return f.mean() + (low - high) / (2 * (low + high - 2 * middle))


def weighed(change):
    """A mean of f, with weights change(q, squared lengths)."""

    def answer(logits, f):
        q, scores = parts(logits, f)
        weights = change(q, (scores**2).sum(1))
        return weights @ f / weights.sum()

    return answer


def gumbel(u):
    return -np.log(-np.log(u))


def gumbel_softmax(logits, uniform, temperature):
    return special.softmax((logits + gumbel(uniform)) / temperature, axis=1)


def gumbel_softmax_by_torch(logits, uniform, temperature):
    noise = torch.tensor(uniform).log().neg().log().neg()
    return torch.softmax((torch.tensor(logits) + noise) / temperature, -1)


def gumbel_softmax_in_a_loop(logits, uniform, temperature):
    rows = []
    for a, u in zip(logits.tolist(), uniform.tolist(), strict=True):
        soft = [(a_i - math.log(-math.log(u_i))) / temperature for a_i, u_i in zip(a, u, strict=True)]
        exp = [math.exp(s - max(soft)) for s in soft]
        rows.append([e / sum(exp) for e in exp])
    return rows


@np.errstate(all="ignore")
def overflowing(logits, uniform, temperature):
    exp = np.exp((logits + gumbel(uniform)) / temperature)
    return exp / exp.sum(1, keepdims=True)


def softened(change):
    return lambda logits, u, t: special.softmax(change(logits, u, t), axis=1)


class TestAnswers(Answers):
    notebook = "gradient_estimators"
    right = (
        ("score_function", "score_function", score_function),
        ("score_function", "score_function", score_function_by_autograd),
        ("leave_one_out", "leave_one_out", leave_one_out),
        ("leave_one_out", "leave_one_out", leave_one_out_in_a_loop),
        ("leave_one_out", "leave_one_out", leave_one_out_by_matrix),
        ("pathwise", "pathwise", pathwise),
        ("pathwise", "pathwise", pathwise_by_autograd),
        ("kl_gradient", "kl_gradient", Kl()),
        ("kl_gradient", "kl_gradient", kl_by_autograd(lambda log_q, f: centred(f).detach() * log_q)),
        ("kl_gradient", "kl_gradient", kl_with_raw_logits),
        ("kl_gradient", "kl_gradient", Kl(score=lambda hot, q: hot)),  # all f - b add up to 0, so the -q drops out
        ("variance", "variance", variance),
        ("variance", "variance", variance_in_a_loop),
        ("variance", "variance", variance_as_a_trace),
        ("best_baseline", "best_baseline", best_baseline),
        ("best_baseline", "best_baseline", best_baseline_by_three_points),
        ("gumbel_softmax", "gumbel_softmax", gumbel_softmax),
        ("gumbel_softmax", "gumbel_softmax", gumbel_softmax_by_torch),
        ("gumbel_softmax", "gumbel_softmax", gumbel_softmax_in_a_loop),
    )
    wrong = (
        ("score_function", lambda *g: -score_function(*g), "an extra minus"),
        ("score_function", lambda z, f, m, s, b: score_function(z, f, m, s, 0.0), "the baseline is left out"),
        ("score_function", lambda z, f, m, s, b: score_function(z, f, m, s, -b), "the baseline is added"),
        (
            "score_function",
            lambda z, f, m, s, b: score_function(z, f, m, s, 0.0) - b,
            "taken away from the product",
        ),
        ("score_function", scored(lambda b, e, s: (b * e / s, b * e**2)), "the -1 is missing"),
        ("score_function", scored(lambda b, e, s: (b * e / s, b * (e**2 - 1) / s)), "this is the score in s"),
        ("score_function", scored(lambda b, e, s: (b * e * s, b * (e**2 - 1))), "is not divided by s^2"),
        ("score_function", scored(lambda b, e, s: (b * e, b * (e**2 - 1))), "is divided by s: divide"),
        ("score_function", lambda z, f, m, s, b: score_function(z, f, m, s / 2, b), "taken for log s^2"),
        ("score_function", log_scale_as_scale, "taken for s: take its exponential"),
        ("score_function", scored(density), "not of log q"),
        ("score_function", lambda *g: score_function(*g)[:, ::-1], "the order is"),
        ("score_function", scored(lambda b, e, s: (e / s, e**2 - 1)), "f is left out"),
        ("score_function", lambda *g: score_function(*g).mean(0), "the draws are averaged"),
        ("score_function", lambda *g: score_function(*g).reshape(len(g[0]), -1), "the axes are"),
        ("leave_one_out", lambda f: np.tile(f.mean(1, keepdims=True), f.shape[1]), "contains the draw's own f"),
        ("leave_one_out", lambda f: (f.sum(1, keepdims=True) - f) / f.shape[1], "divided by K"),
        ("leave_one_out", lambda f: f.sum(1, keepdims=True) - f, "the sum of the others"),
        ("leave_one_out", lambda f: f - leave_one_out(f), "return b"),
        ("leave_one_out", lambda f: (f.sum() - f) / (f.size - 1), "thrown together"),
        ("leave_one_out", lambda f: (f.sum(0) - f) / max(len(f) - 1, 1), "the other examples"),
        ("leave_one_out", lambda f: np.tile(f.mean(0), (len(f), 1)), "the mean runs over the examples"),
        ("leave_one_out", lambda f: f.mean(1), "one number for each example"),
        ("pathwise", lambda g, e, s: pair(g, g * e), "this is the gradient in s"),
        ("pathwise", lambda g, e, s: pair(g * np.exp(s), g * np.exp(s) * e), "dz / d loc is 1"),
        ("pathwise", lambda g, e, s: pair(g, g * np.exp(s)), "the noise is missing"),
        ("pathwise", lambda g, e, s: pair(g, g * s * e), "taken for s: take"),
        ("pathwise", lambda g, e, s: pair(g, g * np.exp(s / 2) * e), "taken for log s^2"),
        ("pathwise", lambda g, e, s: pair(0 * g + 1, np.exp(s) * e), "the slope is left out"),
        ("pathwise", lambda g, e, s: pair(g * e / np.exp(s), g * (e**2 - 1)), "this is the score"),
        ("pathwise", lambda *g: -pathwise(*g), "an extra minus"),
        ("pathwise", lambda *g: pathwise(*g)[:, ::-1], "the order is"),
        ("pathwise", lambda *g: pathwise(*g).mean(0), "the draws are averaged"),
        ("pathwise", lambda *g: pathwise(*g).reshape(len(g[0]), -1), "the axes are"),
        ("kl_gradient", kl_by_autograd(lambda log_q, f: centred(f) * log_q), "the reward is not detached: f"),
        (
            "kl_gradient",
            kl_by_autograd(lambda log_q, f: (f - (f - centred(f)).detach()) * log_q),
            "the reward is not detached (its",
        ),
        ("kl_gradient", kl_by_autograd(lambda log_q, f: f * log_q), "not detached, and there is no baseline"),
        (
            "kl_gradient",
            kl_by_autograd(lambda log_q, f: (f.detach() - (f - centred(f))) * log_q),
            "the baseline is not detached: it",
        ),
        (
            "kl_gradient",
            kl_by_autograd(lambda log_q, f: (f - f.mean()) * log_q),
            "not detached, and its baseline contains the draw's own f",
        ),
        (
            "kl_gradient",
            kl_by_autograd(lambda log_q, f: (f - f.mean().detach()) * log_q),
            "not detached (its baseline is), and the baseline contains the draw's own f",
        ),
        (
            "kl_gradient",
            kl_by_autograd(lambda log_q, f: (f.detach() - f.mean()) * log_q),
            "the baseline is not detached, and contains",
        ),
        ("kl_gradient", kl_by_autograd(lambda log_q, f: f), "this is f's own gradient"),
        ("kl_gradient", kl_by_autograd(lambda log_q, f: centred(f).detach() * log_q.exp()), "not of log q"),
        ("kl_gradient", kl_by_autograd(lambda log_q, f: f + centred(f).detach() * log_q), "f's own gradient"),
        ("kl_gradient", Kl(better=lambda f: f - f.mean()), "contains the draw's own f"),
        ("kl_gradient", Kl(better=lambda f: f), "there is no baseline"),
        ("kl_gradient", Kl(better=lambda f: 2 * f - centred(f)), "the baseline is added"),
        ("kl_gradient", Kl(f=lambda log_q, log_p: log_p - log_q), "an extra minus"),
        ("kl_gradient", Kl(f=lambda log_q, log_p: -log_p), "f lacks log q"),
        ("kl_gradient", Kl(reduce=lambda each: each.sum(0)), "the draws are summed"),
        ("kl_gradient", kl_exact, "this is the exact gradient"),
        ("variance", varied(lambda q, c, s, f: (q * c**2) @ (s**2).sum(1)), "this is the mean square"),
        ("variance", lambda a, f, b: variance(a, f, 0.0), "the baseline is left out"),
        (
            "variance",
            varied(lambda q, c, s, f: np.var(c[:, None] * s, axis=0).sum()),
            "do not come equally often",
        ),
        ("variance", lambda a, f, b: variance(a, f, b) / len(a), "the logits are averaged"),
        ("variance", lambda *g: np.sqrt(variance(*g)), "the standard deviation"),
        ("variance", varied(lambda q, c, s, f: q @ c**2 - (q @ c) ** 2), "the variance of f"),
        (
            "variance",
            varied(lambda q, c, s, f: variance_of(q, c[:, None] * np.eye(len(q))).sum()),
            "the -q is missing",
        ),
        ("variance", varied(lambda q, c, s, f: variance_of(q, c[:, None] * s)), "the variances of each logit"),
        (
            "variance",
            varied(lambda q, c, s, f: np.cov((c[:, None] * s).T, aweights=q, ddof=0)),
            "the covariance matrix",
        ),
        (
            "variance",
            varied(lambda q, c, s, f: variance_of(q, f[:, None] * s - (f - c)[0]).sum()),
            "taken away after the score",
        ),
        ("best_baseline", weighed(lambda q, lengths: q), "this is the mean of f"),
        ("best_baseline", lambda a, f: f.mean(), "the plain mean"),
        ("best_baseline", weighed(lambda q, lengths: lengths), "do not come equally often"),
        ("best_baseline", weighed(lambda q, lengths: q * np.sqrt(lengths)), "is not squared"),
        ("best_baseline", weighed(lambda q, lengths: q * (1 - q) ** 2), "only its entry at z"),
        ("best_baseline", lambda a, f: (parts(a, f)[0] * (parts(a, f)[1] ** 2).sum(1)) @ f, "divide by the mean"),
        ("gumbel_softmax", overflowing, "exp overflows"),
        ("gumbel_softmax", softened(lambda a, u, t: (a - np.log(u)) / t), "the noise is -log u"),
        ("gumbel_softmax", softened(lambda a, u, t: (a - gumbel(u)) / t), "the wrong sign"),
        ("gumbel_softmax", softened(lambda a, u, t: (a + u) / t), "u is added as it is"),
        ("gumbel_softmax", softened(lambda a, u, t: a / t), "the noise is left out"),
        ("gumbel_softmax", softened(lambda a, u, t: a / t + gumbel(u)), "divides the logits alone"),
        ("gumbel_softmax", softened(lambda a, u, t: (a + gumbel(u)) * t), "multiplied by the temperature"),
        ("gumbel_softmax", softened(lambda a, u, t: a + gumbel(u)), "the temperature is left out"),
        (
            "gumbel_softmax",
            softened(lambda a, u, t: (special.softmax(a, axis=1) + gumbel(u)) / t),
            "it belongs to logarithms",
        ),
        (
            "gumbel_softmax",
            lambda a, u, t: special.softmax((a + gumbel(u)) / t, axis=0),
            "runs over the examples",
        ),
        ("gumbel_softmax", lambda a, u, t: np.eye(a.shape[1])[(a + gumbel(u)).argmax(1)], "the hard draw"),
        ("gumbel_softmax", lambda *g: special.log_softmax((g[0] + gumbel(g[1])) / g[2], axis=1), "take exp"),
    )


def variance_of(q, each):
    """Of each column, over rows that come with probabilities q."""
    return q @ each**2 - (q @ each) ** 2


def test_an_own_baseline_is_the_right_gradient_too_short():
    """What the cause claims: the factor (K - 1) / K, exactly."""
    logits, log_p, draws = np.array([0.3, -0.2, 0.9]), np.log([0.5, 0.2, 0.3]), np.array([0, 2, 1, 2, 2])
    own = Kl(better=lambda f: f - f.mean())(logits, log_p, draws)
    np.testing.assert_allclose(own, 0.8 * Kl()(logits, log_p, draws), atol=1e-14)


def test_every_case_with_different_draws_tells_the_same_cause_of_a_kl_gradient():
    for question, answer, cause in TestAnswers.wrong:
        if question == "kl_gradient":
            for seed in TestAnswers.seeds:
                *cases, alike = TestAnswers.judge(question, answer, seed).cases
                assert alike.name.startswith("every draw the same")
                assert all(cause in case.message for case in cases)


def test_the_variance_is_that_of_draws_and_least_at_the_best_baseline():
    logits, f, rng = np.array([0.3, -0.2, 0.9]), np.array([2.0, -1.0, 0.5]), np.random.default_rng(0)
    q, scores = parts(logits, f)
    z = rng.choice(3, 400_000, p=q)
    drawn = ((f - 0.7)[:, None] * scores)[z].var(0).sum()
    np.testing.assert_allclose(drawn, variance(logits, f, 0.7), rtol=0.01)
    best = best_baseline(logits, f)
    assert all(variance(logits, f, best) < variance(logits, f, best + step) for step in (-1e-3, 1e-3))
