"""Homework `histograms`: the empirical distribution, the negative log-likelihood, the divergence."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from deepul_utils.checks import laws
from deepul_utils.checks.question import question


def _law(rng: np.random.Generator, num_values: int) -> np.ndarray:
    return rng.dirichlet(np.full(num_values, 2.0))


@question("histograms.empirical", points=2, withholds=("deepul_utils.models.histogram.empirical",))
def empirical(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    K = int(rng.integers(6, 12))

    def judge(x: np.ndarray, alpha: float) -> None:
        N, counts = len(x), np.bincount(x, minlength=K)
        total = N + alpha * K
        causes = {
            "these are counts: divide them by the number of examples": counts + alpha,
            "divided by the number of values K: divide by the number of examples N": (counts + alpha) / K,
            "the last values are missing: np.bincount needs minlength=num_values": (
                (np.bincount(x) + alpha) / (N + alpha * (x.max() + 1))
            ),
            "values that never occur are missing, as np.unique leaves them out": (counts[counts > 0] + alpha) / total,
            "np.histogram took min to max as its range: use np.bincount": (np.histogram(x, bins=K)[0] + alpha) / total,
            "the smoothing is not used": counts / N,
            "with smoothing the counts add up to N + alpha K, not to N": (counts + alpha) / N,
            "every one of the K values gets alpha, so the counts add up to N + alpha K": (counts + alpha) / (N + alpha),
            "alpha is added to the probabilities: add it to the counts, then divide": counts / N + alpha,
            "alpha is for every value, also for those that occur": np.where(counts, counts, alpha) / total,
        }
        laws.matches(student.empirical(x, K, alpha), (counts + alpha) / total, what="the distribution", causes=causes)

    everywhere = rng.permutation(np.concatenate([np.arange(K), rng.choice(K, 50, p=_law(rng, K))]))
    inside = rng.integers(2, K - 2, 30)
    for name, x, alpha in [
        ("every value occurs", everywhere, 0.0),
        ("some values never occur", inside, 0.0),
        ("smoothing, every value occurs", everywhere, 0.5),
        ("smoothing, some values never occur", inside, float(rng.uniform(1.5, 3))),
    ]:
        with case(name):
            judge(x, alpha)


@question("histograms.nll", points=3, withholds=("deepul_utils.models.histogram.Histogram",))
def nll(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    log2 = np.log(2)

    def draw(D: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        K = int(rng.integers(7, 12))
        probs = np.stack([_law(rng, K) for _ in range(D)])
        x = rng.integers(0, K, (int(rng.integers(10, 30)), D))
        return probs, x, -np.log(probs[np.arange(D), x])

    def judge_nats(D: int) -> None:
        probs, x, nats = draw(D)  # (D, K), (N, D), (N, D)
        each = nats.sum(1)  # (N,)
        right = each.mean()
        causes = {
            "the sign: it is the negative log-likelihood": -right,
            "this is in bits: nats take the natural logarithm, np.log": right / log2,
            "summed over the examples: take their mean": nats.sum(),
            "one number for each example: take their mean": each,
            "the mean over dimensions too: add up the D costs of an example, then take the mean": nats.mean(),
            "the logarithm of a mean probability: take the mean of logarithms": -special.logsumexp(-each, b=1 / len(x)),
            "every dimension is looked up in the first law, probs[0]": -np.log(probs[0, x]).sum(1).mean(),
            "the product of so many probabilities underflows to 0: add their logarithms": np.inf,
        }
        laws.matches(student.nll(probs, x), right, what="the NLL", causes=causes)

    D = int(rng.integers(3, 6))
    for dims in (1, D, 400):
        with case(f"NLL in {dims} dimension{'s' * (dims > 1)}"):
            judge_nats(dims)
    with case("NLL where a value is impossible"):
        probs, x, _ = draw(D)
        probs[0, x[0, 0]] = 0
        probs[0] /= probs[0].sum()
        got = student.nll(probs, x)
        causes = {
            "0 times log 0 is NaN: look up p(x), then take the logarithm": np.nan,
            "the sign: it is the negative log-likelihood": -np.inf,
            "the model ruled this value out, and clipping p, adding an epsilon or leaving the value out hides that "
            "(torch's Categorical(probs=...) clips too)": got,
        }
        laws.matches(got, np.inf, what="the NLL", causes=causes)
    with case("bits per dimension", weight=2):
        probs, x, nats = draw(D)
        mean = nats.sum(1).mean()
        causes = {
            "bits per example: divide by the number of dimensions D": mean / log2,
            "nats per dimension: divide by log 2": mean / D,
            "nats per example: divide by D log 2": mean,
            "multiplied by log 2: a nat is 1 / log 2 = 1.44 bits, so divide": mean * log2 / D,
            "turned into bits twice: log2 already gives bits": mean / (D * log2**2),
            "divided by D twice": mean / (D**2 * log2),
            "divided by the number of values K: D is the number of dimensions": mean / (probs.shape[1] * log2),
        }
        laws.matches(student.bits_per_dim(probs, x), mean / (D * log2), what="bits per dimension", causes=causes)


@question("histograms.kl", points=3)
def kl(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    K = int(rng.integers(6, 12))

    def divergence(p: np.ndarray, q: np.ndarray) -> float:
        with np.errstate(divide="ignore"):
            return float(np.sum(p[p > 0] * np.log(p[p > 0] / q[p > 0])))

    def judge(p: np.ndarray, q: np.ndarray) -> None:
        got, right = student.kl(p, q), divergence(p, q)
        causes = {
            "the laws are reversed: this is KL(q || p)": divergence(q, p),
            "this is in bits: nats take the natural logarithm, np.log": right / np.log(2),
            "the sign: it is log(p / q), not log(q / p)": -right,
            "the mean over the values: p already weighs the terms, so add them up": right / K,
            "the cross-entropy: subtract the entropy of p": right - np.sum(p[p > 0] * np.log(p[p > 0])),
            "0 log 0 or 0 / 0 is NaN: a value with p(x) = 0 adds 0, so leave it out": np.nan,
        }
        if right == np.inf:
            causes["where q(x) = 0 < p(x) the cost is infinite; do not clip q, and do not leave the value out"] = got
        if np.isfinite(right) and not q.all():
            causes["q(x) = 0 makes it infinite only where p(x) > 0"] = np.inf
        laws.matches(got, right, what="KL(p || q)", causes=causes)

    p, q = _law(rng, K), _law(rng, K)
    holes = np.isin(np.arange(K), rng.choice(K, 2, replace=False))
    p_holes, q_holes = (np.where(holes, 0, law) / law[~holes].sum() for law in (p, q))
    for name, left, right in [
        ("two laws without zeros", p, q),
        ("a law and itself", p, p),
        ("p is 0 somewhere", p_holes, q),
        ("p and q are 0 at the same values", p_holes, q_holes),
        ("q is 0 where p is not", p, q_holes),
    ]:
        with case(name):
            judge(left, right)
