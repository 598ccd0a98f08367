"""A stack of causal convolutions as a tree: which inputs reach one output, and how the dilations decide it."""

from __future__ import annotations

import traitlets

from deepul_utils.explorables.base import Explorable


class DilationTree(Explorable):
    """The connections of `layers` causal convolutions over `steps` inputs, those behind one output drawn strong.

    Layer i, counted from 0, has dilation growth**i. Growth 1 is the plain stack, 2 is WaveNet's. A growth above
    `kernel_size` leaves inputs out within the receptive field.

    Example:
        >>> figure = DilationTree(layers=3, growth=1)
        >>> figure.layers, figure.kernel_size, figure.growth, figure.output
        (3, 2, 1, 27)
    """

    steps = traitlets.Int(32, min=2).tag(sync=True)
    layers = traitlets.Int(4, min=1, max=5).tag(sync=True)
    kernel_size = traitlets.Int(2, min=2, max=4).tag(sync=True)
    growth = traitlets.Int(2, min=1, max=4).tag(sync=True)
    output = traitlets.Int(27, min=0).tag(sync=True)
