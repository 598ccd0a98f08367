"""BetaVAE: E_q[-log p(x | z)] + beta KL(q(z | x) || p(z)), a VAE that pays beta for each nat of its code."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from deepul_utils.models.vae import VAE, Loss


class BetaVAE(VAE):
    """A VAE whose training weighs distortion D = E_q[-log p(x | z)] against rate R = E[KL(q(z | x) || p(z))].

    It minimises D + beta R. With beta = 1 that is minus the bound; with any other it is none, so in evaluation mode the
    loss is D + R for every beta, and models can be compared.

    Args:
        args: as for `VAE`.
        beta: the price of a nat of rate, in nats of distortion; above 1 the code tells less.
        kwargs: as for `VAE`.

    Raises:
        ValueError: `beta` is negative.

    References:
        Higgins et al. (2017), beta-VAE: learning basic visual concepts with a constrained variational framework;
        Alemi et al. (2018), Fixing a broken ELBO.

    Example:
        >>> import torch
        >>> from deepul_utils.distributions.base import StandardNormal
        >>> from deepul_utils.distributions.independent import IndependentBernoulli
        >>> from deepul_utils.nn.mlp import MLP
        >>> model = BetaVAE(MLP(9, 4), MLP(2, 9), IndependentBernoulli, prior=StandardNormal(2), beta=4.0)
        >>> parts = model.loss(torch.ones(5, 9))
        >>> torch.allclose(parts.loss, parts.reconstruction + 4 * parts.kl)
        True
    """

    def __init__(self, *args: Any, beta: float, **kwargs: Any) -> None:
        if beta < 0:
            raise ValueError(f"beta must be at least 0, got {beta}")
        super().__init__(*args, **kwargs)
        self.beta = beta

    def loss(self, x: Tensor) -> Loss:
        """D + beta R in training, D + R in evaluation, and the parts D and R, unweighted."""
        parts = super().loss(x)
        if not self.training:
            return parts
        price = parts.loss - parts.reconstruction  # the KL, or what free bits make of it
        return parts._replace(loss=parts.reconstruction + self.beta * price)
