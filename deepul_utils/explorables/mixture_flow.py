"""A mixture on the line: its density, the map to the latent, which is its distribution function, and samples."""

from __future__ import annotations

import traitlets

from deepul_utils.explorables.base import Explorable


class MixtureFlow(Explorable):
    """Drag a mixture of three Gaussians; the map z = f(x) and the samples that it carries from z to x follow.

    With `normal` the latent is standard normal, z = Phi^-1(F(x)), otherwise uniform, z = F(x).

    Example:
        >>> figure = MixtureFlow(loc=[-2.0, 0.0, 2.0], normal=True)
        >>> figure.loc, figure.scale, figure.chosen
        ([-2.0, 0.0, 2.0], [0.5, 0.4, 0.8], 0)
    """

    loc = traitlets.List(traitlets.Float(), default_value=[-2.0, 0.0, 1.8], minlen=3, maxlen=3).tag(sync=True)
    scale = traitlets.List(traitlets.Float(min=0.1), default_value=[0.5, 0.4, 0.8], minlen=3, maxlen=3).tag(sync=True)
    weight = traitlets.List(traitlets.Float(min=0), default_value=[4.0, 2.0, 4.0], minlen=3, maxlen=3).tag(sync=True)
    chosen = traitlets.Int(0, min=0, max=2).tag(sync=True)
    x = traitlets.Float(-1.5).tag(sync=True)
    normal = traitlets.Bool(False).tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
