"""Homework `mixture_of_logistics`: a histogram by gradient descent, the discretized logistic, mixtures, sampling."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import special, stats

from deepul_utils.checks import laws
from deepul_utils.checks.question import question
from deepul_utils.distributions.discretized_logistic import DiscretizedLogistic


def _softmax_histogram(x: np.ndarray, num_values: int, steps: int, lr: float, a: float = 1, b: float = 1) -> np.ndarray:
    """Logits after `steps` steps down the gradient a * probabilities - b * frequencies; it is right for a = b = 1."""
    frequencies, logits = np.bincount(x, minlength=num_values) / len(x), np.zeros(num_values)
    for _ in range(steps):
        logits = logits - lr * (a * special.softmax(logits) - b * frequencies)
    return logits


@question("mixture_of_logistics.fit_histogram", points=2, withholds=("deepul_utils.models.histogram.Histogram",))
def fit_histogram(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    few, many = rng.choice([0, 1, 2, 5], 12), rng.choice(8, 1000, p=rng.dirichlet(np.ones(8)))
    for name, x, num_values, steps, lr in [
        ("one step on the data 0, 0, 1", np.array([0, 0, 1]), 3, 1, 1.0),
        ("twenty steps, two values never seen", few, 6, 20, 0.5),
        ("a thousand examples", many, 8, 30, 1.0),
    ]:
        logits, n = _softmax_histogram(x, num_values, steps, lr), len(x)
        mistakes = {
            "the gradient is added: descend, with logits - lr * gradient": (-1, -1),
            "the loss is summed over the examples: take the mean": (n, n),
            "the loss leaves out the normaliser: log p = logits[x] - logsumexp(logits)": (0, 1),
            "the counts are divided by the number of values: divide by that of examples": (1, n / num_values),
        }
        causes = {
            why: special.softmax(_softmax_histogram(x, num_values, steps, lr, *ab)) for why, ab in mistakes.items()
        }
        causes |= {
            "these are logits: return softmax(logits)": logits,
            "these are log-probabilities: return probabilities": special.log_softmax(logits),
            "this is one step too many": special.softmax(_softmax_histogram(x, num_values, steps + 1, lr)),
            "these are the frequencies themselves: take the steps": np.bincount(x, minlength=num_values) / n,
        }
        with case(name):
            got = student.fit_histogram(x, num_values, steps, lr)
            laws.matches(got, special.softmax(logits), what="the distribution", tolerance=1e-4, causes=causes)
    with case("three thousand steps reach the frequencies"):
        frequencies = np.bincount(few, minlength=6) / len(few)
        laws.matches(student.fit_histogram(few, 6, 3000, 1.0), frequencies, what="the distribution", tolerance=5e-3)


@question(
    "mixture_of_logistics.log_prob",
    points=4,
    withholds=("deepul_utils.distributions.discretized_logistic.DiscretizedLogistic",),
)
def logistic_log_prob(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    K = int(rng.integers(10, 20))
    inside, scale = rng.uniform(4, 6), rng.uniform(1.5, 3)

    def judge(x: Any, loc: Any, scale: Any) -> None:
        x, loc, scale = np.asarray(x), np.asarray(loc), np.asarray(scale)

        def naive(tails: tuple[int, ...] = (0, K - 1), scale: Any = scale, low: float = -0.5, high: float = 0.5) -> Any:
            """log(F(x + high) - F(x + low)), where the values among 0 and K - 1 that `tails` names take their tail."""
            with np.errstate(divide="ignore", invalid="ignore"):
                upper = np.where((x == K - 1) & (K - 1 in tails), 1, special.expit((x + high - loc) / scale))
                lower = np.where((x == 0) & (0 in tails), 0, special.expit((x + low - loc) / scale))
                return np.log(upper - lower)

        right = DiscretizedLogistic(torch.tensor(loc), torch.tensor(scale).log(), K).log_prob(torch.tensor(x)).numpy()
        causes = {
            "F(x + 1/2) - F(x - 1/2) rounds to 0 far from the mean: rewrite it as a product": naive(),
            "a clamp hides that F(x + 1/2) - F(x - 1/2) rounds to 0: rewrite it as a product": np.maximum(
                naive(), np.log(1e-12)
            ),
            "0 and K - 1 lack their tails: F is 0 below the first bin and 1 above the last": naive(tails=()),
            "0 lacks its tail: F is 0 below the first bin": naive(tails=(K - 1,)),
            "K - 1 lacks its tail: F is 1 above the last bin": naive(tails=(0,)),
            "log_scale is the logarithm of the scale: take exp": naive(scale=np.log(scale)),
            "the distance is multiplied by the scale: divide by it": naive(scale=1 / scale),
            "this is the density at x: the mass is that of a whole bin": stats.logistic.logpdf(x, loc, scale),
            "the bin of x runs from x - 1/2 to x + 1/2, not from x to x + 1": naive(low=0, high=1),
            "this is the probability: return its logarithm": np.exp(right),
        }
        log_scale = np.log(scale)
        laws.matches(
            student.discretized_log_prob(x, loc, log_scale, K), right, what="the log-probability", causes=causes
        )

    with case("values between the ends"):
        judge(np.arange(1, K - 1), inside, scale)
    with case("0 takes the whole lower tail"):
        judge(np.array([0]), rng.uniform(-1, 1), scale)
    with case("K - 1 takes the whole upper tail"):
        judge(np.array([K - 1]), K - 1 + rng.uniform(-1, 1), scale)
    with case("the probabilities sum to 1, also with the mean outside 0..K-1"):
        for loc, log_scale, num_values in [(inside, 0.0, K), (-3.0, 1.0, K), (K + 2.0, -1.0, K), (0.0, 5.0, 2)]:
            got = student.discretized_log_prob(np.arange(num_values), np.array(loc), np.array(log_scale), num_values)
            what = f"with loc = {loc:.3g} and log_scale = {log_scale:g}, the probabilities of 0 to {num_values - 1}"
            laws.normalised(got, what=what)
    with case("far from the mean, on either side"):
        judge(np.array([1, 2, 3]), 4.0 + K, 0.01)
        judge(np.array([K - 4, K - 3, K - 2]), -4.0, 0.01)
    with case("x of shape (N, 1), loc and log_scale of shape (M,)"):
        judge(np.arange(K)[:, None], rng.uniform(0, K, 3), rng.uniform(0.5, 2, 3))


@question(
    "mixture_of_logistics.mixture_log_prob",
    points=2,
    withholds=("deepul_utils.models.mixture_of_logistics.MixtureOfLogistics",),
)
def mixture_log_prob(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(log_probs: np.ndarray, logits: np.ndarray) -> None:
        log_weights = special.log_softmax(logits)
        right = special.logsumexp(log_probs + log_weights, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            causes = {
                "exp of such log-probabilities rounds to 0: use log-sum-exp": np.log(
                    np.exp(log_probs + log_weights).sum(1)
                ),
                "the weights are left out": special.logsumexp(log_probs, axis=1),
                "every component has the same weight here": special.logsumexp(log_probs, axis=1) - np.log(len(logits)),
                "logarithms are averaged: add the weighted probabilities, then take the logarithm": (
                    log_probs @ np.exp(log_weights)
                ),
                "the logits are not weights: take their softmax": np.log(np.exp(log_probs) @ logits),
                "the logits are not normalised: subtract their log-sum-exp": special.logsumexp(
                    log_probs + logits, axis=1
                ),
                "a weight is added to a log-probability: add its logarithm": (
                    special.logsumexp(log_probs + np.exp(log_weights), axis=1)
                ),
                "only the best component counts here: sum over all": (log_probs + log_weights).max(1),
                "this is the probability: return its logarithm": np.exp(right),
            }
        got = student.mixture_log_prob(log_probs, logits)
        laws.matches(got, right, what="the log-probability", causes=causes)

    size = int(rng.integers(3, 6)), int(rng.integers(2, 5))
    log_probs = np.log(rng.uniform(0.01, 1, size))
    logits = rng.normal(size=size[1])
    with case("two components of equal weight"):
        judge(np.log([[0.5, 0.1], [0.2, 0.6], [0.3, 0.3]]), np.zeros(2))
    with case("uneven weights"):
        judge(log_probs, logits)
    with case("the same logits plus a constant"):
        judge(log_probs, logits + 7)
    with case("far from every component"):
        judge(1000 * log_probs - 800, logits)


@question(
    "mixture_of_logistics.sample",
    points=3,
    withholds=(
        "deepul_utils.distributions.discretized_logistic.DiscretizedLogistic",
        "deepul_utils.models.mixture_of_logistics.MixtureOfLogistics",
    ),
)
def mixture_sample(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(u: Any, v: Any, logits: Any, loc: Any, scale: Any, num_values: int) -> None:
        u, v, logits, loc, scale = map(np.asarray, (u, v, logits, loc, scale))
        chosen = np.searchsorted(np.cumsum(special.softmax(logits)), u)
        best = np.full_like(chosen, logits.argmax())

        def latent(m: np.ndarray = chosen, v: np.ndarray = v, scale: np.ndarray = scale) -> np.ndarray:
            return loc[m] + scale[m] * special.logit(v)

        def value(latent: np.ndarray) -> np.ndarray:
            return np.clip(np.round(latent), 0, num_values - 1)

        spread = loc + scale * special.logit(v)[:, None]
        causes = {
            "these are latent values: round to the nearest integer and clip to 0..K-1": latent(),
            "a value is not rounded to an integer": np.clip(latent(), 0, num_values - 1),
            "values are not clipped to 0..K-1": np.round(latent()),
            "values are rounded down: round to the nearest integer": np.clip(np.floor(latent()), 0, num_values - 1),
            "the scale is left out: the latent value is loc + scale * logit(v)": value(
                latent(scale=np.ones_like(scale))
            ),
            "log_scale is the logarithm of the scale: take exp": value(latent(scale=np.log(scale))),
            "logit(v) = log v - log(1 - v) is missing: the latent value is loc + scale * logit(v)": (
                value(loc[chosen] + scale[chosen] * v)
            ),
            "the component is always the likeliest: draw it with u": value(latent(best)),
            "u chooses the component and v the value; here u does both": value(latent(v=u)),
            "here v chooses the component": value(latent(np.searchsorted(np.cumsum(special.softmax(logits)), v))),
            "the components are averaged: draw one with u and keep its value": value(spread @ special.softmax(logits)),
            "every component is equally likely here: their probabilities are softmax(logits)": (
                value(latent((u * len(logits)).astype(int)))
            ),
        }
        got = student.sample_mixture(u, v, logits, loc, np.log(scale), num_values)
        laws.matches(got, value(latent()), what="the sample", causes=causes)

    def uniforms(n: int) -> np.ndarray:
        return rng.uniform(0.001, 0.999, n)

    with case("one logistic"):
        judge(uniforms(20), uniforms(20), [0.0], [rng.uniform(40, 60)], [rng.uniform(3, 6)], 100)
    with case("latent values beyond the ends"):
        judge(uniforms(20), uniforms(20), [0.0], [rng.uniform(2, 4)], [rng.uniform(3, 6)], 8)
    with case("narrow components of uneven weight"):
        logits = np.log(rng.permutation([0.6, 0.3, 0.1])) + rng.normal()
        judge(uniforms(40), uniforms(40), logits, [10.0, 50.0, 90.0], [0.05] * 3, 100)
    with case("wide components"):
        logits = rng.normal(size=4)
        judge(uniforms(60), uniforms(60), logits, rng.uniform(0, 50, 4), rng.uniform(1, 5, 4), 50)
