"""WaveNet: p(x_t | x_0 .. x_{t-1}) from a stack of causal convolutions whose dilations double: 1, 2, 4, ..."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from deepul_utils.models.autoregressive import Autoregressive
from deepul_utils.nn.cache import Cache
from deepul_utils.nn.causal import CausalConv1d
from deepul_utils.nn.conditioning import ClassBias
from deepul_utils.nn.gate import gate
from deepul_utils.nn.previous_value import Coordinates, PreviousValue


class GatedBlock(nn.Module):
    """z = tanh(W_f * h + b_y) sigmoid(W_g * h + c_y); on to the next block goes h + U z, to the output goes S z.

    Args:
        width: channels of h and of what goes to the output.
        kernel_size: of the causal convolution *.
        dilation: of the causal convolution.
        num_classes: classes to condition on; 0 for none.
        conv: `conv(inputs, outputs, kernel_size, dilation)`, as `CausalConv1d`.

    Example:
        >>> h, skip = GatedBlock(width=8, kernel_size=2, dilation=4)(torch.zeros(3, 8, 100))
        >>> h.shape, skip.shape
        (torch.Size([3, 8, 100]), torch.Size([3, 8, 100]))
    """

    def __init__(
        self,
        width: int,
        kernel_size: int,
        dilation: int,
        num_classes: int = 0,
        conv: Callable[[int, int, int, int], nn.Module] = CausalConv1d,
    ) -> None:
        super().__init__()
        self.conv = conv(width, 2 * width, kernel_size, dilation)
        self.bias = ClassBias(num_classes, 2 * width)
        self.out = nn.Conv1d(width, 2 * width, 1)

    def forward(self, h: Tensor, y: Tensor | None = None, cache: Cache | None = None) -> tuple[Tensor, Tensor]:
        z = gate(self.bias(self.conv(h, cache), y))
        residual, skip = self.out(z).chunk(2, 1)
        return h + residual, skip


class WaveNet(Autoregressive):
    """Dilated causal convolutions over a sequence, or over an image as a sequence in raster order.

    x_t sees as many values before it as `nn.causal.receptive_field(kernel_size, dilations)` says.

    Args:
        shape: of one example: (T,), (H, W) or (C, H, W).
        num_values: K.
        width: channels.
        dilations: one for each block.
        kernel_size: of the causal convolutions.
        coordinates: whether the network is told where the pixel lies that it predicts.
        num_classes: classes to condition on; 0 for none.
        conv: `conv(inputs, outputs, kernel_size, dilation)`, as `CausalConv1d`; `sample` needs one that keeps a cache.

    Paper: van den Oord et al., "WaveNet: A Generative Model for Raw Audio" (2016).

    Example:
        >>> model = WaveNet((8, 8), num_values=17, dilations=[1, 2, 4, 8])
        >>> model.sample(3).shape
        torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        shape: Sequence[int],
        num_values: int = 2,
        width: int = 64,
        dilations: Sequence[int] = (1, 2, 4, 8, 16, 32),
        kernel_size: int = 2,
        coordinates: bool = False,
        num_classes: int = 0,
        conv: Callable[[int, int, int, int], nn.Module] = CausalConv1d,
    ) -> None:
        super().__init__(shape, num_values, num_classes)
        place = Coordinates(shape, width) if coordinates else None
        self.embed = PreviousValue(self.order, num_values, width, num_classes, place)
        self.blocks = nn.ModuleList(GatedBlock(width, kernel_size, d, num_classes, conv) for d in dilations)
        self.out = nn.Sequential(nn.ReLU(), nn.Conv1d(width, width, 1), nn.ReLU(), nn.Conv1d(width, num_values, 1))

    def network(self, h: Tensor, y: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        """Logits (B, T, K) for inputs h (B, T, width); a cache keeps the queue of each convolution."""
        h = h.mT
        total = torch.zeros_like(h)
        for block in self.blocks:
            h, skip = block(h, y, cache)
            total = total + skip
        return self.out(total).mT

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        logits = self.network(self.embed(x, y), y)  # (B, D, K), in the order of the visits
        return logits[:, self.order].view(*x.shape, -1)

    def walk(self, x: Tensor, y: Tensor | None = None) -> Iterator[Tensor]:
        return self.embed.walk(lambda h, cache: self.network(h, y, cache), x, y)
