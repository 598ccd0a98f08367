"""The checks of the homework on WaveNet: receptive field, shift, causal convolution, gated blocks, queues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from deepul_utils.checks import laws
from deepul_utils.checks.question import question
from deepul_utils.checks.trained import limits, loaded, softmax_loss
from deepul_utils.data.mnist import thresholded_mnist


@question("wavenet.receptive_field", points=1, withholds=("deepul_utils.nn.causal.receptive_field",))
def receptive_field(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    some = rng.permutation([1, 2, 3, 5, 7, 9])[: int(rng.integers(3, 6))].tolist()
    stacks = [
        ("one layer", 3, [4]),
        ("four layers, doubling", 2, [1, 2, 4, 8]),
        ("four layers without dilation", 4, [1, 1, 1, 1]),
        ("some dilations", int(rng.integers(3, 6)), some),
        ("no layer sees the present alone", 2, []),
    ]
    for name, k, dilations in stacks:
        L, total = len(dilations), sum(dilations)
        causes = {
            "the present is an input, too: add 1": (k - 1) * total,
            "a kernel of size k reaches k - 1 dilations back, not k": 1 + k * total,
            "the dilations are ignored": 1 + (k - 1) * L,
            "the layers' reaches add up, they do not multiply": 1 + (k - 1) * int(np.prod(dilations)),
            "that holds for dilations 1, k, k**2, ... only": k**L,
            "only the last layer is counted": 1 + (k - 1) * (dilations[-1] if dilations else 0),
            "the 1 for the present is counted in every layer": L + (k - 1) * total,
        }
        with case(name):
            got = student.receptive_field(k, dilations)
            right = 1 + (k - 1) * total
            laws.matches(got, right, what="the number of inputs", tolerance=1e-9, causes=causes)


@question("wavenet.shifted", points=1)
def shifted(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    K = int(rng.integers(4, 9))

    def judge(x: np.ndarray) -> None:
        start = np.full((len(x), 1), K)
        causes = {
            "the input is not shifted: at step t the network would see x_t itself": x,
            "shifted the wrong way: at step t the network would see x_{t+1}": np.hstack([x[:, 1:], start]),
            "the last value must not come round to the front: step 0 reads the start token": np.roll(x, 1, axis=1),
            "shifted twice": np.hstack([start, start, x])[:, : x.shape[1]],
            "one step too many: the last value predicts nothing": np.hstack([start, x]),
            "one step too few: step 0 reads the start token": x[:, :-1],
            "step 0 reads the start token, not the value 0": np.hstack([0 * start, x[:, :-1]]),
            "the examples are shifted: the steps are along the second axis": np.vstack([start.T[:, :1] + 0 * x[:1], x])[
                :-1
            ],
        }
        right = np.hstack([start, x[:, :-1]])
        laws.matches(student.shifted(x, K), right, what="the input", tolerance=1e-9, causes=causes)

    with case("a batch of sequences"):
        judge(rng.integers(K, size=(4, 9)))
    with case("one sequence of one value"):
        judge(rng.integers(K, size=(1, 1)))


def _conv(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, dilation: int, later: int = 0, edge: bool = False
) -> np.ndarray:
    """The causal convolution; as if moved `later` steps into the future, or padded with the first value."""
    k, T = weight.shape[-1], x.shape[-1]
    reach = (k - 1) * dilation
    first = x[..., :1] if edge else 0 * x[..., :1]
    padded = np.concatenate([np.repeat(first, reach, -1), x, np.zeros((*x.shape[:2], later))], axis=-1)[..., later:]
    taps = np.stack([padded[..., j * dilation : j * dilation + T] for j in range(k)])  # (k, B, C, T)
    return np.einsum("ocj,jbct->bot", weight, taps) + bias[:, None]


@question("wavenet.causal_conv", points=3, withholds=("deepul_utils.nn.causal.CausalConv1d",))
def causal_conv(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(B: int, C: int, outputs: int, k: int, dilation: int, T: int) -> None:
        x, bias = rng.normal(size=(B, C, T)), rng.normal(size=outputs)
        weight = rng.normal(size=(outputs, C, k))
        reach = (k - 1) * dilation
        short = np.concatenate([np.zeros((B, C, k - 1)), x], axis=-1)  # as much padding as without dilation
        causes = {
            "the kernel is the wrong way round: weight[:, :, -1] belongs to the present": _conv(
                x, weight[..., ::-1], bias, dilation
            ),
            "padded on both sides, so that outputs see the future: pad the past alone": _conv(
                x, weight, bias, dilation, later=reach // 2
            ),
            "padded on the right, so that outputs see the future: pad the past": _conv(
                x, weight, bias, dilation, later=reach
            ),
            "the dilation is ignored": _conv(x, weight, bias, 1),
            "the bias is missing": _conv(x, weight, 0 * bias, dilation),
            "pad with zeros, not with the first value": _conv(x, weight, bias, dilation, edge=True),
            "the present is left out: the shift by one belongs to the network's input, not to every layer": _conv(
                np.concatenate([np.zeros((B, C, 1)), x[..., :-1]], -1), weight, bias, dilation
            ),
            "the padding is missing: there is no output for the first steps": _conv(x, weight, bias, dilation)[
                ..., reach:
            ],
            "a dilated kernel reaches (k - 1) d back: pad so many zeros, not k - 1": _conv(
                short, weight, bias, dilation
            )[..., reach:],
        }
        if k == 1 or T == 1:  # where right and wrong may agree
            causes = {}
        right = _conv(x, weight, bias, dilation)
        laws.matches(student.causal_conv(x, weight, bias, dilation), right, what="the output", causes=causes)

    with case("kernel 2, no dilation"):
        judge(2, 3, 4, k=2, dilation=1, T=8)
    with case("kernel 3, dilated", weight=2):
        judge(3, 2, 4, k=3, dilation=int(rng.integers(2, 4)), T=int(rng.integers(11, 15)))
    with case("a kernel of one weight"):
        judge(2, 3, 2, k=1, dilation=4, T=5)
    with case("a kernel that reaches beyond the beginning"):
        judge(1, 2, 3, k=3, dilation=8, T=6)


def _blocks(h: np.ndarray, blocks: list[dict[str, Any]], **slip: Any) -> np.ndarray:
    """The sum of the blocks' skips; `slip` names a classic mistake."""

    def sigmoid(t: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-t))

    total = np.zeros_like(h)
    none = np.zeros(h.shape[1])
    for block in blocks:
        dilation = 1 if slip.get("undilated") else block["dilation"]
        a, b = (_conv(h, block[name], none, dilation) for name in ("filter", "gate"))
        a, b = (b, a) if slip.get("swapped") else (a, b)
        z = (
            np.maximum(a, 0)
            if slip.get("relu")
            else (sigmoid(a) if slip.get("two_sigmoids") else np.tanh(a)) * sigmoid(b)
        )
        residual, skip = (np.einsum("of,bft->bot", block[name], z) for name in ("residual", "skip"))
        if slip.get("exchanged"):
            residual, skip = skip, residual
        after = residual if slip.get("no_residual") else h + residual
        if slip.get("skip_of_h"):
            skip = np.einsum("of,bft->bot", block["skip"], after)
        total = skip if slip.get("last_only") else total + skip
        h = after
    return h if slip.get("returns_h") else total + h if slip.get("both") else total


@question("wavenet.blocks", points=3, withholds=("deepul_utils.models.wavenet.GatedBlock",))
def blocks(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(dilations: list[int], B: int, F: int, T: int, k: int = 2) -> None:
        h = rng.normal(size=(B, F, T))
        stack: list[dict[str, Any]] = [
            {"dilation": d}
            | {name: rng.normal(size=(F, F, k)) for name in ("filter", "gate")}
            | {name: rng.normal(size=(F, F)) for name in ("residual", "skip")}
            for d in dilations
        ]
        slips = {
            "tanh belongs to the filter and the sigmoid to the gate: here they are exchanged": {"swapped": True},
            "the filter goes through tanh, not through a sigmoid": {"two_sigmoids": True},
            "the filter and the gate are multiplied: tanh(filter) * sigmoid(gate)": {"relu": True},
            "every block uses its own dilation": {"undilated": True},
            "the residual is missing: on to the next block goes h + U z": {"no_residual": True},
            "residual and skip are exchanged: U z goes on, S z goes to the output": {"exchanged": True},
            "the skip is S z: it is computed from z, not from what goes on to the next block": {"skip_of_h": True},
            "this is the last block's skip alone: add those of all blocks": {"last_only": True},
            "this is what would go on to a next block: return the sum of the skips": {"returns_h": True},
            "what would go on to a next block is added: return the sum of the skips alone": {"both": True},
        }
        right = _blocks(h, stack)
        causes = {
            text: value for text, slip in slips.items() if not np.allclose(value := _blocks(h, stack, **slip), right)
        }
        laws.matches(student.blocks(h, stack), right, what="the sum of the skips", causes=causes)

    with case("one block"):
        judge([2], B=2, F=3, T=7)
    with case("several blocks", weight=2):
        judge([1, 2, 4], B=2, F=int(rng.integers(3, 5)), T=12)
    with case("kernels of three weights, one sequence"):
        judge([1, 3], B=1, F=2, T=10, k=3)


@question("wavenet.queued_conv", points=3, withholds=("deepul_utils.nn.causal.CausalConv1d",))
def queued_conv(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(k: int, dilation: int, T: int) -> None:
        B, C, outputs = 2, 3, 4
        weight, bias = rng.normal(size=(outputs, C, k)), rng.normal(size=outputs)
        for sequence in ("", " of a second sequence"):  # which must not find what the first one left
            x = rng.normal(size=(B, C, T))
            queue = student.QueuedConv(weight, bias, dilation)
            steps = [np.asarray(queue.step(x[:, :, t])) for t in range(T)]
            for t, step in enumerate(steps):
                laws.matches(step.shape, (B, outputs), what=f"the shape of step {t}'s output", tolerance=0)

            def off_by(late: int, k: int = k, x: np.ndarray = x) -> np.ndarray:
                """All taps but the present one `late` steps too late, as from a queue of another length."""
                wrong = bias[:, None] + np.einsum("oc,bct->bot", weight[..., -1], x)
                for j in range(1, k):
                    back = j * dilation + late
                    moved = np.concatenate([np.zeros((B, C, min(back, T))), x[..., : max(T - back, 0)]], -1)
                    wrong = wrong + np.einsum("oc,bct->bot", weight[..., k - 1 - j], moved)
                return wrong

            reach = (k - 1) * dilation
            held = [x[..., max(t - reach, 0) : t + 1 : dilation] for t in range(T)]  # with no zeros before the first
            causes = {
                "the queue starts empty: fill it with zeros, as the padding does": bias[:, None]
                + np.stack([np.einsum("ocj,bcj->bo", weight[..., : taps.shape[-1]], taps) for taps in held], -1),
                "the queue holds the last k inputs: it should hold (k - 1) d + 1, and every d-th is used": _conv(
                    x, weight, bias, 1
                ),
                "the queue is one input too short": off_by(-1) if dilation > 1 else None,
                "the queue is one input too long": off_by(1),
                "the kernel is the wrong way round: weight[:, :, -1] belongs to the newest input": _conv(
                    x, weight[..., ::-1], bias, dilation
                ),
                "the queue begins with zeros, as the padding does, not with the first input": _conv(
                    x, weight, bias, dilation, edge=True
                ),
                "the newest input is not used: put it into the queue before the output is computed": _conv(
                    np.concatenate([np.zeros((B, C, 1)), x[..., :-1]], -1), weight, bias, dilation
                ),
                "the bias is missing": _conv(x, weight, 0 * bias, dilation),
                "nothing is remembered: only the newest input is used": np.einsum("oc,bct->bot", weight[..., -1], x)
                + bias[:, None],
            }
            right = _conv(x, weight, bias, dilation)
            laws.matches(
                np.stack(steps, -1),
                right,
                what=f"the outputs{sequence}, step by step,",
                causes={text: value for text, value in causes.items() if value is not None},
            )

    with case("kernel 2, no dilation"):
        judge(k=2, dilation=1, T=6)
    with case("kernel 2, dilated"):
        judge(k=2, dilation=int(rng.integers(3, 6)), T=12)
    with case("kernel 3, dilated"):
        judge(k=3, dilation=int(rng.integers(2, 4)), T=12)


@question("wavenet.trained", points=4, weights="wavenet")
def trained(student: Any, case: Any, seed: int, weights: Callable[[], dict[str, torch.Tensor]]) -> None:
    def loss() -> float:
        model = loaded(student.build_model, weights)
        return softmax_loss(model, thresholded_mnist()[1][::20], 2, seed=seed, hidden=2000)

    limits(case, loss, {0.105: 1, 0.095: 1, 0.088: 2}, implausible=0.045)
