"""Parallel PixelCNN: p(x) = p(small image) prod_g p(group g | groups before it), the pixels of a group independent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import torch
from torch import Tensor, nn

from deepul_utils.models.autoregressive import Autoregressive
from deepul_utils.models.pixelcnn import PixelCNN
from deepul_utils.nn.resnet import ResNet

QUARTERS = [(0, 0), (0, 1), (1, 0), (1, 1)]  # rows and columns of each 2 x 2 block; the first is known


class ParallelPixelCNN(Autoregressive):
    """A small image first, then images of twice its size, of whose new pixels a third is drawn at a time.

    Each doubling adds to every known pixel its right neighbour, then the lower one, then the one between these two,
    channel by channel. Each such group is one pass of a network that sees all of the groups before and none of its own:
    3 C passes a doubling instead of one for each value, at the price of pixels that do not know of one another.
    `order` gives a whole group the same position.

    Args:
        image_shape: (H, W) or (C, H, W), H and W multiples of 2^levels.
        num_values: K.
        levels: how often the image is doubled.
        base: `base(shape, num_values, num_classes=...)` builds the model of the small image.
        net: `net(inputs, outputs, num_classes=...)` builds the network of a group.
        num_classes: classes to condition on; 0 for none.

    Raises:
        ValueError: H or W is not a multiple of 2^levels.

    Paper: Reed et al., "Parallel Multiscale Autoregressive Density Estimation" (2017).

    Example:
        >>> model = ParallelPixelCNN((8, 8), levels=2)
        >>> model.base.shape, len(model.nets)
        ((2, 2), 6)
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        num_values: int = 2,
        levels: int = 2,
        base: Callable[..., Autoregressive] = PixelCNN,
        net: Callable[..., nn.Module] = ResNet,
        num_classes: int = 0,
    ) -> None:
        super().__init__(image_shape, num_values, num_classes)
        C, H, W = self.channels, self.height, self.width
        self.stride = 2**levels
        if H % self.stride or W % self.stride:
            raise ValueError(f"height and width must be multiples of 2^levels = {self.stride}, got {H} and {W}")
        small = (*self.shape[:-2], H // self.stride, W // self.stride)
        self.base = base(small, num_values, num_classes=num_classes)
        # Each group: the distance of its pixels to the known ones, its quarter, its channel.
        distances = [2**level for level in reversed(range(levels))]
        self.groups = list(product(distances, range(1, 4), range(C)))
        self.nets = nn.ModuleList(net(C * g + c, num_values, num_classes=num_classes) for _, g, c in self.groups)
        order = torch.zeros(C, H, W, dtype=torch.long)
        order[:, :: self.stride, :: self.stride] = self.base.order.view(C, *small[-2:])
        for place, (distance, g, c) in enumerate(self.groups, len(self.base.order)):
            self._quarter(order, distance, g)[c] = place
        self.order = order.flatten()

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        B, C, K = len(x), self.channels, self.num_values
        small = self.base(x[..., :: self.stride, :: self.stride], y)
        logits = small.new_zeros(B, K, C, self.height, self.width)
        logits[..., :: self.stride, :: self.stride] = small.view(B, C, *small.shape[-3:]).movedim(-1, 1)
        for group, net in zip(self.groups, self.nets, strict=True):
            distance, g, c = group
            self._quarter(logits, distance, g)[:, :, c] = net(self._known(x, *group), y)
        return logits.movedim(1, -1).reshape(*x.shape, K)

    def walk(self, x: Tensor, y: Tensor | None = None) -> Iterator[Tensor]:
        yield from self.base.walk(x[..., :: self.stride, :: self.stride], y)
        for group, net in zip(self.groups, self.nets, strict=True):
            yield from net(self._known(x, *group), y).flatten(2).unbind(-1)  # (B, K) for each pixel, in one pass

    def _known(self, x: Tensor, distance: int, g: int, c: int) -> Tensor:
        """What the network of a group sees: the quarters before its own, and of its own the channels before c."""
        image = self._pixels(x)
        quarters = [self._quarter(image, distance, earlier) for earlier in range(g)]
        return torch.cat([*quarters, self._quarter(image, distance, g)[:, :c]], 1)

    @staticmethod
    def _quarter(image: Tensor, distance: int, g: int) -> Tensor:
        row, col = (distance * offset for offset in QUARTERS[g])
        return image[..., row :: 2 * distance, col :: 2 * distance]
