"""z_a = x_a and z_b = f(x_b; net(x_a)): half of the dimensions stay, and say how the other half is changed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deepul_utils.nn.mlp import MLP
from deepul_utils.transforms.element import Element, ScaleAndShift
from deepul_utils.transforms.transform import Transform


class Coupling(Transform):
    """An affine coupling layer, z_b = exp(s(x_a)) x_b + t(x_a), or one of another element.

    Its Jacobian is triangular, so that log|det dz/dx| is the sum of the elements' own log-derivatives, over x_b alone,
    whatever the network is. The network is never inverted: x_a is known on both sides.

    Args:
        mask: 1 where a dimension stays and is seen by `net`, 0 where it is changed; of the shape of one example,
            (D,) or (C, H, W).
        net: maps the masked x, (B, D) or (B, C, H, W), and the context after it where there is one, to P parameters
            for each dimension: (B, D * P) or (B, C * P, H, W), those of one dimension or channel side by side.
        element: what is done to each number of x_b, with P parameters.

    Raises:
        ValueError: `mask` holds something other than 0 and 1.

    Paper: Dinh et al., "Density Estimation Using Real NVP" (2017).

    Example:
        >>> double = nn.Linear(2, 4)  # s_0, t_0, s_1, t_1
        >>> with torch.no_grad():
        ...     _ = double.weight.zero_(), double.bias.copy_(torch.tensor([0.0, 0.0, 2.0, 1.0]))
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
        self._find_halves()
        self.register_load_state_dict_post_hook(Coupling._find_halves)  # the mask may be another

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self._halves(context):
            z = x.clone()
            z[:, self.changed], log_derivative = self.element(x[:, self.changed], self._params_of_half(x))
            return z, log_derivative.sum(1)
        z, log_derivative = self.element(x, self._params(x, context))
        return torch.where(self.mask, x, z), log_derivative.masked_fill(self.mask, 0).flatten(1).sum(1)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        if self._halves(context):
            x = z.clone()
            x[:, self.changed] = self.element.inverse(z[:, self.changed], self._params_of_half(z))
            return x
        return torch.where(self.mask, z, self.element.inverse(z, self._params(z, context)))  # z_a is x_a

    def _params(self, x: Tensor, context: Tensor | None) -> Tensor:
        """(B, *shape, P), from what stays alone."""
        seen = x * self.mask
        params = self.net(seen if context is None else torch.cat([seen, context], 1))
        return params.unflatten(1, (x.shape[1], self.element.num_params)).movedim(2, -1)

    def _find_halves(self, *_: object) -> None:
        self.kept, self.changed = _even(self.mask), _even(~self.mask)

    def _halves(self, context: Tensor | None) -> bool:
        """Whether to leave out what is 0 or unused; in training it would cost more to cut the weights than it saves."""
        if torch.is_grad_enabled() or context is not None or self.kept is None or self.changed is None:
            return False
        return type(self.net) is MLP and self.net.has_parts

    def _params_of_half(self, x: Tensor) -> Tensor:
        """(B, D - A, P), what `_params` gives for x_b, from the A numbers of x_a."""
        P = self.element.num_params
        outputs = torch.arange(x.shape[1] * P, device=x.device).view(-1, P)[self.changed].mT.flatten()
        return self.net.part(x[:, self.kept], self.kept, outputs).unflatten(1, (P, -1)).mT  # type: ignore[operator]


def _even(chosen: Tensor) -> slice | None:
    """The chosen dimensions of points as a slice, where they are evenly spaced."""
    places = chosen.nonzero()[:, 0].tolist() if chosen.dim() == 1 else []
    step = places[1] - places[0] if len(places) > 1 else 1
    even = bool(places) and places == list(range(places[0], places[-1] + 1, step))
    return slice(places[0], places[-1] + 1, step) if even else None
