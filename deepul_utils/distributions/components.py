"""p(x | z = m): M laws of x (D,), one for each value of a latent z."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Normal


class Components(nn.Module):
    """M laws of x (D,), of which z names one; `num_components` is M."""

    num_components: int

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x | z = m) in nats, (B, M)."""
        raise NotImplementedError

    def refit(self, x: Tensor, shares: Tensor) -> None:
        """Maximise sum_nm shares_nm log p(x_n | z = m) over the laws' parameters, in closed form.

        Args:
            x: (N, D) examples.
            shares: (N, M), how much each example counts for each law.
        """
        raise NotImplementedError

    def sample(self, z: Tensor) -> Tensor:
        """(n, D): a draw from law z_n for each of z (n,)."""
        raise NotImplementedError


class Gaussians(Components):
    """p(x | m) = prod_i N(x_i; loc_mi, scale_mi^2).

    Args:
        loc: (M, D) means to begin with.
        scale: of every dimension, to begin with.

    Example:
        >>> laws = Gaussians(torch.tensor([[0.0], [4.0]]))
        >>> laws.log_prob(torch.tensor([[0.0]])).data  # -log sqrt(2 pi), and 8 less
        tensor([[-0.9189, -8.9189]])
    """

    def __init__(self, loc: Tensor, scale: float = 1.0) -> None:
        super().__init__()
        self.num_components = len(loc)
        self.loc = nn.Parameter(loc.clone())  # (M, D)
        self.log_scale = nn.Parameter(torch.full_like(loc, scale).log())  # (M, D)

    def log_prob(self, x: Tensor) -> Tensor:
        return Normal(self.loc, self.log_scale.exp()).log_prob(x[:, None]).sum(2)

    @torch.no_grad()
    def refit(self, x: Tensor, shares: Tensor) -> None:
        total = shares.sum(0)
        given = total[:, None] > 0  # a law without a share stays as it is
        weights = shares / total.where(total > 0, 1)  # (N, M), the columns sum to 1
        self.loc.copy_(torch.where(given, weights.T @ x, self.loc))
        variance = torch.einsum("nm,nmd->md", weights, (x[:, None] - self.loc).square())
        log_scale = variance.clamp(min=1e-12).log() / 2  # a law of one example has no width
        self.log_scale.copy_(torch.where(given, log_scale, self.log_scale))

    def sample(self, z: Tensor) -> Tensor:
        return torch.normal(self.loc[z], self.log_scale[z].exp())


class Bernoullis(Components):
    """p(x | m) = prod_i p_mi^x_i (1 - p_mi)^(1 - x_i) for x_i in {0, 1}.

    `refit` counts `smoothing` examples of either value into each p_mi beforehand, so that none becomes 0 or 1.

    Args:
        probs: (M, D) the p_mi to begin with, between 0 and 1.
        smoothing: above 0.

    Example:
        >>> laws = Bernoullis(torch.tensor([[0.9, 0.9], [0.4, 0.4]]))
        >>> laws.log_prob(torch.tensor([[1.0, 0.0]])).exp().data
        tensor([[0.0900, 0.2400]])
    """

    def __init__(self, probs: Tensor, smoothing: float = 0.1) -> None:
        super().__init__()
        self.num_components, self.smoothing = len(probs), smoothing
        self.logits = nn.Parameter(probs.logit())  # (M, D)

    def log_prob(self, x: Tensor) -> Tensor:
        return Bernoulli(logits=self.logits).log_prob(x[:, None]).sum(2)

    @torch.no_grad()
    def refit(self, x: Tensor, shares: Tensor) -> None:
        seen = shares.T @ x + self.smoothing  # (M, D)
        self.logits.copy_((seen / (shares.sum(0)[:, None] + 2 * self.smoothing)).logit())

    def sample(self, z: Tensor) -> Tensor:
        return torch.bernoulli(self.logits[z].sigmoid())
