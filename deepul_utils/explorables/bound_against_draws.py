"""The bound of K draws on a line: drag the proposal, and see how fast the bound rises to log p(x)."""

from __future__ import annotations

import traitlets

from deepul_utils.explorables.base import Explorable


class BoundAgainstDraws(Explorable):
    """z ~ N(0, 1), x = 2 z + N(0, 1) = 2, so that log p(x) is known, and a proposal N(loc, scale^2) for z.

    200 times 512 draws are made from noise that depends on `seed` alone, so that moving the proposal moves the same
    draws. Each estimate of the bound of K draws uses the first K of its 512.

    Example:
        >>> figure = BoundAgainstDraws(log2_draws=3)
        >>> figure.loc, figure.scale, 2**figure.log2_draws
        (0.0, 1.0, 8)
    """

    loc = traitlets.Float(0.0).tag(sync=True)
    scale = traitlets.Float(1.0).tag(sync=True)
    log2_draws = traitlets.Int(2, min=0, max=9).tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
