"""Flow: log p(x) = log p_base(f(x)) + log|det df/dx|, with f invertible."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from deepul_utils.distributions.base import StandardNormal
from deepul_utils.transforms.transform import Transform


class Flow(nn.Module):
    """A simple law of z, pulled back to the data by an invertible map z = f(x).

    Args:
        shape: of one example: (D,) for points, (C, H, W) for images.
        transform: f.
        base: a module with `log_prob(z)`, (B,) nats of z (B, D), and `sample(n)`, (n, D); by default standard normal.

    Raises:
        ValueError: x of another shape; noise z of another size.

    Example:
        >>> from deepul_utils.transforms.transform import Composition
        >>> identity = Flow((2,), Composition())
        >>> identity.log_prob(torch.zeros(1, 2))  # -log 2 pi
        tensor([-1.8379])
        >>> identity.sample(3).shape
        torch.Size([3, 2])
    """

    base: Any

    def __init__(self, shape: Sequence[int], transform: Transform, base: nn.Module | None = None) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.transform = transform
        self.base = StandardNormal(prod(self.shape)) if base is None else base

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, (B,)."""
        if x.shape[1:] != self.shape:
            raise ValueError(f"x must be (B, {', '.join(map(str, self.shape))}), got {tuple(x.shape)}; reshape it")
        z, log_det = self.transform(x)
        return self.base.log_prob(z.flatten(1)) + log_det

    def loss(self, x: Tensor) -> Tensor:
        """-log p(x): the mean in nats per example."""
        return -self.log_prob(x).mean()

    @torch.no_grad()
    def sample(self, n: int, z: Tensor | None = None) -> Tensor:
        """n examples, (n, *shape): what the inverse of f makes of draws from the base.

        Args:
            n: how many.
            z: (n, D) the draws; by default fresh ones.
        """
        z = self.base.sample(n) if z is None else z
        if len(z) != n or z[0].numel() != prod(self.shape):
            raise ValueError(f"the noise z must be ({n}, {prod(self.shape)}), got {tuple(z.shape)}")
        return self.transform.inverse(z.reshape(n, *self.transform.latent_shape(self.shape)))
