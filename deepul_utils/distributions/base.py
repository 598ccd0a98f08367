"""p(z) = prod_i p(z_i): the simple laws that a flow carries the data to."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class _Base(nn.Module):
    dims: int
    _like: Tensor

    def __init__(self, dims: int) -> None:
        super().__init__()
        if dims < 1:
            raise ValueError(f"dims must be at least 1, got {dims}")
        self.dims = dims
        self.register_buffer("_like", torch.zeros(()), persistent=False)  # knows the device and the precision

    def _check(self, z: Tensor) -> None:
        if z.shape[1:] != (self.dims,):
            raise ValueError(f"z must be (B, {self.dims}), got {tuple(z.shape)}; give the base as many dims as z has")


class StandardNormal(_Base):
    """z_i ~ N(0, 1), independent: log p(z) = -|z|^2 / 2 - D / 2 log 2 pi.

    Args:
        dims: D.

    Raises:
        ValueError: `dims` is below 1; z of another size.

    Example:
        >>> StandardNormal(2).log_prob(torch.zeros(1, 2))  # -log 2 pi
        tensor([-1.8379])
    """

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) in nats, (B,), of z (B, D)."""
        self._check(z)
        return -0.5 * (z.square().sum(1) + self.dims * math.log(2 * math.pi))

    def sample(self, n: int) -> Tensor:
        """n draws, (n, D)."""
        return torch.randn(n, self.dims, dtype=self._like.dtype, device=self._like.device)


class StandardUniform(_Base):
    """z_i ~ U(0, 1), independent: log p(z) = 0 in the unit cube and -inf outside.

    Args:
        dims: D.

    Raises:
        ValueError: `dims` is below 1; z of another size.

    Example:
        >>> StandardUniform(2).log_prob(torch.tensor([[0.2, 0.9], [0.5, 1.5]]))
        tensor([0., -inf])
    """

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) in nats, (B,), of z (B, D)."""
        self._check(z)
        inside = ((z >= 0) & (z <= 1)).all(1)
        return torch.zeros_like(z[:, 0]).masked_fill(~inside, -torch.inf)

    def sample(self, n: int) -> Tensor:
        """n draws, (n, D)."""
        return torch.rand(n, self.dims, dtype=self._like.dtype, device=self._like.device)
