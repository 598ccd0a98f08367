"""Orderings that tell mistakes apart."""

from __future__ import annotations

import numpy as np


def shuffled(rng: np.random.Generator, dims: int) -> np.ndarray:
    """An ordering of 3 dimensions or more that is not its own inverse, so that positions and visits differ.

    Example:
        >>> order = shuffled(np.random.default_rng(0), 3)
        >>> np.array_equal(order, order.argsort())
        False
    """
    while True:
        order = rng.permutation(dims)
        if not np.array_equal(order, order.argsort()):
            return order
