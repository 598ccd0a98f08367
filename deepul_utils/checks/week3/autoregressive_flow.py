"""The checks of the homework on autoregressive flows: two dimensions by mixtures, then AF and IAF in many."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import special

from deepul_utils.checks import laws
from deepul_utils.checks.orderings import shuffled
from deepul_utils.checks.question import question
from deepul_utils.transforms.bisection import bisect

Arrays = tuple[np.ndarray, ...]


# Two dimensions


def _mlp(x: np.ndarray, weights: Arrays) -> np.ndarray:
    W1, b1, W2, b2 = weights
    return np.tanh(x @ W1.T + b1) @ W2.T + b2


def _log_normal(t: np.ndarray) -> np.ndarray:
    return -(t**2) / 2 - np.log(2 * np.pi) / 2


def _mixture(x: np.ndarray, params: np.ndarray, scaled: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """F(x) and log f(x) of x (N,) for params (N, 3 M)."""
    logits, loc, log_scale = np.split(params, 3, axis=-1)
    log_weights = special.log_softmax(logits, axis=-1)
    scale = np.exp(log_scale) if scaled else log_scale
    t = (x[:, None] - loc) / scale
    log_f = special.logsumexp(log_weights + _log_normal(t) - np.log(np.abs(scale)), axis=-1)
    return (np.exp(log_weights) * special.ndtr(t)).sum(-1), log_f


def _pair(rng: np.random.Generator, M: int, hidden: int = 6) -> tuple[np.ndarray, Arrays]:
    """Parameters of the first coordinate's mixture, and the weights of the network that makes the second's."""

    def params() -> np.ndarray:
        return np.concatenate([rng.normal(size=M), rng.uniform(-2, 2, M), rng.uniform(-0.8, 0, M)])

    W1, b1 = rng.normal(size=(hidden, 1)), rng.normal(size=hidden)
    W2 = rng.normal(size=(3 * M, hidden)) * np.repeat([0.5, 0.5, 0.1], M)[:, None]
    return params(), (W1, b1, W2, params())


def _flow(x: np.ndarray, first: np.ndarray, weights: Arrays) -> tuple[np.ndarray, np.ndarray]:
    """z and both log-derivatives, (N, 2) each."""
    z0, log_f0 = _mixture(x[:, 0], np.tile(first, (len(x), 1)))
    z1, log_f1 = _mixture(x[:, 1], _mlp(x[:, :1], weights))
    return np.stack([z0, z1], axis=1), np.stack([log_f0, log_f1], axis=1)


@question("autoregressive_flow.flow", points=3, withholds=("deepul_utils.transforms.mixture_cdf.MixtureCDF.forward",))
def flow(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    M = int(rng.integers(2, 5))

    def judge(x: np.ndarray, first: np.ndarray, weights: Arrays) -> None:
        z, log_derivatives = _flow(x, first, weights)
        tiled = np.tile(first, (len(x), 1))
        by_z = _mixture(x[:, 1], _mlp(z[:, :1], weights))
        by_x1 = _mixture(x[:, 1], _mlp(x[:, 1:], weights))
        by_first = _mixture(x[:, 1], tiled)
        right = log_derivatives.sum(1)
        got_z, got = laws.parts(student.flow(x, first, weights), "flow")
        causes = {
            "the columns are exchanged: z_0 first": z[:, ::-1],
            "the network reads x_0, the data, not z_0": np.stack([z[:, 0], by_z[0]], 1),
            "the network reads x_0, the first column, not x_1": np.stack([z[:, 0], by_x1[0]], 1),
            "the second coordinate has a mixture of its own for each x_0: ask the network": np.stack(
                [z[:, 0], by_first[0]], 1
            ),
            "these are the densities: z is the distribution function": np.exp(log_derivatives),
            "the third part holds logarithms of the scales": np.stack(
                [_mixture(x[:, 0], tiled, False)[0], _mixture(x[:, 1], _mlp(x[:, :1], weights), False)[0]], 1
            ),
        }
        laws.matches(got_z, z, what="z", causes=causes)
        causes = {
            "the log-derivative of z_1 is missing: add both": log_derivatives[:, 0],
            "the log-derivative of z_0 is missing, or was overwritten: add both": log_derivatives[:, 1],
            "the log-derivatives are averaged: add them": right / 2,
            "return one sum for each point, not one number for each dimension": log_derivatives,
            "this is the determinant: return its logarithm": np.exp(right),
            "the sign is that of the inverse, or of the loss: log|det dz/dx| is the sum of log f": -right,
            "the network reads x_0, the data, not z_0": log_derivatives[:, 0] + by_z[1],
            "the logarithm of a sum is not the sum of logarithms: add the two log-derivatives": np.log(
                np.exp(log_derivatives).sum(1)
            ),
            "the points are averaged: return one number for each": right.mean(),
        }
        laws.matches(got, right, what="log_det", causes=causes)

    with case("one Gaussian for each coordinate"):
        judge(rng.normal(size=(5, 2)), *_pair(rng, 1))
    with case(f"mixtures of {M}", weight=2):
        judge(2 * rng.normal(size=(20, 2)), *_pair(rng, M))
    with case("one point"):
        judge(rng.normal(size=(1, 2)), *_pair(rng, M))
    with case("far from every mean, where densities round to 0"):
        judge(np.array([[60.0, 1.0], [1.0, -60.0]]), *_pair(rng, M))
    with case("the density has mass 1 on the plane"):
        first, weights = _pair(rng, 2)
        laws.mass(lambda x: laws.parts(student.flow(x, first, weights), "flow")[1], [-9, -9], [9, 9], points=220)


@question("autoregressive_flow.sample", points=3, withholds=("deepul_utils.transforms.mixture_cdf.MixtureCDF.inverse",))
def sample(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    M = int(rng.integers(2, 5))

    def quantile(u: np.ndarray, params: np.ndarray) -> np.ndarray:
        rising = lambda x: torch.as_tensor(_mixture(x.numpy(), params)[0])  # noqa: E731
        end = torch.full((len(u),), 50.0, dtype=torch.float64)
        return bisect(rising, torch.as_tensor(u), -end, end).numpy()

    def judge(N: int, first: np.ndarray, weights: Arrays) -> None:
        u = rng.uniform(0.02, 0.98, size=(N, 2))
        tiled = np.tile(first, (N, 1))
        x0 = quantile(u[:, 0], tiled)

        def given(read: np.ndarray, column: int = 1) -> np.ndarray:
            return np.stack([x0, quantile(u[:, column], _mlp(read[:, None], weights))], 1)

        right = given(x0)
        causes = {
            "x_1 does not see the x_0 that was drawn: draw x_0, then ask the network about it": given(np.zeros(N)),
            "the network reads x_0, not the noise u_0": given(u[:, 0]),
            "each coordinate has noise of its own: x_1 takes u_1": given(x0, column=0),
            "the columns are exchanged: x_0 first": right[:, ::-1],
            "x_1 comes from the mixture of x_0: ask the network for its own": np.stack(
                [x0, quantile(u[:, 1], tiled)], 1
            ),
        }
        laws.matches(student.sample(u, first, weights), right, what="x", tolerance=1e-4, causes=causes)

    with case("one Gaussian for each coordinate"):
        judge(5, *_pair(rng, 1))
    with case(f"mixtures of {M}", weight=2):
        judge(30, *_pair(rng, M))
    with case("one point"):
        judge(1, *_pair(rng, M))


# Many dimensions


def _network(x: np.ndarray, weights: Arrays) -> tuple[np.ndarray, np.ndarray]:
    A, b, C, d = weights
    return np.tanh(x) @ A.T + b, np.tanh(np.tanh(x) @ C.T + d)


def _triangular(rng: np.random.Generator, order: np.ndarray) -> Arrays:
    """Weights that let dimension i see those whose position in the ordering is lower."""
    D = len(order)
    sees = order[:, None] > order
    b, d = rng.normal(size=(2, D))
    return sees * rng.normal(size=(D, D)), b, sees * rng.normal(size=(D, D)), d / 2


def _walk(given: np.ndarray, weights: Arrays, visits: np.ndarray, iaf: bool) -> np.ndarray:
    """x of z for an AF, z of x for an IAF, one dimension a pass."""
    found = np.zeros_like(given)
    for i in visits:
        m, a = _network(found, weights)
        found[:, i] = (given[:, i] - m[:, i]) * np.exp(-a[:, i]) if iaf else given[:, i] * np.exp(a[:, i]) + m[:, i]
    return found


@question(
    "autoregressive_flow.af_forward",
    points=2,
    withholds=("deepul_utils.transforms.autoregressive.MaskedAutoregressive.forward",),
)
def af_forward(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    D = int(rng.integers(4, 7))

    def judge(x: np.ndarray, weights: Arrays) -> None:
        m, a = _network(x, weights)
        z, right = (x - m) * np.exp(-a), -a.sum(1)
        got_z, got = laws.parts(student.af_forward(x, weights), "af_forward")
        causes = {
            "this is the map from z to x: subtract the shift, then divide by the scale": x * np.exp(a) + m,
            "the scale is divided by before the shift is subtracted: the other way round": x * np.exp(-a) - m,
            "a is the logarithm of the scale": (x - m) / np.where(a == 0, 1, a),
        }
        laws.matches(got_z, z, what="z", causes=causes)
        causes = {
            "the sign is that of the inverse: dividing by a scale above 1 shrinks volumes": -right,
            "the log-derivatives are averaged over the dimensions: add them": right / x.shape[1],
            "return one sum for each example, not one number for each dimension": -a,
            "this is the determinant: return its logarithm": np.exp(right),
            "only the last dimension counts: accumulate the log-derivatives": -a[:, -1],
            "the examples are added: return one number for each": right.sum(),
        }
        laws.matches(got, right, what="log_det", causes=causes)

    with case("two dimensions"):
        judge(rng.normal(size=(5, 2)), _triangular(rng, np.arange(2)))
    with case(f"{D} dimensions in a shuffled ordering", weight=2):
        judge(rng.normal(size=(9, D)), _triangular(rng, shuffled(rng, D)))
    with case("log_det is that of a numerical Jacobian"):
        weights = _triangular(rng, np.arange(D))
        laws.log_det(lambda x: student.af_forward(x, weights), rng.normal(size=(3, D)))


@question(
    "autoregressive_flow.af_inverse",
    points=2,
    withholds=("deepul_utils.transforms.autoregressive.MaskedAutoregressive.inverse",),
)
def af_inverse(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    D = int(rng.integers(4, 7))

    def judge(order: np.ndarray, N: int) -> None:
        weights, z = _triangular(rng, order), rng.normal(size=(N, len(order)))
        (m, a), (m0, a0) = _network(z, weights), _network(np.zeros_like(z), weights)
        causes = {
            "order[i] is the position of dimension i: walk through order.argsort()": _walk(z, weights, order, False),
            "the dimensions are visited 0, 1, 2, ...: visit them by their positions": _walk(
                z, weights, np.arange(len(order)), False
            ),
            "an AF's network reads x, not z: find x one dimension after the other": z * np.exp(a) + m,
            "each dimension needs those found before it: not one pass for all, nor backwards, but one by one": (
                z * np.exp(a0) + m0
            ),
        }
        right = _walk(z, weights, order.argsort(), False)
        laws.matches(student.af_inverse(z, weights, order), right, what="x", causes=causes)

    with case("three dimensions in their order"):
        judge(np.arange(3), 4)
    with case(f"{D} dimensions in a shuffled ordering", weight=2):
        judge(shuffled(rng, D), 9)
    with case("one example"):
        judge(shuffled(rng, D), 1)


@question(
    "autoregressive_flow.iaf_forward",
    points=3,
    withholds=("deepul_utils.transforms.transform.Inverse.forward",),
)
def iaf_forward(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    D = int(rng.integers(4, 7))

    def judge(order: np.ndarray, N: int) -> None:
        weights, x = _triangular(rng, order), rng.normal(size=(N, len(order)))
        z = _walk(x, weights, order.argsort(), True)
        a = _network(z, weights)[1]
        right = -a.sum(1)
        m_x, a_x = _network(x, weights)
        got_z, got = laws.parts(student.iaf_forward(x, weights, order), "iaf_forward")
        causes = {
            "this is the AF: an IAF's network reads z, which has to be found one dimension after the other": (
                (x - m_x) * np.exp(-a_x)
            ),
            "order[i] is the position of dimension i: walk through order.argsort()": _walk(x, weights, order, True),
            "the dimensions are visited 0, 1, 2, ...: visit them by their positions": _walk(
                x, weights, np.arange(len(order)), True
            ),
            "this is the sampler, from z to x: solve it for z": _walk(x, weights, order.argsort(), False),
        }
        laws.matches(got_z, z, what="z", causes=causes)
        causes = {
            "this is log|det dx/dz|, of the sampler: log|det dz/dx| has the other sign": -right,
            "the network's log-scales are taken at x: an IAF's are functions of z": -a_x.sum(1),
            "this is the log-det of an AF with the wrong sign, at x": a_x.sum(1),
            "the log-derivatives are averaged over the dimensions: add them": right / x.shape[1],
            "return one sum for each example, not one number for each dimension": -a,
            "only the last dimension counts: accumulate the log-derivatives": -a[:, order.argsort()[-1]],
        }
        laws.matches(got, right, what="log_det", causes=causes)

    with case("three dimensions in their order"):
        judge(np.arange(3), 4)
    with case(f"{D} dimensions in a shuffled ordering", weight=2):
        judge(shuffled(rng, D), 9)
    with case("log_det is that of a numerical Jacobian"):
        order = shuffled(rng, 4)
        weights = _triangular(rng, order)
        laws.log_det(lambda x: student.iaf_forward(x, weights, order), rng.normal(size=(2, 4)))


@question("autoregressive_flow.passes", points=1)
def passes(student: Any, case: Any, seed: int) -> None:
    D = int(np.random.default_rng(seed).integers(5, 50))
    with case("the direction in which each is fast"):
        for kind, direction in (("AF", "density"), ("IAF", "sample")):
            got = student.passes(kind, direction, D)
            laws.matches(
                got,
                1,
                what=f"passes of an {kind} for a {direction} in {D} dimensions",
                causes={
                    "the network reads what is given: one pass knows every parameter": D,
                },
            )
    with case("the direction in which each is slow"):
        for kind, direction in (("AF", "sample"), ("IAF", "density")):
            got = student.passes(kind, direction, D)
            laws.matches(
                got,
                D,
                what=f"passes of an {kind} for a {direction} in {D} dimensions",
                causes={
                    "the network reads what is being looked for: each dimension waits for those before it": 1,
                    "the dimension that comes first needs its parameters, too: that is a pass": D - 1,
                    "the log-determinant needs no pass of its own: each pass gives its dimension's term": D + 1,
                },
            )
