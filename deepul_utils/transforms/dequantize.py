"""u ~ q(u | x) in [0, 1)^D: the noise that makes integers x continuous, y = x + u."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class UniformNoise(nn.Module):
    """q(u | x) = 1: uniform noise, whatever x.

    Example:
        >>> u, log_q = UniformNoise()(torch.tensor([[3, 0]]))
        >>> bool(((0 <= u) & (u < 1)).all()), log_q
        (True, tensor([0.]))
    """

    _like: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("_like", torch.zeros(()), persistent=False)  # knows the precision

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """u of the shape of x (B, ...), and log q(u | x), (B,) nats."""
        u = torch.rand(x.shape, dtype=self._like.dtype, device=x.device)
        return u, u.new_zeros(len(x))


class VariationalNoise(nn.Module):
    """q(u | x): a flow that is given x turns Gaussian noise into noise in (0, 1)^D.

    u = sigmoid(g(eps; x)), log q(u | x) = log N(eps; 0, I) - log|det dg/deps| - sum_i log u_i (1 - u_i).

    Args:
        couplings: the parts of g in their order; each maps eps and a context, here x scaled to [-1, 1], to g and
            log|det|, as `Coupling(..., net)` does.
        num_values: K; x has values 0 .. K - 1.

    Paper: Ho et al., "Flow++: Improving Flow-Based Generative Models with Variational Dequantization" (2019).
    """

    _like: Tensor

    def __init__(self, *couplings: nn.Module, num_values: int) -> None:
        super().__init__()
        self.couplings = nn.ModuleList(couplings)
        self.num_values = num_values
        self.register_buffer("_like", torch.zeros(()), persistent=False)  # knows the precision

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """u of the shape of x (B, ...), and log q(u | x), (B,) nats."""
        context = 2 * x.to(self._like.dtype) / (self.num_values - 1) - 1
        z = torch.randn_like(context)  # eps
        log_q = -0.5 * (z**2 + math.log(2 * math.pi)).flatten(1).sum(1)
        for coupling in self.couplings:
            z, log_det = coupling(z, context)
            log_q = log_q - log_det
        return torch.sigmoid(z), log_q + (F.softplus(z) + F.softplus(-z)).flatten(1).sum(1)
