"""h + W * relu(norm(h) + b_y), again and again: a residual network over images in which every pixel sees all others."""

from __future__ import annotations

from torch import Tensor, nn

from deepul_utils.nn.conditioning import ClassBias
from deepul_utils.nn.norm import ChannelNorm


class ResidualBlock(nn.Module):
    """h + W * relu(norm(h) + b_y), * a convolution of size 3.

    Args:
        width: features.
        num_classes: classes to condition on; 0 for none.
    """

    def __init__(self, width: int, num_classes: int = 0) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.bias = ClassBias(num_classes, width)
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        return h + self.conv(self.bias(self.norm(h), y).relu())


class ResNet(nn.Module):
    """Residual blocks between two convolutions, from (B, inputs, H, W) to (B, outputs, H, W).

    Args:
        inputs: channels in.
        outputs: channels out.
        width: features.
        blocks: how many.
        num_classes: classes to condition on; 0 for none.

    Paper: He et al., "Identity Mappings in Deep Residual Networks" (2016).

    Example:
        >>> import torch
        >>> ResNet(3, 5, width=16, blocks=2)(torch.zeros(1, 3, 8, 8)).shape
        torch.Size([1, 5, 8, 8])
    """

    def __init__(self, inputs: int, outputs: int, width: int = 64, blocks: int = 4, num_classes: int = 0) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, width, 3, padding=1)
        self.blocks = nn.ModuleList(ResidualBlock(width, num_classes) for _ in range(blocks))
        self.last = nn.Sequential(ChannelNorm(width), nn.ReLU(), nn.Conv2d(width, outputs, 1))

    def forward(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.first(h)
        for block in self.blocks:
            h = block(h, y)
        return self.last(h)
