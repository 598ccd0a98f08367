"""x = digitize(t): two laws on a line cut into bins, with their exact probabilities."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

ONE_BUMP_VALUES = 20
TWO_BUMPS_VALUES = 100


def one_bump(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw 800 training and 200 test values of t ~ N(0.4, 0.1^2), cut into 20 bins.

    Returns:
        train (800,) and test (200,), integers in 0..19.

    Example:
        >>> train, test = one_bump()
        >>> train[:5], test.shape
        (array([11,  9, 10, 12, 12]), (200,))
    """
    rng = np.random.RandomState(seed)
    return _split(_bin(0.4 + 0.1 * rng.randn(1000), ONE_BUMP_VALUES))


def two_bumps(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw 8000 training and 2000 test values of t ~ (N(0.3, 0.1^2) + N(0.8, 0.05^2)) / 2, clipped to [0, 1],
    cut into 100 bins.

    Returns:
        train (8000,) and test (2000,), integers in 0..99.

    Example:
        >>> train, test = two_bumps()
        >>> train[:5], test.shape
        (array([48, 76, 88, 81, 79]), (2000,))
    """
    rng = np.random.RandomState(seed)
    left = 0.3 + 0.1 * rng.randn(10_000)
    right = 0.8 + 0.05 * rng.randn(10_000)
    t = np.where(rng.rand(10_000) < 0.5, left, right)
    return _split(_bin(t.clip(0, 1), TWO_BUMPS_VALUES))


def one_bump_law() -> np.ndarray:
    """Return the probabilities (20,) that `one_bump` draws from.

    Example:
        >>> int(one_bump_law().argmax()), round(float(one_bump_law().sum()), 12)
        (8, 1.0)
    """
    return _bin_masses(norm(0.4, 0.1).cdf(_edges(ONE_BUMP_VALUES)))


def two_bumps_law() -> np.ndarray:
    """Return the probabilities (100,) that `two_bumps` draws from; 0 never comes, since clipping moves it into 1.

    Example:
        >>> float(two_bumps_law()[0]), round(float(two_bumps_law().sum()), 12)
        (0.0, 1.0)
    """
    edges = _edges(TWO_BUMPS_VALUES)
    cdf = (norm(0.3, 0.1).cdf(edges) + norm(0.8, 0.05).cdf(edges)) / 2
    cdf[0] = 0
    return _bin_masses(cdf)


def _edges(values: int) -> np.ndarray:
    return np.linspace(0, 1, values)


def _bin(t: np.ndarray, values: int) -> np.ndarray:
    # digitize gives 0 below the first edge and `values`, one too many, from the last edge on.
    return np.minimum(np.digitize(t, _edges(values)), values - 1)


def _bin_masses(cdf: np.ndarray) -> np.ndarray:
    return np.diff(cdf[:-1], prepend=0, append=1)


def _split(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x[: len(x) * 4 // 5], x[len(x) * 4 // 5 :]
