"""Laws: the properties that define these models, as black-box functions of arrays.

Each function returns nothing when its law holds and raises `LawBroken` with a message that teaches when it does
not. They know no model: hand them functions of arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from deepul_utils.checks.picture import dependencies

CAUSE = "Usual cause: "  # begins the line of a message that names a classic mistake
_SHORT = (np.dtype("float16"), np.dtype("float32"))


class LawBroken(AssertionError):
    """A law does not hold; the message says what was expected, what came, and the usual cause.

    `picture`, where it helps, is HTML that `checks.picture` made.
    """

    def __init__(self, message: str, picture: str = "") -> None:
        super().__init__(message)
        self.picture = picture


def numbers(got: Any) -> np.ndarray:
    """What came, as float64.

    Raises:
        LawBroken: it holds something other than real numbers.
    """
    try:
        array = np.asarray(got)
    except ValueError:
        raise LawBroken("expected an array, got a list of rows of different lengths") from None
    if array.dtype.kind == "O":
        raise LawBroken(f"expected an array or a number, got {got!r}")
    if array.dtype.kind not in "biuf":
        raise LawBroken(f"expected real numbers, got {type(got).__name__} of {array.dtype}")
    return array.astype(np.float64)


def parts(answer: Any, what: str, names: Sequence[str] = ("z", "log_det")) -> tuple[Any, ...]:
    """The things of these names that `what` should return.

    Raises:
        LawBroken: it returned something else.
    """
    if not isinstance(answer, (list, tuple)) or len(answer) != len(names):
        raise LawBroken(f"{what} should return {', '.join(names[:-1])} and {names[-1]}")
    return tuple(answer)


def _show(array: np.ndarray) -> str:
    return np.array2string(np.asarray(array), precision=4, threshold=8, edgeitems=3, separator=", ")


def apart(expected: float, got: float) -> tuple[str, str]:
    """Both numbers, with as few digits as tell them apart."""
    for digits in range(6, 17):
        both = f"{expected:.{digits}g}", f"{got:.{digits}g}"
        if both[0] != both[1]:
            break
    return both


def matches(
    got: Any,
    expected: Any,
    *,
    what: str = "the answer",
    tolerance: float = 1e-5,
    causes: Mapping[str, Any] | None = None,
) -> None:
    """`got` equals `expected` in shape and, to `tolerance` (absolute and relative), in value.

    Args:
        got: an array or number.
        expected: the right array or number; infinities must match exactly.
        what: names the quantity in the message.
        tolerance: absolute and relative.
        causes: usual mistakes, each with the value that it gives; the message names the one that `got` equals.

    Raises:
        LawBroken: another shape, a NaN, or another value.

    Example:
        >>> matches([0.5, 0.5], np.array([0.5, 0.5]))
        >>> matches(0.693, 1.0, what="the entropy", causes={"the logarithm is natural; use log2": 0.693})
        Traceback (most recent call last):
        deepul_utils.checks.laws.LawBroken: the entropy should be 1, got 0.693
        Usual cause: the logarithm is natural; use log2
    """
    right, answer = np.asarray(expected, dtype=np.float64), numbers(got)

    def close(value: Any) -> bool:
        value = np.asarray(value, dtype=np.float64)
        return value.shape == answer.shape and np.allclose(
            answer, value, rtol=tolerance, atol=tolerance, equal_nan=True
        )

    if close(right):
        return
    cause = next((f"\n{CAUSE}{text}" for text, value in (causes or {}).items() if close(value)), "")
    if not cause and np.asarray(got).dtype in _SHORT and answer.shape == right.shape:
        near = np.allclose(answer, right, rtol=1e-3, atol=1e-3)
        cause = f"\n{CAUSE}these numbers have 32 bits or fewer: compute in 64, as the arguments come" if near else ""
    if answer.shape != right.shape:
        raise LawBroken(f"{what} should have shape {right.shape}, got {answer.shape}{cause}")
    if right.ndim == 0:
        want, came = apart(float(right), float(answer))
        raise LawBroken(f"{what} should be {want}, got {came}{cause}")
    wrong = ~np.isclose(answer, right, rtol=tolerance, atol=tolerance)
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    want, came = apart(right[first], answer[first])
    raise LawBroken(
        f"{what}: wrong in {wrong.sum()} of {right.size} places, first at {list(first)}: "
        f"expected {want}, got {came}{cause}\n"
        f"expected {_show(right)}\ngot      {_show(answer)}"
    )


def normalised(log_prob: Any, *, what: str = "the probabilities", tolerance: float = 1e-6) -> None:
    """exp(log_prob), over the whole support along the last axis, sums to 1 within `tolerance`.

    Args:
        log_prob: (..., K) log-probabilities in nats of all K values.

    Raises:
        LawBroken: a NaN, or a sum further from 1.

    Example:
        >>> normalised(np.log([0.25, 0.75]))
    """
    values = numbers(log_prob)
    if values.ndim == 0:
        raise LawBroken(f"{what} should be an array over the whole support, got one number")
    with np.errstate(over="ignore"):
        total = np.ravel(np.exp(values).sum(-1))
    worst = total[np.argmax(np.abs(np.nan_to_num(total, nan=np.inf) - 1))]
    if not abs(worst - 1) <= tolerance:
        raise LawBroken(f"{what} should sum to 1, but they sum to {apart(1, worst)[1]}")


def matches_sampler(samples: Any, probs: Any, *, what: str = "the samples", p_value: float = 1e-6) -> None:
    """`samples` could have been drawn from `probs`: no impossible value, and a G-test that a right sampler
    fails about once in 1 / `p_value` runs.

    Args:
        samples: (N,) integers in 0..K-1, of which at least one value should come five times or more.
        probs: (K,) probabilities.

    Raises:
        LawBroken: too few samples, a value outside 0..K-1 or of probability 0, or frequencies too far off.

    Example:
        >>> matches_sampler(np.random.default_rng(0).integers(2, size=1000), [0.5, 0.5])
    """
    drawn, probs = numbers(samples), np.asarray(probs, dtype=np.float64)
    if drawn.ndim != 1:
        raise LawBroken(f"{what} should have shape (N,), got {drawn.shape}")
    strange = ~np.isin(drawn, np.arange(len(probs)))
    if strange.any():
        raise LawBroken(f"{what} should be integers from 0 to {len(probs) - 1}, got {drawn[strange][0]:g}")
    counts = np.bincount(drawn.astype(int), minlength=len(probs))
    impossible = np.flatnonzero((probs == 0) & (counts > 0))
    if len(impossible):
        raise LawBroken(f"{what} contain {impossible[0]}, which has probability 0")
    expected = probs / probs.sum() * len(drawn)
    # The test's p-value holds where about five or more are expected, so rarer values share one cell.
    rare = expected < 5
    if rare.all():
        raise LawBroken(f"{what} are {len(drawn)}, too few to judge")
    seen, due = (np.append(n[~rare], n[rare].sum()) for n in (counts, expected))
    cells = due > 0
    if cells.sum() > 1 and stats.power_divergence(seen[cells], due[cells], lambda_="log-likelihood").pvalue < p_value:
        worst = int(np.argmax(np.abs(counts - expected) / np.sqrt(np.maximum(expected, 1))))
        raise LawBroken(
            f"{what} do not follow the model: {worst} came {counts[worst]} times in {len(drawn)}, "
            f"expected about {expected[worst]:.0f}"
        )


def autoregressive(
    conditionals: Callable[[np.ndarray], np.ndarray],
    inputs: np.ndarray,
    order: np.ndarray | None = None,
    cause: Callable[[np.ndarray], str] | None = None,
) -> None:
    """Output i of `conditionals` depends on every input that comes before i in `order`, and on no other.

    Both ways and exactly: outputs must be bitwise unchanged by later inputs, and must change with each earlier one.

    Args:
        conditionals: maps (B, D) inputs to (B, D, ...) outputs, the i-th of which parametrise p(x_i | earlier x).
        inputs: (B, D) examples; one column at a time is replaced by that of another example.
        order: (D,) the position of each dimension in the ordering; 0, 1, ..., D - 1 where not given.
        cause: maps which output sees which input, (D, D), to the usual cause of what is wrong there.

    Raises:
        LawBroken: names an output and an input that should or should not be connected.
        ValueError: a column of `inputs` is constant, so that its influence could not be seen.
    """
    inputs = np.asarray(inputs)
    dims = inputs.shape[1]
    order = np.arange(dims) if order is None else np.asarray(order)

    def outputs(x: np.ndarray) -> np.ndarray:
        got = numbers(conditionals(x))
        if got.shape[:2] != inputs.shape:
            raise LawBroken(f"the outputs should have shape {inputs.shape} or {inputs.shape} and more, got {got.shape}")
        if np.isnan(got).any():
            raise LawBroken("the outputs contain NaN")
        return got

    before = outputs(inputs.copy())
    sees = np.empty((dims, dims), dtype=bool)  # output i, input j
    for j in range(dims):
        changed = inputs.copy()
        changed[:, j] = np.roll(inputs[:, j], 1)
        if (changed == inputs).all():
            raise ValueError(f"every example has the same input {j}; give examples that differ in each column")
        moved = outputs(changed) != before
        sees[:, j] = moved.reshape(len(inputs), dims, -1).any((0, 2))
    due = order < order[:, None]
    if wrong := np.argwhere((sees != due).T).tolist():
        j, i = wrong[0]
        connected = "sees input {}, which does not come" if sees[i, j] else "does not see input {}, which comes"
        usual = "" if cause is None else f"\n{CAUSE}{cause(sees)}"
        raise LawBroken(f"output {i} {connected.format(j)} before it{usual}", dependencies(sees, due, order))


def _flowed(forward: Callable[[np.ndarray], Any], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """z in its own shape and log_det as (B,), in the sizes that they must have."""
    z, log_det = map(numbers, parts(forward(x.copy()), "forward"))
    if len(z) != len(x) or z.size != x.size:
        raise LawBroken(f"z should hold {x.size} numbers for {len(x)} examples, as x does, but has shape {z.shape}")
    if log_det.shape != (len(x),):
        raise LawBroken(f"log_det should be one number for each example, {(len(x),)}, but has shape {log_det.shape}")
    return z, log_det


def invertible(
    forward: Callable[[np.ndarray], Any],
    inverse: Callable[[np.ndarray], Any],
    x: np.ndarray,
    *,
    tolerance: float = 1e-9,
    causes: Mapping[str, Any] | None = None,
) -> None:
    """`inverse` undoes `forward`: inverse(z) = x for z of forward(x), to `tolerance` (absolute and relative).

    Args:
        forward: maps (B, ...) to z and log_det (B,); only z is looked at, and handed on in its own shape.
        inverse: maps z to x.
        x: (B, ...) float64.
        causes: as in `matches`, each usual mistake with the inverse(z) that it gives.

    Raises:
        LawBroken: names the first number that does not come back.

    Example:
        >>> invertible(lambda x: (np.sinh(x), np.log(np.cosh(x)).sum(1)), np.arcsinh, np.array([[0.5, -2.0]]))
    """
    x = np.asarray(x, dtype=np.float64)
    z, _ = _flowed(forward, x)
    matches(inverse(z), x, what="inverse(forward(x))", tolerance=tolerance, causes=causes)


def log_det(
    forward: Callable[[np.ndarray], Any],
    x: np.ndarray,
    *,
    tolerance: float = 1e-6,
    causes: Mapping[str, Any] | None = None,
) -> None:
    """The log_det of `forward` is log|det dz/dx| of its z, by differences of float64.

    It sees neither a wrong z nor one that has no inverse: ask `invertible` as well.

    Args:
        forward: maps (B, ...) to z and log_det (B,), each example by itself.
        x: (B, ...) float64, away from kinks of z, of numbers of about 1.
        causes: as in `matches`, each usual mistake with the log_det that it gives.

    Raises:
        LawBroken: shapes that do not fit, a Jacobian without an inverse, or another log_det.

    Example:
        >>> log_det(lambda x: (np.sinh(x), np.log(np.cosh(x)).sum(1)), np.array([[0.5, -2.0]]))
        >>> log_det(lambda x: (3 * x, np.full(len(x), -np.log(3))), np.ones((1, 1)))
        Traceback (most recent call last):
        deepul_utils.checks.laws.LawBroken: log_det: wrong in 1 of 1 places, ...: expected 1.09861, got -1.09861
        Usual cause: the sign is that of the inverse: log|det dx/dz| = -log|det dz/dx|
        expected [1.0986]
        got      [-1.0986]
    """
    x = np.asarray(x, dtype=np.float64)
    _, got = _flowed(forward, x)
    flat = x.reshape(len(x), -1)
    jacobian = np.empty((*flat.shape, flat.shape[1]))  # example, z_i, x_j
    h = 2e-4
    for j in range(flat.shape[1]):
        z = {}
        for steps in (-2, -1, 1, 2):
            moved = flat.copy()
            moved[:, j] += steps * h
            z[steps] = _flowed(forward, moved.reshape(x.shape))[0].reshape(flat.shape)
        # Central differences whose error falls with h^4.
        jacobian[:, :, j] = (8 * (z[1] - z[-1]) - (z[2] - z[-2])) / (12 * h)
    sign, right = np.linalg.slogdet(jacobian)
    if not np.isfinite(right).all():
        raise LawBroken(f"z has no inverse near {_show(x[np.flatnonzero(~np.isfinite(right))[0]])}: det dz/dx is 0")
    usual = {
        "the sign is that of the inverse: log|det dx/dz| = -log|det dz/dx|": -right,
        "this is the mean over the dimensions; log-derivatives are added": right / flat.shape[1],
        "this is the determinant, and the logarithm of its absolute value is asked for": sign * np.exp(right),
    }
    matches(got, right, what="log_det", tolerance=tolerance, causes={**(causes or {}), **usual})


def mass(
    log_prob: Callable[[np.ndarray], Any],
    low: Any,
    high: Any,
    *,
    points: int = 1000,
    what: str = "the density",
    tolerance: float = 1e-6,
) -> None:
    """exp(log_prob) integrates to 1 within `tolerance`, by the midpoint rule over a box.

    The rule is all but exact for a smooth density that falls to nothing inside the box, and it misses whatever lies
    outside; where the density jumps or has kinks, it errs by about a cell's mass.

    Args:
        log_prob: maps points to log-densities in nats, (N,); the points are (N,) where `low` is a number, or (N, D).
        low: the box's lower corner, a number or D of them, D at most 2.
        high: its upper corner.
        points: cells along each side.

    Raises:
        LawBroken: another shape, a NaN, or another integral.

    Example:
        >>> mass(lambda x: -(x**2) / 2 - np.log(2 * np.pi) / 2, -8, 8)
        >>> mass(lambda x: -(x**2).sum(1) / 2 - np.log(2 * np.pi), [-8, -8], [8, 8])
    """
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    width = (high - low) / points
    sides = [a + w * (np.arange(points) + 0.5) for a, w in zip(low.ravel(), width.ravel(), strict=True)]
    grid = np.stack(np.meshgrid(*sides, indexing="ij"), -1).reshape((-1, *low.shape))
    total = 0.0
    for some in np.array_split(grid, -(-len(grid) // 100_000)):
        log_p = numbers(log_prob(some))
        if log_p.shape != (len(some),):
            raise LawBroken(f"the log-densities of {some.shape} points should be {(len(some),)}, got {log_p.shape}")
        with np.errstate(over="ignore"):
            total += np.exp(log_p).sum() * width.prod()
    if not abs(total - 1) <= tolerance:
        raise LawBroken(f"{what} should integrate to 1, but it integrates to {apart(1, total)[1]}")
