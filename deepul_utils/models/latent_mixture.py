"""LatentMixture: p(x) = sum_z p(z) p(x | z), with z one of M values."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deepul_utils.distributions.components import Components


class LatentMixture(nn.Module):
    """A latent z with few values, so that log p(x) is a sum that can be computed.

    log p(x) = logsumexp_z [log p(z) + log p(x | z)], with p(z) = softmax(logits)_z.

    Args:
        components: the laws p(x | z), from `distributions.components`.

    References:
        Dempster, Laird and Rubin (1977), Maximum likelihood from incomplete data via the EM algorithm.

    Example:
        >>> from deepul_utils.distributions.components import Bernoullis
        >>> coins = LatentMixture(Bernoullis(torch.tensor([[0.9, 0.9, 0.9], [0.4, 0.4, 0.4]])))
        >>> flips = torch.tensor([[1.0, 1.0, 0.0]])
        >>> coins.log_prob(flips).exp().data
        tensor([0.0885])
        >>> coins.responsibilities(flips).data
        tensor([[0.4576, 0.5424]])
    """

    def __init__(self, components: Components) -> None:
        super().__init__()
        self.components = components
        self.logits = nn.Parameter(torch.zeros(components.num_components))  # (M,)

    def log_joint(self, x: Tensor) -> Tensor:
        """log p(x, z) in nats for every z, (B, M)."""
        return self.logits.log_softmax(0) + self.components.log_prob(x)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, (B,)."""
        return self.log_joint(x).logsumexp(1)

    def loss(self, x: Tensor) -> Tensor:
        """-log p(x): the mean in nats per example."""
        return -self.log_prob(x).mean()

    def responsibilities(self, x: Tensor) -> Tensor:
        """p(z | x) for every z, (B, M): how much of each example each component made."""
        return self.log_joint(x).softmax(1)

    @torch.no_grad()
    def em_step(self, x: Tensor) -> None:
        """One step of EM on all examples x (N, D), in place.

        E: the responsibilities under the present parameters. M: the parameters that maximise
        sum_nm r_nm log p(x_n, m), each component's law on its share of the examples.
        """
        shares = self.responsibilities(x)  # (N, M)
        self.components.refit(x, shares)
        self.logits.copy_(shares.mean(0).log())

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """(n, D) examples: a z for each from the prior, then x given z."""
        z = torch.multinomial(self.logits.softmax(0), n, replacement=True)
        return self.components.sample(z)
