"""p(x) = prod_i p(x_i): laws of vectors with independent entries, from what a network gives."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Bernoulli, Independent, Normal


class DiagonalNormal(Independent):
    """prod_i N(x_i; loc_i, scale_i^2), a normal law with a diagonal covariance.

    Args:
        params: (B, 2 D), the means and then the logarithms of the standard deviations.

    Raises:
        ValueError: `params` has no even number of columns.

    Example:
        >>> import torch
        >>> law = DiagonalNormal(torch.tensor([[1.0, 2.0, 0.0, 0.0]]))
        >>> law.mean, law.log_prob(torch.tensor([[1.0, 2.0]]))  # -log 2 pi
        (tensor([[1., 2.]]), tensor([-1.8379]))
        >>> law.rsample((5,)).shape
        torch.Size([5, 1, 2])
    """

    def __init__(self, params: Tensor) -> None:
        if params.dim() != 2 or params.shape[1] % 2:
            raise ValueError(
                f"params must be (B, 2 D), a mean and a log standard deviation for each of D, got {tuple(params.shape)}"
            )
        self.loc, self.log_scale = params.chunk(2, 1)  # 2 x (B, D)
        super().__init__(Normal(self.loc, self.log_scale.exp()), 1)

    def kl_to_standard(self) -> Tensor:
        """KL of each entry to N(0, 1) in nats, (B, D): (loc_i^2 + scale_i^2 - 1) / 2 - log scale_i."""
        return (self.loc.square() + (2 * self.log_scale).exp() - 1) / 2 - self.log_scale


class IndependentBernoulli(Independent):
    """prod_i p_i^x_i (1 - p_i)^(1 - x_i) for x_i in {0, 1}.

    Args:
        params: (B, *shape), the logits log p_i / (1 - p_i).

    Example:
        >>> import torch
        >>> law = IndependentBernoulli(torch.zeros(1, 3))
        >>> law.log_prob(torch.tensor([[1.0, 0.0, 1.0]]))  # -3 log 2
        tensor([-2.0794])
    """

    def __init__(self, params: Tensor) -> None:
        super().__init__(Bernoulli(logits=params), params.dim() - 1)
