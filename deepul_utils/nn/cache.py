"""Cache: what the layers of a network keep of the positions already visited, so that a sampler does no work twice."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Cache:
    """The memory of one sampling run: a layer that looks at other positions keeps their inputs here.

    Such a layer takes an optional `cache`. Without one its input holds every position; with one it holds those at
    `cache.at` alone, the layer adds them to its memory and returns its output there. So one forward pass, written once,
    serves both, and a step of the sampler costs one position instead of all.

    Args:
        size: how many positions there are: (D,) for a sequence, (H, W) for an image.

    Attributes:
        at: the position being visited, (i,) or (row, column); they are visited one after the other.
        memory: what each layer keeps.
    """

    def __init__(self, *size: int) -> None:
        self.size = size
        self.at = (0,) * len(size)
        self.memory: dict[nn.Module, Any] = {}


class Rows:
    """What a masked convolution over images in raster order keeps: its inputs so far, in their padding.

    When a row begins, one convolution gives what the rows above add to all of its outputs; each pixel then costs one
    product of a matrix with its left neighbours.

    Args:
        kernel: (outputs, inputs, rows, columns) weights, of which the last row is the pixel's own.
        bias: (outputs,), or None.
        right: how many columns the kernel reaches to the right.
        n: images.
        height: of the image.
        width: of the image.
    """

    def __init__(self, kernel: Tensor, bias: Tensor | None, right: int, n: int, height: int, width: int) -> None:
        outputs, inputs, rows, cols = kernel.shape
        self.kernel, self.bias, self.width = kernel, bias, width
        self.top, self.left = rows - 1, cols - 1 - right
        self.own = kernel[:, :, -1, : self.left + 1].permute(2, 1, 0).flatten(0, 1)  # (columns * inputs, outputs)
        self.image = kernel.new_zeros(n, inputs, self.top + height, self.left + width + right)
        self.row = kernel.new_zeros(n, self.left + width, inputs)  # channels last, so that a window is a view
        self.above = (kernel.new_zeros(outputs) if bias is None else bias).expand(n, width, outputs)
        self.begun = -1  # the row being visited pixel by pixel

    def __call__(self, x: Tensor, r: int, c: int) -> Tensor:
        """The output for one more input: the pixel (n, inputs, 1, 1) at (r, c), or the whole row (n, inputs, 1, W)."""
        if x.shape[-1] == self.width > 1:
            self._keep(r, x[:, :, 0])
            return F.conv2d(self.image[:, :, r : r + self.top + 1], self.kernel, self.bias)
        if self.top > 0 and self.begun != r:
            if self.begun >= 0:
                self._keep(self.begun, self.row[:, self.left :].mT)
            above = F.conv2d(self.image[:, :, r : r + self.top], self.kernel[:, :, :-1], self.bias)
            self.above, self.begun = above[:, :, 0].mT.contiguous(), r  # (n, W, outputs)
        self.row.select(1, c + self.left).copy_(x.flatten(1))
        window = self.row.narrow(1, c, self.left + 1).flatten(1)  # (n, columns * inputs)
        return torch.addmm(self.above.select(1, c), window, self.own).view(len(x), -1, 1, 1)

    def _keep(self, r: int, row: Tensor) -> None:
        self.image[:, :, r + self.top, self.left : self.left + self.width] = row
