"""The checks of the homework on masked attention: the mask, the shift, a head, a step with kept keys, training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import special

from deepul_utils.checks import laws
from deepul_utils.checks.laws import LawBroken
from deepul_utils.checks.orderings import shuffled
from deepul_utils.checks.question import question
from deepul_utils.checks.trained import limits, loaded, softmax_loss
from deepul_utils.data.digits import digits


def _mask(order: np.ndarray) -> np.ndarray:
    return order[None, :] <= order[:, None]


@question("masked_attention.mask", points=1, withholds=("deepul_utils.nn.attention.attention_mask",))
def mask(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(order: np.ndarray) -> None:
        right, visits = _mask(order), order.argsort()
        causes = {
            "it is transposed: row i says what position i may see": right.T,
            "a position may see itself, since the value that stands there was visited before it": (
                order[None, :] < order[:, None]
            ),
            "this is the mask of the raster, whatever the order": np.tril(np.ones(right.shape)),
            "True is where a position may look: here it is the other way round": ~right,
            "order[i] says when position i comes, and argsort who comes when: here the two are mixed up": _mask(visits),
            "rows and columns belong to positions 0, 1, ..., not to the visits": _mask(order)[visits],
            "nothing is masked": np.ones(right.shape),
            "return booleans, not numbers to be added to the scores": np.where(right, 0, -np.inf),
        }
        laws.matches(student.attention_mask(torch.from_numpy(order)), right, what="the mask", causes=causes)

    with case("three positions in the order 1, 2, 0"):
        judge(np.array([2, 0, 1]))
    with case("the raster"):
        judge(np.arange(int(rng.integers(5, 9))))
    with case("a random order"):
        judge(shuffled(rng, int(rng.integers(6, 10))))
    with case("one position"):
        judge(np.array([0]))


@question("masked_attention.shifted", points=2)
def shifted(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(order: np.ndarray, B: int, K: int) -> None:
        # The first value of every example is K - 1 and the last 1, so that neither passes for another or for 0.
        x, visits = rng.integers(1, K, size=(B, len(order))), order.argsort()
        x[:, visits[0]], x[:, visits[-1]] = K - 1, 1

        def put(first: Any, rest: np.ndarray, to: np.ndarray = order) -> np.ndarray:
            return np.column_stack([np.full(B, first), rest])[:, to]

        right = put(K, x[:, visits[:-1]])
        causes = {
            "the input is not shifted: position i must not hold x_i": x,
            "this is the value of the pixel before it in the raster, whatever the order": (
                put(K, x[:, :-1], np.arange(len(order)))
            ),
            "these are the right values in the order of the visits: put each in the column of its position": (
                put(K, x[:, visits[:-1]], np.arange(len(order)))
            ),
            "it is shifted the other way: position i holds the value visited just before, not just after it": (
                np.column_stack([x[:, visits[1:]], np.full(B, K)])[:, order]
            ),
            "the first position holds the value visited last, which it must not know: it holds the start token": (
                put(x[:, visits[-1]], x[:, visits[:-1]])
            ),
            "order[i] says when position i comes, and argsort who comes when: here the two are mixed up": (
                put(K, x[:, order[:-1]], visits)
            ),
            "the first position holds 0, which is a value of a pixel: it holds the start token": (
                put(0, x[:, visits[:-1]])
            ),
        }
        got = student.shifted(torch.from_numpy(x), torch.from_numpy(order), K)
        laws.matches(got, right, what="what the positions hold", tolerance=1e-9, causes=causes)

    with case("the raster"):
        judge(np.arange(6), B=3, K=5)
    with case("three positions in the order 1, 2, 0"):
        judge(np.array([2, 0, 1]), B=2, K=4)
    with case("a random order"):
        judge(shuffled(rng, int(rng.integers(6, 10))), B=int(rng.integers(3, 6)), K=int(rng.integers(4, 8)))
    with case("a batch of one"):
        judge(shuffled(rng, 5), B=1, K=6)


def _weights(scores: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    return special.softmax(scores if mask is None else np.where(mask, scores, -np.inf), axis=-1)


def _naively(scores: np.ndarray) -> np.ndarray:
    """A softmax that overflows."""
    return np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)


@question(
    "masked_attention.attention",
    points=3,
    withholds=("deepul_utils.nn.attention.attention_weights", "deepul_utils.nn.attention.MaskedAttention.weights"),
)
def attention(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(q: np.ndarray, k: np.ndarray, v: np.ndarray, mask: np.ndarray | None) -> None:
        products, d = q @ k.swapaxes(-1, -2), q.shape[-1]
        scores = products / d**0.5
        M = np.ones(scores.shape[-2:], dtype=bool) if mask is None else mask
        with np.errstate(all="ignore"):
            late = special.softmax(scores, axis=-1) * M
            causes = {
                "the scores are not divided by the square root of d": _weights(products, mask) @ v,
                "the scores are divided by d: divide by its square root": _weights(products / d, mask) @ v,
                "the scores are multiplied by the square root of d: divide": _weights(products * d**0.5, mask) @ v,
                "d is the length of a query, not the number of keys": (
                    _weights(products / k.shape[-2] ** 0.5, mask) @ v
                ),
                "the mask comes after the softmax, so that the weights do not sum to 1": late @ v,
                "the mask comes after the softmax: once a masked score is large, all others round to 0": (
                    late / late.sum(-1, keepdims=True) @ v
                ),
                "a masked score becomes 0, and exp(0) is not 0: it has to become minus infinity": (
                    _weights(scores * M, None) @ v
                ),
                "nothing is masked": _weights(scores, None) @ v,
                "the mask is read the wrong way round: True is where a position may look": _weights(scores, ~M) @ v,
                "the softmax runs over the queries: each query's weights sum to 1": (
                    np.nan_to_num(special.softmax(np.where(M, scores, -np.inf), axis=-2)) @ v
                ),
                "the weights are not divided by their sum": np.where(M, np.exp(scores), 0) @ v,
                "these are the weights: mix the values with them": _weights(scores, mask),
                "there is no softmax: these are scores times values": np.where(M, scores, 0) @ v,
                "the keys are mixed, not the values": _weights(scores, mask) @ k,
                "exp of a large score overflows: subtract the largest one first, as softmax does": (
                    _naively(np.where(M, scores, -np.inf)) @ v
                ),
            }
            if M.shape[0] == M.shape[1]:
                causes["the mask is transposed: row i says what query i may see"] = _weights(scores, M.T) @ v
                causes["the weights are transposed"] = _weights(scores, mask).swapaxes(-1, -2) @ v
        given = [torch.from_numpy(a) for a in (q, k, v)]
        got = student.attention(*given, None if mask is None else torch.from_numpy(mask))
        laws.matches(got, (_weights(scores, mask) @ v), what="the output", causes=causes)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape)

    def seen(D: int) -> np.ndarray:
        return _mask(shuffled(rng, D))

    with case("three positions by hand"):
        hand = np.log([[[1.0], [2.0], [4.0]]])
        judge(np.ones((1, 3, 1)), hand, np.array([[[6.0], [3.0], [11.0]]]), _mask(np.arange(3)))
    with case("one query, no mask"):
        judge(2 * normal(2, 1, 6), normal(2, 7, 6), normal(2, 7, 3), None)
    with case("a batch, in a random order", weight=2):
        judge(2 * normal(4, 7, 5), normal(4, 7, 5), normal(4, 7, 3), seen(7))
    with case("several heads: axes (B, heads, positions, features)"):
        judge(2 * normal(2, 3, 6, 4), normal(2, 3, 6, 4), normal(2, 3, 6, 5), seen(6))
    with case("the scores of what must not be seen are in the thousands"):
        steep = np.linspace(0, 1, 6)[None, :, None] * np.full(4, 1200.0) + normal(1, 6, 4)
        judge(np.ones((1, 6, 4)), steep, normal(1, 6, 3), _mask(np.arange(6)))


@question("masked_attention.cached_step", points=2)
def cached_step(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    B, d, e = int(rng.integers(2, 5)), int(rng.integers(4, 7)), 3
    D = int(rng.integers(4, 7))
    q, k, v = 2 * rng.normal(size=(B, D, d)), rng.normal(size=(B, D, d)), rng.normal(size=(B, D, e))

    def asked(t: int, keys: Any, values: Any) -> list[Any]:
        arrays = (q[:, t], k[:, t], v[:, t], keys, values)
        got = student.cached_step(*(torch.from_numpy(np.array(a)) for a in arrays))
        if not isinstance(got, list) or len(got) != 3:
            raise LawBroken("return three things: the output, the keys to be kept, the values to be kept")
        return got

    def attend(t: int, upto: int, scale: float = d**0.5, mixed: np.ndarray = v) -> np.ndarray:
        scores = (q[:, t, None] * k[:, :upto]).sum(-1) / scale  # (B, upto)
        return (special.softmax(scores, axis=-1)[..., None] * mixed[:, :upto]).sum(1)

    def judge_output(got: Any, t: int) -> None:
        causes = {
            "the scores are not divided by the square root of d": attend(t, t + 1, 1.0),
            "the scores are divided by d: divide by its square root": attend(t, t + 1, d),
            "it looks at itself alone: use the keys and values that were kept": v[:, t],
            "it sums the values with equal weights": v[:, : t + 1].mean(1),
            "drop the axis of the positions: return (B, e)": attend(t, t + 1)[:, None],
        }
        if t > 0:
            causes["it does not look at itself: append the new key and value first"] = attend(t, t)
        laws.matches(got, attend(t, t + 1), what="the output", causes=causes)

    def judge(t: int) -> None:
        output, keys, values = asked(t, k[:, :t], v[:, :t])
        judge_output(output, t)
        for what, kept, new, other in (("keys", keys, k, v), ("values", values, v, k)):
            before, one = new[:, :t], new[:, t, None]
            causes = {
                f"the new one is not kept: append it to the {what}": before,
                f"only the new one is kept: append it to the {what}": one,
                "append the new one at the end, not at the beginning": np.concatenate([one, before], 1),
                "keys and values are in each other's place": other[:, : t + 1],
            }
            laws.matches(kept, new[:, : t + 1], what=f"the {what} to be kept", tolerance=1e-9, causes=causes)

    with case("the first step: nothing is kept yet"):
        judge(0)
    with case("a step with some that are kept"):
        judge(D - 1)
    with case("a whole sequence, one step after the other", weight=2):
        keys, values = k[:, :0], v[:, :0]
        for t in range(D):
            output, keys, values = asked(t, keys, values)
            judge_output(output, t)


@question("masked_attention.trained", points=4, weights="masked_attention")
def trained(student: Any, case: Any, seed: int, weights: Callable[[], dict[str, torch.Tensor]]) -> None:
    def loss() -> float:
        model = loaded(student.build_model, weights)
        return softmax_loss(model, (digits()[1] >= 8).astype(int), 2, seed=seed)

    limits(case, loss, {0.34: 1, 0.31: 1, 0.29: 2}, implausible=0.16)
