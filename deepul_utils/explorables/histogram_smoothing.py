"""Samples, bins and smoothing against train and test NLL, with the true law beside them."""

from __future__ import annotations

import traitlets

from deepul_utils.data.toy1d import two_bumps_law
from deepul_utils.explorables.base import Explorable


class HistogramSmoothing(Explorable):
    """Draw samples of `two_bumps_law`, count them in bins, and watch train and test NLL part.

    p(x) = (n_b + smoothing) / (N + smoothing * bins) / width_b, where n_b of the N samples share the bin b of x, which
    holds width_b values.

    Example:
        >>> figure = HistogramSmoothing(bins=10)
        >>> figure.bins, figure.smoothing
        (10, 0.0)
    """

    law = traitlets.List(traitlets.Float()).tag(sync=True)
    log10_samples = traitlets.Float(2.0, min=1, max=4).tag(sync=True)
    bins = traitlets.Int(50, min=1, max=100).tag(sync=True)
    smoothing = traitlets.Float(0.0, min=0, max=5).tag(sync=True)
    seed = traitlets.Int(1).tag(sync=True)

    @traitlets.default("law")
    def _law(self) -> list[float]:
        return two_bumps_law().tolist()
