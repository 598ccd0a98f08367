"""z_a = x_a and z_b = f(x_b; net(x_a)): half of the dimensions stay, and say how the other half is changed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deepul_utils.transforms.element import Element, ScaleAndShift
from deepul_utils.transforms.transform import Transform


class Coupling(Transform):
    """An affine coupling layer, z_b = exp(s(x_a)) x_b + t(x_a), or one of another element.

    Its Jacobian is triangular, so that log|det dz/dx| is the sum of the elements' own log-derivatives, over x_b alone,
    whatever the network is. The network is never inverted: x_a is known on both sides.

    Args:
        mask: 1 where a dimension stays and is seen by `net`, 0 where it is changed; of the shape of one example,
            (D,) or (C, H, W).
        net: gives P parameters for each number that is changed, those of one dimension or channel side by side. For
            points it maps x_a, (B, A), to (B, (D - A) * P). For images, whose pixels need their neighbourhood, it
            maps all of x with 0 for x_b, (B, C, H, W), to (B, C * P, H, W). A context is appended to what it sees.
        element: what is done to each number of x_b, with P parameters.

    Raises:
        ValueError: `mask` holds something other than 0 and 1; x of another shape.

    Paper: Dinh et al., "Density Estimation Using Real NVP" (2017).

    Example:
        >>> double = nn.Linear(1, 2)  # from x_0 to s and t of x_1
        >>> with torch.no_grad():
        ...     _ = double.weight.zero_(), double.bias.copy_(torch.tensor([2.0, 1.0]))
        >>> coupling = Coupling(torch.tensor([1.0, 0.0]), double, ScaleAndShift(bound=torch.inf))
        >>> with torch.no_grad():
        ...     z, log_det = coupling(torch.tensor([[5.0, 3.0]]))
        >>> z, log_det  # 5 stays; exp(2) * 3 + 1
        (tensor([[ 5.0000, 23.1672]]), tensor([2.]))
    """

    mask: Tensor

    def __init__(self, mask: Tensor, net: nn.Module, element: Element | None = None) -> None:
        super().__init__()
        if not ((mask == 0) | (mask == 1)).all():
            raise ValueError("mask must hold 1 where a dimension stays and 0 where it is changed, and nothing else")
        self.register_buffer("mask", mask.bool())
        self.net, self.element = net, element or ScaleAndShift()
        self._find_parts()
        self.register_load_state_dict_post_hook(Coupling._find_parts)  # the mask may be another

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        params = self._params(x, context)
        if self.mask.dim() == 1:
            z = x.clone()
            z[:, self.changed], log_derivative = self.element(x[:, self.changed], params)
            return z, log_derivative.sum(1)
        z, log_derivative = self.element(x, params)
        return torch.where(self.mask, x, z), log_derivative.masked_fill(self.mask, 0).flatten(1).sum(1)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        params = self._params(z, context)  # z_a is x_a
        if self.mask.dim() == 1:
            x = z.clone()
            x[:, self.changed] = self.element.inverse(z[:, self.changed], params)
            return x
        return torch.where(self.mask, z, self.element.inverse(z, params))

    def _params(self, x: Tensor, context: Tensor | None) -> Tensor:
        """From what stays alone: (B, D - A, P) of points, (B, C, H, W, P) of images."""
        if x.shape[1:] != self.mask.shape:
            raise ValueError(f"x must be (B, {', '.join(map(str, self.mask.shape))}), got {tuple(x.shape)}; reshape it")
        seen = x[:, self.kept] if self.mask.dim() == 1 else x * self.mask
        params = self.net(seen if context is None else torch.cat([seen, context], 1))
        return params.unflatten(1, (-1, self.element.num_params)).movedim(2, -1)

    def _find_parts(self, *_: object) -> None:
        if self.mask.dim() == 1:
            self.kept, self.changed = _places(self.mask), _places(~self.mask)


def _places(chosen: Tensor) -> slice | Tensor:
    """The indices of the chosen dimensions, as a slice where they are evenly spaced, which copies nothing."""
    places = chosen.nonzero()[:, 0]
    steps = places.diff().unique()
    if len(steps) > 1 or len(places) == 0:
        return places
    step = int(steps) if len(steps) else 1
    return slice(int(places[0]), int(places[-1]) + 1, step)
