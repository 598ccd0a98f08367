"""Importance sampling on a line: drag the proposal, and see weights, effective sample size and the estimate."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets

from deepul_utils.explorables.base import Explorable


class ImportanceWeights(Explorable):
    """p(z) = N(0, 1), p(x | z) = N(z^2, 1/2^2) and a proposal N(loc, scale^2), whose draws are weighted.

    The posterior has two bumps where x is large. Draws are made from stored noise, z = loc + scale * noise, so that
    moving the proposal moves the same draws.

    Example:
        >>> figure = ImportanceWeights(x=3.0)
        >>> figure.x, figure.loc, figure.scale, len(figure.noise)
        (3.0, 0.0, 1.0, 500)
    """

    x = traitlets.Float(2.0).tag(sync=True)
    loc = traitlets.Float(0.0).tag(sync=True)
    scale = traitlets.Float(1.0).tag(sync=True)
    num_samples = traitlets.Int(50, min=1, max=200).tag(sync=True)
    first = traitlets.Int(0).tag(sync=True)  # of the noise
    noise = traitlets.List(traitlets.Float()).tag(sync=True)

    @traitlets.default("noise")
    def _noise(self) -> Any:
        return np.random.default_rng(0).normal(size=500).round(4).tolist()
