"""The course's data sets by name: what they are, where they come from, how to load them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from deepul_utils.data.digits import digits
from deepul_utils.data.mnist import mnist
from deepul_utils.data.number_words import number_words
from deepul_utils.data.toy1d import one_bump, two_bumps
from deepul_utils.data.toy2d import half_moons_sets, smiley_sets

SYNTHETIC = "drawn by the course"


@dataclass(frozen=True)
class DataSet:
    """A data set of the course.

    Attributes:
        about: what it is, in a few words.
        source: where its numbers come from.
        load: returns its training and test arrays.
    """

    about: str
    source: str
    load: Callable[[], tuple[np.ndarray, np.ndarray]]


DATA_SETS = {
    "one-bump": DataSet("a bell curve cut into 20 bins", SYNTHETIC, one_bump),
    "two-bumps": DataSet("two bell curves cut into 100 bins", SYNTHETIC, two_bumps),
    "smiley": DataSet("a smiling face of points", SYNTHETIC, smiley_sets),
    "half-moons": DataSet("two half circles of points", "scikit-learn", half_moons_sets),
    "digits": DataSet("handwritten digits, 8 x 8 pixels, 17 grey levels", "in scikit-learn", digits),
    "number-words": DataSet("the numbers 0 to 999 in English words", SYNTHETIC, number_words),
    "mnist": DataSet(
        "handwritten digits, 28 x 28 pixels, 256 grey levels", "the folder DEEPUL_DATA, or a download of 11 MB", mnist
    ),
}
