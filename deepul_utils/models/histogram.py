"""Histogram: p(x) = exp(theta_x) / sum_k exp(theta_k) over the values 0 .. K - 1."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.distributions import Categorical


def empirical(x: ArrayLike, num_values: int, pseudocount: float = 0.0) -> Tensor:
    """The empirical law of x, with `pseudocount` extra observations of every value.

    p_k = (n_k + a) / (n + a K), where n_k counts the examples equal to k and a is the pseudocount (Laplace, 1814).

    Args:
        x: (n,) integers in 0 .. K - 1.
        num_values: K.
        pseudocount: a >= 0; 0 is the maximum-likelihood law, 1 is Laplace's rule.

    Returns:
        (K,) probabilities, float64.

    Raises:
        ValueError: a value outside 0 .. K - 1, a negative pseudocount, or nothing to count.

    Example:
        >>> empirical([2, 0, 2, 2], num_values=4)
        tensor([0.2500, 0.0000, 0.7500, 0.0000], dtype=torch.float64)
        >>> empirical([2, 0, 2, 2], num_values=4, pseudocount=1)
        tensor([0.2500, 0.1250, 0.5000, 0.1250], dtype=torch.float64)
    """
    values = torch.as_tensor(x).flatten()
    if pseudocount < 0:
        raise ValueError(f"pseudocount must be at least 0, got {pseudocount}")
    if len(values) == 0 and pseudocount == 0:
        raise ValueError("there is nothing to count: give at least one example, or a pseudocount above 0")
    if not ((values >= 0) & (values < num_values) & (values == values.long())).all():
        low, high = values.min().item(), values.max().item()
        raise ValueError(f"x must be integers from 0 to {num_values - 1}, got values from {low} to {high}")
    counts = torch.bincount(values.long(), minlength=num_values).double() + pseudocount  # (K,)
    return counts / counts.sum()


class Histogram(nn.Module):
    """A free probability for each of K values: p(x) = softmax(theta)_x.

    It starts uniform, and gradient descent on `loss` takes it towards the empirical law. `Histogram.counted` goes there
    in one step.

    Args:
        num_values: K.

    Example:
        >>> model = Histogram.counted([0, 0, 0, 1], num_values=2)
        >>> model.log_prob(torch.tensor([0, 1])).exp()
        tensor([0.7500, 0.2500], grad_fn=<ExpBackward0>)
    """

    def __init__(self, num_values: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(num_values))  # theta: (K,)

    @classmethod
    def counted(cls, x: ArrayLike, num_values: int, pseudocount: float = 0.0) -> Histogram:
        """The model of highest likelihood, from counts; the arguments are those of `empirical`."""
        model = cls(num_values)
        model.logits.data = empirical(x, num_values, pseudocount).log().float()  # log 0 = -inf: impossible
        return model

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, (B,) for (B,) integers; -inf for a value that a counted model never saw."""
        return Categorical(logits=self.logits).log_prob(x)

    def loss(self, x: Tensor) -> Tensor:
        """Mean negative log-likelihood in nats per example."""
        return -self.log_prob(x).mean()

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """Draw n independent values, (n,) integers."""
        return Categorical(logits=self.logits).sample((n,))
