"""(x0, x1) = curve(t) + noise: two laws on the plane, their densities, and the grid that makes them discrete."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.datasets import make_moons

# The corners (low, high) of a box that holds nearly every point.
SMILEY_BOX = ((-3.0, -2.0), (3.0, 4.0))
HALF_MOONS_BOX = ((-1.5, -1.0), (2.5, 1.5))

_EYES = ((-1.5, 2.5), (1.5, 2.5))


def smiley(n: int, seed: int = 0) -> np.ndarray:
    """Draw n points of a smiling face: two eyes N((±1.5, 2.5), 0.2^2) and a mouth (2 cos t, -sin t) + N(0, 0.2^2).

    Each eye has a third of the points, rounded down, and the mouth the rest, at even steps of t from 0 to pi.

    Returns:
        (n, 2) floats in random order.

    Example:
        >>> smiley(2000).std(0).round(1)
        array([1.5, 1.5])
    """
    rng = np.random.RandomState(seed)
    eyes = [centre + 0.2 * rng.randn(n // 3, 2) for centre in _EYES]
    mouth = _mouth(n - 2 * (n // 3))
    points = np.concatenate([*eyes, mouth + 0.2 * rng.randn(*mouth.shape)])
    return points[rng.permutation(n)]


def smiley_law(num_values: int) -> np.ndarray:
    """Return the probability of each cell of `on_grid(smiley(n), num_values)`, up to the steps along the mouth.

    p(x0, x1) is the mean over the eyes and the mouth's centres c of N(c, 0.2^2)'s mass in the cell; the cells at the
    edge take what lies outside the box.

    Returns:
        (num_values, num_values) probabilities, indexed [x0, x1].

    Example:
        >>> smiley_law(2).round(3)
        array([[0.167, 0.333],
               [0.167, 0.333]])
    """
    law = np.zeros((num_values, num_values))
    for centres in (*np.array(_EYES)[:, None], _mouth(1000)):
        masses = []
        for c, low, high in zip(centres.T, *SMILEY_BOX, strict=True):
            inner = np.linspace(low, high, num_values + 1)[1:-1]
            cdf = norm.cdf(inner, loc=c[:, None], scale=0.2)  # (centres, num_values - 1)
            masses.append(np.diff(cdf, axis=1, prepend=0, append=1))
        law += np.einsum("ni,nj->ij", *masses) / len(centres) / 3
    return law


def smiley_log_density(points: np.ndarray) -> np.ndarray:
    """log p(x0, x1) of the smiling face, up to the steps along the mouth.

    p(x) = 1/3 N(x; left eye) + 1/3 N(x; right eye) + 1/3 mean over t in [0, pi] of N(x; (2 cos t, -sin t), 0.2^2 I).
    The first two terms are in closed form, the third is an integral by Gauss and Legendre's rule.

    Args:
        points: (..., 2).

    Returns:
        (...) in nats.

    Example:
        >>> -smiley_log_density(smiley(1000)).mean().round(3)  # the floor of any model on these points
        np.float64(1.293)
    """
    t, weights = _angles()
    centres = [*_EYES, *np.stack([2 * np.cos(t), -np.sin(t)], axis=1)]
    return _log_mixture(points, centres, [1 / 3, 1 / 3, *weights / 3], scale=0.2)


def _mouth(n: int) -> np.ndarray:
    t = np.linspace(0, np.pi, n)
    return np.stack([2 * np.cos(t), -np.sin(t)], axis=1)


def _angles() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the mean over [0, pi], exact to rounding for curves of up to 30 scales of the noise."""
    nodes, weights = np.polynomial.legendre.leggauss(128)
    return np.pi * (nodes + 1) / 2, weights / 2


def _log_mixture(
    points: np.ndarray,
    centres: Sequence[Sequence[float]] | np.ndarray,
    weights: Sequence[float] | np.ndarray,
    scale: float,
) -> np.ndarray:
    """log of sum_c weight_c N(points; c, scale^2 I)."""
    squares = sum((np.asarray(points)[..., i, None] - np.asarray(centres)[:, i]) ** 2 for i in range(2))
    return logsumexp(-squares / (2 * scale**2), axis=-1, b=weights) - np.log(2 * np.pi * scale**2)


def half_moons(n: int, seed: int = 0) -> np.ndarray:
    """Draw n points of two interleaved half circles of radius 1 with noise N(0, 0.1^2), scikit-learn's `make_moons`.

    Returns:
        (n, 2) floats in random order.

    Example:
        >>> half_moons(2000).std(0).round(1)
        array([0.9, 0.5])
    """
    return make_moons(n, noise=0.1, random_state=seed)[0]


def half_moons_log_density(points: np.ndarray) -> np.ndarray:
    """log p(x0, x1) of the half moons, up to the steps along them.

    p(x) = mean over t in [0, pi] of 1/2 N(x; (cos t, sin t), 0.1^2 I) + 1/2 N(x; (1 - cos t, 1/2 - sin t), 0.1^2 I).

    Args:
        points: (..., 2).

    Returns:
        (...) in nats.

    Example:
        >>> -half_moons_log_density(half_moons(1000)).mean().round(3)
        np.float64(1.012)
    """
    t, weights = _angles()
    upper, lower = np.stack([np.cos(t), np.sin(t)], axis=1), np.stack([1 - np.cos(t), 0.5 - np.sin(t)], axis=1)
    return _log_mixture(points, np.concatenate([upper, lower]), np.tile(weights / 2, 2), scale=0.1)


def smiley_sets() -> tuple[np.ndarray, np.ndarray]:
    """2000 training points of seed 1 and the 1000 test points of seed 0, on which published losses were measured.

    Example:
        >>> [points.shape for points in smiley_sets()]
        [(2000, 2), (1000, 2)]
    """
    return smiley(2000, seed=1), smiley(1000, seed=0)


def half_moons_sets() -> tuple[np.ndarray, np.ndarray]:
    """2000 training points of seed 1 and 1000 test points of seed 0.

    Example:
        >>> [points.shape for points in half_moons_sets()]
        [(2000, 2), (1000, 2)]
    """
    return half_moons(2000, seed=1), half_moons(1000, seed=0)


# Centre and, in rows, the directions of the axes of `gaussian`.
_CENTRE = {True: np.array([1.0, 2.0]), False: np.array([-1.0, 2.0])}
_AXES = {True: np.array([[1.0, 1.0], [-1.0, 1.0]]) / np.sqrt(2), False: np.eye(2)}
_SCALES = np.array([5.0, 1.0])


def gaussian(n: int, seed: int = 0, *, full: bool) -> np.ndarray:
    """Draw n points of a normal law with standard deviations 5 and 1 along its axes.

    The axes are those of the plane, around (-1, 2); with `full`, they are turned by 45 degrees, around (1, 2), so that
    both variances are 13 and the covariance is 12.

    Returns:
        (n, 2) floats.

    Example:
        >>> np.cov(gaussian(100_000, full=True).T).round()
        array([[13., 12.],
               [12., 13.]])
    """
    return np.random.RandomState(seed).randn(n, 2) * _SCALES @ _AXES[full] + _CENTRE[full]


def gaussian_log_density(points: np.ndarray, *, full: bool) -> np.ndarray:
    """log p(x0, x1) of `gaussian`: the two normal log-densities along the axes, summed.

    Args:
        points: (..., 2).

    Returns:
        (...) in nats.

    Example:
        >>> -gaussian_log_density(gaussian(2500, full=True), full=True).mean().round(3)
        np.float64(4.418)
    """
    return norm.logpdf((np.asarray(points) - _CENTRE[full]) @ _AXES[full].T, scale=_SCALES).sum(-1)


def full_gaussian_sets() -> tuple[np.ndarray, np.ndarray]:
    """10000 training points of seed 1 and the 2500 test points of seed 0, on which published losses were measured.

    Example:
        >>> [points.shape for points in full_gaussian_sets()]
        [(10000, 2), (2500, 2)]
    """
    return gaussian(10_000, seed=1, full=True), gaussian(2500, seed=0, full=True)


def diagonal_gaussian_sets() -> tuple[np.ndarray, np.ndarray]:
    """10000 training points of seed 1 and 2500 test points of seed 0.

    Example:
        >>> [points.shape for points in diagonal_gaussian_sets()]
        [(10000, 2), (2500, 2)]
    """
    return gaussian(10_000, seed=1, full=False), gaussian(2500, seed=0, full=False)


def on_grid(
    points: np.ndarray,
    num_values: int,
    low: tuple[float, float] = SMILEY_BOX[0],
    high: tuple[float, float] = SMILEY_BOX[1],
) -> np.ndarray:
    """Cut the box from `low` to `high` into num_values x num_values cells and name the cell of each point.

    floor((x - low) / (high - low) * num_values); a point outside the box goes to the nearest cell. The box is
    the smiley's unless given: `on_grid(half_moons(1000), 40, *HALF_MOONS_BOX)`.

    Args:
        points: (n, 2) floats.

    Returns:
        (n, 2) integers in 0..num_values-1.

    Raises:
        ValueError: `points` is not (n, 2).

    Example:
        >>> on_grid(np.array([[-3.0, 3.9], [0.0, 99.0]]), 10)
        array([[0, 9],
               [5, 9]])
    """
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points must be (n, 2), got {points.shape}")
    cells = np.floor((points - low) / np.subtract(high, low) * num_values)
    return cells.clip(0, num_values - 1).astype(np.int64)
