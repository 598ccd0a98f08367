"""Trained models, judged by a test loss that no model can pretend to.

A number that a student's model says about itself is worth nothing: `log_prob` may return 0, and a network may look at
what it predicts. So the logits are normalised here, and each value is hidden until it has been predicted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import special
from torch import Tensor

from deepul_utils.checks.laws import LawBroken
from deepul_utils.checks.student import StudentFailed

_CALL = 1 << 20  # numbers that one call of the model returns at most, but for a single example
_ROWS = 256  # examples of a call at most
_EXACT = 1e-3  # rounding, as it differs from batch to batch
_DEVIATIONS = 4.0  # of which chance takes one honest model in thirty thousand


def limits(
    case: Any,
    loss: Callable[[], float],
    at_most: Mapping[float, float],
    *,
    implausible: float,
    unit: str = "nats per dimension",
) -> None:
    """Open a case for each limit in `at_most`, with its weight, and grant those that `loss()` keeps.

    Args:
        case: as the check got it.
        loss: computes the test loss, such as `lambda: softmax_loss(...)`; called once.
        at_most: weight by limit.
        implausible: a loss below it, which no model reaches that has not seen the test data, passes no case.
        unit: of the losses.
    """
    found: list[float | Exception] = []

    def known() -> float:
        if not found:
            try:
                found.append(loss())
            except (LawBroken, StudentFailed) as failure:
                found.append(failure)
        if isinstance(found[0], Exception):
            raise found[0]
        return found[0]

    for limit, weight in sorted(at_most.items(), reverse=True):
        with case(f"test loss of at most {limit:g} {unit}", weight):
            if not known() <= limit:
                raise LawBroken(f"the test loss is {known():.4f} {unit}; train longer, or a larger model")
            if not known() >= implausible:
                raise LawBroken(
                    f"the test loss is {known():.4f} {unit}, below what a model can reach that was not "
                    f"trained on the test data: train on the training data only"
                )


def loaded(build: Callable[[], Any], weights: Callable[[], dict[str, Tensor]]) -> Any:
    """The student's own model, made by `build()`, with the weights that were handed in, ready to be asked.

    Raises:
        StudentFailed: there are no such weights, or they do not fit the model.
    """
    tensors = weights()
    model = build()
    try:
        model.load_state_dict(tensors)
    except AttributeError:
        raise StudentFailed("`build_model` should return the model, a torch.nn.Module") from None
    model.eval()
    model.requires_grad_(False)
    return model


def softmax_loss(
    conditionals: Callable[[Tensor], Any],
    x: ArrayLike,
    num_values: int,
    *,
    seed: int,
    order: ArrayLike | None = None,
    hidden: int = 4096,
) -> float:
    """The mean of -log p(x_i | earlier x), in nats per dimension, of a model that gives each conditional's logits.

    The logits are normalised here. First each of `hidden` values is predicted from an example in which it and all that
    comes after it are noise, in the order in which the model gets to see them: what it has not seen it cannot repeat,
    whatever it keeps from call to call. Then it gets the whole examples; their loss, which is returned, must be the
    same within what chance allows, and the logits of the hidden values must not have changed.

    Args:
        conditionals: (B, *shape) integers to (B, *shape, K) logits, such as the student's `model`.
        x: (N, *shape) test examples; a model could know their order by heart, so they come in another.
        num_values: K.
        seed: draws the noise and the order.
        order: (D,) the position of each dimension of a flattened example; 0, 1, ..., D - 1 where not given.
        hidden: how many values to hide; all of them, so that nothing is left to chance, where N D is not more.

    Raises:
        LawBroken: the logits are malformed, depend on what they should predict or on other examples, or change.

    Example:
        >>> x = np.random.default_rng(0).integers(2, size=(100, 4))
        >>> round(softmax_loss(lambda x: torch.zeros(*x.shape, 2), x, 2, seed=0), 4)
        0.6931
        >>> softmax_loss(lambda x: 9.0 * torch.nn.functional.one_hot(x, 2), x, 2, seed=0)
        Traceback (most recent call last):
        deepul_utils.checks.laws.LawBroken: output [...] sees input [...], which it should predict...
    """
    rng = np.random.default_rng(seed)
    x = rng.permutation(np.asarray(x).astype(np.int64))
    shape, flat = x.shape[1:], x.reshape(len(x), -1)
    position = np.arange(flat.shape[1]) if order is None else np.asarray(order)
    at = np.argsort(position)  # the dimension at each position

    def logits(rows: np.ndarray) -> np.ndarray:
        return _logits(conditionals(torch.from_numpy(rows.reshape(-1, *shape))), (len(rows), *shape), num_values)

    examples, cuts = _hidden(rng, *flat.shape, hidden)  # (S, n), stages of ever later positions
    blind = np.empty((*cuts.shape, num_values))
    for stage in range(len(cuts)):
        for some in _calls(rng.permutation(cuts.shape[1]), flat.shape[1] * num_values):
            cut, rows = cuts[stage, some], flat[examples[stage, some]]
            noise = rng.integers(num_values, size=rows.shape)
            given = np.where(position >= cut[:, None], noise, rows)
            blind[stage, some] = logits(given)[np.arange(len(some)), at[cut]]

    seen, nats = np.empty_like(blind), np.empty(len(flat))
    for some in _calls(rng.permutation(len(flat)), flat.shape[1] * num_values):
        answer = logits(flat[some])
        nats[some] = _nats(answer, flat[some]).mean(1)
        for row, n in enumerate(some):
            mine = examples == n
            seen[mine] = answer[row, at[cuts[mine]]]

    close = np.isclose(blind, seen, rtol=_EXACT, atol=_EXACT)
    if not close.all():
        stage, pair = np.argwhere(~close.all(-1))[0]
        _explain(logits, flat, int(examples[stage, pair]), int(at[cuts[stage, pair]]), position, num_values, shape)
    each = _nats(blind, flat[examples, at[cuts]])
    loss, expected = float(nats.mean()), float(each.mean())
    chance = 0.0 if cuts.size == flat.size else _DEVIATIONS * float(each.std()) / cuts.size**0.5
    if not loss >= expected - chance - _EXACT:
        raise LawBroken(
            f"the test loss would be {loss:.4f} nats per dimension, but it is {expected:.4f} where each value is "
            f"hidden until it has been predicted: the model must not use what it predicts, nor remember earlier calls"
        )
    return loss


def _hidden(rng: np.random.Generator, N: int, D: int, hidden: int) -> tuple[np.ndarray, np.ndarray]:
    """Which examples hide from which position on, both (S, n): later positions stage by stage, all equally likely."""
    n = min(N, hidden)
    stages = min(D, hidden // n)
    shift = (rng.permutation(n) + rng.random()) / n  # evenly spread over the positions of a stage
    cuts = ((np.arange(stages)[:, None] + shift) * D / stages).astype(int)
    return np.tile(rng.permutation(N)[:n], (stages, 1)), cuts


def _calls(rows: np.ndarray, numbers: int) -> list[np.ndarray]:
    """`rows` in calls of a bearable size, where an example takes so many `numbers`."""
    size = max(1, min(_ROWS, _CALL // numbers))
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def _logits(answer: Any, shape: tuple[int, ...], num_values: int) -> np.ndarray:
    """The model's answer as (B, D, K) logits.

    Raises:
        LawBroken: it is something else.
    """
    got = answer.detach().numpy() if isinstance(answer, Tensor) else answer
    if not isinstance(got, np.ndarray) or got.dtype.kind != "f":
        raise LawBroken("the model should return its logits, an array of floats")
    if got.shape != (*shape, num_values):
        raise LawBroken(
            f"the model should return logits of shape {(*shape, num_values)}, the {num_values} values last, "
            f"for x of shape {shape}; got {got.shape}"
        )
    if np.isnan(got).any() or (got == np.inf).any() or (got.max(-1) == -np.inf).any():
        raise LawBroken("the logits contain NaN or infinity")
    return got.reshape(shape[0], -1, num_values).astype(np.float64)


def _nats(logits: np.ndarray, x: np.ndarray) -> np.ndarray:
    """-log softmax(logits) at x: logits (..., K), x (...)."""
    return special.logsumexp(logits, -1) - np.take_along_axis(logits, x[..., None], -1)[..., 0]


def _explain(
    logits: Callable[[np.ndarray], np.ndarray],
    flat: np.ndarray,
    n: int,
    i: int,
    position: np.ndarray,
    num_values: int,
    shape: tuple[int, ...],
) -> None:
    """Say why the logits of dimension i of example n changed once it was seen.

    Raises:
        LawBroken: always.
    """

    def name(dim: int) -> list[int]:
        return [int(index) for index in np.unravel_index(dim, shape)]

    def apart(a: np.ndarray, b: np.ndarray) -> bool:
        return not np.allclose(a, b, rtol=_EXACT, atol=_EXACT)

    batch = flat[np.append(n, np.delete(np.arange(len(flat)), n)[:7])]
    before = logits(batch)
    if apart(logits(batch), before):
        raise LawBroken("the same x gets other logits when it comes again: no dropout, nothing random, no memory")
    if apart(logits(batch[::-1].copy())[::-1], before):
        raise LawBroken("the logits of an example depend on the other examples of its batch")
    for value in range(num_values):
        changed = batch.copy()
        changed[0, i] = value
        if apart(logits(changed)[0, i], before[0, i]):
            raise LawBroken(f"output {name(i)} sees input {name(i)}, which it should predict: is the first mask right?")
    raise LawBroken(
        f"output {name(i)} sees inputs that do not come before it, or the model remembers earlier calls"
        if (position > position[i]).any()
        else f"output {name(i)} changes from call to call: the model must not remember earlier calls"
    )
