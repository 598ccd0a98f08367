"""Homework `vqvae`: the nearest code, straight-through, the loss and its gradients, perplexity, moving averages."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepul_utils.checks import laws
from deepul_utils.checks.question import question

_QUANTISER = "deepul_utils.models.quantiser"
_THROUGH = "deepul_utils.distributions.gradient_estimators.straight_through"
_Due = dict[str, tuple[np.ndarray, dict[str, np.ndarray]]]  # by name, the right array and those of usual mistakes

_DECODES_H = "the decoder takes h: give it z, whose value is the code"


def _squares(h: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """|h_n - e_j|^2, (N, K)."""
    return ((h[:, None] - codes) ** 2).sum(2)


def _cloud(rng: np.random.Generator, n: int, num_codes: int, dims: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (N, D) and codes (K, D) of uneven lengths."""
    return rng.normal(size=(n, dims)), rng.normal(size=(num_codes, dims)) * np.linspace(0.3, 2, num_codes)[:, None]


@question("vqvae.nearest", points=3, withholds=(f"{_QUANTISER}.nearest", f"{_QUANTISER}.Quantiser"))
def nearest(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    far = np.array([300.0, -200.0, 100.0])
    near = _cloud(rng, 30, 5, 3)
    for name, (h, codes) in {
        "by hand: six points, two codes": (
            np.array([[1.0, 1], [2, 1], [1, 2], [5, 4], [6, 5], [4, 5]]),
            np.array([[1.0, 1], [2, 1]]),
        ),
        "numbers on a line": _cloud(rng, 40, 6, 1),
        "more codes than vectors": _cloud(rng, 12, 40, 4),
        "many dimensions": _cloud(rng, 50, 8, int(rng.integers(9, 20))),
        "far from the origin": (near[0] + far, near[1] + far),
    }.items():
        squares = _squares(h, codes)
        right = squares.argmin(1)
        long, cross = (codes**2).sum(1), h @ codes.T
        causes = {
            "the cross term is missing: without -2 h . e every vector gets the shortest code": (
                (h**2).sum(1)[:, None] + long
            ).argmin(1),
            "the cross term has the wrong sign: |h - e|^2 = |h|^2 - 2 h . e + |e|^2": (2 * cross + long).argmin(1),
            "the cross term lacks its factor 2": (long - cross).argmin(1),
            "|e|^2 is missing: the largest h . e favours long codes": cross.argmax(1),
            "this is the code that points in the most similar direction: distances are asked for": (
                cross / np.sqrt(long)
            ).argmax(1),
            "these are sums of absolute differences: square them": np.abs(h[:, None] - codes).sum(2).argmin(1),
            "the differences are summed before they are squared": ((h[:, None] - codes).sum(2) ** 2).argmin(1),
            "these are the farthest codes: take the smallest distance": squares.argmax(1),
            "these are the codes: their indices are asked for": codes[right],
            "these are the distances: the index of the smallest is asked for": squares.min(1),
            "these are all distances: the index of the smallest in each row is asked for": squares,
            "each code was given its nearest vector: give each vector its nearest code": squares.argmin(0),
            "the indices count from 1: count from 0": right + 1,
        }
        with case(name):
            laws.matches(student.nearest(h, codes), right, what="the index", causes=causes)


@question("vqvae.straight_through", points=3, withholds=(_THROUGH,))
def through(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, shape in {"one number": (1,), "a few vectors": (4, 3), "many": (int(rng.integers(20, 40)), 5)}.items():
        h, code, slope = rng.normal(size=(3, *shape))
        zero = np.zeros(shape)
        parts: _Due = {
            "z": (code, {"this is h: in value, z is the code": h, "this is h + code: subtract h": h + code}),
            "the gradient for h": (
                slope,
                {
                    "no gradient reaches h: leave h itself outside of detach": zero,
                    "the gradient has the wrong sign: h + sg(code - h), not code - h + sg(h)": -slope,
                    "h gets the gradient twice": 2 * slope,
                },
            ),
            "the gradient for the code": (
                zero,
                {
                    "the gradient reaches the code: it must stop there, detach it": slope,
                    "the code gets a gradient with a minus: detach it": -slope,
                },
            ),
        }
        # One case: each classic mistake spoils one of the three alone, and the trick is to have all of them right.
        with case(name):
            _each(laws.parts(student.straight_through(h, code, slope), "`straight_through`", [*parts]), parts)


def _each(got: Any, due: _Due) -> None:
    """Every part is right; the message has a line or two on each that is not."""
    wrong = []
    for part, (what, (right, causes)) in zip(got, due.items(), strict=True):
        try:
            laws.matches(part, right, what=what, tolerance=1e-8, causes=causes)
        except laws.LawBroken as broken:
            wrong.append(str(broken).split("\nexpected ")[0])
    if wrong:
        raise laws.LawBroken("\n".join(wrong))


class _Loss:
    """|x - W z|^2 / 2 + |sg(h) - e|^2 + beta |h - sg(e)|^2, summed over a vector and averaged over N; its gradients."""

    def __init__(self, h: np.ndarray, codes: np.ndarray, x: np.ndarray, weight: np.ndarray, beta: float) -> None:
        self.codes, self.beta, self.n = codes, beta, len(h)
        self.k = _squares(h, codes).argmin(1)
        self.apart = h - codes[self.k]
        missed = codes[self.k] @ weight.T - x  # (N, P)
        self.reconstruction = (missed**2).sum() / 2 / self.n
        self.squares = (self.apart**2).sum() / self.n
        self.slope = missed @ weight / self.n  # of the reconstruction in z, (N, D)
        self.of_weight = missed.T @ codes[self.k] / self.n
        by_h = h @ weight.T - x  # as `missed`, if the decoder took h
        self.by_h = (by_h**2).sum() / 2 / self.n, by_h @ weight / self.n, by_h.T @ h / self.n

    def of_codes(self, of_vectors: np.ndarray) -> np.ndarray:
        """What the vectors' codes get, put together by code."""
        gathered = np.zeros_like(self.codes)
        np.add.at(gathered, self.k, of_vectors)
        return gathered

    def values(self) -> np.ndarray:
        r, s = self.reconstruction, self.squares
        return np.array([r + (1 + self.beta) * s, r, s, s])

    def wrong_values(self) -> dict[str, np.ndarray]:
        r, s, b = self.reconstruction, self.squares, self.beta
        dims, pixels = self.apart.shape[1], self.of_weight.shape[0]

        def put(r: float, s: float, total: float | None = None) -> np.ndarray:
            return np.array([r + (1 + b) * s if total is None else total, r, s, s])

        return {
            "the squares are averaged over the dimensions of a code: sum over them": put(r, s / dims),
            "squares and reconstruction are averaged over their dimensions: sum over them": put(r / pixels, s / dims),
            "the reconstruction is averaged over its dimensions: sum over them": put(r / pixels, s),
            "the vectors are summed: the loss is a mean over them": put(r * self.n, s * self.n),
            "the squares are summed over the vectors: average over them": put(r, s * self.n),
            "the commitment is not in the loss": put(r, s, r + s),
            "the codebook term is not in the loss": put(r, s, r + b * s),
            "beta is left out": put(r, s, r + 2 * s),
            "beta weighs both terms: the codebook term has weight 1": put(r, s, r + 2 * b * s),
            "the two terms are not in the loss": put(r, s, r),
            "the terms are halved: only the reconstruction has a 1/2": put(r, s / 2),
            "the reconstruction lacks its 1/2": put(2 * r, s),
            "the commitment is reported with its beta: report it without": np.array([r + (1 + b) * s, r, s, b * s]),
            "the square root was taken: these are squared distances": put(r, np.linalg.norm(self.apart, axis=1).mean()),
            _DECODES_H: put(self.by_h[0], s),
        }

    def gradients(self) -> _Due:
        """Of the loss in h, codes and weight, each with those of usual mistakes."""
        b, apart, slope = self.beta, 2 * self.apart / self.n, self.slope
        no_stop = "no stop-gradient: the codebook term takes sg(h), the commitment sg(e)"
        swapped = (
            "beta is on the codebook term, or the two stop-gradients are exchanged: beta belongs to the commitment, "
            "which moves h"
        )
        late = "the terms are taken after the straight-through: compare h with the code itself, not with z"
        detached = "straight-through passes no gradient: the reconstruction does not reach h"
        through = "the reconstruction moves the codes: let its gradient pass to h instead"
        of_h = {
            swapped: slope + apart,
            no_stop: slope + (1 + b) * apart,
            f"{late}; the codebook term then pushes h away from its code": slope + (b - 1) * apart,
            late: slope,
            detached: b * apart,
            f"{detached}, and there is no stop-gradient": (1 + b) * apart,
            "no gradient reaches h: straight-through and commitment should both bring one": 0 * apart,
            f"{late}; the codebook term without stop-gradient vanishes": slope - apart,
            _DECODES_H: self.by_h[1] + b * apart,
        }
        of_codes = {
            swapped: self.of_codes(-b * apart),
            no_stop: self.of_codes(-(1 + b) * apart),
            f"{late}: no term moves the codes": np.zeros_like(self.codes),
            through: self.of_codes(slope - apart),
            f"{through}; and no stop-gradient": self.of_codes(slope - (1 + b) * apart),
        }
        of_weight = {"no gradient reaches the decoder": np.zeros_like(self.of_weight), _DECODES_H: self.by_h[2]}
        return {
            "the gradient for h": (slope + b * apart, of_h),
            "the gradient for the codes": (self.of_codes(-apart), of_codes),
            "the gradient for the decoder's weight": (self.of_weight, of_weight),
        }


@question("vqvae.loss", points=4, withholds=("deepul_utils.models.vqvae.VQVAE",))
def loss(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, (n, num_codes, dims, pixels, beta) in {
        "one vector": (1, 3, 2, 4, 0.25),
        "a batch": (int(rng.integers(10, 30)), 6, 3, 5, 0.4),
    }.items():
        h, codes = _cloud(rng, n, num_codes, dims)
        x, weight = rng.normal(size=(n, pixels)), rng.normal(size=(pixels, dims))
        due = _Loss(h, codes, x, weight, beta)
        names = ["the four losses", *due.gradients()]

        def answer(given: Any = (h, codes, x, weight, beta), names: list[str] = names) -> Any:
            return laws.parts(student.loss(*given), "`loss`", names)

        with case(f"{name}: loss, reconstruction, codebook, commitment"):
            what = "loss, reconstruction, codebook, commitment"
            laws.matches(answer()[0], due.values(), what=what, tolerance=1e-8, causes=due.wrong_values())
        *moved, weights = due.gradients().items()
        # One case: straight-through and stop-gradients decide both, and most mistakes there show in one alone.
        with case(f"{name}: the gradients for h and the codes", weight=3):
            _each(answer()[1:3], dict(moved))
        with case(f"{name}: the gradient for the decoder's weight"):
            _each(answer()[3:], dict([weights]))


@question("vqvae.perplexity", points=2)
def perplexity(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, (k, num_codes) in {
        "all codes alike: K": (rng.permutation(np.repeat(np.arange(5), 4)), 5),
        "one code for all: 1": (np.full(7, 2), 4),
        "some codes unused": (rng.choice([0, 2, 3, 7], 60, p=[0.5, 0.3, 0.15, 0.05]), 9),
        "maps of codes": (rng.choice(6, (int(rng.integers(5, 12)), 2, 3), p=[0.4, 0.3, 0.1, 0.1, 0.1, 0.0]), 6),
    }.items():
        share = np.bincount(k.ravel(), minlength=num_codes) / k.size
        used = share[share > 0]
        entropy = -(used * np.log(used)).sum()
        right = np.exp(entropy)
        causes = {
            "a share of 0 gives 0 log 0 = NaN: such a code adds nothing": np.nan,
            "this is the entropy in nats: take its exponential": entropy,
            "this is the entropy in bits: nats, and then their exponential": entropy / np.log(2),
            "2 to the nats: with natural logarithms take exp": 2**entropy,
            "e to the bits: with log2 take 2 to it": np.exp(entropy / np.log(2)),
            "the sign is wrong: the entropy is -sum u log u": np.exp(-entropy),
            "this is the number of codes in use: count how evenly, too": float(len(used)),
            "these are counts: divide by their sum, to have shares": np.exp(
                -(used * k.size * np.log(used * k.size)).sum()
            ),
            "the sum is divided by K: the entropy is a sum": np.exp(entropy / num_codes),
        }
        with case(name):
            got = student.perplexity(k, num_codes)
            laws.matches(got, right, what="the perplexity", tolerance=1e-8, causes=causes)


@question("vqvae.moving_average", points=3)
def moving_average(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, (n, num_codes, dims, decay) in {
        "a small batch": (4, 2, 1, 0.6),
        "a large one": (int(rng.integers(30, 60)), 5, 3, 0.9),
        "codes that nobody chooses": (6, 12, 2, 0.99),
    }.items():
        h, codes = _cloud(rng, n, num_codes, dims)
        counts = rng.uniform(1, 5, num_codes)
        sums = counts[:, None] * codes
        k = _squares(h, codes).argmin(1)
        now = np.bincount(k, minlength=num_codes).astype(float)
        total = np.zeros_like(codes)
        np.add.at(total, k, h)

        def put(keep: float, new: float, now: np.ndarray = now, total: np.ndarray = total) -> Any:
            N, S = keep * counts + new * now, keep * sums + new * total  # noqa: B023
            return np.column_stack([N, S, S / N[:, None]])

        right = put(decay, 1 - decay)
        with np.errstate(all="ignore"):
            batch_means = total / now[:, None]
        mean_as_sum = np.nan_to_num(batch_means)
        last = np.zeros_like(codes)
        last[k] = h  # of several that chose a code, the last one stays
        dropped = (
            "of the vectors that chose the same code only the last is added, as S[k] += h does: np.add.at adds all"
        )
        plain = right[:, : 1 + dims]
        smoothed = (right[:, :1] + 1e-5) / (1 + 1e-5 * num_codes / right[:, 0].sum())
        smoothing = "the counts are smoothed by an epsilon: divide by N as it is"
        causes = {
            "decay and 1 - decay are exchanged: the old has the weight decay": put(1 - decay, decay),
            "the new is added without 1 - decay": put(decay, 1.0),
            "the old is kept without decay": put(1.0, 1 - decay),
            "the means of the batch are averaged where its sums belong": put(decay, 1 - decay, total=mean_as_sum),
            "the codes are divided by the counts of this batch alone": np.column_stack(
                [plain, plain[:, 1:] / np.maximum(now, 1)[:, None]]
            ),
            "the codes are the means of this batch: divide the averaged sums by the averaged counts": np.column_stack(
                [plain, np.where(now[:, None] > 0, mean_as_sum, codes)]
            ),
            "a code that nobody chose divides 0 by 0: use the averaged counts": np.column_stack([plain, batch_means]),
            "the codes are averaged themselves: average counts and sums, and divide": np.column_stack(
                [plain, decay * codes + (1 - decay) * mean_as_sum]
            ),
            dropped: put(decay, 1 - decay, total=last),
            f"{dropped}, for the counts too": put(decay, 1 - decay, now=(now > 0).astype(float), total=last),
            smoothing: np.column_stack([plain, plain[:, 1:] / smoothed]),
            f"{smoothing}, and return it so": np.column_stack([smoothed, plain[:, 1:], plain[:, 1:] / smoothed]),
        }
        with case(name):
            answer = student.moving_average(h, codes, counts, sums, decay)
            new = [laws.numbers(one) for one in laws.parts(answer, "`moving_average`", ["codes", "counts", "sums"])]
            shapes = [codes.shape, counts.shape, sums.shape]
            if [one.shape for one in new] != shapes:
                raise laws.LawBroken(f"codes, counts and sums should have the shapes {shapes}")
            got = np.column_stack([new[1], new[2], new[0]])
            laws.matches(got, right, what="counts, sums and codes, side by side", tolerance=1e-8, causes=causes)
