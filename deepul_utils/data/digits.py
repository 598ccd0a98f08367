"""Scikit-learn's 1797 handwritten digits of 8 x 8 pixels in 17 grey levels: real images without a download."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

GREY_LEVELS = 17
_TRAIN = 1437  # four fifths


def digits(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the images in random order, four fifths to train on and one fifth to test on.

    Returns:
        train (1437, 8, 8) and test (360, 8, 8), uint8 in 0..16; 0 is the paper and 16 the ink.

    Example:
        >>> train, test = digits()
        >>> train.shape, test.shape, train.dtype, int(train.max())
        ((1437, 8, 8), (360, 8, 8), dtype('uint8'), 16)
    """
    return _shuffled(load_digits().images.astype(np.uint8), seed)


def digit_labels(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return which digit each image of `digits(seed)` shows.

    Returns:
        train (1437,) and test (360,), integers in 0..9.

    Example:
        >>> [labels.shape for labels in digit_labels()]
        [(1437,), (360,)]
    """
    return _shuffled(load_digits().target, seed)


def _shuffled(x: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    x = x[np.random.default_rng(seed).permutation(len(x))]
    return x[:_TRAIN], x[_TRAIN:]
