"""The checks of the homework on MADE: degrees and masks, the masked layer, conditionals, orderings, sampling."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from scipy import special

from deepul_utils.checks import laws
from deepul_utils.checks.laws import LawBroken
from deepul_utils.checks.orderings import shuffled
from deepul_utils.checks.question import question
from deepul_utils.checks.student import Handle, StudentFailed
from deepul_utils.checks.trained import limits, loaded, softmax_loss
from deepul_utils.data.mnist import thresholded_mnist

Arrays = list[np.ndarray]
Widening = Callable[[np.ndarray, int, int], np.ndarray]  # of a mask, so many times, along an axis


def _degrees(order: np.ndarray, hidden: Sequence[int]) -> Arrays:
    return [order, *(np.arange(units) * (len(order) - 1) // units for units in hidden)]


def _masks(degrees: Arrays) -> Arrays:
    inner = [after[:, None] >= before for before, after in pairwise(degrees)]
    return [np.array(mask, dtype=int) for mask in [*inner, degrees[0][:, None] > degrees[-1]]]


def _listed(got: Any, number: int, what: str) -> list[Any]:
    if not isinstance(got, (list, np.ndarray)) or len(got) != number:
        came = f"a list of {len(got)}" if isinstance(got, list) else f"a {type(got).__name__}"
        raise LawBroken(f"{what}: expected a list of {number} arrays, got {came}")
    return list(got)


@question("made.degrees", points=1, withholds=("deepul_utils.nn.masked.made_degrees",))
def degrees(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    D = int(rng.integers(5, 8))
    one_by_one, mixed = np.arange(3), shuffled(rng, D)

    def judge(order: np.ndarray, hidden: list[int]) -> None:
        D = len(order)
        first, *layers = _listed(
            student.made_degrees(D, hidden, order), len(hidden) + 1, "the inputs' degrees, then those of each layer"
        )
        causes = {
            "order[i] is already the position of dimension i: no argsort": order.argsort(),
            "the ordering is ignored": np.arange(D),
            "positions count from 0": order + 1,
        }
        laws.matches(first, order, what="the inputs' degrees", causes=causes)
        for number, (units, got) in enumerate(zip(hidden, layers, strict=True), 1):
            where = f"hidden layer {number}"
            found = np.asarray(got)
            if found.shape != (units,):
                raise LawBroken(f"{where} has {units} units, so its degrees should have shape ({units},)")
            if not np.isin(found, np.arange(D)).all():
                raise LawBroken(f"degrees are integers from 0 to {D - 2}, but {where} has {found}")
            if found.max() == D - 1:
                raise LawBroken(
                    f"a unit of {where} has degree {D - 1}. It could feed no output, since none may see the last "
                    f"input\n{laws.CAUSE}hidden degrees go up to D - 2, not D - 1"
                )
            missing = sorted(set(range(D - 1)) - set(found.astype(int).tolist()))
            if missing:
                raise LawBroken(
                    f"no unit of {where} has degree {missing[0]}, so that the output at position {missing[0] + 1} "
                    f"cannot see the input before it: spread the degrees so that each of 0 .. {D - 2} comes up"
                )

    with case("three inputs in their order, four hidden units"):
        judge(one_by_one, [4])
    with case("two inputs, where only degree 0 is left for hidden units"):
        judge(np.arange(2), [3])
    with case("as few units as possible, D - 1"):
        judge(np.arange(D), [D - 1])
    with case("a shuffled ordering and two hidden layers"):
        judge(mixed, [2 * D + 1, 3 * D])


@question("made.masks", points=2, withholds=("deepul_utils.nn.masked.made_masks",))
def masks(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    D = int(rng.integers(4, 7))

    def judge(given: Arrays) -> None:
        got = _listed(student.made_masks(given), len(given), "the mask into each hidden layer, then into the outputs")
        right = _masks(given)
        for number, (mask, expected) in enumerate(zip(got, right, strict=True)):
            into_outputs = number == len(right) - 1
            after, before = given[0] if into_outputs else given[number + 1], given[number]
            a, b = after[:, None], before[None, :]
            causes = {
                "the mask is transposed: one row for each unit it leads into": expected.T,
                "> where it leads into hidden units: they may see their own degree, so use >=": a > b,
                "the comparison is the wrong way round: a unit sees lower degrees, not higher ones": (
                    a < b if into_outputs else a <= b
                ),
                "every connection stays": np.ones_like(expected),
                "1 where a connection stays, 0 where it is cut: here it is the other way round": 1 - expected,
            }
            if into_outputs:
                causes = {
                    ">= into the outputs, so that an output sees its own input: use > there": a >= b,
                    "the outputs' degrees are their positions, those of the inputs, not 0, 1, 2, ...": (
                        np.arange(len(after))[:, None] > b
                    ),
                    "the outputs' degrees are the positions themselves: no argsort": after.argsort()[:, None] > b,
                    **causes,
                }
            where = "the mask into the outputs" if into_outputs else f"the mask into hidden layer {number + 1}"
            laws.matches(mask, expected, what=where, causes=causes)

    with case("three inputs, four units of degrees 0, 0, 1, 1"):
        judge([np.arange(3), np.array([0, 0, 1, 1])])
    with case("no hidden layer: each output sees what comes before it"):
        judge([shuffled(rng, D)])
    with case("random degrees and a shuffled ordering"):
        judge([shuffled(rng, D), rng.integers(D - 1, size=D + 3)])
    with case("three hidden layers", weight=2):
        judge([shuffled(rng, D), *(rng.integers(D - 1, size=D + more) for more in (2, 5, 3))])


@question("made.linear", points=1, withholds=("deepul_utils.nn.masked.MaskedLinear.forward",))
def linear(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs, outputs, N = (int(n) for n in rng.integers([3, 6, 9], [6, 9, 12]))  # three different sizes
    mask = rng.random((outputs, inputs)) < 0.5
    mask[0] = False
    mask[1], mask[1, 0] = True, False

    def made() -> Handle:
        layer = student.MaskedLinear(mask)
        if not isinstance(layer, Handle):
            raise LawBroken("`MaskedLinear(mask)` should make a layer: is it a class?")
        return layer

    def judge(N: int) -> None:
        W, b, x = (rng.normal(size=size).astype(np.float32) for size in ((outputs, inputs), (outputs,), (N, inputs)))
        layer = made()
        new = layer(torch.from_numpy(x))
        layer.load_state_dict({"weight": torch.from_numpy(W), "bias": torch.from_numpy(b)}, strict=False)
        causes = {
            "the mask has no effect on weights that are loaded or trained later: multiply by it in `forward`": (
                x @ W.T + b
            ),
            "the bias is missing": x @ (W * mask).T,
            "1 keeps a weight and 0 cuts it: here it is the other way round": x @ (W * ~mask).T + b,
            "weights that are set have no effect: call them `weight` and `bias`, as nn.Linear does": new,
        }
        laws.matches(layer(torch.from_numpy(x)), x @ (W * mask).T + b, what="the output", causes=causes)

    with case("what a new layer cuts has no influence"):
        layer, x = made(), rng.normal(size=(N, inputs)).astype(np.float32)
        changed = x.copy()
        changed[:, 1:] += 1
        before, after = layer(torch.from_numpy(x)), layer(torch.from_numpy(changed))
        laws.matches(after[:, 0], before[:, 0], what="an output whose weights are all cut, for another x", tolerance=0)
        if np.array_equal(after[:, 1], before[:, 1]):
            raise LawBroken("an output whose weights stay does not change with the input")
    with case("y = (M * W) x + b, with weights that are set"):
        judge(N)
    with case("a batch of one"):
        judge(1)


def _tile(mask: np.ndarray, times: int, axis: int) -> np.ndarray:
    return np.concatenate([mask] * times, axis)


class _Net:
    """A network of MADE's kind from arrays, with the classic mistakes as options."""

    def __init__(self, rng: np.random.Generator, order: np.ndarray, hidden: list[int], K: int) -> None:
        self.K, self.order = K, order
        self.masks = _masks(_degrees(order, hidden))
        D = len(order)
        sizes = [D * K, *hidden, D * K]
        scale = 4 / np.sqrt(np.array(sizes))
        self.weights = [s * rng.normal(size=(b, a)) for (a, b), s in zip(pairwise(sizes), scale, strict=False)]
        self.biases = [rng.normal(size=b) for b in sizes[1:]]

    def logits(
        self,
        x: np.ndarray,
        into: Widening = np.repeat,
        out: Widening = np.repeat,
        activation: Callable[[np.ndarray], np.ndarray] = lambda h: np.maximum(h, 0),
        last: Callable[[np.ndarray], np.ndarray] = lambda h: h,
        masked: bool = True,
        bias: bool = True,
        shape: str = "DK",
        masks: Arrays | None = None,
    ) -> np.ndarray:
        masks = self.widened(self.masks if masks is None else masks, into, out)
        D, K = x.shape[1], self.K
        h = np.eye(K)[x].reshape(len(x), -1)
        for number, (W, b, mask) in enumerate(zip(self.weights, self.biases, masks, strict=True)):
            h = (activation(h) if number else h) @ (W * mask if masked else W).T + (b if bias else 0)
        h = last(h)
        return h.reshape(len(x), D, K) if shape == "DK" else h.reshape(len(x), K, D).transpose(0, 2, 1)

    def widened(self, masks: Arrays, into: Widening, out: Widening) -> Arrays:
        first, *others = masks
        *others, last = [into(first, self.K, 1), *others]
        return [*others, out(last, self.K, 0)]

    @property
    def arrays(self) -> tuple[Arrays, Arrays, Arrays]:
        return self.weights, self.biases, self.masks


@question("made.conditionals", points=2, withholds=("deepul_utils.models.made.MADE.forward",))
def conditionals(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    D, K = int(rng.integers(4, 7)), 3

    def judge(net: _Net, N: int) -> None:
        x = rng.integers(net.K, size=(N, len(net.order)))
        right = net.logits(x)
        log_p = special.log_softmax(right, axis=-1)
        causes = {
            "the first mask is tiled: repeat each column K times, 0 0 1 1, not 0 1 0 1": net.logits(x, into=_tile),
            "the last mask is tiled: repeat each row K times, 0 0 1 1, not 0 1 0 1": net.logits(x, out=_tile),
            "the masks are tiled: repeat columns and rows K times, 0 0 1 1, not 0 1 0 1": (
                net.logits(x, into=_tile, out=_tile)
            ),
            "the masks are not used": net.logits(x, masked=False),
            "the ReLU is missing": net.logits(x, activation=lambda h: h),
            "no ReLU after the last layer: logits may be negative": net.logits(x, last=lambda h: np.maximum(h, 0)),
            "the biases are missing": net.logits(x, bias=False),
            "the outputs come in groups of K, one group a dimension: reshape to (N, D, K)": net.logits(x, shape="KD"),
            "these are log-probabilities; return the logits": log_p,
            "these are probabilities; return the logits": np.exp(log_p),
        }
        try:
            got = student.conditionals(x, *net.arrays, net.K)
        except StudentFailed as failure:  # does it run where the masks come widened?
            masks, wide = net.masks, net.widened(net.masks, np.repeat, np.repeat)
            for some in (wide, [wide[0], *masks[1:]], [*masks[:-1], wide[-1]]):
                with contextlib.suppress(StudentFailed):
                    student.conditionals(x, net.weights, net.biases, some, net.K)
                    raise LawBroken(
                        f"{failure}\n{laws.CAUSE}the masks count dimensions, the weights values: widen the first "
                        "mask's columns and the last one's rows from D to D K"
                    ) from None
            raise
        laws.matches(got, right, what="the logits", causes=causes)

    with case("no hidden layer"):
        judge(_Net(rng, np.arange(3), [], 2), 4)
    with case("one hidden layer, two values"):
        judge(_Net(rng, np.arange(D), [2 * D], 2), 5)
    with case("two hidden layers, three values, a shuffled ordering", weight=2):
        judge(_Net(rng, shuffled(rng, D), [2 * D, 3 * D], K), 7)
    with case("one example"):
        judge(_Net(rng, np.arange(D), [2 * D], K), 1)


@question("made.log_prob", points=2, withholds=("deepul_utils.models.made.MADE.log_prob",))
def log_prob(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    D, K = int(rng.integers(4, 6)), 3

    def judge(net: _Net, by_order: list[Arrays], x: np.ndarray) -> None:
        logits = np.stack([net.logits(x, masks=masks) for masks in by_order])  # (O, N, D, K)
        log_p = special.log_softmax(logits, axis=-1)
        each = np.take_along_axis(log_p, x[None, ..., None], axis=-1)[..., 0]  # (O, N, D)
        joint = each.sum(-1)
        right = special.logsumexp(joint, axis=0) - np.log(len(joint))
        with np.errstate(divide="ignore"):
            causes = {
                "probabilities of many dimensions round to 0: use logsumexp over the orderings": (
                    np.log(np.exp(joint).mean(0))
                ),
                "this is the mean of log p: take the mean of p itself": joint.mean(0),
                "the sum over the orderings is not divided by their number: subtract log O": (
                    special.logsumexp(joint, axis=0)
                ),
                "the orderings are mixed in every dimension: first sum over the dimensions, then mix": (
                    special.logsumexp(each, axis=0) - np.log(len(each))
                ).sum(-1),
                "only the first ordering counts": joint[0],
                "only the last ordering counts": joint[-1],
                "this is the best ordering of each example: take their mean": joint.max(0),
                "log p of the orderings is added": joint.sum(0),
                "logits are not log-probabilities: subtract their log-sum-exp": special.logsumexp(
                    np.take_along_axis(logits, x[None, ..., None], axis=-1)[..., 0].sum(-1), axis=0
                )
                - np.log(len(joint)),
                "the sign is wrong: return log p, not -log p": -right,
                "the dimensions are averaged: add them": right / x.shape[1],
                "these are bits: use the natural logarithm": right / np.log(2),
                "this is the probability: return its logarithm": np.exp(right),
                "the examples are averaged: return one number for each": right.mean(),
                "the examples are summed: return one number for each": right.sum(),
            }
        got = student.log_prob(x, net.weights, net.biases, by_order, net.K)
        laws.matches(got, right, what="log p(x)", causes=causes)

    def several(D: int, K: int, orderings: int, width: int) -> tuple[_Net, list[Arrays]]:
        orders = [shuffled(rng, D) for _ in range(orderings)]
        return _Net(rng, orders[0], [width], K), [_masks(_degrees(order, [width])) for order in orders]

    with case("one ordering"):
        net, by_order = several(D, K, 1, 2 * D)
        judge(net, by_order, rng.integers(K, size=(6, D)))
    with case("three orderings"):
        net, by_order = several(D, K, 3, 2 * D)
        judge(net, by_order, rng.integers(K, size=(6, D)))
    with case("all x together sum to 1"):
        net, by_order = several(4, 2, 3, 9)
        every_x = np.stack(np.meshgrid(*[np.arange(2)] * 4, indexing="ij"), -1).reshape(-1, 4)
        got = student.log_prob(every_x, net.weights, net.biases, by_order, 2)
        laws.normalised(got, what="the probabilities of all x")
    with case("six hundred dimensions: probabilities would round to 0"):
        net, by_order = several(600, 4, 2, 8)
        judge(net, by_order, rng.integers(4, size=(2, 600)))


@question("made.sample", points=3, withholds=("deepul_utils.models.made.MADE.sample",))
def sample(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    D, K = int(rng.integers(5, 8)), 3

    def inverse(p: np.ndarray, u: np.ndarray) -> np.ndarray:
        return (np.cumsum(p, axis=-1)[..., :-1] <= u[..., None]).sum(-1)

    def walk(net: _Net, u: np.ndarray, visits: Sequence[int], by_step: bool = False) -> np.ndarray:
        x = np.zeros(u.shape, dtype=int)
        for t, i in enumerate(visits):
            p = special.softmax(net.logits(x)[:, i], axis=-1)
            x[:, i] = inverse(p, u[:, t if by_step else i])
        return x

    def uniforms(net: _Net, N: int) -> tuple[np.ndarray, np.ndarray]:
        """Uniforms that keep clear of the steps of F, where rounding would decide, and the sample they give."""
        D = len(net.order)
        x, u = np.zeros((N, D), dtype=int), np.zeros((N, D))
        for i in net.order.argsort():
            p = special.softmax(net.logits(x)[:, i], axis=-1)
            x[:, i] = inverse(p, rng.random(N))
            rows = np.arange(N)
            u[:, i] = np.cumsum(p, axis=1)[rows, x[:, i]] - rng.uniform(0.01, 0.99, N) * p[rows, x[:, i]]
        return u, x

    def judge(net: _Net, N: int) -> None:
        u, right = uniforms(net, N)
        order, D = net.order, len(net.order)
        one_pass = special.softmax(net.logits(np.zeros((N, D), dtype=int)), axis=-1)
        twice = special.softmax(net.logits(inverse(one_pass, u)), axis=-1)
        greedy = np.zeros((N, D), dtype=int)
        for i in order.argsort():
            greedy[:, i] = net.logits(greedy)[:, i].argmax(-1)
        causes = {
            "order[i] is the position of dimension i, not the i-th dimension to visit: walk through order.argsort()": (
                walk(net, u, order.tolist())
            ),
            "the dimensions are visited 0, 1, 2, ...: visit them by their positions in the ordering": (
                walk(net, u, range(D))
            ),
            "uniforms[:, i] belongs to dimension i, not to the i-th step": (
                walk(net, u, order.argsort().tolist(), by_step=True)
            ),
            "no dimension sees those drawn before it: not one pass for all, nor backwards, but one after the other": (
                inverse(one_pass, u)
            ),
            "two passes are not enough: each dimension needs one of its own": inverse(twice, u),
            "always the likeliest value: use the uniforms": greedy,
            "one too many: the smallest k with F(k) > u counts from 0": right + 1,
            "one row an example: return (N, D)": right.T,
        }
        got = student.sample(*net.arrays, order, u, net.K)
        laws.matches(got, right, what="the sample", causes=causes)

    with case("the dimensions in their order, two values"):
        judge(_Net(rng, np.arange(D), [2 * D], 2), 20)
    with case("backwards"):
        judge(_Net(rng, np.arange(D)[::-1].copy(), [2 * D], K), 20)
    with case("a shuffled ordering, two hidden layers", weight=3):
        judge(_Net(rng, shuffled(rng, D), [2 * D, 2 * D], K), 40)
    with case("one example"):
        judge(_Net(rng, shuffled(rng, D), [2 * D], K), 1)


@question("made.trained", points=4, weights="made")
def trained(student: Any, case: Any, seed: int, weights: Callable[[], dict[str, torch.Tensor]]) -> None:
    def loss() -> float:
        model = loaded(student.build_model, weights)
        test = thresholded_mnist()[1].reshape(-1, 784)[::10]
        return softmax_loss(model, test, 2, seed=seed)

    limits(case, loss, {0.14: 1, 0.125: 1, 0.112: 2}, implausible=0.045)
