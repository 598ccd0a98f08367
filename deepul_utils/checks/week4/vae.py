"""Homework `vae`: KL in closed form, a draw with a gradient, reconstruction, the parts of the loss, free bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from deepul_utils.checks import laws
from deepul_utils.checks.question import question

_NORMAL = "deepul_utils.distributions.independent.DiagonalNormal"
_BERNOULLI = "deepul_utils.distributions.independent.IndependentBernoulli"


def _codes(rng: np.random.Generator, n: int, latents: int) -> tuple[np.ndarray, np.ndarray]:
    """Means and log standard deviations of q, (N, Z) each."""
    return rng.normal(size=(n, latents)), rng.uniform(-1.5, 0.7, (n, latents))


def _kl(loc: np.ndarray, log_scale: np.ndarray) -> np.ndarray:
    """Of each latent, (N, Z)."""
    return (loc**2 + np.exp(2 * log_scale) - 1) / 2 - log_scale


def _error(x: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """-log p(x_i | z) of each pixel, (N, D)."""
    return np.logaddexp(0, logits) - x * logits


@question("vae.kl", points=3, withholds=(_NORMAL,))
def kl(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, (loc, log_scale) in {
        "one latent": _codes(rng, 4, 1),
        "several latents": _codes(rng, 6, int(rng.integers(3, 9))),
        "q is the prior: 0": (np.zeros((2, 3)), np.zeros((2, 3))),
        "very sharp codes": (rng.normal(size=(3, 2)), rng.uniform(-30, -10, (3, 2))),
    }.items():
        each = _kl(loc, log_scale)
        right = each.sum(1)
        scale, square = np.exp(log_scale), np.exp(2 * log_scale)
        causes = {
            "the latents are averaged: q and prior are products over latents, so their KLs are summed": each.mean(1),
            "the sign is wrong: a KL is never negative": -right,
            "the 1/2 is missing: it stands before mu^2 + s^2 - 1": (loc**2 + square - 1 - 2 * log_scale).sum(1),
            "the 1/2 stands before mu^2 alone: it belongs to s^2 too": (loc**2 / 2 + square - 0.5 - log_scale).sum(1),
            "the 1/2 stands before s^2 alone: it belongs to mu^2 too": (loc**2 + square / 2 - 0.5 - log_scale).sum(1),
            "the -1/2 is taken once: each latent has its own": right + (loc.shape[1] - 1) / 2,
            "the -1/2 is left out: the KL of q = p would not be 0": right + loc.shape[1] / 2,
            "log_scale is taken for log s^2: s^2 is exp(2 log_scale)": ((loc**2 + scale - 1 - log_scale) / 2).sum(1),
            "exp(log_scale) is s, not s^2: square it": ((loc**2 + scale - 1) / 2 - log_scale).sum(1),
            "log s^2 is 2 log s, and half of it is log s": ((loc**2 + square - 1) / 2 - 2 * log_scale).sum(1),
            "log_scale is taken for s: take its exponential": (
                (loc**2 + log_scale**2 - 1) / 2 - np.log(np.abs(log_scale) + (log_scale == 0))
            ).sum(1),
            "the sign of log s is wrong: sharper codes cost more": ((loc**2 + square - 1) / 2 + log_scale).sum(1),
            "mu is not squared": ((loc + square - 1) / 2 - log_scale).sum(1),
            "this is KL(p || q): q, from which z is drawn, comes first": (
                (1 + loc**2) / (2 * square) - 0.5 + log_scale
            ).sum(1),
            "the sum runs over the examples: sum over the latents": each.sum(0),
            "the examples are averaged, too: one number for each": right.mean(),
            "these are the latents one by one: sum over them": each,
        }
        with case(name):
            laws.matches(student.kl(loc, log_scale), right, what="the KL", tolerance=1e-8, causes=causes)


@question("vae.reparameterised", points=2)
def reparameterised(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, (loc, log_scale) in {
        "a few codes": _codes(rng, 5, int(rng.integers(2, 6))),
        "a sharp code and a broad one": (np.array([[1.0, -2.0]]), np.array([[-4.0, 1.5]])),
        "no noise is left at s = exp(-40)": (rng.normal(size=(3, 2)), np.full((3, 2), -40.0)),
    }.items():
        noise = rng.normal(size=loc.shape)
        causes = {
            "log_scale is taken for log s^2: s is exp(log_scale)": loc + np.exp(log_scale / 2) * noise,
            "this adds s^2 times the noise: s is exp(log_scale)": loc + np.exp(2 * log_scale) * noise,
            "log_scale is taken for s: take its exponential": loc + log_scale * noise,
            "an extra minus: the same law, but another draw than mu + s eps": loc - np.exp(log_scale) * noise,
            "the noise is not scaled by s": loc + noise,
            "the noise is left out: this is the mean": loc,
            "mu is scaled, too": np.exp(log_scale) * (loc + noise),
            "mu is left out": np.exp(log_scale) * noise,
        }
        with case(name):
            got = student.reparameterised(loc, log_scale, noise)
            laws.matches(got, loc + np.exp(log_scale) * noise, what="z", tolerance=1e-8, causes=causes)


@question("vae.reconstruction", points=3, withholds=(_BERNOULLI,))
def reconstruction(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def images(n: int, dims: int, scale: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
        return (rng.random((n, dims)) < 0.5).astype(int), scale * rng.normal(size=(n, dims))

    wide = images(4, 5, 600.0)
    wide[1][0, :2] = 900.0, -900.0  # e^900 overflows, for every seed
    for name, (x, logits) in {
        "a few pixels": images(4, 3),
        "more pixels": images(5, int(rng.integers(20, 70))),
        "one pixel": images(6, 1),
        "logits of hundreds": wide,
    }.items():
        error = _error(x, logits)
        right = error.sum(1)
        p = special.expit(logits)
        with np.errstate(all="ignore"):
            causes = {
                "the pixels are averaged: p(x | z) is their product, so logarithms are summed": error.mean(1),
                "the sign is that of log p(x | z): an error is minus that": -right,
                "a probability has rounded to 0 or 1: stay with logits, as in log(1 + e^a)": -np.where(
                    x == 1, np.log(p), np.log(1 - p)
                ).sum(1),
                "a clamp hides that a probability has rounded to 0 or 1: stay with logits": -np.where(
                    x == 1, np.log(np.maximum(p, 1e-7)), np.log(np.maximum(1 - p, 1e-7))
                ).sum(1),
                "e^a overflows: log(1 + e^a) is a + log(1 + e^-a) where a is large": (
                    np.log1p(np.exp(logits)) - x * logits
                ).sum(1),
                "binary_cross_entropy stops at 100 nats per pixel: use the one with logits": np.minimum(
                    -np.where(x == 1, np.log(p), np.log(1 - p)), 100
                ).sum(1),
                "zeros of x say something too: add (1 - x) log(1 - p)": (x * np.logaddexp(0, -logits)).sum(1),
                "ones and zeros are exchanged": _error(1 - x, logits).sum(1),
                "the probabilities are taken for logits: one sigmoid too many": _error(x, p).sum(1),
                "this is the squared error: the likelihood is Bernoulli": ((x - p) ** 2).sum(1),
                "the sum runs over the examples: sum over the pixels": error.sum(0),
                "the examples are averaged, too: one number for each": right.mean(),
            }
        with case(name):
            got = student.reconstruction(x, logits)
            laws.matches(got, right, what="the reconstruction error", tolerance=1e-8, causes=causes)


@question("vae.loss", points=3, withholds=("deepul_utils.models.vae.VAE",))
def loss(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, (n, dims, latents) in {
        "two latents": (5, 6, 2),
        "more latents than pixels": (4, 2, 5),
        "one example": (1, 8, 3),
        "a batch": (int(rng.integers(20, 40)), 10, 4),
    }.items():
        x = (rng.random((n, dims)) < 0.5).astype(int)
        codes, weight, bias = _codes(rng, n, latents), rng.normal(size=(dims, latents)), rng.normal(size=dims)
        noise = rng.normal(size=(n, latents))

        def error_of(z: np.ndarray, x: np.ndarray = x, weight: np.ndarray = weight, bias: Any = bias) -> np.ndarray:
            return _error(x, z @ weight.T + bias)

        def parts(error: float, price: float) -> np.ndarray:
            return np.array([error + price, error, price])

        price, mean = _kl(*codes), codes[0]
        error = error_of(mean + np.exp(codes[1]) * noise)
        total, cost = error.sum(1).mean(), price.sum(1).mean()
        right = parts(total, cost)
        causes = {
            "the reconstruction is averaged over pixels while the KL is summed: sum both": parts(error.mean(), cost),
            "the KL is averaged over latents while the reconstruction is summed: sum both": parts(total, price.mean()),
            "both are averaged over their dimensions, of which there are not equally many: sum both": parts(
                error.mean(), price.mean()
            ),
            "the batch is summed: the loss is a mean over examples": parts(total * n, cost * n),
            "an extra minus: the loss is the error plus the KL": np.array([total - cost, total, cost]),
            "this is the bound: the loss is minus that": -right,
            "the KL is reported with a minus": np.array([total + cost, total, -cost]),
            "the decoder was given the mean: give it the draw z": parts(error_of(mean).sum(1).mean(), cost),
            "the decoder was given the noise: give it the draw z": parts(error_of(noise).sum(1).mean(), cost),
            "log_scale is taken for log s^2 in the draw": parts(
                error_of(mean + np.exp(codes[1] / 2) * noise).sum(1).mean(), cost
            ),
            "the KL is not in the loss": np.array([total, total, cost]),
            "the order is loss, reconstruction, KL": right[[0, 2, 1]],
        }
        with case(name):
            got = student.loss(x, *codes, noise, weight, bias)
            laws.matches(got, right, what="loss, reconstruction, KL", tolerance=1e-8, causes=causes)


@question("vae.free_bits", points=2)
def free_bits(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    uneven = rng.gamma(1.0, 1.0, (8, 6))
    uneven *= rng.permutation([0.05, 0.1, 0.3, 0.4, 0.7, 1.0]) / uneven.mean(0)
    for name, (by_latent, floor) in {
        "some latents above the floor, some below": (uneven, 0.5),
        "every latent above": (1 + rng.gamma(1.0, 1.0, (5, 3)), 0.25),
        "every latent below": (rng.uniform(0, 0.1, (5, 4)), 0.5),
        "floor 0: the KL": (rng.gamma(1.0, 1.0, (4, 3)), 0.0),
    }.items():
        means = by_latent.mean(0)
        right = np.maximum(means, floor).sum()
        causes = {
            "this is the KL without free bits, or with one allowance for all latents together: each has its own": (
                means.sum()
            ),
            "one allowance for all latents together: each has its own": max(means.sum(), floor),
            "the allowances are put together, Z times the floor: each latent has its own": max(
                means.sum(), floor * len(means)
            ),
            "the maximum is taken for each example: average over the batch first": np.maximum(by_latent, floor)
            .mean(0)
            .sum(),
            "one allowance for the batch: average over it, but not over the latents": max(by_latent.sum(), floor),
            "this is the minimum: it presses latents below the floor, and no others": np.minimum(means, floor).sum(),
            "the floor is taken away from each latent: below it the term is the floor": np.maximum(
                means - floor, 0
            ).sum(),
            "the latents are averaged: sum over them": np.maximum(means, floor).mean(),
            "the examples are summed: average over them": np.maximum(by_latent.sum(0), floor).sum(),
            "latents below the floor count 0 here: they count the floor": np.where(means > floor, means, 0).sum(),
        }
        with case(name):
            got = student.free_bits(by_latent, floor)
            laws.matches(got, right, what="the price with free bits", tolerance=1e-8, causes=causes)
