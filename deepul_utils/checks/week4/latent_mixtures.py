"""Homework `latent_mixtures`: a mixture's exact likelihood, responsibilities, importance sampling, its sample size."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special, stats

from deepul_utils.checks import laws
from deepul_utils.checks.question import question

_MIXTURE = "deepul_utils.models.latent_mixture.LatentMixture"


class _Mixture:
    """A mixture of Bernoullis, and data for it."""

    def __init__(self, rng: np.random.Generator, examples: int, components: int, dims: int) -> None:
        self.log_prior = np.log(rng.dirichlet(np.full(components, 2.0)))
        self.probs = rng.uniform(0.05, 0.95, (components, dims))
        self.x = (rng.random((examples, dims)) < 0.5).astype(int)

    @property
    def given(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.x, self.log_prior, self.probs

    def log_likelihood(self) -> np.ndarray:
        """log p(x | z), (N, M)."""
        return self.x @ np.log(self.probs).T + (1 - self.x) @ np.log1p(-self.probs).T

    def log_joint(self) -> np.ndarray:
        return self.log_prior + self.log_likelihood()


def _mixtures(rng: np.random.Generator) -> dict[str, _Mixture]:
    coins = _Mixture(rng, 3, 2, 3)
    coins.log_prior, coins.probs = np.log([0.5, 0.5]), np.array([[0.9, 0.9, 0.9], [0.4, 0.4, 0.4]])
    coins.x = np.array([[1, 1, 0], [1, 1, 1], [0, 0, 0]])
    many = _Mixture(rng, 4, 3, 3000)
    many.x[0] = many.probs[0] > 0.5  # e^1000 times likelier than the others: one maximum for all rows will not do
    return {
        "two coins, three flips": coins,
        "four components of uneven weight": _Mixture(rng, 6, 4, int(rng.integers(5, 9))),
        "one component": _Mixture(rng, 5, 1, 4),
        "3000 dimensions, whose probabilities round to 0": many,
    }


@question("latent_mixtures.log_likelihood", points=3, withholds=(_MIXTURE,))
def log_likelihood(student: Any, case: Any, seed: int) -> None:
    for name, mixture in _mixtures(np.random.default_rng(seed)).items():
        joint, likelihood = mixture.log_joint(), mixture.log_likelihood()
        right = special.logsumexp(joint, axis=1)
        weights = np.exp(mixture.log_prior)
        with np.errstate(all="ignore"):
            only_ones = mixture.x @ np.log(mixture.probs).T
            causes = {
                "such probabilities round to 0: stay with logarithms and use log-sum-exp": np.log(np.exp(joint).sum(1)),
                "a clamp hides that the probabilities round to 0: use log-sum-exp": np.log(
                    np.maximum(np.exp(joint).sum(1), 1e-12)
                ),
                "the largest logarithm of all examples is subtracted: subtract each row's own": (
                    joint.max() + np.log(np.exp(joint - joint.max()).sum(1))
                ),
                "this is the probability: return its logarithm": np.exp(right),
                "logarithms are averaged: add the weighted probabilities, then take the logarithm": (
                    likelihood @ weights
                ),
                "the prior is left out: each p(x | z) counts p(z) times": special.logsumexp(likelihood, axis=1),
                "every component has the same prior here": (
                    special.logsumexp(likelihood, axis=1) - np.log(len(weights))
                ),
                "a prior probability is added to a log-likelihood: add its logarithm": special.logsumexp(
                    likelihood + weights, axis=1
                ),
                "only the likeliest component counts here: sum over all": joint.max(1),
                "zeros of x say something too: add (1 - x) log(1 - p)": special.logsumexp(
                    mixture.log_prior + only_ones, axis=1
                ),
                "the dimensions are averaged: a likelihood is their product, so logarithms are summed": (
                    special.logsumexp(mixture.log_prior + likelihood / mixture.x.shape[1], axis=1)
                ),
                "the sum runs over the examples: sum over the components": special.logsumexp(joint, axis=0),
                "the sign is that of the loss: return log p(x)": -right,
                "this mixes the components' probabilities in each dimension anew: z is drawn once for all of x": (
                    mixture.x @ np.log(weights @ mixture.probs) + (1 - mixture.x) @ np.log1p(-(weights @ mixture.probs))
                ),
            }
        with case(name):
            got = student.log_likelihood(*mixture.given)
            laws.matches(got, right, what="log p(x)", tolerance=1e-8, causes=causes)
    with case("the probabilities of all x sum to 1"):
        mixture = _Mixture(np.random.default_rng(seed), 1, 3, 4)
        corners = np.stack(np.meshgrid(*[[0, 1]] * 4), -1).reshape(-1, 4)
        laws.normalised(student.log_likelihood(corners, mixture.log_prior, mixture.probs))


@question("latent_mixtures.responsibilities", points=3, withholds=(_MIXTURE,))
def responsibilities(student: Any, case: Any, seed: int) -> None:
    for name, mixture in _mixtures(np.random.default_rng(seed)).items():
        joint, likelihood = mixture.log_joint(), mixture.log_likelihood()
        with np.errstate(all="ignore"):
            total = np.exp(joint).sum(1, keepdims=True)
            together = np.exp(joint - joint.max())
            causes = {
                "0 / 0: such probabilities round to 0, so subtract log p(x) before taking exp": np.exp(joint) / total,
                "a clamp hides 0 / 0: subtract log p(x) before taking exp": np.exp(joint) / np.maximum(total, 1e-12),
                "the largest logarithm of all examples is subtracted: subtract each row's own": (
                    together / together.sum(1, keepdims=True)
                ),
                "these are logarithms: take exp": special.log_softmax(joint, axis=1),
                "this is p(x, z): divide by p(x)": np.exp(joint),
                "this is p(x | z): multiply by the prior and divide by p(x)": np.exp(likelihood),
                "the prior is left out": special.softmax(likelihood, axis=1),
                "a prior probability is added to a log-likelihood: add its logarithm": special.softmax(
                    likelihood + np.exp(mixture.log_prior), axis=1
                ),
                "each column sums to 1 here: the components share an example, so each row does": special.softmax(
                    joint, axis=0
                ),
                "the likeliest component takes all: these are its shares, not its name": (
                    np.eye(joint.shape[1])[joint.argmax(1)]
                ),
                "this is the prior: what x says is left out": np.broadcast_to(np.exp(mixture.log_prior), joint.shape),
            }
        with case(name):
            got = student.responsibilities(*mixture.given)
            right = special.softmax(joint, axis=1)
            laws.matches(got, right, what="p(z | x)", tolerance=1e-8, causes=causes)


@question("latent_mixtures.importance_estimate", points=3)
def importance_estimate(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(x: np.ndarray, slope: float, scale: float, q_loc: Any, q_scale: Any, noise: np.ndarray) -> None:
        loc, width = q_loc[:, None], q_scale[:, None]
        z = loc + width * noise  # (N, K)
        prior, q = stats.norm.logpdf(z), stats.norm.logpdf(z, loc, width)
        likelihood = stats.norm.logpdf(x[:, None], slope * z, scale)
        log_w = prior + likelihood - q
        log_K = np.log(noise.shape[1])

        def estimate(log_weights: np.ndarray) -> np.ndarray:
            return np.asarray(special.logsumexp(log_weights, axis=1) - log_K)

        right = estimate(log_w)
        with np.errstate(all="ignore"):
            causes = {
                "such weights round to 0: stay with logarithms and use log-sum-exp": np.log(np.exp(log_w).mean(1)),
                "1/K is left out: the estimate is the mean of the weights": right + log_K,
                "logarithms are averaged: average the weights, then take the logarithm": log_w.mean(1),
                "this is the estimate of p(x): return its logarithm": np.exp(right),
                "the mean runs over the examples: average over the draws": (
                    special.logsumexp(log_w, axis=0) - np.log(len(x))
                ),
                "the proposal is left out: divide by q(z)": estimate(prior + likelihood),
                "the prior is left out: p(x, z) = p(z) p(x | z)": estimate(likelihood - q),
                "neither prior nor proposal is there: that is right only for draws from the prior": (
                    estimate(likelihood)
                ),
                "the weight is upside down: it is p(x, z) / q(z)": estimate(-log_w),
                "q(z) is multiplied: divide by it": estimate(prior + likelihood + q),
                "q's density is that of the noise here: at z it is 1/scale times that": estimate(
                    prior + likelihood - stats.norm.logpdf(noise)
                ),
                "the prior is taken at the noise: it belongs at z": estimate(stats.norm.logpdf(noise) + likelihood - q),
                "the scale is taken for a variance": estimate(
                    prior + stats.norm.logpdf(x[:, None], slope * z, np.sqrt(scale)) - q
                ),
                "only the largest weight counts here: average them all": log_w.max(1) - log_K,
            }
        got = student.importance_estimate(x, slope, scale, q_loc, q_scale, noise)
        laws.matches(got, right, what="the estimate of log p(x)", tolerance=1e-8, causes=causes)

    def drawn(examples: int) -> tuple[np.ndarray, float, float]:
        return rng.normal(size=examples), float(rng.uniform(1, 2)), float(rng.uniform(0.4, 0.9))

    with case("draws from the prior"):
        judge(*drawn(3), np.zeros(3), np.ones(3), rng.normal(size=(3, 6)))
    with case("a proposal for each x"):
        judge(*drawn(4), rng.normal(size=4), rng.uniform(0.4, 1.5, 4), rng.normal(size=(4, 5)))
    with case("one draw"):
        judge(*drawn(4), rng.normal(size=4), rng.uniform(0.4, 1.5, 4), rng.normal(size=(4, 1)))
    with case("x so far out that every weight rounds to 0"):
        _, slope, scale = drawn(1)
        judge(np.array([60.0, -90.0]), slope, scale, np.zeros(2), np.ones(2), rng.normal(size=(2, 7)))
    with case("the posterior as proposal: exact, whatever the noise"):
        x, slope, scale = drawn(5)
        variance = 1 / (1 + slope**2 / scale**2)
        noise = rng.normal(size=(5, 2))
        posterior = variance * slope * x / scale**2, np.full(5, variance**0.5)
        got = student.importance_estimate(x, slope, scale, *posterior, noise)
        exact = stats.norm.logpdf(x, 0, np.hypot(slope, scale))
        laws.matches(got, exact, what="the estimate of log p(x)", tolerance=1e-8)


@question("latent_mixtures.effective_sample_size", points=2)
def effective_sample_size(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, log_w in {
        "equal weights: every draw counts": np.zeros((3, 5)),
        "uneven weights": rng.normal(size=(4, 8)),
        "one weight has everything": np.array([[0.0, -80.0, -90.0], [-70.0, 3.0, -60.0]]),
        "a constant changes nothing": rng.normal(size=(3, 6)) + 7.0,
        "weights that round to 0": rng.normal(size=(3, 6)) - 2000,
        "weights that overflow": rng.normal(size=(3, 6)) + 2000,
        "one example's weights round to 0, another's overflow": (
            rng.normal(size=(3, 6)) + np.array([[-2000.0], [0.0], [2000.0]])
        ),
    }.items():
        shares = special.softmax(log_w, axis=1)
        right = 1 / (shares**2).sum(1)
        with np.errstate(all="ignore"):
            w, together = np.exp(log_w), np.exp(log_w - log_w.max())
            causes = {
                "weights that overflow or round to 0: subtract each row's largest log-weight first": (
                    w.sum(1) ** 2 / (w**2).sum(1)
                ),
                "the largest log-weight of all examples is subtracted: subtract each row's own": (
                    together.sum(1) ** 2 / (together**2).sum(1)
                ),
                "the weights are not normalised: 1 / sum w^2 needs weights that sum to 1": 1 / (w**2).sum(1),
                "the log-weights are taken for weights: take exp": log_w.sum(1) ** 2 / (log_w**2).sum(1),
                "this is a share: the size is K times that": right / log_w.shape[1],
                "this is upside down: 1 / sum of squares": 1 / right,
                "the sums run over the examples: sum over the draws": 1 / (special.softmax(log_w, axis=0) ** 2).sum(0),
                "this is exp of the entropy, another count: use the squares": np.exp(special.entr(shares).sum(1)),
                "the sums run over all examples together: one size for each": np.full(
                    len(log_w), 1 / (special.softmax(log_w) ** 2).sum()
                ),
                "this is 1 / the largest share: use the squares": 1 / shares.max(1),
            }
        with case(name):
            got = student.effective_sample_size(log_w)
            laws.matches(got, right, what="the effective sample size", tolerance=1e-8, causes=causes)
