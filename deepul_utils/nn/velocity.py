"""v(x, t): a smooth network of points and time, for dx/dt = v(x, t)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class Velocity(nn.Module):
    """Linear layers with a tanh between, from x and t side by side, (B, D + 1), to a velocity, (B, D).

    A ReLU would do for a discrete flow, but its kinks force an adaptive solver into tiny steps.

    Args:
        dims: D.
        hidden: widths of the hidden layers.

    Example:
        >>> Velocity(2)(torch.zeros(5, 2), torch.tensor(0.5)).shape
        torch.Size([5, 2])
    """

    def __init__(self, dims: int, hidden: Sequence[int] = (64, 64)) -> None:
        super().__init__()
        widths = [dims + 1, *hidden]
        layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.Tanh())]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], dims))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.layers(torch.cat([x, t.to(x).expand(len(x), 1)], 1))
