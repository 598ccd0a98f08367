"""What a pixel sees in a PixelCNN and in a Gated PixelCNN: layers, kernel and mask to choose, the blind spot in red."""

from __future__ import annotations

import traitlets

from deepul_utils.explorables.base import Explorable


class ReceptiveField(Explorable):
    """Two images of SIZE x SIZE pixels, coloured by what the output at one pixel sees: PixelCNN and Gated PixelCNN.

    Each has `layers` masked convolutions, the first of kind A unless `first_sees_itself`. With `shift_every_layer` the
    vertical stack of the Gated PixelCNN is moved down before each of its layers, not once before the first.

    Example:
        >>> figure = ReceptiveField(layers=2, kernel_size=5)
        >>> figure.layers, figure.kernel_size, figure.row, figure.column
        (2, 5, 9, 5)
    """

    size = traitlets.Int(13, min=3).tag(sync=True)
    layers = traitlets.Int(3, min=1, max=10).tag(sync=True)
    kernel_size = traitlets.Int(3, min=3, max=7).tag(sync=True)
    row = traitlets.Int(9, min=0).tag(sync=True)
    column = traitlets.Int(5, min=0).tag(sync=True)
    first_sees_itself = traitlets.Bool(False).tag(sync=True)  # kind B in the first layer, too
    shift_every_layer = traitlets.Bool(False).tag(sync=True)
