"""Trained flows, judged by bits per dimension that no model can pretend to.

What a student's model says of its own likelihood is worth nothing, and neither is its log-determinant as long as nobody
compares it with its z. Both are functions of y, so a few of them are compared, in rows that the model cannot know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from deepul_utils.checks.laws import LawBroken, parts
from deepul_utils.distributions.bits import bits_per_dim

_ROWS = 128  # examples of a call at most
_AUDITED = 2  # rows that get a Jacobian, at the cost of D rows each
_STEP = 1e-6  # of the differences in y
_NUDGE = 1e-7  # of z
_SAME = 1e-5  # rounding of double precision, as layers enlarge it
_LOG_DET = 2e-3  # nats per dimension by which a log-determinant may be off
_OUTLIER = 6.0  # median deviations


def flow_loss(
    build: Callable[[], Any],
    x: ArrayLike,
    num_values: int,
    *,
    seed: int,
    restart: Callable[[], None] = lambda: None,
) -> float:
    """Bits per dimension of a flow with a standard normal base, by -log N(z; 0, I) - log_det on x + uniform noise.

    The model is asked three times, each time in a process that knows nothing of the others, where it runs in a
    sandbox:

    1. for z and log_det of every row;
    2. for the inverse of z, of z drawn from the base, and of z nudged a little, each row once. So whatever was left out
       of z, or hidden in digits that no density sees, is missed;
    3. for z at steps from two of the rows, in each dimension, all mixed. They give dz/dy, whose log|det| must be
       what the first process claimed, and whose inverse must be what the second one did with the nudge: another
       derivative near rows that come often does not fit.

    One of the audited rows is among the quarter that the model finds the likeliest. No row counts for less than far
    below the median, so that a lie about a few rows is worth little, and about many it is found.

    Args:
        build: makes the student's model, which maps y (B, *shape), float64 in [0, K), to z (B, ...) and log_det (B,),
            and whose `inverse` maps z to y.
        x: (N, *shape) integers.
        num_values: K.
        seed: draws the noise and the rows.
        restart: gives the student's code a process without memory; see `Student.restart`.

    Raises:
        LawBroken: the answers are malformed, no inverse, or not what a flow's would be.
    """
    rng = np.random.default_rng(seed)
    x = rng.permutation(np.asarray(x).astype(np.float64))
    shape, D = x.shape[1:], x[0].size
    y = (x + rng.uniform(0.001, 0.999, size=x.shape)).reshape(len(x), D)

    def forward(rows: np.ndarray, finite: bool = True) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
        model = build()
        model.double()
        asked = [torch.from_numpy(part.reshape(-1, *shape)) for part in _calls(rows)]
        answers = [_answered(model(part), D, len(part), finite) for part in asked]
        return np.concatenate([z for z, _, _ in answers]), np.concatenate([d for _, d, _ in answers]), answers[0][2]

    def inverse(rows: np.ndarray) -> np.ndarray:
        model = build()
        model.double()
        parts = [(len(part), model.inverse(torch.from_numpy(part.reshape(-1, *like)))) for part in _calls(rows)]
        return np.concatenate([_rows(got, D, size, "inverse(z)") for size, got in parts])

    z, log_det, like = forward(y)
    with np.errstate(over="ignore"):
        nats = 0.5 * (z**2).sum(1) + 0.5 * D * np.log(2 * np.pi) - log_det
    if not np.isfinite(nats).all():
        raise LawBroken(f"z is too large for its density: |z| goes up to {np.abs(z).max():.3g}")

    likely = rng.choice(np.argsort(nats)[: max(1, len(y) // 4)])
    others = rng.permutation(np.delete(np.arange(len(y)), likely))
    chosen, others = np.append(likely, others[: _AUDITED - 1]), others[_AUDITED - 1 :][:16]
    drawn = rng.normal(size=(16, D))
    nudge = _NUDGE * rng.normal(size=(_AUDITED, D))

    restart()
    asked = np.concatenate([z[chosen] + nudge, z[others], drawn])
    order = rng.permutation(len(asked))
    back = np.empty_like(asked)
    back[order] = inverse(asked[order])
    moved, returned, invented = np.split(back, [_AUDITED, _AUDITED + len(others)])
    if not np.allclose(returned, y[others], rtol=0, atol=_SAME * num_values):
        worst = np.abs(returned - y[others]).max()
        raise LawBroken(
            f"inverse(z) should give back what z came from, but it is off by up to {worst:.3g}: does `inverse` undo "
            "the layers in reverse order, without dropout, and without what earlier calls left behind?"
        )

    restart()
    steps = (y[chosen][:, None] + _STEP * np.eye(D)).reshape(-1, D)
    asked = np.concatenate([steps, y[chosen], y[others], invented])
    order = rng.permutation(len(asked))
    again, logs = np.empty_like(asked), np.empty(len(asked))
    again[order], logs[order], _ = forward(asked[order], finite=False)  # a draw may lie where doubles end
    stepped, base, same, redrawn = np.split(again, np.cumsum([len(steps), _AUDITED, len(others)]))
    known = np.append(chosen, others)
    if not np.allclose(np.concatenate([base, same]), z[known], rtol=_SAME, atol=_SAME) or not np.allclose(
        logs[len(steps) :][: len(known)], log_det[known], rtol=_SAME, atol=_SAME * D
    ):
        raise LawBroken(
            "the same example gets another z or log_det in another batch: no dropout, nothing random, no batch "
            "normalisation in training mode, no memory of earlier calls"
        )
    if (~(np.abs(redrawn - drawn) <= 1e-3)).mean() > 0.01:
        raise LawBroken("forward(inverse(z)) should be z again for z drawn from N(0, I), but it is something else")

    jacobians = (stepped.reshape(_AUDITED, D, D) - base[:, None]).swapaxes(1, 2) / _STEP  # z_i, y_j
    for jacobian, claimed, change, by in zip(jacobians, log_det[chosen], moved - y[chosen], nudge, strict=True):
        _audit(jacobian, claimed, change, by)
    median = np.median(nats)
    least = median - _OUTLIER * np.median(np.abs(nats - median))
    return bits_per_dim(float(np.maximum(nats, least).mean()), D)


def _audit(jacobian: np.ndarray, claimed: float, change: np.ndarray, by: np.ndarray) -> None:
    """A claimed log_det against dz/dy, and the change of y under the inverse, of z moved `by` a little, against both.

    Raises:
        LawBroken: they do not fit.
    """
    D = len(by)
    right = float(np.linalg.slogdet(jacobian)[1])
    if not abs(claimed - right) <= _LOG_DET * D:
        raise LawBroken(
            f"log_det of a test image should be {right:.2f}, log|det dz/dy| by differences of z, got {claimed:.2f}: is "
            "every layer's share added once, with that of the pixels' scaling, and summed over all dimensions?"
        )
    there = jacobian @ change
    if not (abs(there @ by / (by @ by) - 1) <= 0.01 and np.linalg.norm(there - by) <= 0.05 * np.linalg.norm(by)):
        raise LawBroken(
            "z moved a little, and put through `inverse`, should move y by (dz/dy)^-1 as much, but it does not: "
            "forward and inverse must be one function and its inverse, everywhere and in every digit"
        )


def _answered(answer: Any, D: int, rows: int, finite: bool) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """z as (B, D), log_det as (B,), and the shape of one z.

    Raises:
        LawBroken: it is something else.
    """
    z, log_det = (np.asarray(part) for part in parts(answer, "the model"))
    if log_det.shape != (rows,) or log_det.dtype.kind != "f":
        raise LawBroken(f"log_det should be a number for each of {rows} examples, ({rows},), got {log_det.shape}")
    if finite and not np.isfinite(log_det).all():
        raise LawBroken("log_det contains NaN or infinity")
    return _rows(z, D, rows, "z", finite), log_det.astype(np.float64), z.shape[1:]


def _rows(got: Any, D: int, rows: int, what: str, finite: bool = True) -> np.ndarray:
    """`got` as (B, D) numbers.

    Raises:
        LawBroken: it is something else.
    """
    got = np.asarray(got)
    if got.dtype.kind != "f" or got.shape[:1] != (rows,) or got.size != rows * D:
        raise LawBroken(f"{what} should hold {D} floats for each of {rows} examples, got an array of shape {got.shape}")
    if got.dtype != np.float64:
        raise LawBroken(
            f"{what} should have the precision of its argument, float64: no .float() and no dtype of 32 bits"
        )
    if finite and not np.isfinite(got).all():
        raise LawBroken(f"{what} contains NaN or infinity")
    return got.reshape(rows, D)


def _calls(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[i : i + _ROWS] for i in range(0, len(rows), _ROWS)]
