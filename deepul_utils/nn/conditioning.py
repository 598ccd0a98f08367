"""h + b_y: the one way in which a class y reaches a network, a bias of its own added at every position."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ClassBias(nn.Module):
    """Add to h a vector b_y that is learned for each class y, the same at every position.

    The biases start at zero, so that a new model treats all classes alike.

    Args:
        num_classes: how many classes; 0 for a model without, which returns h as it is.
        channels: length of b_y.
        axis: where h (B, ...) has its channels.

    Paper: van den Oord et al., "Conditional Image Generation with PixelCNN Decoders" (2016), section 2.3.

    Example:
        >>> bias = ClassBias(num_classes=10, channels=3)
        >>> bias(torch.zeros(2, 3, 28, 28), torch.tensor([7, 1])).shape
        torch.Size([2, 3, 28, 28])
    """

    table: nn.Parameter

    def __init__(self, num_classes: int, channels: int, axis: int = 1) -> None:
        super().__init__()
        self.axis = axis
        table = nn.Parameter(torch.zeros(num_classes, channels)) if num_classes else None  # b
        self.register_parameter("table", table)

    def forward(self, h: Tensor, y: Tensor | None) -> Tensor:
        """h + b_y for classes y (B,); h itself for y = None."""
        if y is None:
            return h
        shape = [1] * h.ndim
        shape[0], shape[self.axis] = len(y), -1
        return h + self.table[y].view(shape)
