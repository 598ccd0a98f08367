"""Toy autoregressive model: log p(x) = sum_i log p(x_i | x_0, ..., x_{i-1}), with a network of its own for each i."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Categorical
from torch.nn import functional as F

from deepul_utils.models.histogram import Histogram
from deepul_utils.nn.mlp import MLP


class ToyAutoregressive(nn.Module):
    """The chain rule as a model: p(x_0) is a histogram, each further conditional a network.

    Network i reads the earlier dimensions one-hot, i * K numbers, and writes the K logits of x_i.

    Args:
        num_values: K; every dimension takes the values 0..K-1.
        dims: D, the number of dimensions.
        net: `net(inputs, outputs)` builds a network; `nn.Linear` makes p(x_1 | x_0) a table.

    Raises:
        ValueError: `num_values` or `dims` is below 1, or x is not (B, D) integers from 0 to K-1.

    Paper: Bengio and Bengio, "Modeling high-dimensional discrete data with multi-layer neural
    networks" (2000), whose conditionals share their hidden units; here nothing is shared.

    Example:
        >>> model = ToyAutoregressive(num_values=3)
        >>> model.sample(5).shape
        torch.Size([5, 2])
        >>> every_x = torch.cartesian_prod(torch.arange(3), torch.arange(3))
        >>> round(model.log_prob(every_x).exp().sum().item(), 4)
        1.0
    """

    def __init__(self, num_values: int, dims: int = 2, net: Callable[[int, int], nn.Module] = MLP) -> None:
        super().__init__()
        if num_values < 1 or dims < 1:
            raise ValueError(f"num_values and dims must be at least 1, got {num_values} and {dims}")
        self.num_values, self.dims = num_values, dims
        self.first = Histogram(num_values)
        self.nets = nn.ModuleList(net(i * num_values, num_values) for i in range(1, dims))

    def conditional(self, earlier: Tensor) -> Tensor:
        """Logits (B, K) of p(x_i | earlier), where `earlier` (B, i) holds x_0, ..., x_{i-1}."""
        i = earlier.shape[1]
        if i == 0:
            return self.first.logits.expand(len(earlier), -1)
        one_hot = F.one_hot(earlier, self.num_values).to(self.first.logits.dtype)  # (B, i, K)
        return self.nets[i - 1](one_hot.flatten(1))

    def conditionals(self, x: Tensor) -> Tensor:
        """Logits of every p(x_i | x_0, ..., x_{i-1}): (B, D) integers in, (B, D, K) out."""
        x = self._checked(x)
        return torch.stack([self.conditional(x[:, :i]) for i in range(self.dims)], dim=1)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats: (B, D) integers in, (B,) out."""
        x = self._checked(x)
        log_p = self.conditionals(x).log_softmax(-1)  # (B, D, K)
        return log_p.gather(-1, x[..., None]).squeeze(-1).sum(-1)

    def loss(self, x: Tensor) -> Tensor:
        """-log p(x), the mean over the batch, in nats per example."""
        return -self.log_prob(x).mean()

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """Ancestral sampling, (n, D): draw x_0, then x_1 given x_0, and so on."""
        x = torch.empty(n, 0, dtype=torch.long, device=self.first.logits.device)
        for _ in range(self.dims):
            x_i = Categorical(logits=self.conditional(x)).sample()  # (n,)
            x = torch.cat([x, x_i[:, None]], dim=1)
        return x

    def _checked(self, x: Tensor) -> Tensor:
        if x.ndim != 2 or x.shape[1] != self.dims:
            raise ValueError(f"x must be (B, {self.dims}), got {tuple(x.shape)}; flatten examples to rows")
        if x.is_floating_point() or not ((x >= 0) & (x < self.num_values)).all():
            most = self.num_values - 1
            raise ValueError(f"x must be integers from 0 to {most}; put the data on a grid first")
        return x.long()
