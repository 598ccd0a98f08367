"""ImageTransformer: p(x_i | earlier x) from layers of masked self-attention over all positions, in any ordering."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn import functional as F

from deepul_utils.models.autoregressive import Autoregressive
from deepul_utils.nn.attention import MaskedAttention, attention_mask
from deepul_utils.nn.cache import Cache
from deepul_utils.nn.mlp import MLP
from deepul_utils.nn.previous_value import PreviousValue


class AttentionBlock(nn.Module):
    """h + attention(norm(h)), then h + MLP(norm(h)); only the attention looks at other positions.

    Args:
        width: features of a position.
        heads: of the attention.
        attend: as in `MaskedAttention`.
    """

    def __init__(self, width: int, heads: int, attend: Callable[..., Tensor] = F.scaled_dot_product_attention) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.attention = MaskedAttention(width, heads, attend)
        self.mlp = MLP(width, width, hidden=[4 * width])

    def forward(self, h: Tensor, mask: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        h = h + self.attention(self.norms[0](h), mask, cache)
        return h + self.mlp(self.norms[1](h))

    def weights(self, h: Tensor, mask: Tensor | None = None) -> Tensor:
        """How much of each position goes into which, (B, heads, D, D)."""
        return self.attention.weights(self.norms[0](h), mask)


class ImageTransformer(Autoregressive):
    """Every position sees all earlier ones in one layer; position i holds the value before it and a vector of its own.

    Args:
        shape: of one example: (T,), (H, W) or (C, H, W).
        num_values: K.
        width: features of a position, a multiple of `heads`.
        layers: blocks of attention and MLP.
        heads: of the attention.
        order: (D,) position of each dimension in the ordering; by default the raster.
        num_classes: classes to condition on; 0 for none.
        mask: `mask(order)` says who sees whom, (D, D), as `attention_mask` does.
        attend: `attend(q, k, v, mask)` mixes the values v, as in `MaskedAttention`.

    References:
        Parmar et al., "Image Transformer" (2018); Chen et al., "Generative Pretraining from Pixels" (2020).

    Example:
        >>> model = ImageTransformer((4, 4), width=16, layers=1, order=torch.arange(16).flip(0))
        >>> model.sample(3).shape
        torch.Size([3, 4, 4])
    """

    mask: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        num_values: int = 2,
        width: int = 64,
        layers: int = 4,
        heads: int = 4,
        order: ArrayLike | None = None,
        num_classes: int = 0,
        mask: Callable[[Tensor], ArrayLike] = attention_mask,
        attend: Callable[..., Tensor] = F.scaled_dot_product_attention,
    ) -> None:
        super().__init__(shape, num_values, num_classes, order)
        place = nn.Embedding(len(self.order), width)
        self.embed = PreviousValue(self.order, num_values, width, num_classes, place)
        self.register_buffer("mask", torch.as_tensor(mask(self.order), dtype=torch.bool))
        self.blocks = nn.ModuleList(AttentionBlock(width, heads, attend) for _ in range(layers))
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, num_values))

    def network(self, h: Tensor, mask: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        """Logits (B, T, K) for inputs h (B, T, width); a cache keeps the keys and values of each block."""
        for block in self.blocks:
            h = block(h, mask, cache)
        return self.out(h)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.embed(x, y)[:, self.order]  # (B, D, width), from the order of the visits to that of the dimensions
        return self.network(h, self.mask).view(*x.shape, -1)

    def attention_maps(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """How much each position attends to which, in each block and head: (B, layers, heads, D, D)."""
        h = self.embed(self._checked(x), self._labels(y, len(x)))[:, self.order]
        maps = []
        for block in self.blocks:
            maps.append(block.weights(h, self.mask))  # type: ignore[operator]
            h = block(h, self.mask)
        return torch.stack(maps, 1)

    def walk(self, x: Tensor, y: Tensor | None = None) -> Iterator[Tensor]:
        return self.embed.walk(lambda h, cache: self.network(h, None, cache), x, y)
