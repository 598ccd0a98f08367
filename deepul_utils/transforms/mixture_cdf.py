"""u = F(x) = sum_m pi_m Phi((x - mu_m) / s_m): a mixture of Gaussians as a flow onto the interval from 0 to 1."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from deepul_utils.transforms.bisection import bisect, implicit
from deepul_utils.transforms.element import Element, places


class MixtureCDF(Element):
    """The distribution function of a mixture of Gaussians, whose derivative is the mixture's density.

    log du/dx = log sum_m pi_m N(x; mu_m, s_m^2), so that over uniform u the density of x is that of the mixture. It is
    computed from logarithms, which far from every mean, where the density rounds to 0, stay right. The inverse is found
    by bisection between the components' own quantiles, between which the mixture's lies.

    Args:
        components: M. The parameters are M logits, M means, counted from M places evenly between -2 and 2, and M
            logarithms of the standard deviations.

    Example:
        >>> element = MixtureCDF(components=2)
        >>> x, params = torch.tensor([-2.0, 1.0]), torch.zeros(2, 6)  # 1/2 N(-2, 1) + 1/2 N(2, 1)
        >>> u, log_density = element(x, params)
        >>> u, log_density
        (tensor([0.2500, 0.5787]), tensor([-1.6118, -2.0939]))
        >>> element.inverse(u, params).round(decimals=5)
        tensor([-2.,  1.])
    """

    start: Tensor

    def __init__(self, components: int = 4) -> None:
        super().__init__()
        self.num_params = 3 * components
        self.register_buffer("start", places(components), persistent=False)

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        log_weights, loc, log_scale = self._split(params)
        t = (x[..., None] - loc) * torch.exp(-log_scale)
        # Phi(t) by erfc, since (1 + erf) / 2, torch's ndtr, keeps no digits of a small Phi.
        u = (log_weights.exp() * torch.erfc(-t * math.sqrt(0.5)) / 2).sum(-1)
        u = u.clamp(max=1)  # the weights' rounded sum may exceed 1
        log_normals = -0.5 * t.square() - log_scale - 0.5 * math.log(2 * math.pi)
        return u, (log_weights + log_normals).logsumexp(-1)

    def inverse(self, z: Tensor, params: Tensor) -> Tensor:
        """x with F(x) = z; the ends 0 and 1 count as the numbers next to them."""
        info = torch.finfo(z.dtype)
        u = z.clamp(info.tiny, 1 - info.eps / 2)
        _, loc, log_scale = self._split(params)
        quantiles = loc + log_scale.exp() * torch.special.ndtri(u)[..., None]
        x = bisect(lambda x: self(x, params)[0], u, quantiles.amin(-1), quantiles.amax(-1))
        return implicit(x, u, *self(x, params))

    def _split(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, loc, log_scale = params.chunk(3, -1)
        return logits.log_softmax(-1), loc + self.start, log_scale
