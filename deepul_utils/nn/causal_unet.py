"""Causal U-net: masked convolutions at several resolutions, with short cuts from the way down to the way up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepul_utils.nn.cache import Cache
from deepul_utils.nn.conditioning import ClassBias
from deepul_utils.nn.masked import MaskedConv2d

Features = dict[tuple[int, int], Tensor]  # of each block, by (level, index in the level)


class GatedResidual(nn.Module):
    """h + a * sigmoid(b), where a and b are the halves of W * elu(U * elu(h) + V elu(others) + b_y).

    Args:
        width: features.
        mask: `mask(outputs, inputs)`, of the masked convolutions *.
        others: how many further tensors of that width the block reads, each at its own position only.
        num_classes: classes to condition on; 0 for none.
    """

    def __init__(self, width: int, mask: Callable[[int, int], Tensor], others: int = 0, num_classes: int = 0) -> None:
        super().__init__()
        self.first = MaskedConv2d(mask(width, width))
        self.other = nn.Conv2d(others * width, width, 1, bias=False) if others else None
        self.bias = ClassBias(num_classes, width)
        self.second = MaskedConv2d(mask(2 * width, width))

    def forward(
        self, h: Tensor, y: Tensor | None = None, others: Sequence[Tensor] = (), cache: Cache | None = None
    ) -> Tensor:
        z = self.first(F.elu(h), cache)
        if self.other is not None:
            z = z + self.other(F.elu(torch.cat([*others], 1)))
        return h + F.glu(self.second(F.elu(self.bias(z, y)), cache), 1)


class CausalUNet(nn.Module):
    """Blocks at each resolution; between two of them half the rows and columns are left out, and filled in again.

    Pixel (i, j) of the next level is pixel (2 i, 2 j) of this one, the first of the four that it stands for, so that
    none of them sees through it what comes later.

    Args:
        width: features.
        mask: `mask(outputs, inputs)`, of all convolutions.
        levels: how often the image is halved.
        blocks: on the way down, and as many on the way up, at each of the levels + 1 resolutions.
        listens: whether every block also reads the features of its twin in another U-net.
        num_classes: classes to condition on; 0 for none.
    """

    def __init__(
        self,
        width: int,
        mask: Callable[[int, int], Tensor],
        levels: int,
        blocks: int,
        listens: bool = False,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        self.levels = levels

        self.column = 2 * blocks  # of a level: down, then up with one short cut each
        others = [int(listens)] * blocks + [int(listens) + 1] * blocks
        self.blocks = nn.ModuleList(
            GatedResidual(width, mask, number, num_classes) for _ in range(levels + 1) for number in others
        )
        self.shrink = nn.ModuleList(MaskedConv2d(mask(width, width)) for _ in range(levels))
        self.grow = nn.ModuleList(nn.ConvTranspose2d(width, width, 2, stride=2) for _ in range(levels))

    def caches(self, height: int, width: int) -> list[Cache]:
        """An empty cache for each level of an image of that size."""
        caches = [Cache(height, width)]
        for _ in range(self.levels):
            height, width = -(-height // 2), -(-width // 2)
            caches.append(Cache(height, width))
        return caches

    def forward(
        self,
        h: Tensor,
        y: Tensor | None,
        said: Features,
        heard: Features | None = None,
        caches: Sequence[Cache] | None = None,
        level: int = 0,
    ) -> Tensor:
        """Features of the shape of h.

        Args:
            h: (B, width, H, W); with caches, one pixel or row of it.
            y: (B,) classes.
            said: here go the features of each block.
            heard: what the other U-net said.
            caches: one for each level.
            level: of h, 0 for the whole.
        """
        cache = None if caches is None else caches[level]
        first = 0 if cache is None else cache.at[1]
        shortcuts: list[Tensor] = []
        for i, block in enumerate(self.blocks[level * self.column : (level + 1) * self.column]):
            down = i < self.column // 2
            if i == self.column // 2 and level < self.levels:
                h = self._next_level(h, y, said, heard, caches, level)
            others = [] if down else [shortcuts.pop()]
            if heard is not None:
                others.append(heard[level, i][..., first : first + h.shape[-1]])
            h = said[level, i] = block(h, y, others, cache)
            if down:
                shortcuts.append(h)
        return h

    def _next_level(
        self,
        h: Tensor,
        y: Tensor | None,
        said: Features,
        heard: Features | None,
        caches: Sequence[Cache] | None,
        level: int,
    ) -> Tensor:
        height, width = h.shape[-2:]
        cache, grow = None if caches is None else caches[level], self.grow[level]
        small = self.shrink[level](h, cache)[..., ::2, ::2]
        if caches is None or cache is None:
            return grow(self(small, y, said, heard, None, level + 1))[..., :height, :width]
        r, c = cache.at
        if r % 2 == c % 2 == 0:  # else the pixel of the next level has been visited before
            caches[level + 1].at = r // 2, c // 2
            grown = grow(self(small, y, said, heard, caches, level + 1))
            if grow not in cache.memory:
                cache.memory[grow] = h.new_zeros(*h.shape[:2], cache.size[0] + 1, cache.size[1] + 1)
            cache.memory[grow][:, :, r : r + 2, c : c + grown.shape[-1]] = grown
        return cache.memory[grow][:, :, r : r + 1, c : c + width]
