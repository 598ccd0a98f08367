"""The checks of the homework on PixelCNN: masks, colours, a network in order, classes, sampling, a gated layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import numpy as np
import torch
from scipy import special
from torch.nn import functional as F

from deepul_utils.checks import laws
from deepul_utils.checks.question import question
from deepul_utils.checks.trained import limits, loaded, softmax_loss
from deepul_utils.data.mnist import thresholded_mnist
from deepul_utils.nn.ordering import raster


def _mask(kernel_size: int, kind: str) -> np.ndarray:
    mask = np.zeros((kernel_size, kernel_size), dtype=int)
    mask[: kernel_size // 2] = 1
    mask[kernel_size // 2, : kernel_size // 2 + (kind == "B")] = 1
    return mask


@question("pixelcnn.mask", points=2, withholds=("deepul_utils.nn.masked.pixel_mask",))
def mask(student: Any, case: Any, seed: int) -> None:
    def judge(k: int, kind: str) -> None:
        right, h = _mask(k, kind), k // 2
        no_row, whole_row = right.copy(), right.copy()
        no_row[h], whole_row[h] = 0, 1
        causes = {
            "kind B keeps the centre: only kind A covers it" if kind == "B" else "kind A covers the centre": _mask(
                k, "A" if kind == "B" else "B"
            ),
            "the centre's row is zero: the pixels to the left of the centre come before it": no_row,
            "the centre's row is kept whole: what is right of the centre comes after it": whole_row,
            "rows and columns are exchanged: the raster goes row by row": right.T,
            "what comes before the centre should be kept, and what comes after it should go": 1 - right,
            "the mask is upside down: the rows above the centre come before it": right[::-1],
            "the mask is mirrored: what comes before the centre is to its left": right[:, ::-1],
            "the rows below the centre come after it": np.ones_like(right) - np.eye(k)[h][:, None] * (1 - right),
        }
        laws.matches(student.pixel_mask(k, kind), right, what=f"the mask of kind {kind}", tolerance=1e-9, causes=causes)

    for k, kind in [(3, "A"), (3, "B"), (7, "A"), (5, "B")]:
        with case(f"kernel {k} x {k}, kind {kind}"):
            judge(k, kind)


@question("pixelcnn.channel_mask", points=2, withholds=("deepul_utils.nn.masked.pixel_mask",))
def channel_mask(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(outputs: int, inputs: int, k: int, kind: str, channels: int = 3) -> None:
        group, before = (np.arange(n) * channels // n for n in (outputs, inputs))
        group, before = group[:, None], before[None, :]
        spatial = np.broadcast_to(_mask(k, "A"), (outputs, inputs, k, k)).copy()

        def with_centre(centre: Any, base: np.ndarray = spatial) -> np.ndarray:
            answer = base.copy()
            answer[:, :, k // 2, k // 2] = centre
            return answer

        wanted = before < group if kind == "A" else before <= group
        right = with_centre(wanted)
        interleaved = (np.arange(inputs) % channels)[None], (np.arange(outputs) % channels)[:, None]
        causes: dict[str, Any] = {
            "R is hidden from G: at the centre, kind A keeps the groups before its own": with_centre(0),
            "at the centre, kind B keeps the groups before its own, too": with_centre(before == group),
            "at the centre, the groups after a feature's own must be covered: R would see G": with_centre(1),
            "at the centre, kind A covers a feature's own group: R would see itself": with_centre(before <= group),
            "at the centre, kind B keeps a feature's own group": with_centre(before < group),
            "the channels run the wrong way: G sees R, and R does not see G": with_centre(
                before > group if kind == "A" else before >= group
            ),
            "the groups are blocks: first all features of R, then those of G, then those of B": with_centre(
                interleaved[0] < interleaved[1] if kind == "A" else interleaved[0] <= interleaved[1]
            ),
            "above and to the left, every group sees every other: only the centre depends on the groups": with_centre(
                wanted, spatial * wanted[:, :, None, None]
            ),
            "the outputs come first: the shape is (outputs, inputs, rows, columns)": np.swapaxes(right, 0, 1),
        }
        causes = {text: value for text, value in causes.items() if not np.array_equal(value, right)}
        got = student.channel_mask(outputs, inputs, k, kind, channels)
        laws.matches(got, right, what=f"the mask of kind {kind}", tolerance=1e-9, causes=causes)

    some = 3 * int(rng.integers(2, 4))
    with case("first layer: 6 features from R, G, B, kind A"):
        judge(6, 3, 5, "A")
    with case("6 features from 9, kind B"):
        judge(6, 9, 3, "B")
    with case("a 1 x 1 convolution, kind B"):
        judge(some, 6, 1, "B")
    with case("two channels"):
        judge(4, 8, 3, "A", channels=2)


@question(
    "pixelcnn.network",
    points=4,
    withholds=("deepul_utils.models.pixelcnn.PixelCNN", "deepul_utils.nn.masked.MaskedConv2d"),
)
def network(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(shape: list[int], K: int, width: int, layers: int = 2, kernel_size: int = 5) -> None:
        C, (H, W) = (shape[0] if len(shape) == 3 else 1), shape[-2:]

        order, place = raster(shape).numpy(), np.arange(C * H * W) % (H * W)  # the pixel of each dimension

        def cause(sees: np.ndarray) -> str:
            due = order < order[:, None]
            leaks, misses, same_pixel = sees & ~due, due & ~sees, place == place[:, None]
            if (leaks & ~same_pixel).any():
                return "a pixel sees a later one: does a convolution lack its mask, or a normalisation span positions?"
            if (leaks & ~np.eye(len(sees), dtype=bool)).any():
                return "R sees G: do 1 x 1 convolutions have masks, too, or does a normalisation mix the groups?"
            if leaks.any():
                return "a pixel sees itself: is the first layer of kind A, and without a residual around it?"
            if (misses & ~same_pixel).any():
                return (
                    "an earlier pixel is not seen: is the centre's row kept to its left, and is every layer but the "
                    "first of kind B, 1 x 1 layers too?"
                )
            return (
                "G does not see R at its own pixel: at the centre, kind A hides its own and later groups only, "
                "and only the first layer is of kind A"
            )

        torch.manual_seed(int(rng.integers(2**31)))
        net = student.PixelNet(shape, K, width, layers, kernel_size)
        x = rng.integers(K, size=(64, C * H * W))
        x[:K] = np.arange(K)[:, None]  # each input takes several values

        def conditionals(x: np.ndarray) -> np.ndarray:
            got = np.asarray(net(torch.from_numpy(x.reshape(-1, *shape))))
            laws.matches(got.shape, (len(x), *shape, K), what="the shape of the logits", tolerance=0)
            return got.reshape(len(x), -1, K)

        laws.autoregressive(conditionals, x, order, cause)

    with case("grey images: every earlier pixel, and no other", weight=2):
        judge([4, 3], K=2, width=16)
    with case("colour images: R, then G, then B", weight=2):
        judge([3, 3, 3], K=3, width=24)
    with case("a single pixel in three colours"):
        judge([3, 1, 1], K=4, width=12)


@question("pixelcnn.class_bias", points=1, withholds=("deepul_utils.nn.conditioning.ClassBias",))
def class_bias(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(h: np.ndarray, y: np.ndarray, table: np.ndarray) -> None:
        def added(b: np.ndarray) -> np.ndarray:
            return h + b[:, :, None, None]

        n, width = len(y), h.shape[1]
        causes = {
            "the biases are looked up by the place in the batch: look them up by the class": added(
                table[np.arange(n) % len(table)]
            ),
            "every example gets the bias of the first one's class": added(table[y[:1].repeat(n)]),
            "the bias is added to the rows: it belongs to the features, at every position alike": (
                h + table[y][:, None, :, None] if width == h.shape[2] else None
            ),
            "the bias is added to the columns: it belongs to the features, at every position alike": (
                h + table[y][:, None, None, :] if width == h.shape[3] else None
            ),
            "the bias is multiplied: add it": h * table[y][:, :, None, None],
            "the class number itself is added: add the vector that belongs to the class": h + y[:, None, None, None],
            "h comes back unchanged": h,
            "h is missing: add the bias to it": added(table[y]) - h,
        }
        told = {text: value for text, value in causes.items() if value is not None}
        laws.matches(student.class_bias(h, y, table), added(table[y]), what="the features", causes=told)

    with case("a batch of classes"):
        side = int(rng.integers(4, 7))
        judge(rng.normal(size=(5, side, side, side)), np.array([3, 1, 6, 1, 0]), rng.normal(size=(7, side)))
    with case("one image, other numbers of rows and columns"):
        judge(rng.normal(size=(1, 4, 2, 3)), np.array([2]), rng.normal(size=(3, 4)))


class _Toy:
    """Linear conditionals over small colour images, with the classic mistakes of sampling as options."""

    def __init__(self, rng: np.random.Generator, C: int, H: int, W: int, K: int) -> None:
        self.shape, self.K = (C, H, W), K
        self.order = raster((C, H, W)).numpy()
        D = C * H * W
        earlier = self.order[:, None] > self.order[None, :]
        weights = 3 * rng.normal(size=(D, K, D)) * earlier[:, None, :]
        self.weights, self.biases = weights.reshape(C, H, W, K, C, H, W), rng.normal(size=(C, H, W, K))

    def probs(self, x: np.ndarray) -> np.ndarray:
        """(N, D, K) for x (N, D)."""
        D = x.shape[1]
        logits = np.einsum("ikj,nj->nik", self.weights.reshape(D, self.K, D), x) + self.biases.reshape(D, self.K)
        return np.asarray(special.softmax(logits, -1))

    def uniforms(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Noise that keeps clear of the steps of F, where rounding would decide."""
        x = np.zeros((n, self.order.size))
        u = np.empty_like(x)
        for i in self.order.argsort():
            p = self.probs(x)[:, i]
            k = np.array([rng.choice(self.K, p=row) for row in p])
            start = np.cumsum(p, 1) - p
            share = rng.uniform(0.02, 0.98, n)
            u[:, i] = start[np.arange(n), k] + share * p[np.arange(n), k]
            x[:, i] = k
        return u.reshape(n, *self.shape)

    def draw(
        self, uniforms: np.ndarray, steps: Iterable[Iterable[int]], u_order: Any = None, likeliest: bool = False
    ) -> np.ndarray:
        """Visit the dimensions in steps, those of a step from one pass of the network."""
        n = len(uniforms)
        u, x = uniforms.reshape(n, -1), np.zeros((n, self.order.size))
        for step in steps:
            p = self.probs(x)
            for i in step:
                sums = np.cumsum(p[:, i], 1)[:, :-1]
                noise = u[:, i if u_order is None else u_order[i]]
                x[:, i] = p[:, i].argmax(1) if likeliest else (sums <= noise[:, None]).sum(1)
        return x.reshape(n, *self.shape)


@question("pixelcnn.sample", points=3, withholds=("deepul_utils.models.autoregressive.Autoregressive.sample",))
def sample(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(C: int, H: int, W: int, K: int, n: int) -> None:
        toy = _Toy(rng, C, H, W, K)
        u = toy.uniforms(rng, n)
        index = np.arange(C * H * W).reshape(C, H, W)
        visits = toy.order.argsort()

        def by_ones(loop: Iterable[tuple[int, int, int]]) -> list[list[int]]:
            return [[int(index[c, r, s])] for c, r, s in loop]

        pixels = list(product(range(H), range(W)))
        causes = {
            "G is drawn before R is known: draw R, put it into the image, and only then compute G's logits": toy.draw(
                u, [[int(index[c, r, s]) for c in range(C)] for r, s in pixels]
            ),
            "all of R is drawn before G: the three channels of a pixel come before the next pixel": toy.draw(
                u, by_ones(product(range(C), range(H), range(W)))
            ),
            "the pixels are visited column by column": toy.draw(
                u, by_ones((c, r, s) for s in range(W) for r in range(H) for c in range(C))
            ),
            "all pixels are drawn from one pass: draw one, put it in, and compute the logits again": toy.draw(
                u, [visits.tolist()]
            ),
            "always the likeliest value: use the uniforms": toy.draw(u, [[int(i)] for i in visits], likeliest=True),
            "a value takes the uniform at its own place, uniforms[:, channel, row, column]": toy.draw(
                u, [[int(i)] for i in visits], u_order=toy.order
            ),
        }
        right = toy.draw(u, [[int(i)] for i in visits])
        causes = {text: value for text, value in causes.items() if not np.array_equal(value, right)}
        got = student.sample(toy.weights, toy.biases, u)
        laws.matches(got, right, what="the sample", tolerance=1e-9, causes=causes)

    with case("grey images of 2 x 3"):
        judge(1, 2, 3, K=3, n=20)
    with case("colour images of 2 x 2", weight=3):
        judge(3, 2, 2, K=int(rng.integers(3, 5)), n=40)
    with case("one image"):
        judge(3, 1, 2, K=2, n=1)


def _gated(v: np.ndarray, h: np.ndarray, weights: dict[str, np.ndarray], kind: str, **slip: Any) -> list[np.ndarray]:
    """v' and h' of a gated layer; `slip` names a classic mistake."""
    v_in, h_in = torch.from_numpy(v), torch.from_numpy(h)
    down, across, right, out = (torch.from_numpy(weights[name]) for name in ("down", "across", "right", "out"))
    k = down.shape[-1]
    half = k // 2

    def gate(z: torch.Tensor) -> torch.Tensor:
        a, b = z.chunk(2, 1)
        if slip.get("exchanged"):
            a, b = b, a
        return a.sigmoid() * b.sigmoid() if slip.get("two_sigmoids") else a.tanh() * b.sigmoid()

    if slip.get("shifts"):
        v_in = F.pad(v_in, (0, 0, 1, -1))
    rows = half if slip.get("own_row_missing") else half + 1
    cut = down.clone()
    cut[:, :, k if slip.get("unmasked") else rows :] = 0
    if slip.get("raster_mask"):
        cut[:, :, half, half + 1 :] = 0
    z = F.conv2d(v_in, cut, padding=half)
    told = gate(z) if slip.get("told_after_gate") else z
    told = F.conv2d(told, (across[:, : told.shape[1]])[:, :, None, None])
    if slip.get("nothing_told"):
        told = 0 * told
    kept = half + (kind == "B") if not slip.get("other_kind") else half + (kind == "A")
    cut = right.clone()
    cut[..., kept:] = 0
    s = F.conv2d(h_in, cut, padding=(0, half)) + told
    after = F.conv2d(gate(s), out[:, :, None, None])
    residual = (kind == "B") if not slip.get("other_residual") else (kind == "A")
    v_out = gate(z) + (v_in if slip.get("v_residual") else 0)
    return [v_out.numpy(), (h_in + after if residual else after).numpy()]


@question("pixelcnn.gated_layer", points=4, withholds=("deepul_utils.models.gated_pixelcnn.GatedLayer",))
def gated_layer(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(k: int, kind: str, B: int, width: int, H: int, W: int) -> None:
        v, h = rng.normal(size=(2, B, width, H, W))
        weights = {
            "down": rng.normal(size=(2 * width, width, k, k)),
            "across": rng.normal(size=(2 * width, 2 * width)),
            "right": rng.normal(size=(2 * width, width, 1, k)),
            "out": rng.normal(size=(width, width)),
        }
        slips: dict[str, dict[str, Any]] = {
            "v is shifted down once more: it was shifted before the first layer, and each shift here leaves a row out, "
            "which brings the blind spot back": {"shifts": True},
            "the vertical stack leaves out its own row: v is shifted already, so that row is one above": {
                "own_row_missing": True
            },
            "the vertical kernel is not masked: its rows below the centre see the future": {"unmasked": True},
            "the vertical mask cuts what is right of the centre: in the vertical stack whole rows are kept, or there "
            "is a blind spot": {"raster_mask": True},
            "the horizontal stack is told z, before the gate": {"told_after_gate": True},
            "the horizontal stack is told nothing: V z is missing": {"nothing_told": True},
            "the horizontal kernel of kind A covers its centre, that of kind B keeps it": {"other_kind": True},
            "the residual around the first layer lets the pixel see itself: kind A has none, kind B has one": {
                "other_residual": True
            },
            "the vertical stack has no residual: v' is gate(z)": {"v_residual": True},
            "tanh belongs to the first half of the features and the sigmoid to the second": {"exchanged": True},
            "the first half of the features goes through tanh": {"two_sigmoids": True},
        }
        right = _gated(v, h, weights, kind)
        causes = [(text, _gated(v, h, weights, kind, **slip)) for text, slip in slips.items()]
        got = student.gated_layer(v, h, weights, kind)
        if not isinstance(got, list) or len(got) != 2:
            raise laws.LawBroken("return two arrays, v' and h'")
        for place, name in enumerate(("v'", "h'")):
            told = {text: value[place] for text, value in causes if not np.allclose(value[place], right[place])}
            laws.matches(got[place], right[place], what=name, causes=told)

    with case("kind B, 3 x 3", weight=2):
        judge(3, "B", B=2, width=3, H=5, W=6)
    with case("kind A, 3 x 3", weight=2):
        judge(3, "A", B=2, width=2, H=4, W=5)
    with case("kind B, 5 x 5, one image"):
        judge(5, "B", B=1, width=2, H=6, W=int(rng.integers(5, 8)))


@question("pixelcnn.trained", points=4, weights="pixelcnn")
def trained(student: Any, case: Any, seed: int, weights: Callable[[], dict[str, torch.Tensor]]) -> None:
    def loss() -> float:
        model = loaded(student.build_model, weights)
        return softmax_loss(model, thresholded_mnist()[1][::20], 2, seed=seed, hidden=1000)

    limits(case, loss, {0.11: 1, 0.095: 1, 0.085: 2}, implausible=0.045)
