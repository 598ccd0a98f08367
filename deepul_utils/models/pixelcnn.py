"""PixelCNN: p(x_i | pixels above and to the left) for every i in one pass of convolutions with masked kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import torch
from torch import Tensor, nn

from deepul_utils.models.autoregressive import Autoregressive
from deepul_utils.nn.cache import Cache
from deepul_utils.nn.conditioning import ClassBias
from deepul_utils.nn.masked import MaskedConv2d, pixel_mask
from deepul_utils.nn.norm import ChannelNorm


class MaskedBlock(nn.Module):
    """h + W * relu(norm(h) + b_y), with a masked convolution * of kind B.

    Args:
        mask: of the convolution, (width, width, rows, columns).
        channels: of the data, each with a group of the width of its own.
        num_classes: classes to condition on; 0 for none.
    """

    def __init__(self, mask: Tensor, channels: int = 1, num_classes: int = 0) -> None:
        super().__init__()
        self.norm = ChannelNorm(mask.shape[1], channels)
        self.bias = ClassBias(num_classes, mask.shape[1])
        self.conv = MaskedConv2d(mask)

    def forward(self, h: Tensor, y: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        return h + self.conv(self.bias(self.norm(h), y).relu(), cache)


class PixelCNN(Autoregressive):
    """A masked convolution of kind A, then blocks of kind B; the channels of a pixel follow one another.

    Some pixels above and to the right stay out of sight however many layers there are: the blind spot.

    Args:
        image_shape: (H, W) or (C, H, W).
        num_values: K.
        width: features, a multiple of C.
        layers: blocks of kind B with the large kernel, after which one with a kernel of size 1 follows.
        kernel_size: odd.
        num_classes: classes to condition on; 0 for none.
        mask: `mask(outputs, inputs, kernel_size, kind, channels)`, as `pixel_mask`.

    Paper: van den Oord et al., "Pixel Recurrent Neural Networks" (2016), section 3.5.

    Example:
        >>> model = PixelCNN((3, 8, 8), num_values=4, width=12, layers=2)
        >>> model.sample(2).shape
        torch.Size([2, 3, 8, 8])
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        num_values: int = 2,
        width: int = 64,
        layers: int = 5,
        kernel_size: int = 7,
        num_classes: int = 0,
        mask: Callable[..., Tensor] = pixel_mask,
    ) -> None:
        super().__init__(image_shape, num_values, num_classes)
        C = self.channels
        self.first = MaskedConv2d(mask(width, C, kernel_size, "A", C))
        self.blocks = nn.ModuleList(
            MaskedBlock(torch.as_tensor(mask(width, width, size, "B", C)), C, num_classes)
            for size in [kernel_size] * layers + [1]
        )
        self.norm = ChannelNorm(width, C)
        self.last = MaskedConv2d(mask(C * num_values, width, 1, "B", C))

    def network(self, image: Tensor, y: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        """Logits (B, C, K, H, W) for an image (B, C, H, W) of numbers from -1 to 1; a cache keeps the rows above."""
        return self._rest(self.first(image, cache), y, cache)

    def _rest(self, h: Tensor, y: Tensor | None, cache: Cache | None) -> Tensor:
        """The logits from what the first layer gives."""
        for block in self.blocks:
            h = block(h, y, cache)
        return self.last(self.norm(h).relu(), cache).unflatten(1, (self.channels, -1))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.network(self._pixels(x), y).movedim(2, -1).reshape(*x.shape, -1)

    def walk(self, x: Tensor, y: Tensor | None = None) -> Iterator[Tensor]:
        cache = Cache(self.height, self.width)
        for r, c in product(range(self.height), range(self.width)):
            cache.at = r, c
            for channel in range(self.channels):
                yield self.network(self._pixels(x, r, c), y, cache)[:, channel, :, 0, 0]
            self.first(self._pixels(x, r, c), cache)  # which keeps the pixel, now that it is known
