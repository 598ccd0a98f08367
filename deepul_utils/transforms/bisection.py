"""x = f^-1(target) of a function that only rises: halve the interval that holds x."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


@torch.no_grad()
def bisect(increasing: Callable[[Tensor], Tensor], target: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Solve increasing(x) = target, number by number, where increasing(low) <= target <= increasing(high).

    Each step halves the interval, once for each bit of a number: x is off by (high - low) / 2^64 in float64, and in
    float32 by (high - low) / 2^32, as far as numbers of that precision can tell. No gradient flows through it.

    Args:
        increasing: a function that acts on each number by itself and never falls.
        target, low, high: of one shape.

    Example:
        >>> x = bisect(torch.sinh, torch.tensor([0.5, 2.0]), torch.full((2,), -3.0), torch.full((2,), 3.0))
        >>> torch.sinh(x).round(decimals=5)
        tensor([0.5000, 2.0000])
    """
    for _ in range(torch.finfo(low.dtype).bits):
        middle = (low + high) / 2
        below = increasing(middle) < target
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2
