"""The checks of the homework on RealNVP: masks, coupling, squeeze, ActNorm, a stack of layers, latents, training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from deepul_utils.checks import laws
from deepul_utils.checks.question import question
from deepul_utils.checks.trained import limits, loaded
from deepul_utils.checks.trained_flow import flow_loss
from deepul_utils.data.mnist import mnist

_EXACT = 1e-9


@question("realnvp.masks", points=1, withholds=("deepul_utils.transforms.partition.checkerboard",))
def masks(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(height: int, width: int, parity: int) -> None:
        i, j = np.arange(height)[:, None], np.arange(width)
        right = ((i + j + parity) % 2 == 0).astype(int)
        causes = {
            "the parity is ignored, so that the same pixels would stay in every layer": (i + j) % 2 == 0,
            "1 and 0 are exchanged: with parity 0 the upper left pixel stays": 1 - right,
            "these are columns, as in reading order where the width is even: use row + column": np.broadcast_to(
                (j + parity) % 2 == 0, right.shape
            ),
            "these are rows: the column counts as well": np.broadcast_to((i + parity) % 2 == 0, right.shape),
            "height and width are exchanged": right.T,
        }
        causes = {text: value for text, value in causes.items() if not np.array_equal(value, right)}
        laws.matches(student.checkerboard(height, width, parity), right, what="the mask", causes=causes)

    with case("4 x 4, parity 0"):
        judge(4, 4, 0)
    with case("4 x 4, parity 1"):
        judge(4, 4, 1)
    with case("another height than width"):
        judge(2 * int(rng.integers(1, 4)) + 1, 2 * int(rng.integers(4, 6)), int(rng.integers(2)))


class _Net:
    """A network of the notebook's, and what it computes."""

    def __init__(self, rng: np.random.Generator, dims: int, units: int = 6) -> None:
        self.arrays = (
            rng.normal(size=(units, dims)),
            rng.normal(size=units),
            0.7 * rng.normal(size=(2 * dims, units)),
            0.5 * rng.normal(size=2 * dims),
        )

    def __call__(self, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """s and t, (B, D) both."""
        W, b, V, c = self.arrays
        s, t = np.split(np.tanh(seen @ W.T + b) @ V.T + c, 2, axis=1)
        return 2 * np.tanh(s / 2), t


def _mask(rng: np.random.Generator, dims: int) -> np.ndarray:
    """A random mask, half of which is 1, some of it in either half: no fixed half is the right one."""
    while True:
        mask = rng.permutation(np.arange(dims) < dims // 2).astype(float)
        if 0 < mask[: dims // 2].sum() < dims // 2:
            return mask


@question("realnvp.coupling", points=4, withholds=("deepul_utils.transforms.coupling.Coupling",))
def coupling(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    D = int(rng.choice([4, 6]))

    def made(mask: np.ndarray) -> tuple[_Net, Any, np.ndarray, np.ndarray]:
        net = _Net(rng, len(mask))
        x = rng.normal(size=(5, len(mask)))
        layer = student.Coupling(torch.tensor(mask), student.Net(*map(torch.tensor, net.arrays)))
        return net, layer, x, mask

    def forward(mask: np.ndarray) -> None:
        net, layer, x, m = made(mask)
        (s, t), (s_all, t_all), (s_other, t_other) = net(x * m), net(x), net(x * (1 - m))
        right = m * x + (1 - m) * (np.exp(s) * x + t)
        half = np.arange(len(m)) < len(m) // 2
        s_half, t_half = net(x * half)
        z, log_det = laws.parts(layer.forward(torch.tensor(x)), "`forward`")
        causes = {
            "the network sees all of x, also what it changes: hand it mask * x": (
                m * x + (1 - m) * (np.exp(s_all) * x + t_all)
            ),
            "what stays and what changes are exchanged: 1 in the mask means that a dimension stays": (
                (1 - m) * x + m * (np.exp(s_other) * x + t_other)
            ),
            "the first half stays whatever the mask is: keep the dimensions where it is 1": (
                np.where(half, x, np.exp(s_half) * x + t_half)
            ),
            "what stays is scaled and shifted as well: cover it with the mask": np.exp(s) * x + t,
            "what stays is shifted: t belongs to the others alone": m * x + (1 - m) * np.exp(s) * x + t,
            "s is a logarithm: the scale is exp(s)": m * x + (1 - m) * (s * x + t),
            "this is the inverse: forward multiplies by exp(s), then adds t": m * x + (1 - m) * (x - t) * np.exp(-s),
            "the half that stays is missing": (1 - m) * (np.exp(s) * x + t),
        }
        laws.matches(z, right, what="z", tolerance=_EXACT, causes=causes)
        share = (1 - m) * s
        causes = {
            "the sign is that of the inverse: log|det dz/dx| = +sum of s": -share.sum(1),
            "the s of what stays count for nothing: cover them with the mask": s.sum(1),
            "the sum goes over the half that stays": (m * s).sum(1),
            "sum over the dimensions, no mean": share.mean(1),
            "this is the determinant: return its logarithm": np.exp(share.sum(1)),
            "one number for each example: sum over the dimensions, not over the batch": share.sum(),
            "sum over the dimensions: one number for each example": share,
            "the shift has no part in it": ((1 - m) * (s + t)).sum(1),
        }
        laws.matches(log_det, share.sum(1), what="log_det", tolerance=_EXACT, causes=causes)

    def inverse(mask: np.ndarray) -> None:
        net, layer, x, m = made(mask)
        s, t = net(x * m)
        z = m * x + (1 - m) * (np.exp(s) * x + t)
        half = np.arange(len(m)) < len(m) // 2
        (s_all, t_all), (s_other, t_other), (s_half, t_half) = net(z), net(z * (1 - m)), net(z * half)
        causes = {
            "the complementary mask: the inverse must see the same half as forward did, which is still there": (
                (1 - m) * z + m * (z - t_other) * np.exp(-s_other)
            ),
            "the network sees the half that was changed: what it saw in forward is in the other one": (
                m * z + (1 - m) * (z - t_other) * np.exp(-s_other)
            ),
            "the network sees all of z: hand it mask * z, which is mask * x": (
                m * z + (1 - m) * (z - t_all) * np.exp(-s_all)
            ),
            "the first half stays whatever the mask is: what stayed is where it is 1": (
                np.where(half, z, (z - t_half) * np.exp(-s_half))
            ),
            "this is forward again": m * z + (1 - m) * (np.exp(s) * z + t),
            "the wrong order: first subtract t, then divide by exp(s)": m * z + (1 - m) * (z * np.exp(-s) - t),
            "divide by exp(s), that is multiply by exp(-s)": m * z + (1 - m) * (z - t) * np.exp(s),
        }
        laws.matches(layer.inverse(torch.tensor(z)), x, what="inverse(z)", tolerance=_EXACT, causes=causes)

    with case("forward, two dimensions"):
        forward(np.array([0.0, 1.0]))
    with case(f"forward, {D} dimensions", weight=2):
        forward(_mask(rng, D))
    with case("inverse, two dimensions"):
        inverse(np.array([0.0, 1.0]))
    with case(f"inverse, {D} dimensions", weight=2):
        inverse(_mask(rng, D))
    with case("inverse undoes forward, and log_det fits differences of z"):
        _, layer, x, _ = made(_mask(rng, D))
        laws.invertible(lambda x: layer.forward(torch.tensor(x)), lambda z: layer.inverse(torch.tensor(z)), x)
        laws.log_det(lambda x: layer.forward(torch.tensor(x)), x)


def _squeezed(x: np.ndarray) -> np.ndarray:
    B, C, H, W = x.shape
    return x.reshape(B, C, H // 2, 2, W // 2, 2).transpose(0, 1, 3, 5, 2, 4).reshape(B, 4 * C, H // 2, W // 2)


@question("realnvp.squeeze", points=2, withholds=("deepul_utils.transforms.squeeze.Squeeze",))
def squeeze(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(B: int, C: int, H: int, W: int) -> None:
        x, layer = rng.normal(size=(B, C, H, W)), student.Squeeze()
        right = _squeezed(x)
        z, log_det = laws.parts(layer.forward(torch.tensor(x)), "`forward`")
        blocks = x.reshape(B, C, H // 2, 2, W // 2, 2)
        causes = {
            "a reshape alone cuts rows into pieces: the four numbers of a channel's new pixel must be a 2 x 2 block": (
                x.reshape(right.shape)
            ),
            "channel 4c + 2i + j holds the pixels (i, j) of channel c: here the channels of x run fastest": (
                blocks.transpose(0, 3, 5, 1, 2, 4).reshape(right.shape)
            ),
            "rows and columns of the block are exchanged: 4c + 1 is the upper right, 4c + 2 the lower left": (
                blocks.transpose(0, 1, 5, 3, 2, 4).reshape(right.shape)
            ),
        }
        if H == W:
            causes["height and width are exchanged"] = right.swapaxes(2, 3)
        causes = {text: value for text, value in causes.items() if not np.array_equal(value, right)}
        laws.matches(z, right, what="z", tolerance=_EXACT, causes=causes)
        laws.matches(
            log_det, np.zeros(B), what="log_det, where numbers only change their places,", causes={"(B,) zeros": 0.0}
        )
        unlike = {
            "inverse is no mirror of forward: the same axes, permuted back": right.reshape(x.shape),
            "inverse takes the channels for (2, 2, C), forward for (C, 2, 2): they must match": (
                right.reshape(B, 2, 2, C, H // 2, W // 2).transpose(0, 3, 4, 1, 5, 2).reshape(x.shape)
            ),
            "inverse exchanges rows and columns of the blocks": (
                right.reshape(B, C, 2, 2, H // 2, W // 2).transpose(0, 1, 4, 3, 5, 2).reshape(x.shape)
            ),
        }
        unlike = {text: value for text, value in unlike.items() if not np.array_equal(value, x)}
        laws.matches(layer.inverse(torch.tensor(right)), x, what="inverse(squeezed)", tolerance=_EXACT, causes=unlike)

    with case("one channel, 4 x 4"):
        judge(2, 1, 4, 4)
    with case("three channels, 4 x 6"):
        judge(3, 3, 4, 2 * int(rng.integers(3, 5)))


@question("realnvp.act_norm", points=3, withholds=("deepul_utils.transforms.act_norm.ActNorm",))
def act_norm(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    C = int(rng.integers(3, 5))

    def batch(*shape: int) -> np.ndarray:
        wide = [-1, *[1] * (len(shape) - 2)]
        spread, centre = (rng.uniform(2, 5, shape[1]).reshape(wide) for _ in range(2))
        return rng.normal(size=shape) * spread + centre

    def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean, and deviation with N and with N - 1, of each channel; either deviation is fine."""
        axes, values = (0, *range(2, x.ndim)), x.size // x.shape[1]
        std = x.std(axes, keepdims=True)
        return x.mean(axes, keepdims=True), std, std * np.sqrt(values / (values - 1))

    def close(z: Any, to: np.ndarray) -> bool:
        z = np.asarray(z)
        return z.shape == to.shape and z.dtype.kind == "f" and np.allclose(z, to, rtol=1e-4, atol=1e-4)

    def either(z: Any, make: Callable[[np.ndarray], np.ndarray], std: np.ndarray, corrected: np.ndarray) -> np.ndarray:
        """What a deviation makes: the one with N - 1 where z is that."""
        return make(corrected) if close(z, make(corrected)) else make(std)

    def judge(x: np.ndarray) -> None:
        layer, (mean, *stds) = student.ActNorm(x.shape[1]), moments(x)
        z, log_det = laws.parts(layer.forward(torch.tensor(x)), "`forward`")
        values = x.size // x.shape[1]
        pixels = values // len(x)
        whole = x.mean(0), x.std(0)
        causes = {
            "the shift is not scaled: z = x / s - m / s, so that the mean becomes 0": either(
                z, lambda s: x / s - mean, *stds
            ),
            "the mean is not subtracted": either(z, lambda s: x / s, *stds),
            "divide by the standard deviation, not by the variance": either(z, lambda s: (x - mean) / s**2, *stds),
            "the scale is missing": x - mean,
            "x leaves as it came: the first batch sets scale and shift": x,
            "one mean and deviation for each channel, over examples and pixels": (x - x.mean()) / x.std(),
        }
        if x.ndim > 2:
            causes["over examples *and* pixels: a channel has one mean and one deviation"] = (x - whole[0]) / whole[1]
        right = either(z, lambda s: (x - mean) / s, *stds)
        laws.matches(z, right, what="z of the first batch", tolerance=1e-4, causes=causes)
        used = stds[close(z, (x - mean) / stds[1])]
        share = -np.log(used).sum()
        causes = {
            "the sign: the scale is 1 / s, so its logarithm is -log s": -pixels * share,
            "H W is missing: every pixel of a channel is scaled": share,
            "the logarithm of the scale 1 / s, not the scale itself": pixels * (1 / used).sum(),
            "the examples of a batch do not count: their volumes are their own": values * share,
            "sum over the channels, no mean": pixels * share / x.shape[1],
        }
        due = np.full(len(x), pixels * share)
        causes = {text: np.full(len(x), value) for text, value in causes.items() if not np.allclose(value, due)}
        laws.matches(log_det, due, what="log_det", tolerance=1e-3, causes=causes)
        laws.matches(layer.inverse(torch.tensor(np.asarray(z, dtype=np.float64))), x, what="inverse(z)", tolerance=1e-4)

    def later(first: np.ndarray, second: np.ndarray, saved: bool) -> None:
        layer, (mean, *stds) = student.ActNorm(first.shape[1]), moments(first)
        layer.forward(torch.tensor(first))
        if saved:
            other = student.ActNorm(first.shape[1])
            other.load_state_dict({name: torch.tensor(value) for name, value in layer.state_dict().items()})
            layer = other
        z, _ = laws.parts(layer.forward(torch.tensor(second)), "`forward`")
        own_mean, *own_stds = moments(second)
        again = (
            "a loaded layer sets itself again: that it is initialised must be in its state, as a buffer"
            if saved
            else "every batch sets scale and shift anew: only the first one may"
        )
        causes = {
            again: either(z, lambda s: (second - own_mean) / s, *own_stds),
            "this is x as it came": second,
        }
        right = either(z, lambda s: (second - mean) / s, *stds)
        laws.matches(z, right, what="z of the second batch", tolerance=1e-4, causes=causes)

    with case("the first batch, points"):
        judge(batch(20, C))
    with case("the first batch, images", weight=2):
        judge(batch(6, C, 4, 3))
    with case("the second batch"):
        later(batch(8, C, 2, 2), batch(8, C, 2, 2), saved=False)
    with case("saved and loaded"):
        later(batch(8, C, 2, 2), batch(8, C, 2, 2), saved=True)


@question("realnvp.stack", points=2, withholds=("deepul_utils.transforms.transform.Composition",))
def stack(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    D = 3
    x = rng.normal(size=(4, D))

    def layers(count: int) -> tuple[list[np.ndarray], Any]:
        matrices = [np.eye(D) + 0.4 * rng.normal(size=(D, D)) for _ in range(count)]
        return matrices, student.Stack([student.Linear(torch.tensor(A)) for A in matrices])

    def through(matrices: list[np.ndarray], x: np.ndarray) -> np.ndarray:
        for A in matrices:
            x = x @ A.T
        return x

    def back(matrices: list[np.ndarray], z: np.ndarray) -> np.ndarray:
        for A in matrices:
            z = np.linalg.solve(A, z.T).T
        return z

    def forward(count: int) -> None:
        matrices, flow = layers(count)
        z, log_det = laws.parts(flow.forward(torch.tensor(x)), "`forward`")
        causes: dict[str, Any] = {
            "the layers run from last to first: forward goes through them in order": through(matrices[::-1], x),
            "only the last layer": x @ matrices[-1].T,
        }
        laws.matches(z, through(matrices, x), what="z", tolerance=_EXACT, causes=causes)
        each = np.linalg.slogdet(np.array(matrices))[1]
        causes = {
            "the last layer's log_det alone: add every layer's, as in total = total + log_det": each[-1],
            "the first layer's log_det alone": each[0],
            "log-determinants are added, not multiplied": each.prod(),
            "the mean over the layers: they are added": each.mean(),
            "the sign": -each.sum(),
        }
        due = np.full(len(x), each.sum())
        causes = {text: np.full(len(x), value) for text, value in causes.items() if not np.allclose(value, each.sum())}
        laws.matches(log_det, due, what="log_det", tolerance=_EXACT, causes=causes)

    def inverse(count: int) -> None:
        matrices, flow = layers(count)
        z = through(matrices, x)
        causes = {
            "the layers are inverted in forward order: undo the last one first": back(matrices, z),
            "this is forward": through(matrices, z),
        }
        laws.matches(flow.inverse(torch.tensor(z)), x, what="inverse(z)", tolerance=1e-7, causes=causes)

    with case("forward through two layers"):
        forward(2)
    with case("forward through four layers"):
        forward(4)
    with case("inverse of two layers"):
        inverse(2)
    with case("inverse of four layers"):
        inverse(4)


@question("realnvp.log_prob", points=2)
def log_prob(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(shapes: list[tuple[int, ...]], B: int = 4) -> None:
        latents, log_det = [rng.normal(size=(B, *shape)) for shape in shapes], rng.normal(size=B)
        squares = np.array([(z.reshape(B, -1) ** 2).sum(1) / 2 for z in latents])  # (latents, B)
        sizes = np.array([z[0].size for z in latents])
        terms = -squares - (sizes * np.log(2 * np.pi) / 2)[:, None]
        right = terms.sum(0) + log_det
        causes = {
            "the split latents lack their term of the prior: every latent counts, not the last alone": (
                terms[-1] + log_det
            ),
            "the first latent alone: every one counts": terms[0] + log_det,
            "the constant -D / 2 log(2 pi) is missing": -squares.sum(0) + log_det,
            "the constant is there once, instead of once for each dimension": (
                -squares.sum(0) - np.log(2 * np.pi) / 2 + log_det
            ),
            "the mean over the dimensions instead of their sum": terms.sum(0) / sizes.sum() + log_det,
            "log_det is subtracted: log p(x) = log p(z) + log|det dz/dx|": terms.sum(0) - log_det,
            "log_det is missing": terms.sum(0),
            "the sign of all": -right,
            "one number for each example, no mean over the batch": right.mean(),
        }
        causes = {text: value for text, value in causes.items() if not np.allclose(value, right)}
        got = student.log_prob([torch.tensor(z) for z in latents], torch.tensor(log_det))
        laws.matches(got, right, what="log p(x)", tolerance=1e-6, causes=causes)

    with case("one latent, points"):
        judge([(3,)])
    with case("three scales", weight=2):
        judge([(2, 4, 4), (4, 2, 2), (int(rng.integers(5, 9)), 1, 1)])


@question("realnvp.trained", points=4, weights="realnvp")
def trained(student: Any, case: Any, seed: int, weights: Callable[[], dict[str, torch.Tensor]]) -> None:
    def loss() -> float:
        weights()  # says what is missing, before anything is downloaded
        test = np.random.default_rng(seed).permutation(mnist()[1])[:304]  # which, nobody knows beforehand
        return flow_loss(lambda: loaded(student.build_model, weights), test, 256, seed=seed, restart=student.restart)

    limits(case, loss, {1.8: 1, 1.6: 1, 1.45: 2}, implausible=0.6, unit="bits per dimension")
