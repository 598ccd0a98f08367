"""y_t = b + sum_j W_j x_{t - j d}: convolutions over a sequence that see the present and the past, never the future."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepul_utils.nn.cache import Cache


def receptive_field(kernel_size: int, dilations: Sequence[int]) -> int:
    """How many inputs, the present included, one output of a stack of causal convolutions sees.

    1 + (k - 1) * sum of the dilations: with d = 1 everywhere it grows linearly with the layers, with 1, 2, 4, ...
    exponentially.

    Example:
        >>> receptive_field(2, [1, 1, 1, 1]), receptive_field(2, [1, 2, 4, 8])
        (5, 16)
    """
    return 1 + (kernel_size - 1) * sum(dilations)


class CausalConv1d(nn.Conv1d):
    """A one-dimensional convolution, made causal by padding the past alone with (k - 1) d zeros.

    Args:
        inputs: channels in.
        outputs: channels out.
        kernel_size: k.
        dilation: d, the distance between the inputs that it looks at.

    Paper: van den Oord et al., "WaveNet: A Generative Model for Raw Audio" (2016), section 2.1.

    Example:
        >>> CausalConv1d(1, 4, kernel_size=2, dilation=8)(torch.zeros(3, 1, 100)).shape
        torch.Size([3, 4, 100])
    """

    def __init__(self, inputs: int, outputs: int, kernel_size: int = 2, dilation: int = 1) -> None:
        super().__init__(inputs, outputs, kernel_size, dilation=dilation)
        self.past = (kernel_size - 1) * dilation

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, outputs, T) for x (B, inputs, T); with a cache, x is the next input alone, (B, inputs, 1)."""
        if cache is None:
            return super().forward(F.pad(x, (self.past, 0)))
        if self not in cache.memory:
            cache.memory[self] = deque([torch.zeros_like(x)] * (self.past + 1), maxlen=self.past + 1)
        queue = cache.memory[self]
        queue.append(x)
        taps = torch.cat([queue[t] for t in range(0, self.past + 1, self.dilation[0])], -1)  # (B, inputs, k)
        return F.linear(taps.flatten(1), self.weight.flatten(1), self.bias)[..., None]
