"""Histogram: p(x) = softmax(l)_x over the values 0 .. K - 1, with a free logit l_k for each."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.distributions import Categorical


def empirical(x: ArrayLike, num_values: int, smoothing: float = 0.0) -> Tensor:
    """The empirical law of x, with `smoothing` added to the count of every value.

    p(k) = (n_k + a) / (N + a K), where n_k of the N examples equal k and a is the smoothing (Laplace, 1774).

    Args:
        x: (N,) integers in 0 .. K - 1.
        num_values: K.
        smoothing: a >= 0; 0 gives the law of highest likelihood, 1 is Laplace's rule of succession.

    Returns:
        (K,) probabilities, float64.

    Raises:
        ValueError: a value outside 0 .. K - 1, a negative smoothing, or nothing to count.

    Example:
        >>> empirical([2, 0, 2, 2], num_values=4)
        tensor([0.2500, 0.0000, 0.7500, 0.0000], dtype=torch.float64)
        >>> empirical([2, 0, 2, 2], num_values=4, smoothing=1)
        tensor([0.2500, 0.1250, 0.5000, 0.1250], dtype=torch.float64)
    """
    values = torch.as_tensor(x).flatten()
    if smoothing < 0:
        raise ValueError(f"smoothing must be at least 0, got {smoothing}")
    if len(values) == 0 and smoothing == 0:
        raise ValueError("there is nothing to count: give at least one example, or a smoothing above 0")
    if not ((values >= 0) & (values < num_values) & (values == values.long())).all():
        low, high = values.min().item(), values.max().item()
        raise ValueError(f"x must be integers from 0 to {num_values - 1}, got values from {low} to {high}")
    counts = torch.bincount(values.long(), minlength=num_values).double() + smoothing  # (K,)
    return counts / counts.sum()


class Histogram(nn.Module):
    """A free probability for each of K values: p(x) = softmax(l)_x.

    It starts uniform, and gradient descent on `loss` takes it towards the empirical
    law. `Histogram.counted` goes there in one step.

    Args:
        num_values: K.

    Example:
        >>> model = Histogram.counted([0, 0, 0, 1], num_values=2)
        >>> model.log_prob(torch.tensor([0, 1])).exp()
        tensor([0.7500, 0.2500], grad_fn=<ExpBackward0>)
    """

    def __init__(self, num_values: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(num_values))  # l: (K,)

    @classmethod
    def counted(cls, x: ArrayLike, num_values: int, smoothing: float = 0.0) -> Histogram:
        """The model whose law is `empirical` of the same arguments."""
        model = cls(num_values)
        model.logits.data = empirical(x, num_values, smoothing).log().float()
        return model

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, (B,) for (B,) integers; -inf for what a count of 0 excludes."""
        return Categorical(logits=self.logits).log_prob(x)

    def loss(self, x: Tensor) -> Tensor:
        """Mean negative log-likelihood in nats per example."""
        return -self.log_prob(x).mean()

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """Draw n independent values, (n,) integers."""
        return Categorical(logits=self.logits).sample((n,))
