"""A logistic cut into bins: drag its mean and its scale, and see every bin's mass and their sum."""

from __future__ import annotations

import traitlets

from deepul_utils.explorables.base import Explorable


class LogisticBins(Explorable):
    """The density of a logistic above the probabilities of its rounded and clipped values.

    P(x = k) is the area between k - 1/2 and k + 1/2; with `tails`, 0 and K - 1 also get the areas beyond the ends.

    Example:
        >>> figure = LogisticBins(loc=0.5, tails=False)
        >>> figure.loc, figure.scale, figure.num_values
        (0.5, 1.0, 8)
    """

    num_values = traitlets.Int(8, min=2).tag(sync=True)
    loc = traitlets.Float(2.5).tag(sync=True)
    scale = traitlets.Float(1.0, min=0.5, max=2).tag(sync=True)
    tails = traitlets.Bool(True).tag(sync=True)
