"""z_i = f(x_i; params_i), params_i a function of the x that come before: log|det dz/dx| = sum_i log|dz_i / dx_i|."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deepul_utils.transforms.element import Element
from deepul_utils.transforms.transform import Transform


class MaskedAutoregressive(Transform):
    """An element for each dimension, whose parameters a network reads off the earlier dimensions of x.

    The Jacobian is triangular in the ordering, so its determinant is the product of the diagonal. All parameters are
    known once x is: `forward` is one pass of the network. `inverse` has to find x_i before it can ask for what depends
    on it: one pass for each of the D dimensions. `Inverse(MaskedAutoregressive(...))` has the costs the other way
    round; its network reads z.

    Args:
        net: maps (B, *shape) to (B, *shape, P); `net.order`, (D,), gives the position of each dimension of a flattened
            x, and the parameters of a dimension must not depend on itself or on those after it. Where it has
            `net.walk(x)`, which yields the parameters (B, P) of one dimension after the other and reads x when resumed,
            `inverse` follows it whenever no gradient is asked for.
        element: an invertible function of one number with P parameters.

    Papers: Kingma et al., "Improved Variational Inference with Inverse Autoregressive Flow" (2016); Papamakarios et
    al., "Masked Autoregressive Flow for Density Estimation" (2017).

    Example:
        >>> from deepul_utils.nn.masked_mlp import MaskedMLP
        >>> from deepul_utils.transforms.element import ScaleAndShift
        >>> flow = MaskedAutoregressive(MaskedMLP(dims=3, num_params=2), ScaleAndShift())
        >>> x = torch.randn(5, 3)
        >>> z, log_det = flow(x)  # (5, 3), (5,)
        >>> torch.allclose(flow.inverse(z), x, atol=1e-5)
        True
    """

    def __init__(self, net: nn.Module, element: Element) -> None:
        super().__init__()
        self.net, self.element = net, element

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z, log_derivative = self.element(x, self.net(x))
        return z, log_derivative.flatten(1).sum(1)

    def inverse(self, z: Tensor) -> Tensor:
        if torch.is_grad_enabled() or not hasattr(self.net, "walk"):
            return self.inverse_naively(z)
        flat, x = z.flatten(1), z.new_zeros(z.shape)  # (B, D), (B, *shape)
        visits = self.net.order.argsort()  # type: ignore[operator]
        for i, params in zip(visits, self.net.walk(x), strict=True):  # type: ignore[operator]
            x.view_as(flat)[:, i] = self.element.inverse(flat[:, i], params)
        return x

    def inverse_naively(self, z: Tensor) -> Tensor:
        """What `inverse` gives, by a pass over all of x for each dimension."""
        flat = z.flatten(1)  # (B, D)
        x = torch.zeros_like(flat)  # what is not known yet has no influence on the parameters that are used
        for i in self.net.order.argsort():  # type: ignore[operator]
            params = self.net(x.view_as(z)).flatten(1, -2)[:, i]  # (B, P)
            value = self.element.inverse(flat[:, i], params)
            x = x.index_copy(1, i[None], value[:, None])  # out of place, so that gradients pass
        return x.view_as(z)
