"""a_i = sum_j softmax_j(q_i . k_j / sqrt(d)) v_j over the j that a mask lets i see: attention in any order."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepul_utils.nn.cache import Cache


def attention_mask(order: Tensor) -> Tensor:
    """Which positions j a position i may attend to, (D, D), True where order[j] <= order[i].

    A position may see itself because what stands there is shifted: the value of the one before it in the ordering.

    Args:
        order: (D,) the place of each position in the ordering.

    Example:
        >>> attention_mask(torch.tensor([2, 0, 1])).int()
        tensor([[1, 1, 1],
                [0, 1, 0],
                [0, 1, 1]], dtype=torch.int32)
    """
    return order[None, :] <= order[:, None]


def attention_weights(q: Tensor, k: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax_j(q_i . k_j / sqrt(d)), where j that i may not see get -inf before the softmax and so 0 after it.

    Args:
        q: (..., I, d) queries.
        k: (..., J, d) keys.
        mask: (I, J), True where i may see j; all of them where not given.

    Returns:
        (..., I, J), each row of which sums to 1.

    Example:
        >>> attention_weights(torch.zeros(2, 4), torch.zeros(2, 4), torch.tensor([[True, False], [True, True]]))
        tensor([[1.0000, 0.0000],
                [0.5000, 0.5000]])
    """
    scores = q @ k.mT / q.shape[-1] ** 0.5
    return (scores if mask is None else scores.masked_fill(~mask, -torch.inf)).softmax(-1)


class MaskedAttention(nn.Module):
    """Self-attention with several heads: each position mixes the values of those that it may see.

    Args:
        width: features of a position, in and out.
        heads: how many, each with width / heads features.
        attend: `attend(q, k, v, mask)` gives attention_weights(q, k, mask) @ v, by default in less memory.

    Raises:
        ValueError: a width that does not divide into the heads.

    Paper: Vaswani et al., "Attention Is All You Need" (2017), section 3.2.

    Example:
        >>> attention, order = MaskedAttention(width=16, heads=4), torch.arange(10)
        >>> attention(torch.zeros(2, 10, 16), attention_mask(order)).shape
        torch.Size([2, 10, 16])
    """

    def __init__(
        self, width: int, heads: int = 4, attend: Callable[..., Tensor] = F.scaled_dot_product_attention
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width must be a multiple of heads, got {width} and {heads}")
        self.heads, self.attend = heads, attend
        self.project = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, h: Tensor, mask: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        """(B, D, width) for h (B, D, width) and mask (D, D); with a cache, h is the next position, (B, 1, width)."""
        q, k, v = self.heads_of(h)
        if cache is not None:
            if self not in cache.memory:
                cache.memory[self] = [a.new_zeros(*a.shape[:2], *cache.size, a.shape[-1]) for a in (k, v)]
            t = cache.at[0]
            for kept, new in zip(cache.memory[self], (k, v), strict=True):
                kept[:, :, t] = new[:, :, 0]
            k, v = (kept[:, :, : t + 1] for kept in cache.memory[self])
        return self.out(self.attend(q, k, v, mask).transpose(1, 2).flatten(2))

    def weights(self, h: Tensor, mask: Tensor | None = None) -> Tensor:
        """How much of each position goes into which, (B, heads, D, D)."""
        q, k, _ = self.heads_of(h)
        return attention_weights(q, k, mask)

    def heads_of(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (B, heads, D, width / heads)."""
        q, k, v = self.project(h).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return q, k, v
