"""z = g(x), in each bin a quotient of two quadratics that rises from knot to knot; outside [-bound, bound] z = x."""

from __future__ import annotations

from math import expm1, log
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from deepul_utils.transforms.element import Element

_MIN_BIN = 1e-3  # the least width and height of a bin, as a share of the box
_MIN_SLOPE = 1e-3
_SLOPE_ONE = log(expm1(1 - _MIN_SLOPE))  # where the slope is 1


class RationalQuadraticSpline(Element):
    """A monotone spline through K + 1 knots, of which parameters give widths, heights and slopes.

    Bin k goes from (x_k, z_k) over a width w and a height h, with slopes d, d' at its ends and s = h / w on average.
    With t = (x - x_k) / w,

        z = z_k + h (s t^2 + d t (1 - t)) / (s + (d + d' - 2 s) t (1 - t)),

    whose inverse is the root of a quadratic: both directions are closed forms. At both ends of the box the slope is 1,
    so that the spline goes over into z = x smoothly. Where all parameters are 0 it is the identity everywhere.

    `forward(x, params)` takes x (...) and params (..., 3 K - 1) and returns z and log dz/dx, both (...);
    `inverse(z, params)` returns x.

    Args:
        bins: K.
        bound: half the side of the box, in units of x.

    Paper: Durkan et al., "Neural Spline Flows" (2019).

    Example:
        >>> spline = RationalQuadraticSpline(bins=2, bound=1.0)
        >>> z, log_slope = spline(torch.tensor([-0.5, 7.0]), torch.zeros(2, 5))
        >>> [round(value, 4) for value in (*z.tolist(), *log_slope.tolist())]
        [-0.5, 7.0, 0.0, 0.0]
    """

    def __init__(self, bins: int = 8, bound: float = 4.0) -> None:
        super().__init__()
        self.bins, self.bound = bins, bound
        self.num_params = 3 * bins - 1

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        inside = x.abs() < self.bound
        x_in = x.clamp(-self.bound, self.bound)  # so that what is computed outside, and not used, is finite
        b = self._bin_of(x_in, params, by_height=False)
        t = (x_in - b.x) / b.width
        u = t * (1 - t)
        s = b.height / b.width
        denominator = s + (b.left + b.right - 2 * s) * u
        z = b.z + b.height * (s * t * t + b.left * u) / denominator
        slope = b.right * t * t + 2 * s * u + b.left * (1 - t) ** 2  # times (s / denominator)^2
        log_slope = slope.log() + 2 * (s / denominator).log()
        return torch.where(inside, z, x), torch.where(inside, log_slope, 0)

    def inverse(self, z: Tensor, params: Tensor) -> Tensor:
        inside = z.abs() < self.bound
        z_in = z.clamp(-self.bound, self.bound)
        b = self._bin_of(z_in, params, by_height=True)
        s = b.height / b.width
        rise = z_in - b.z
        bend = rise * (b.left + b.right - 2 * s)
        # a t^2 + b t + c = 0, by the form of the root that subtracts no nearly equal numbers.
        linear = b.height * b.left - bend
        discriminant = linear**2 + 4 * (b.height * (s - b.left) + bend) * s * rise
        t = 2 * s * rise / (linear + discriminant.clamp(min=0).sqrt())
        return torch.where(inside, b.x + t * b.width, z)

    def _bin_of(self, value: Tensor, params: Tensor, by_height: bool) -> _Bin:
        """The bin that each value lies in, looked for along x or along z."""
        widths, heights, slopes = params.split([self.bins, self.bins, self.bins - 1], -1)
        x, z = self._knots(widths), self._knots(heights)
        slopes = F.pad(_MIN_SLOPE + F.softplus(slopes + _SLOPE_ONE), (1, 1), value=1.0)
        inner = (z if by_height else x)[..., 1:-1]
        k = (value[..., None] >= inner).sum(-1, keepdim=True)

        def at(knots: Tensor, k: Tensor) -> Tensor:
            return knots.gather(-1, k)[..., 0]

        x_k, z_k = at(x, k), at(z, k)
        return _Bin(x_k, z_k, at(x, k + 1) - x_k, at(z, k + 1) - z_k, at(slopes, k), at(slopes, k + 1))

    def _knots(self, sizes: Tensor) -> Tensor:
        """From K free numbers to K + 1 increasing positions from -bound to bound."""
        shares = _MIN_BIN + (1 - _MIN_BIN * self.bins) * sizes.softmax(-1)
        inner = shares[..., :-1].cumsum(-1)
        return self.bound * (2 * F.pad(F.pad(inner, (1, 0)), (0, 1), value=1.0) - 1)


class _Bin(NamedTuple):
    x: Tensor
    z: Tensor
    width: Tensor
    height: Tensor
    left: Tensor
    right: Tensor
