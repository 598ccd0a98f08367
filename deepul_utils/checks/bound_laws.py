"""Laws of estimates that are random: a bound lies below what it bounds, and more draws raise it; an unbiased estimate
has the right mean.

They look at many independent draws of an estimate and allow for what chance does to their mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from deepul_utils.checks.laws import CAUSE, LawBroken, apart, matches, numbers

_ERRORS = 6.0  # standard errors that chance may do: a right estimate fails about once in 10^9


def lower_bound(
    bound: Any, exact: Any, *, tight: bool = False, what: str = "the bound", tolerance: float = 1e-6
) -> None:
    """E[bound] <= exact, as on the mean of S draws; with `tight`, bound = exact in every single draw.

    Where q is the posterior, each weight p(x, z) / q(z) is p(x) itself: ask for `tight` there. Without it, the law
    cannot tell a loose bound from a good one.

    Args:
        bound: (S, ...) independent draws; (1, ...) for a bound that is not random.
        exact: (...) what it bounds, such as log p(x) in nats.
        tight: whether each draw should be equal to `exact`.
        what: names the quantity in the message.
        tolerance: absolute and relative.

    Raises:
        LawBroken: another shape, a NaN, a mean above `exact` by more than six standard errors, or a gap under `tight`.

    Example:
        >>> lower_bound([[-1.2, -3.0]], [-1.0, -2.5])
        >>> lower_bound([[-0.8, -3.0]], [-1.0, -2.5])
        Traceback (most recent call last):
        deepul_utils.checks.laws.LawBroken: the bound should be at most -1 at [0], but it is -0.8
    """
    draws, exact = _drawn(bound, exact, what)
    if tight:
        matches(draws, np.broadcast_to(exact, draws.shape), what=what, tolerance=tolerance)
        return
    mean, slack = _mean(draws, exact, tolerance)
    if (above := ~(mean <= exact + slack)).any():  # a NaN is not below either
        at = tuple(int(i) for i in np.argwhere(above)[0])
        most, came = apart(float(exact[at]), float(mean[at]))
        chance = f", the mean of {len(draws)} draws with {_ERRORS:g} standard errors of {slack[at]:.2g}"
        raise LawBroken(
            f"{what} should be at most {most}{_place(at)}, but it is {came}{chance if len(draws) > 1 else ''}"
        )


def rises(levels: Any, *, what: str = "the bound", tolerance: float = 1e-6) -> None:
    """E[levels[0]] < E[levels[1]] < ..., as on the means of S draws, such as bounds of more and more draws each.

    More draws see smaller steps: a step of at most six standard errors may be chance, and is refused as a fall is.
    Draws of the same index may share their noise, for the errors are those of their differences.

    Args:
        levels: (L, S, ...) the S draws of each level, both at least 2; what is exact comes S times.
        what: names the quantity in the message.
        tolerance: absolute, added to what chance may do.

    Raises:
        LawBroken: a NaN, or a step that falls, or that rises by no more than chance explains.

    Example:
        >>> noise = np.random.default_rng(0).normal(size=(2, 1000, 1))
        >>> rises([noise[0] - 3, noise[1] - 2])
        >>> rises([noise[0] - 3, noise[1] - 3])
        Traceback (most recent call last):
        deepul_utils.checks.laws.LawBroken: the bound should rise from level 0 to 1 at [0] by more than chance ...
    """
    got = numbers(levels)
    if got.ndim < 2 or min(got.shape[:2]) < 2:
        raise ValueError(f"{what}: give two levels or more, with two draws or more of each, got shape {got.shape}")
    for i, steps in enumerate(np.diff(got, axis=0)):
        rise, slack = _mean(steps, np.zeros(steps.shape[1:]), tolerance)
        if (flat := ~(rise > slack)).any():  # a NaN does not rise either
            at = tuple(int(j) for j in np.argwhere(flat)[0])
            raise LawBroken(
                f"{what} should rise from level {i} to {i + 1}{_place(at)} by more than chance explains "
                f"({slack[at]:.2g}), but {len(steps)} draws average a step of {rise[at]:.2g}"
            )


def unbiased(
    estimates: Any,
    expected: Any,
    *,
    what: str = "the estimate",
    tolerance: float = 1e-6,
    causes: Mapping[str, Any] | None = None,
) -> None:
    """E[estimate] = expected, as on the mean of S draws, entry by entry.

    More draws see smaller biases: at most six standard errors, 6 s / sqrt(S), are put down to chance.

    Args:
        estimates: (S, ...) independent draws, S at least 2, whose variance is finite.
        expected: (...) the exact mean, such as a gradient.
        what: names the quantity in the message.
        tolerance: absolute and relative, added to what chance may do.
        causes: usual mistakes, each with the mean that it gives; the message names the first that fits the draws.

    Raises:
        LawBroken: another shape, a NaN, or a mean too far from `expected`.

    Example:
        >>> noise = np.random.default_rng(0).normal(size=(10_000, 1))
        >>> unbiased(2 + noise, [2.0])
        >>> unbiased(2 + noise, [1.0], causes={"the factor 2 is added twice": [2.0]})
        Traceback (most recent call last):
        deepul_utils.checks.laws.LawBroken: the estimate should be 1 on average at [0], but 10000 draws average ...
        Usual cause: the factor 2 is added twice
    """
    draws, right = _drawn(estimates, expected, what)
    if len(draws) < 2:
        raise ValueError(f"{what}: give two draws or more, got {len(draws)}")
    mean, slack = _mean(draws, right, tolerance)
    wrong = ~(np.abs(mean - right) <= slack)
    if not wrong.any():
        return

    def fits(value: Any) -> bool:
        value = np.asarray(value, dtype=np.float64)
        return value.shape == mean.shape and bool((np.abs(mean - value) <= slack).all())

    cause = next((f"\n{CAUSE}{text}" for text, value in (causes or {}).items() if fits(value)), "")
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    due, came = apart(float(right[at]), float(mean[at]))
    raise LawBroken(
        f"{what} should be {due} on average{_place(at)}, but {len(draws)} draws average {came}, "
        f"further off than chance explains ({slack[at]:.2g}){cause}"
    )


def _drawn(draws: Any, exact: Any, what: str) -> tuple[np.ndarray, np.ndarray]:
    got, right = numbers(draws), np.asarray(exact, dtype=np.float64)
    if got.ndim == 0 or got.shape[1:] != right.shape:
        raise LawBroken(f"{what} should have shape (draws, {', '.join(map(str, right.shape))}), got {got.shape}")
    return got, right


def _mean(draws: np.ndarray, exact: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """The mean, and how far from its expectation chance and rounding may take it."""
    error = draws.std(0, ddof=1) / np.sqrt(len(draws)) if len(draws) > 1 else np.zeros(draws.shape[1:])
    return draws.mean(0), _ERRORS * error + tolerance * (1 + np.abs(exact))


def _place(at: tuple[int, ...]) -> str:
    return f" at {list(at)}" if at else ""
