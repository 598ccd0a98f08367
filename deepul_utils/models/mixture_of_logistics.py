"""p(x) = sum_m pi_m P_m(x), with P_m the discretized logistic of loc_m and scale_m."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, MixtureSameFamily

from deepul_utils.distributions.discretized_logistic import DiscretizedLogistic


class MixtureOfLogistics(nn.Module):
    """A few discretized logistics, added with weights that sum to 1.

    p(x) = sum_m pi_m P_m(x), with pi = softmax(logits) and P_m the discretized logistic of loc_m and log_scale_m.
    The means start spread evenly over the values, so that every component has data of its own to begin with.

    Args:
        num_values: K; x is one of 0, 1, ..., K - 1.
        components: M, how many logistics.

    Raises:
        ValueError: a number that is not positive.

    References:
        Salimans et al. (2017), PixelCNN++, section 2.1.

    Example:
        >>> model = MixtureOfLogistics(num_values=100, components=4)
        >>> model.loc.data
        tensor([12., 37., 62., 87.])
        >>> round(model.log_prob(torch.arange(100)).exp().sum().item(), 5)
        1.0
    """

    def __init__(self, num_values: int, components: int = 4) -> None:
        super().__init__()
        if num_values < 1 or components < 1:
            raise ValueError(f"num_values and components must be at least 1, got {num_values} and {components}")
        self.num_values = num_values
        spacing = num_values / components
        self.logits = nn.Parameter(torch.zeros(components))  # (M,)
        self.loc = nn.Parameter(spacing * (torch.arange(components) + 0.5) - 0.5)  # (M,)
        self.log_scale = nn.Parameter(torch.full((components,), math.log(spacing / 4)))  # (M,)

    def distribution(self) -> MixtureSameFamily:
        """The mixture as a torch distribution."""
        components = DiscretizedLogistic(self.loc, self.log_scale, self.num_values)
        return MixtureSameFamily(Categorical(logits=self.logits), components)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, of the shape of `x`."""
        return self.distribution().log_prob(x)

    def loss(self, x: Tensor) -> Tensor:
        """-log p(x) in nats, averaged over `x`."""
        return -self.log_prob(x).mean()

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """(n,) values: a component drawn for each, then a value from it."""
        return self.distribution().sample((n,))
