"""Homework `flow_1d`: a mixture's distribution function as a flow, its derivative, its inverse, a composition."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import special, stats

from deepul_utils.checks import laws
from deepul_utils.checks.question import question
from deepul_utils.transforms.bisection import bisect

_MIXTURE_CDF = "deepul_utils.transforms.mixture_cdf.MixtureCDF"


class _Mixture:
    """Parameters of a mixture of Gaussians, as the student gets them, and what they give; right and in wrong ways."""

    def __init__(self, logits: Any, loc: Any, scale: Any) -> None:
        self.logits, self.loc, self.scale = (np.asarray(part, dtype=np.float64) for part in (logits, loc, scale))
        self.given = self.logits, self.loc, np.log(self.scale)
        self.weights, self.log_weights = special.softmax(self.logits), special.log_softmax(self.logits)

    def cdf(self, x: Any) -> Any:
        return special.ndtr((np.asarray(x)[..., None] - self.loc) / self.scale) @ self.weights

    def log_density(self, x: Any) -> Any:
        return special.logsumexp(self.log_normals(x) + self.log_weights, axis=-1)

    def log_normals(self, x: Any) -> Any:
        return stats.norm.logpdf(np.asarray(x)[..., None], self.loc, self.scale)

    def quantiles(self, u: np.ndarray) -> np.ndarray:
        """Those of each component, (N, M)."""
        return self.loc + self.scale * special.ndtri(u[:, None])

    def inverse(self, u: np.ndarray) -> np.ndarray:
        ends = torch.as_tensor(self.quantiles(u))
        rising = lambda x: torch.as_tensor(self.cdf(x.numpy()))  # noqa: E731
        return bisect(rising, torch.as_tensor(u), ends.amin(1), ends.amax(1)).numpy()

    def but_with(self, weights: Any = None, scale: Any = None) -> _Mixture:
        """The same with other weights or scales."""
        with np.errstate(divide="ignore", invalid="ignore"):
            logits = self.logits if weights is None else np.log(weights)
            return _Mixture(logits, self.loc, self.scale if scale is None else scale)


def _drawn(rng: np.random.Generator, components: int) -> _Mixture:
    loc = 2.5 * np.arange(components) + rng.uniform(-1, 1, components)
    return _Mixture(rng.normal(size=components), loc - loc.mean(), rng.uniform(0.4, 1.5, components))


_NARROW = _Mixture([0.0, np.log(2)], [-1.0, 2.0], [0.1, 0.2])


@question("flow_1d.cdf", points=2, withholds=(_MIXTURE_CDF,))
def mixture_cdf(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(mixture: _Mixture, x: np.ndarray) -> None:
        normal_cdfs = special.ndtr((x[:, None] - mixture.loc) / mixture.scale)
        right, equal = mixture.cdf(x), np.full(len(mixture.loc), 1 / len(mixture.loc))
        with np.errstate(all="ignore"):
            causes = {
                "this is the density: F is its integral from minus infinity": np.exp(mixture.log_density(x)),
                "every component has the same weight here": mixture.but_with(equal).cdf(x),
                "the logits are not weights: take their softmax": normal_cdfs @ mixture.logits,
                "the weights are left out": normal_cdfs.sum(1),
                "log_scale is the logarithm of the standard deviation: take exp": special.ndtr(
                    (x[:, None] - mixture.loc) / np.log(mixture.scale)
                )
                @ mixture.weights,
                "the distance is multiplied by the standard deviation: divide by it": (
                    mixture.but_with(scale=1 / mixture.scale).cdf(x)
                ),
                "this is the logistic function: components are Gaussians, with Phi": (
                    special.expit((x[:, None] - mixture.loc) / mixture.scale) @ mixture.weights
                ),
                "this is F on the way down: Phi((x - loc) / scale), not Phi((loc - x) / scale)": 1 - right,
            }
        got = student.mixture_cdf(x, *mixture.given)
        laws.matches(got, right, what="F(x)", tolerance=1e-8, causes=causes)

    with case("one Gaussian"):
        judge(_Mixture([0.0], [0.5], [2.0]), np.array([-1.5, 0.5, 3.0]))
    with case("three components of uneven weight"):
        judge(_drawn(rng, 3), rng.uniform(-4, 4, 12))
    with case("narrow components"):
        judge(_NARROW, np.linspace(-1.5, 2.5, 9))
    with case("the same logits plus a constant"):
        mixture = _drawn(rng, 4)
        judge(_Mixture(mixture.logits + 5, mixture.loc, mixture.scale), rng.uniform(-5, 5, 12))


@question("flow_1d.log_derivative", points=3, withholds=(_MIXTURE_CDF,))
def log_derivative(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(mixture: _Mixture, x: np.ndarray) -> None:
        right, normals = mixture.log_density(x), mixture.log_normals(x)
        with np.errstate(all="ignore"):
            causes = {
                "exp of such log-densities rounds to 0: use log-sum-exp": np.log(np.exp(normals) @ mixture.weights),
                "a clamp hides that the density rounds to 0: use log-sum-exp": np.log(
                    np.maximum(np.exp(normals) @ mixture.weights, 1e-12)
                ),
                "this is the derivative: return its logarithm": np.exp(right),
                "this is log F(x): the derivative of F is the density": np.log(mixture.cdf(x)),
                "the sign is that of the inverse: log du/dx = -log dx/du": -right,
                "1 / scale is left out: d/dx Phi((x - loc) / scale) has an inner derivative": special.logsumexp(
                    normals + np.log(mixture.scale) + mixture.log_weights, axis=1
                ),
                "log sqrt(2 pi) is left out": right + 0.5 * np.log(2 * np.pi),
                "logarithms are averaged: add the weighted densities, then take the logarithm": (
                    normals @ mixture.weights
                ),
                "the weights are left out": special.logsumexp(normals, axis=1),
                "the logits are not normalised: subtract their log-sum-exp": special.logsumexp(
                    normals + mixture.logits, axis=1
                ),
                "a weight is added to a log-density: add its logarithm": special.logsumexp(
                    normals + mixture.weights, axis=1
                ),
                "only the likeliest component counts here: sum over all": (normals + mixture.log_weights).max(1),
            }
        got = student.log_derivative(x, *mixture.given)
        laws.matches(got, right, what="log dF/dx", tolerance=1e-8, causes=causes)

    with case("one Gaussian"):
        judge(_Mixture([0.0], [0.5], [2.0]), np.array([-1.5, 0.5, 3.0]))
    with case("three components of uneven weight"):
        judge(_drawn(rng, 3), rng.uniform(-4, 4, 12))
    with case("narrow components, whose density exceeds 1"):
        judge(_NARROW, np.array([-1.0, -0.95, 2.1, 2.0]))
    with case("far from every component, on either side"):
        judge(_drawn(rng, 3), np.array([-300.0, -80.0, 80.0, 300.0]))
    with case("the density integrates to 1"):
        mixture = _drawn(rng, 3)
        laws.mass(lambda x: student.log_derivative(x, *mixture.given), -25, 25, what="exp of your log-derivative")


@question("flow_1d.inverse", points=3, withholds=(_MIXTURE_CDF, "deepul_utils.transforms.bisection.bisect"))
def inverse(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(mixture: _Mixture, u: np.ndarray) -> None:
        right, quantiles = mixture.inverse(u), mixture.quantiles(u)
        causes = {
            "the components' quantiles are averaged: find where the mixture's own F is u": quantiles @ mixture.weights,
            "this is where F(x) = 1 - u: keep the upper half where F(middle) < u": mixture.inverse(1 - u),
            "this is the quantile of the likeliest component alone": quantiles[:, mixture.logits.argmax()],
        }
        got = student.inverse_cdf(u, *mixture.given)
        if np.shape(got) == u.shape and not np.allclose(got, right, atol=1e-6) and np.allclose(got, right, atol=0.3):
            causes["this is close, but not there: halve the interval more often, 60 times say"] = got
        elif np.shape(got) == u.shape and len(u) > 2 and np.ptp(got) < 1e-3:
            causes["this is an end of your interval, which does not hold x: begin with one that does"] = got
        laws.matches(got, right, what="the inverse", tolerance=1e-6, causes=causes)

    with case("one Gaussian"):
        judge(_Mixture([0.0], [0.5], [2.0]), np.array([0.1, 0.5, 0.8]))
    with case("three components of uneven weight"):
        judge(_drawn(rng, 3), rng.uniform(0.02, 0.98, 10))
    with case("narrow components, far from 0"):
        far = 300 * rng.choice([-1, 1])
        judge(_Mixture(_NARROW.logits, _NARROW.loc + far, _NARROW.scale), np.array([0.1, 0.3, 0.34, 0.9]))
    with case("u close to 0 and 1"):
        judge(_drawn(rng, 2), np.array([1e-8, 1e-4, 1 - 1e-4, 1 - 1e-8]))
    with case("10,000 values at once"):
        mixture, u = _drawn(rng, 3), rng.uniform(0.001, 0.999, 10_000)
        got = np.asarray(student.inverse_cdf(u, *mixture.given))
        laws.matches(mixture.cdf(got), u, what="F of your inverse", tolerance=1e-6)


@question("flow_1d.log_prob", points=3, withholds=(_MIXTURE_CDF,))
def log_prob(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(mixture: _Mixture, x: np.ndarray, shift: float, log_factor: float) -> None:
        y = np.exp(log_factor) * x + shift
        last = mixture.log_density(y)
        u = mixture.cdf(y)
        causes = {
            "only the second map's log-derivative counts here: those of all maps are added": last,
            "only the first map's log-derivative counts here: those of all maps are added": np.full_like(x, log_factor),
            "the first map's log-derivative is subtracted: it enlarges lengths by exp(log_factor), so it is added": (
                last - log_factor
            ),
            "the signs are those of the inverse: log p(x) = log p(u) + log|du/dx|": -(last + log_factor),
            "each log-derivative is taken where its map is applied: that of F at y, not at x": (
                mixture.log_density(x) + log_factor
            ),
            "the shift is multiplied too: y = exp(log_factor) x + shift": (
                mixture.log_density(np.exp(log_factor) * (x + shift)) + log_factor
            ),
            "the factor is added: its logarithm is": last + np.exp(log_factor),
            "the base is uniform, with log p(u) = 0; this takes a standard normal": (
                last + log_factor + stats.norm.logpdf(u)
            ),
            "log u is added: the base is uniform, with log p(u) = 0": last + log_factor + np.log(u),
            "this is the density: return its logarithm": np.exp(last + log_factor),
        }
        got = student.flow_log_prob(x, shift, log_factor, *mixture.given)
        laws.matches(got, last + log_factor, what="log p(x)", tolerance=1e-8, causes=causes)

    with case("the affine map does nothing"):
        judge(_drawn(rng, 3), rng.uniform(-4, 4, 8), 0.0, 0.0)
    with case("a shift"):
        judge(_drawn(rng, 3), rng.uniform(-4, 4, 8), rng.uniform(1, 2), 0.0)
    with case("a factor"):
        judge(_drawn(rng, 3), rng.uniform(-4, 4, 8), 0.0, rng.choice([-1, 1]) * rng.uniform(0.5, 1))
    with case("both"):
        judge(_drawn(rng, 4), rng.uniform(-4, 4, 8), rng.uniform(-2, -1), rng.uniform(0.5, 1))
    with case("the density integrates to 1"):
        mixture, shift, log_factor = _drawn(rng, 2), rng.uniform(-1, 1), rng.uniform(0.3, 0.8)
        laws.mass(
            lambda x: student.flow_log_prob(x, shift, log_factor, *mixture.given), -25, 25, what="exp of your log p(x)"
        )
