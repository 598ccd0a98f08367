"""z = e^a logit F(x) + b, F the distribution function of a mixture of logistics: the element of Flow++."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from deepul_utils.transforms.bisection import bisect, implicit
from deepul_utils.transforms.element import Element, places

_BOUND = 5.0  # no scale is below e^-5 or above e^5, so that points far from all data stay finite in deep stacks


class LogisticMixture(Element):
    """A monotone function with as many steep places as the mixture has components, and then a scale and a shift.

    F(x) = sum_m pi_m sigmoid((x - mu_m) / s_m), whose logit is any real number. Everything is computed from log F and
    log(1 - F), so that nothing is lost where F rounds to 0 or 1. The inverse is found by bisection between the smallest
    and the largest of the components' quantiles, between which the mixture's lies.

    `forward(x, params)` takes x (...) and params (..., 3 M + 2), logits, means, log-scales, a and b, and returns z and
    log dz/dx, both (...); `inverse(z, params)` returns x. Means are counted from places spread between -2 and 2, and a
    and log-scales r are bounded as 5 tanh(r / 5).

    Args:
        components: M.

    Paper: Ho et al., "Flow++" (2019), section 3.2.

    Example:
        >>> element = LogisticMixture(components=2)
        >>> x, params = torch.tensor([-3.0, 0.0, 3.0]), torch.zeros(3, 8)
        >>> z, log_slope = element(x, params)
        >>> z.round(decimals=4)
        tensor([-1.8335,  0.0000,  1.8335])
        >>> torch.allclose(element.inverse(z, params), x, atol=1e-5)
        True
    """

    start: Tensor

    def __init__(self, components: int = 4) -> None:
        super().__init__()
        self.components = components
        self.num_params = 3 * components + 2
        self.register_buffer("start", places(components), persistent=False)

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        log_weights, means, log_scales, a, b = self._split(params)
        log_odds, log_slope = _mixture(x, log_weights, means, log_scales)
        return a.exp() * log_odds + b, log_slope + a

    def inverse(self, z: Tensor, params: Tensor) -> Tensor:
        log_weights, means, log_scales, a, b = self._split(params)
        log_odds = (z - b) * torch.exp(-a)
        quantiles = means + log_scales.exp() * log_odds[..., None]

        def increasing(x: Tensor) -> Tensor:
            return _mixture(x, log_weights, means, log_scales)[0]

        x = bisect(increasing, log_odds, quantiles.amin(-1), quantiles.amax(-1))
        return implicit(x, log_odds, *_mixture(x, log_weights, means, log_scales))

    def _split(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        m = self.components
        logits, means, log_scales, a, b = params.split([m, m, m, 1, 1], -1)
        return logits.log_softmax(-1), means + self.start, _bounded(log_scales), _bounded(a[..., 0]), b[..., 0]


def _bounded(log_scale: Tensor) -> Tensor:
    return _BOUND * torch.tanh(log_scale / _BOUND)


def _mixture(x: Tensor, log_weights: Tensor, means: Tensor, log_scales: Tensor) -> tuple[Tensor, Tensor]:
    """logit F(x) and the logarithm of its derivative, f / (F (1 - F))."""
    t = (x[..., None] - means) * torch.exp(-log_scales)
    below, above = logsigmoid(t), logsigmoid(-t)
    log_cdf = (log_weights + below).logsumexp(-1)
    log_rest = (log_weights + above).logsumexp(-1)
    log_pdf = (log_weights + below + above - log_scales).logsumexp(-1)
    return log_cdf - log_rest, log_pdf - log_cdf - log_rest
