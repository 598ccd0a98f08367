"""Homework `dequantization`: noise, the logit and its log-determinant, bits per dimension, the bound and its gap."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special, stats

from deepul_utils.checks import laws
from deepul_utils.checks.question import question

_NOISE = "deepul_utils.transforms.dequantize"
_MODEL = "deepul_utils.models.dequantized.Dequantized"


@question("dequantization.dequantize", points=2, withholds=(f"{_NOISE}.UniformNoise",))
def dequantize(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(x: np.ndarray, num_values: int) -> None:
        u = rng.random(x.shape)
        causes = {
            "the noise is as wide as the whole range: a step between neighbours is 1 before the division and 1/K "
            "after it, so add the noise first": x / num_values + u,
            "x is scaled to [0, 1] with K - 1, and noise as wide as the range is added": x / (num_values - 1) + u,
            "there are K cells of width 1, so divide by K: with K - 1 the last cell lies beyond 1": (
                (x + u) / (num_values - 1)
            ),
            "x is divided by K - 1 and the noise by K: add them first, then divide by K": (
                x / (num_values - 1) + u / num_values
            ),
            "there is no noise": x / num_values,
            "the noise has mean 0: the cell of x runs from x to x + 1": (x + u - 0.5) / num_values,
            "x + u is not scaled: divide by K": x + u,
        }
        got = student.dequantize(x, u, num_values)
        laws.matches(got, (x + u) / num_values, what="y", causes=causes, tolerance=1e-6)

    with case("bytes"):
        judge(rng.integers(256, size=(4, 6)), 256)
    with case("the first and the last value of 8"):
        judge(np.array([[0, 7], [7, 0]]), 8)
    with case("images in colour, 17 levels"):
        judge(rng.integers(17, size=(2, 3, 4, 4)), 17)
    with case("bytes that are stored as bytes"):
        judge(rng.integers(200, 256, size=(3, 5)).astype(np.uint8), 256)


@question("dequantization.to_logits", points=3, withholds=("deepul_utils.transforms.elementwise.Logit.forward", _MODEL))
def to_logits(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def right(y: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
        inside = alpha + (1 - 2 * alpha) * y
        each = math.log1p(-2 * alpha) - np.log(inside) - np.log1p(-inside)
        return special.logit(inside), each.reshape(len(y), -1)

    def judge(y: np.ndarray, alpha: float) -> None:
        z, each = right(y, alpha)
        D, log_det = each.shape[1], each.sum(1)
        unscaled = log_det - D * math.log1p(-2 * alpha)
        got = laws.parts(student.to_logits(y.copy(), alpha), "to_logits")
        with np.errstate(all="ignore"):
            at_z = {
                "y is not squeezed: take the logit of alpha + (1 - 2 alpha) y": special.logit(y),
                "1 - alpha for 1 - 2 alpha: the margin is cut off at both ends": special.logit(alpha + (1 - alpha) * y),
                "this is the squeezed y: take its logit": alpha + (1 - 2 * alpha) * y,
                "sigmoid for its inverse: logit(t) = log t - log(1 - t)": special.expit(alpha + (1 - 2 * alpha) * y),
                "the logit has a base other than e": z / math.log(2),
            }
            at_log_det = {
                "the sign: dz/dy = (1 - 2 alpha) / (t (1 - t)) is above 1, so its logarithm is positive": -log_det,
                "the log-derivative is that of the sigmoid, log t (1 - t): that of the logit has the other sign": (
                    -unscaled
                ),
                "log t (1 - t) has the wrong sign: dz/dt = 1 / (t (1 - t))": (D * math.log1p(-2 * alpha) - unscaled),
                "log(1 - 2 alpha), the share of the squeezing, is missing": unscaled,
                "log(1 - 2 alpha) has the wrong sign: squeezing makes volumes smaller": (
                    unscaled - D * math.log1p(-2 * alpha)
                ),
                "log(1 - 2 alpha) is counted once: each of the D dimensions is squeezed": (
                    unscaled + math.log1p(-2 * alpha)
                ),
                "this is the mean over the dimensions: log-derivatives are added": each.mean(1),
                "one number for each example, the sum over all of its dimensions": each.reshape(y.shape),
                "the sum runs over the batch as well: one number for each example": log_det.sum(),
                "the sum runs over the batch: one number for each example": each.reshape(y.shape).sum(0),
                "the sum leaves out an axis: flatten each example": each.reshape(y.shape).sum(-1),
                "the sum leaves out axes: flatten each example": each.reshape(y.shape).sum(1),
                "this is the determinant: return its logarithm": np.exp(log_det),
                "t (1 - t) with y in the place of t: take it where the logit is taken": (
                    (math.log1p(-2 * alpha) - np.log(y) - np.log1p(-y)).reshape(len(y), -1).sum(1)
                ),
            }
        laws.matches(got[0], z, what="z", causes=at_z, tolerance=1e-6)
        # Where the two are the same number, nothing can be told from it.
        at_log_det = {why: value for why, value in at_log_det.items() if np.shape(value) != log_det.shape or D > 1}
        laws.matches(got[1], log_det, what="log_det", causes=at_log_det, tolerance=1e-6)

    with case("one dimension, no margin"):
        judge(rng.uniform(0.05, 0.95, size=(5, 1)), 0.0)
    with case("six dimensions, a margin of 0.05"):
        judge(rng.uniform(0.05, 0.95, size=(5, 6)), 0.05)
    with case("images in colour"):
        judge(rng.uniform(0.05, 0.95, size=(3, 2, 4, 5)), float(rng.uniform(0.01, 0.1)))
    with case("the ends 0 and 1 stay finite"):
        z, log_det = laws.parts(student.to_logits(np.array([[0.0, 1.0]]), 0.01), "to_logits")
        expected = right(np.array([[0.0, 1.0]]), 0.01)
        laws.matches(z, expected[0], what="z", tolerance=1e-6)
        laws.matches(log_det, expected[1].sum(1), what="log_det", tolerance=1e-6)


@question(
    "dequantization.from_logits",
    points=2,
    withholds=("deepul_utils.transforms.elementwise.Logit.inverse", f"{_MODEL}.sample"),
)
def from_logits(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(z: np.ndarray, alpha: float, K: int) -> None:
        inside = special.expit(z)
        y = (inside - alpha) / (1 - 2 * alpha)

        def cells(y: np.ndarray) -> np.ndarray:
            return np.clip(np.floor(K * y), 0, K - 1)

        causes = {
            "alpha is not undone: y = (sigmoid(z) - alpha) / (1 - 2 alpha)": cells(inside),
            "alpha is subtracted, but the division by 1 - 2 alpha is missing": cells(inside - alpha),
            "alpha is not subtracted, only divided by 1 - 2 alpha": cells(inside / (1 - 2 * alpha)),
            "1 - alpha for 1 - 2 alpha: the margin was cut off at both ends": cells((inside - alpha) / (1 - alpha)),
            "rounded to the nearest: the cell of x runs from x to x + 1, so round down": (
                np.clip(np.round(K * y), 0, K - 1)
            ),
            "multiply by K, as you divided by it: there are K cells": np.clip(np.floor((K - 1) * y), 0, K - 1),
            "multiplied by K - 1 and rounded: there are K cells, from x to x + 1": (
                np.clip(np.round((K - 1) * y), 0, K - 1)
            ),
            "the margin holds a little of the mass, so clip to 0 .. K - 1": np.floor(K * y),
            "these are not integers: round K y down": np.clip(K * y, 0, K - 1),
            "this is y: multiply by K and round down": y,
        }
        laws.matches(student.from_logits(z, alpha, K), cells(y), what="x", causes=causes)

    def clear(z: np.ndarray, alpha: float, K: int) -> np.ndarray:
        """z whose K y keeps away from whole numbers, where rounding would decide."""
        near = K * (special.expit(z) - alpha) / (1 - 2 * alpha)
        return z[np.abs(near - np.round(near)) > 1e-4]

    with case("bytes, no margin"):
        judge(clear(rng.normal(size=60), 0.0, 256).reshape(1, -1), 0.0, 256)
    with case("17 levels, a margin of 0.05"):
        judge(clear(rng.uniform(-2.9, 2.9, 200), 0.05, 17).reshape(1, -1), 0.05, 17)
    with case("latents beyond the margin"):
        judge(np.array([[-9.0, 9.0], [-0.1, 0.1], [7.0, -7.0]]), 0.05, 8)
    with case("there and back"):
        x = rng.integers(256, size=(3, 1, 4, 4))
        z = special.logit(0.01 + 0.98 * (x + rng.uniform(0.1, 0.9, x.shape)) / 256)
        laws.matches(student.from_logits(z, 0.01, 256), x, what="x")


@question("dequantization.bits", points=3, withholds=(_MODEL, "deepul_utils.distributions.bits.bits_per_dim"))
def bits(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(shape: tuple[int, ...], K: int) -> None:
        D = math.prod(shape)
        log_p_z = -D * rng.uniform(1.0, 1.6, 5)
        log_det = D * rng.uniform(1.5, 2.5, 5)

        def answer(log_p: Any = log_p_z + log_det, dims: float = D, log_k: float = D * math.log(K)) -> Any:
            return -(log_p - log_k) / (dims * math.log(2))

        pixels = math.prod(shape[1:])
        right = answer()
        causes = {
            "log K is forgotten: dividing v by K made the density K^D times as large": answer(log_k=0),
            "the log K of one dimension: each of the D was divided by K": answer(log_k=math.log(K)),
            "log(K - 1) for log K: v was divided by K": answer(log_k=D * math.log(K - 1)),
            "D log K has the wrong sign: the integers' cells are wider than those of y": answer(log_k=-D * math.log(K)),
            "these are nats: divide by log 2": right * math.log(2),
            "multiplied by log 2: nats are divided by it": right * math.log(2) ** 2,
            "divided by log K for log 2": right * math.log(2) / math.log(K),
            "the log-determinant is left out": answer(log_p_z),
            "the log-determinant has the wrong sign: log p(y) = log p(z) + log|det dz/dy|": answer(log_p_z - log_det),
            "this is minus the answer: bits per dimension are a cost, -log_2 P(x) / D": -right,
            "per image: divide by the number of dimensions": right * D,
        }
        if len(shape) == 3 and shape[0] > 1:
            causes |= {
                "channels are dimensions too: divide by C * H * W": answer(dims=pixels),
                "channels are dimensions too, in D log K and in the division by D": (
                    answer(dims=pixels, log_k=pixels * math.log(K))
                ),
                "channels are dimensions too: D log K counts C * H * W of them": answer(log_k=pixels * math.log(K)),
            }
        if len(shape) > 1:
            causes |= {
                f"D is the product of all sides, not {what}": answer(dims=D, log_k=D * math.log(K))
                for what, D in {"their sum": sum(shape), "the last of them": shape[-1]}.items()
            }
        got = student.bits_per_dim(log_p_z, log_det, shape, K)
        # one mean for a whole batch is told apart from a wrong formula
        causes |= {"the mean over the batch: one number for each example": right.mean()}
        laws.matches(got, right, what="bits per dimension", causes=causes, tolerance=1e-6)

    with case("images in colour, bytes", weight=2):
        judge((3, 8, 8), 256)
    with case("grey images, bytes"):
        judge((1, 28, 28), 256)
    with case("vectors, 17 values"):
        judge((12,), 17)
    with case("a uniform density of bytes costs 8 bits"):
        got = student.bits_per_dim(np.zeros(2), np.zeros(2), (3, 4, 4), 256)
        laws.matches(got, np.full(2, 8.0), what="bits per dimension", tolerance=1e-6)


@question("dequantization.log_mass", points=2)
def log_mass(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def mixture(f: Any, x: np.ndarray, weights: np.ndarray, loc: np.ndarray, scale: np.ndarray) -> Any:
        return (weights * f((x[:, None] - loc) / scale)).sum(1)

    def judge(x: np.ndarray, weights: np.ndarray, loc: np.ndarray, scale: np.ndarray) -> None:
        law = (weights, loc, scale)

        def between(a: float, b: float) -> np.ndarray:
            with np.errstate(all="ignore"):
                return np.log(mixture(special.expit, x + b, *law) - mixture(special.expit, x + a, *law))

        middle = (np.arange(64) + 0.5) / 64
        density = np.array([mixture(stats.logistic.pdf, x + u, weights / scale, loc, scale) for u in middle])
        right = between(0, 1)
        causes = {
            "the cell of x runs from x to x + 1, not from x - 1/2 to x + 1/2": between(-0.5, 0.5),
            "the cell of x runs from x to x + 1, not from x - 1 to x": between(-1, 0),
            "this is the density at x: the mass is F(x + 1) - F(x)": np.log(_density_at(x, weights, loc, scale)),
            "this is the distribution function at x + 1: subtract F(x)": np.log(mixture(special.expit, x + 1, *law)),
            "this is the mean log-density in the cell, which is the bound: the mass is the integral of the density": (
                np.log(density).mean(0)
            ),
            "the scale multiplies: F = sigmoid((y - loc) / scale)": np.log(
                mixture(special.expit, x + 1, weights, loc, 1 / scale)
                - mixture(special.expit, x, weights, loc, 1 / scale)
            ),
            "the weights are left out": np.log(
                mixture(special.expit, x + 1, np.ones_like(weights), loc, scale)
                - mixture(special.expit, x, np.ones_like(weights), loc, scale)
            ),
            "logarithms are averaged: add the weighted masses, then take the logarithm": (
                np.log(special.expit((x[:, None] + 1 - loc) / scale) - special.expit((x[:, None] - loc) / scale))
                @ weights
            ),
            "this is the probability: return its logarithm": np.exp(right),
        }
        got = student.log_mass(x, weights, loc, scale)
        laws.matches(got, right, what="log P(x)", causes=causes, tolerance=1e-4)

    with case("one logistic"):
        judge(np.arange(8), np.ones(1), rng.uniform(3, 5, 1), rng.uniform(0.5, 1, 1))
    with case("a mixture of three"):
        judge(np.arange(10), rng.dirichlet(np.ones(3)), rng.uniform(2, 8, 3), rng.uniform(0.4, 1.2, 3))
    with case("all cells together hold the whole mass"):
        law = rng.dirichlet(np.ones(2)), rng.uniform(-3, 3, 2), rng.uniform(0.3, 1, 2)
        laws.normalised(student.log_mass(np.arange(-25, 25), *law), what="the probabilities of -25 to 24")


def _density_at(x: np.ndarray, weights: np.ndarray, loc: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The density of a mixture of logistics at x (N,)."""
    density: np.ndarray = (weights * stats.logistic.pdf(x[:, None], loc, scale)).sum(1)
    return density


@question("dequantization.noise", points=3, withholds=(f"{_NOISE}.VariationalNoise",))
def noise(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(eps: np.ndarray, mu: np.ndarray, log_scale: np.ndarray) -> None:
        def total(each: np.ndarray) -> np.ndarray:
            return each.reshape(len(eps), -1).sum(1)

        v = mu + np.exp(log_scale) * eps
        u = special.expit(v)
        log_normal = stats.norm.logpdf(eps)
        log_slope = -np.logaddexp(0, v) - np.logaddexp(0, -v)  # log u (1 - u)
        each = log_normal - log_scale - log_slope
        right = total(each)
        at_u = {
            "these lie on the whole line: the sigmoid brings them into (0, 1)": v,
            "log_scale is a logarithm: take its exponential": special.expit(mu + log_scale * eps),
            "mu is left out": special.expit(v - mu),
            "mu is added after the sigmoid": mu + special.expit(v - mu),
            "the scale is left out": special.expit(mu + eps),
        }
        at_log_q = {
            "the sign of log u (1 - u): dividing by the slope of the sigmoid subtracts its logarithm": (
                total(log_normal - log_scale + log_slope)
            ),
            "the slope of the sigmoid, u (1 - u), is left out": total(log_normal - log_scale),
            "the sign of log_scale: a wider law is less dense": total(log_normal + log_scale - log_slope),
            "log_scale is left out": total(log_normal - log_slope),
            "both log-derivatives have the wrong sign: log q(u) = log N(eps) - log|du/deps|": (
                total(log_normal + log_scale + log_slope)
            ),
            "the density of eps is left out": total(-log_scale - log_slope),
            "the 2 pi of the normal density is left out": total(each + 0.5 * math.log(2 * math.pi)),
            "this is -log q(u | x): return log q(u | x)": -right,
            "this is the density of v under a standard normal: eps is what was drawn": (
                total(stats.norm.logpdf(v) - log_scale - log_slope)
            ),
            "this is the mean over the dimensions: add them": right / each[0].size,
            "one number for each example, the sum over all of its dimensions": each,
        }
        got = laws.parts(student.variational_noise(eps, mu, log_scale), "variational_noise", ["u", "log_q"])
        laws.matches(got[0], u, what="u", causes=at_u, tolerance=1e-6)
        laws.matches(got[1], right, what="log q(u | x)", causes=at_log_q, tolerance=1e-5)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape)

    with case("vectors"):
        judge(normal(4, 5), normal(4, 5), 0.5 * normal(4, 5) - 0.4)
    with case("images"):
        judge(normal(3, 2, 4, 4), normal(3, 2, 4, 4), 0.5 * normal(3, 2, 4, 4) + 0.3)
    with case("far out, where u rounds to 1"):
        judge(np.array([[1.0, -2.0]]), np.array([[50.0, -60.0]]), np.zeros((1, 2)))
    with case("q integrates to 1"):
        # exp(log_q) du = exp(log_q) u (1 - u) dv over a grid of v
        mu, log_scale = rng.normal(), rng.uniform(-1, 0.5)
        eps = np.linspace(-9, 9, 4001)[:, None]
        answer = student.variational_noise(eps, np.full_like(eps, mu), np.full_like(eps, log_scale))
        log_q = np.asarray(laws.parts(answer, "variational_noise", ["u", "log_q"])[1], dtype=float)
        v = mu + np.exp(log_scale) * eps[:, 0]
        laws.matches(log_q.shape, (len(eps),), what="the shape of log q(u | x)")
        with np.errstate(over="ignore"):
            area = np.exp(log_q - np.logaddexp(0, v) - np.logaddexp(0, -v)).sum() * (v[1] - v[0])
        laws.matches(area, 1.0, what="the integral of q(u | x) over u", tolerance=1e-4)


@question("dequantization.bound", points=2, withholds=(f"{_MODEL}.bound", f"{_MODEL}.log_prob"))
def bound(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(log_p: np.ndarray, log_q: np.ndarray) -> None:
        S = len(log_p)
        right = (log_p - log_q).mean(0)
        causes = {
            "the sign of log q: it is subtracted": (log_p + log_q).mean(0),
            "log q is left out": log_p.mean(0),
            "this is log of the mean, the estimate of log P(x) by importance sampling: the bound is the mean of the "
            "logarithms": special.logsumexp(log_p - log_q, axis=0) - math.log(S),
            "this is the sum over the draws: take their mean": (log_p - log_q).sum(0),
            "the mean is over the examples: average over the draws, the first axis": (log_p - log_q).mean(1),
            "one number for each example: the mean is over the draws alone": (log_p - log_q).mean(),
            "this is the loss: the bound of log P(x) has the other sign": -right,
            "log p is weighted by q: the draws already come from q": (np.exp(log_q) * (log_p - log_q)).mean(0),
            "divided by log q: subtract it": (log_p / log_q).mean(0) if (log_q != 0).all() else np.inf,
        }
        laws.matches(student.bound(log_p, log_q), right, what="the bound", causes=causes, tolerance=1e-6)

    def draws(S: int, B: int, offset: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        return rng.uniform(-9, -3, size=(S, B)) + offset, rng.uniform(-1, 2, size=(S, B))

    with case("five draws, uniform noise, whose log q is 0"):
        log_p = draws(5, 3)[0]
        judge(log_p, np.zeros_like(log_p))
    with case("four draws of a q that is not uniform", weight=2):
        judge(*draws(4, 6))
    with case("log-densities below those of any float"):
        judge(*draws(3, 4, offset=-4000.0))
    with case("one draw"):
        judge(*draws(1, 5))
