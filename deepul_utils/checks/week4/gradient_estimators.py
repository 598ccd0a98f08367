"""Homework `gradient_estimators`: score function, leave-one-out, path, a KL's gradient, variance, Gumbel-softmax."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from deepul_utils.checks import laws
from deepul_utils.checks.question import question

_LIBRARY = "deepul_utils.distributions.gradient_estimators.score_function"


def _pair(of_loc: Any, of_log_scale: Any) -> np.ndarray:
    """Gradients in both parameters, (K, 2, D)."""
    return np.stack([of_loc, of_log_scale], axis=1)


@question("gradient_estimators.score_function", points=3, withholds=(_LIBRARY,))
def score_function(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, (draws, dims, baseline) in {
        "one dimension, no baseline": (4, 1, 0.0),
        "several dimensions and a baseline": (5, int(rng.integers(2, 6)), 1.7),
        "a negative baseline": (6, 3, -2.5),
        "one draw": (1, 4, 0.6),
    }.items():
        loc, log_scale = rng.normal(size=dims), rng.uniform(0.3, 1.2, dims) * rng.choice([-1, 1], dims)
        scale = np.exp(log_scale)
        noise, f = rng.normal(size=(draws, dims)), rng.gamma(2.0, 1.5, draws)
        z = loc + scale * noise
        better = (f - baseline)[:, None]
        of_loc, of_scale = noise / scale, noise**2 - 1  # of log q
        right = _pair(better * of_loc, better * of_scale)
        root = np.exp(log_scale / 2)  # the standard deviation, where log_scale is taken for log s^2
        density = np.exp(-(noise**2) / 2) / np.sqrt(2 * np.pi) / scale
        with np.errstate(all="ignore"):
            causes = {
                "an extra minus: the score in loc is (z - loc) / s^2, which grows with z": -right,
                "the baseline is left out: it is taken away from f": _pair(f[:, None] * of_loc, f[:, None] * of_scale),
                "the baseline is added: take it away from f": _pair(
                    (f + baseline)[:, None] * of_loc, (f + baseline)[:, None] * of_scale
                ),
                "the baseline is taken away from the product: take it away from f, before the score": _pair(
                    f[:, None] * of_loc - baseline, f[:, None] * of_scale - baseline
                ),
                "the score in log_scale is ((z - loc) / s)^2 - 1, and the -1 is missing": _pair(
                    better * of_loc, better * noise**2
                ),
                "this is the score in s: in log s it is s times as much": _pair(
                    better * of_loc, better * of_scale / scale
                ),
                "the score in loc is (z - loc) / s^2, and is not divided by s^2 here": _pair(
                    better * noise * scale, better * of_scale
                ),
                "the score in loc is divided by s: divide z - loc by s^2": _pair(better * noise, better * of_scale),
                "log_scale is taken for log s^2: s is exp(log_scale)": _pair(
                    better * (z - loc) / root**2, better * (((z - loc) / root) ** 2 - 1)
                ),
                "log_scale is taken for s: take its exponential": _pair(
                    better * (z - loc) / log_scale**2, better * (((z - loc) / log_scale) ** 2 - 1)
                ),
                "this is the gradient of q, not of log q: divide by q(z)": _pair(
                    better * of_loc * density, better * of_scale * density
                ),
                "the order is loc, log_scale": right[:, ::-1],
                "f is left out: this is the score alone": _pair(of_loc, of_scale),
                "the draws are averaged: one estimate for each is asked for": right.mean(0),
                "the axes are draws, parameters, dimensions: (K, 2, D)": np.concatenate([right[:, 0], right[:, 1]], 1),
            }
        with case(name):
            got = student.score_function(z, f, loc, log_scale, baseline)
            laws.matches(got, right, what="the estimate", tolerance=1e-8, causes=causes)


@question("gradient_estimators.leave_one_out", points=2, withholds=(_LIBRARY,))
def leave_one_out(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, (examples, draws) in {
        "one example, four draws": (1, 4),
        "several examples": (3, int(rng.integers(3, 8))),
        "two draws: each has the other": (4, 2),
        "more examples than draws": (9, 5),
    }.items():
        f = rng.gamma(2.0, 1.5, (examples, draws))
        others = f.sum(1, keepdims=True) - f
        right = others / (draws - 1)
        causes = {
            "the baseline contains the draw's own f: leave it out, or the estimate is too short by (K - 1) / K": (
                np.broadcast_to(f.mean(1, keepdims=True), f.shape)
            ),
            "the sum over K - 1 others is divided by K": others / draws,
            "this is the sum of the others: divide by K - 1": others,
            "these are f - b: return b": f - right,
            "the draws of all examples are thrown together: each example has its own": (f.sum() - f) / (f.size - 1),
            "the mean runs over the other examples: average over the other draws of the same one": (f.sum(0) - f)
            / max(examples - 1, 1),
            "the mean runs over the examples: average over the other draws of the same one": np.broadcast_to(
                f.mean(0), f.shape
            ),
            "this is one number for each example: each draw has its own, (N, K)": f.mean(1),
        }
        with case(name):
            got = student.leave_one_out(f)
            laws.matches(got, right, what="the baselines", tolerance=1e-8, causes=causes)


@question("gradient_estimators.pathwise", points=2)
def pathwise(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, (draws, dims) in {
        "one dimension": (4, 1),
        "several dimensions": (5, int(rng.integers(2, 6))),
        "one draw": (1, 3),
    }.items():
        log_scale = rng.uniform(0.3, 1.2, dims) * rng.choice([-1, 1], dims)
        scale, noise, slope = np.exp(log_scale), rng.normal(size=(draws, dims)), rng.normal(size=(draws, dims))
        right = _pair(slope, slope * scale * noise)
        causes = {
            "this is the gradient in s: in log s it is s times as much": _pair(slope, slope * noise),
            "dz / d loc is 1, not s": _pair(slope * scale, slope * scale * noise),
            "dz / d log_scale is s * noise, and the noise is missing": _pair(slope, slope * scale),
            "log_scale is taken for s: take its exponential": _pair(slope, slope * log_scale * noise),
            "log_scale is taken for log s^2: s is exp(log_scale)": _pair(slope, slope * np.exp(log_scale / 2) * noise),
            "the slope is left out: this is dz alone": _pair(np.ones_like(noise), scale * noise),
            "this is the score: the path needs no log q": _pair(slope * noise / scale, slope * (noise**2 - 1)),
            "an extra minus": -right,
            "the order is loc, log_scale": right[:, ::-1],
            "the draws are averaged: one estimate for each is asked for": right.mean(0),
            "the axes are draws, parameters, dimensions: (K, 2, D)": np.concatenate([right[:, 0], right[:, 1]], 1),
        }
        with case(name):
            got = student.pathwise(slope, noise, log_scale)
            laws.matches(got, right, what="the estimate", tolerance=1e-8, causes=causes)


def _scores(logits: np.ndarray) -> np.ndarray:
    """The score of each value z of a categorical law, (M, M), rows being z."""
    return np.eye(len(logits)) - special.softmax(logits)


@question("gradient_estimators.kl_gradient", points=3, withholds=(_LIBRARY,))
def kl_gradient(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, (values, draws) in {
        "two values": (2, np.array([0, 1, 1])),  # of [0, 1] alone the gradient of q would make the exact one
        "two draws": (4, np.array([2, 0])),
        "several values": (int(rng.integers(4, 8)), rng.integers(0, 4, 6)),
        "many draws": (5, rng.integers(0, 5, 40)),
        "every draw the same: nothing is learned": (4, np.full(3, 2)),
    }.items():
        logits, log_p = rng.normal(size=values), np.log(rng.dirichlet(np.full(values, 2.0)))
        log_q, scores = special.log_softmax(logits), _scores(logits)[draws]  # (K, M)
        f, at = (log_q - log_p)[draws], log_q[draws]
        count = len(draws)
        better = (f - (f.sum() - f) / (count - 1))[:, None]
        others = (scores.sum(0) - scores) / (count - 1)  # the gradient of each baseline
        right = (better * scores).mean(0)
        own = ((f - f.mean())[:, None] * scores).mean(0)
        plain = f[:, None] * scores
        of_f, of_own = at[:, None] * scores, at[:, None] * scores.mean(0)  # what f, or a mean of all, adds if attached
        only_p = -log_p[draws]
        only = (only_p - (only_p.sum() - only_p) / (count - 1))[:, None]
        causes = {
            "the reward is not detached: f holds log q, and [f - b] must be a constant": right
            + (at[:, None] * (scores - others)).mean(0),
            "the reward is not detached (its baseline is): f holds log q, and [f - b] must be a constant": right
            + of_f.mean(0),
            "the baseline is not detached: it holds log q, and [f - b] must be a constant": right
            - (at[:, None] * others).mean(0),
            "f's own gradient is added: its mean is 0, and it is left out here": right + scores.mean(0),
            "this is f's own gradient, the mean of the scores: multiply each score by [f - b]": scores.mean(0),
            "the baseline contains the draw's own f": own,
            "the reward is not detached, and its baseline contains the draw's own f": own + (of_f - of_own).mean(0),
            "the reward is not detached (its baseline is), and the baseline contains the draw's own f": own
            + of_f.mean(0),
            "the baseline is not detached, and contains the draw's own f": own - of_own.mean(0),
            "there is no baseline": plain.mean(0),
            "the reward is not detached, and there is no baseline": (plain + of_f).mean(0),
            "an extra minus: f is log q - log p, and its mean, the KL, is to be made small": -right,
            "the draws are summed: average over them": count * right,
            "f lacks log q: KL(q || p) is the mean of log q - log p": (only * scores).mean(0),
            "this is the gradient of q, not of log q: divide by q(z)": (np.exp(at)[:, None] * better * scores).mean(0),
            "this is the exact gradient: estimate it from the draws": np.exp(log_q)
            * (log_q - log_p - (np.exp(log_q) * (log_q - log_p)).sum()),
            "the baseline is added: take it away": ((2 * f[:, None] - better) * scores).mean(0),
        }
        with case(name):
            got = student.kl_gradient(logits, log_p, draws)
            laws.matches(got, right, what="the gradient", tolerance=1e-8, causes=causes)


def _laws_of_choice(rng: np.random.Generator) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Logits and costs."""
    several = int(rng.integers(3, 7))
    return {
        "a bit": (np.array([0.4, -0.3]), np.array([0.2025, 0.3025])),
        "several values": (rng.normal(size=several), rng.normal(size=several)),
        "large costs": (rng.normal(size=4), 100 + rng.normal(size=4)),
        "a nearly certain choice": (np.array([6.0, 0.0, -1.0]), rng.gamma(2.0, 1.0, 3)),
    }


@question("gradient_estimators.variance", points=3)
def variance(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, (logits, f) in _laws_of_choice(rng).items():
        baseline = float(rng.uniform(0.2, 0.8) * (1 + np.abs(f).mean()))
        q, scores = special.softmax(logits), _scores(logits)
        lengths = (scores**2).sum(1)
        gradient = (q * f) @ scores
        square = (q * (f - baseline) ** 2 * lengths).sum()
        right = square - (gradient**2).sum()
        plain = (q * f**2 * lengths).sum() - (gradient**2).sum()
        uniform = np.full(len(q), 1 / len(q))
        flat = (uniform * (f - baseline)) @ scores
        causes = {
            "this is the mean square: take away the square of the mean": square,
            "the baseline is left out, or taken away after the score, where it changes no variance": plain,
            "the values do not come equally often: weight them by q": (uniform * (f - baseline) ** 2 * lengths).sum()
            - (flat**2).sum(),
            "the logits are averaged: add their variances": right / len(q),
            "this is the standard deviation: square it": np.sqrt(right),
            "this is the variance of f: multiply by the scores first": (q * f**2).sum() - (q @ f) ** 2,
            "the score is one-hot(z) - q, and the -q is missing": (q * (f - baseline) ** 2).sum()
            - ((q * (f - baseline)) ** 2).sum(),
            "these are the variances of each logit: add them": (q * (f - baseline) ** 2) @ scores**2 - gradient**2,
            "this is the covariance matrix: add up its diagonal": (scores.T * (q * (f - baseline) ** 2)) @ scores
            - np.outer(gradient, gradient),
        }
        with case(name):
            got = student.variance(logits, f, baseline)
            laws.matches(got, right, what="the variance", tolerance=1e-8, causes=causes)


@question("gradient_estimators.best_baseline", points=2)
def best_baseline(student: Any, case: Any, seed: int) -> None:
    for name, (logits, f) in _laws_of_choice(np.random.default_rng(seed)).items():
        q, lengths = special.softmax(logits), (_scores(logits) ** 2).sum(1)
        weights = q * lengths
        causes = {
            "this is the mean of f: weight each value by its score's squared length, too": (q * f).sum(),
            "this is the plain mean of the costs": f.mean(),
            "the values do not come equally often: weight them by q": (lengths * f).sum() / lengths.sum(),
            "the length of the score is not squared": (q * np.sqrt(lengths) * f).sum() / (q * np.sqrt(lengths)).sum(),
            "divide by the mean of the squared lengths": (weights * f).sum(),
            "the score is one-hot(z) - q: here only its entry at z counts": (q * (1 - q) ** 2 * f).sum()
            / (q * (1 - q) ** 2).sum(),
        }
        with case(name):
            got = student.best_baseline(logits, f)
            laws.matches(got, (weights * f).sum() / weights.sum(), what="the baseline", tolerance=1e-8, causes=causes)


@question("gradient_estimators.gumbel_softmax", points=2)
def gumbel_softmax(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, (examples, values, temperature, spread) in {
        "temperature 1": (4, 3, 1.0, 1.0),
        "warm": (5, int(rng.integers(3, 7)), 2.5, 1.5),
        "cool, a bit": (6, 2, 0.4, 1.0),
        "very cold: e^2000 overflows": (4, 3, 0.01, 10.0),
    }.items():
        logits, u = spread * rng.normal(size=(examples, values)), rng.uniform(0.02, 0.98, (examples, values))
        if spread > 2:
            logits[:, 0] = 20.0, -20.0, 15.0, -15.0
        gumbel = -np.log(-np.log(u))
        total = (logits + gumbel) / temperature
        right = special.softmax(total, axis=1)
        with np.errstate(all="ignore"):
            exp = np.exp(total)
            causes = {
                "exp overflows: subtract each row's largest number first": exp / exp.sum(1, keepdims=True),
                "the noise is -log u: a Gumbel is -log(-log u)": special.softmax(
                    (logits - np.log(u)) / temperature, axis=1
                ),
                "the noise has the wrong sign: a Gumbel is -log(-log u)": special.softmax(
                    (logits - gumbel) / temperature, axis=1
                ),
                "u is added as it is: a Gumbel is -log(-log u)": special.softmax((logits + u) / temperature, axis=1),
                "the noise is left out": special.softmax(logits / temperature, axis=1),
                "the temperature divides the logits alone: it divides logits plus noise": special.softmax(
                    logits / temperature + gumbel, axis=1
                ),
                "multiplied by the temperature: divide by it": special.softmax((logits + gumbel) * temperature, axis=1),
                "the temperature is left out": special.softmax(logits + gumbel, axis=1),
                "the logits are normalised to probabilities before the noise is added: it belongs to logarithms": (
                    special.softmax((special.softmax(logits, axis=1) + gumbel) / temperature, axis=1)
                ),
                "the softmax runs over the examples": special.softmax(total, axis=0),
                "this is the hard draw: the softmax is asked for": np.eye(values)[total.argmax(1)],
                "these are logarithms: take exp": special.log_softmax(total, axis=1),
            }
        with case(name):
            got = student.gumbel_softmax(logits, u, temperature)
            laws.matches(got, right, what="the soft draw", tolerance=1e-8, causes=causes)
