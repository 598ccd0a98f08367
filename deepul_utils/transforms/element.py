"""z = f(x; params), invertible in the number x: what couplings and autoregressive flows do to each dimension."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Element(nn.Module):
    """An invertible function of one number whose parameters something else computes.

    A subclass sets `num_params`, P, and defines `forward` and `inverse`.
    """

    num_params: int

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """z = f(x; params) and log|dz/dx|, both of x's shape (...), number by number; params (..., P)."""
        raise NotImplementedError

    def inverse(self, z: Tensor, params: Tensor) -> Tensor:
        """x with f(x; params) = z."""
        raise NotImplementedError


def places(components: int) -> Tensor:
    """Where the components of a mixture start, (M,), from -2 to 2: those that start alike would stay alike.

    Raises:
        ValueError: `components` is below 1.
    """
    if components < 1:
        raise ValueError(f"components must be at least 1, got {components}")
    return torch.linspace(-2, 2, components)


class Shift(Element):
    """z = x + t, which keeps every volume.

    Paper: Dinh et al., "NICE: Non-linear Independent Components Estimation" (2015).

    Example:
        >>> Shift()(torch.tensor([1.0]), torch.tensor([[0.5]]))
        (tensor([1.5000]), tensor([0.]))
    """

    num_params = 1

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return x + params[..., 0], torch.zeros_like(x)

    def inverse(self, z: Tensor, params: Tensor) -> Tensor:
        return z - params[..., 0]


class ScaleAndShift(Element):
    """z = exp(s) x + t with s = bound * tanh(s_raw / bound), from the parameters (s_raw, t).

    A network that is started at random or sees something new may give any s_raw. Bounded, s is s_raw where that is
    small, and no dimension grows or shrinks by more than exp(bound) in one layer.

    Args:
        bound: the largest |s|; infinity for none.

    Raises:
        ValueError: `bound` is not positive.

    Paper: Dinh et al., "Density Estimation Using Real NVP" (2017).

    Example:
        >>> z, log_derivative = ScaleAndShift()(torch.tensor([3.0]), torch.tensor([[0.0, 1.0]]))
        >>> z, log_derivative
        (tensor([4.]), tensor([0.]))
    """

    num_params = 2

    def __init__(self, bound: float = 2.0) -> None:
        super().__init__()
        if not bound > 0:
            raise ValueError(f"bound must be positive, got {bound}")
        self.bound = bound

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self._scale_and_shift(params)
        return s.exp() * x + t, s

    def inverse(self, z: Tensor, params: Tensor) -> Tensor:
        s, t = self._scale_and_shift(params)
        return (-s).exp() * (z - t)

    def _scale_and_shift(self, params: Tensor) -> tuple[Tensor, Tensor]:
        s, t = params.unbind(-1)
        return (s if self.bound == float("inf") else self.bound * (s / self.bound).tanh()), t
