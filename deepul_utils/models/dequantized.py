"""Dequantized: P(x) = E_u[p(x + u) / q(u | x)], so that log P(x) >= E_u[log p(x + u) - log q(u | x)]."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from deepul_utils.models.flow import Flow
from deepul_utils.transforms.dequantize import UniformNoise


class Dequantized(nn.Module):
    """A law over integers x, from a density p of y = x + u in [0, K)^D: P(x) is the mass that p has in the cell of x.

    Args:
        flow: p, a density of y itself: scaling and logit belong to its transforms, which count their log-determinants.
        num_values: K.
        noise: q, a module that maps x to noise u in [0, 1]^D and log q(u | x), (B,); uniform by default.

    References:
        Theis et al. (2016), A note on the evaluation of generative models, section 3.1; Ho et al. (2019), Flow++.

    Example:
        >>> from deepul_utils.transforms.elementwise import Logit, Scale
        >>> from deepul_utils.transforms.transform import Composition
        >>> model = Dequantized(Flow((3,), Composition(Scale(1 / 8), Logit(alpha=1e-3))), num_values=8)
        >>> model.sample(2).shape, model.log_prob(torch.zeros(5, 3, dtype=torch.long)).shape
        (torch.Size([2, 3]), torch.Size([5]))
    """

    def __init__(self, flow: Flow, num_values: int, noise: nn.Module | None = None) -> None:
        super().__init__()
        self.flow = flow
        self.num_values = num_values
        self.noise = UniformNoise() if noise is None else noise

    def log_weights(self, x: Tensor, samples: int) -> Tensor:
        """log p(x + u) - log q(u | x) for `samples` draws of u, (samples, B) nats: P(x) is the mean of their exp."""

        def once() -> Tensor:
            u, log_q = self.noise(x)
            log_weight: Tensor = self.flow.log_prob(x + u) - log_q
            return log_weight

        return torch.stack([once() for _ in range(samples)])

    def bound(self, x: Tensor, samples: int = 1) -> Tensor:
        """An unbiased estimate of the lower bound of log P(x) in nats, (B,).

        It is the mean of the logs, which more samples make steadier; the log of the mean, as in
        `log_prob` and in `VAE.bound`, they make larger as well.
        """
        return self.log_weights(x, samples).mean(0)

    def log_prob(self, x: Tensor, samples: int = 16) -> Tensor:
        """log P(x) in nats, (B,), by importance sampling: in expectation too low, and less so the more samples."""
        return self.log_weights(x, samples).logsumexp(0) - math.log(samples)

    def loss(self, x: Tensor) -> Tensor:
        """Minus the bound: the mean in nats per example, from one draw of the noise for each."""
        return -self.bound(x).mean()

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n examples, (n, *shape): the cells in which draws from p lie."""
        return self.flow.sample(n).floor().clamp(0, self.num_values - 1).long()
