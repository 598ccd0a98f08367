"""x = f^-1(target) of a function that only rises: halve the interval that holds x."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


@torch.no_grad()
def bisect(increasing: Callable[[Tensor], Tensor], target: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Solve increasing(x) = target, number by number, where increasing(low) <= target <= increasing(high).

    Each step halves the interval, once for each bit of a number: x is off by (high - low) / 2^64 in float64, and in
    float32 by (high - low) / 2^32, as far as numbers of that precision can tell. No gradient flows through it;
    `implicit` gives one to the solution.

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


def implicit(x: Tensor, target: Tensor, value: Tensor, log_slope: Tensor) -> Tensor:
    """The x with f(x) = target, and the gradient that it has as a function of target and of f's parameters.

    dx = (dtarget - df) / f'(x), from the derivative of f(x) = target on both sides.

    Args:
        x: the solution, without a gradient.
        target, value, log_slope: f(x) is `value`, and log f'(x) is `log_slope`; all of x's shape.

    Example:
        >>> target = torch.tensor([8.0], requires_grad=True)
        >>> x = torch.tensor([2.0])  # of x^3 = 8
        >>> implicit(x, target, x**3, torch.log(3 * x**2)).backward()
        >>> target.grad  # 1 / 12
        tensor([0.0833])
    """
    if not torch.is_grad_enabled():
        return x
    gap = target - value
    per_slope = torch.exp(-log_slope.detach()).clamp(max=torch.finfo(x.dtype).max)  # finite, for 0 times it is to be 0
    return x + (gap - gap.detach()) * per_slope
