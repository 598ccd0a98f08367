"""VAE: log p(x) >= E_q[log p(x | z)] - KL(q(z | x) || p(z)), with z drawn from an encoder's q(z | x)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from deepul_utils.distributions.base import StandardNormal
from deepul_utils.distributions.independent import DiagonalNormal


class Loss(NamedTuple):
    """The loss and its parts, each a mean in nats per example."""

    loss: Tensor
    reconstruction: Tensor  # -E_q[log p(x | z)]
    kl: Tensor  # KL(q(z | x) || p(z))


class VAE(nn.Module):
    """A model of continuous causes z, trained through a lower bound of log p(x) = log E_p(z)[p(x | z)].

    The networks give numbers, and `posterior` and `likelihood` make laws of them. The KL is in closed form where q is
    a `DiagonalNormal` and the prior standard normal; for others it is log q(z | x) - log p(z) at the z that was drawn,
    which has the right mean and more noise.

    Args:
        encoder: maps x (B, *shape) to the parameters of q(z | x).
        decoder: maps z (B, Z) to the parameters of p(x | z).
        likelihood: maps the decoder's output to a law of x, such as `IndependentBernoulli` or `DiagonalNormal`.
        prior: p(z), a module with `log_prob(z)`, (B,) nats of z (B, Z), and `sample(n)`, (n, Z).
        posterior: maps the encoder's output to a law of z with `rsample`, in which gradients pass through z.
        free_bits: nats below which the mean KL of a latent is not pressed in training; without effect in evaluation.
            Where the KL comes from a draw, it is that of all latents together.

    References:
        Kingma and Welling (2014), Auto-encoding variational Bayes; Rezende et al. (2014), Stochastic backpropagation;
        Burda et al. (2016), Importance weighted autoencoders; Kingma et al. (2016), for the free bits.

    Example:
        >>> from deepul_utils.distributions.independent import IndependentBernoulli
        >>> from deepul_utils.nn.mlp import MLP
        >>> model = VAE(MLP(64, 2 * 5), MLP(5, 64), IndependentBernoulli, prior=StandardNormal(5))
        >>> model.sample(3).shape
        torch.Size([3, 64])
        >>> parts = model.loss(model.sample(7))
        >>> bool(parts.loss == parts.reconstruction + parts.kl)
        True
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: Callable[[Tensor], Distribution],
        *,
        prior: nn.Module,
        posterior: Callable[[Tensor], Distribution] = DiagonalNormal,
        free_bits: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.prior = encoder, decoder, prior
        self.likelihood, self.posterior = likelihood, posterior
        self.free_bits = free_bits

    def encode(self, x: Tensor) -> Distribution:
        """q(z | x) for each x (B, *shape)."""
        return self.posterior(self.encoder(x))

    def decode(self, z: Tensor) -> Distribution:
        """p(x | z) for each z (B, Z)."""
        return self.likelihood(self.decoder(z))

    def kl(self, q: Distribution, z: Tensor) -> Tensor:
        """KL(q(z | x) || p(z)) in nats: (B, Z) in closed form, or (B, 1) from the draw z (B, Z) of q."""
        if isinstance(q, DiagonalNormal) and isinstance(self.prior, StandardNormal):
            return q.kl_to_standard()
        return (q.log_prob(z) - self.prior.log_prob(z))[:, None]  # type: ignore[operator]

    def loss(self, x: Tensor) -> Loss:
        """Minus the lower bound from one draw of z for each example, and its two parts."""
        q = self.encode(x)
        z = q.rsample()  # (B, Z)
        reconstruction = -self.decode(z).log_prob(x).mean()
        kl = self.kl(q, z).mean(0)  # (Z,)
        pressed = kl.clamp(min=self.free_bits) if self.training and self.free_bits else kl
        return Loss(reconstruction + pressed.sum(), reconstruction, kl.sum())

    def log_weights(self, x: Tensor, k: int) -> Tensor:
        """log w = log p(x | z) + log p(z) - log q(z | x) for k draws of z from q, (k, B) nats: p(x) is E[w]."""
        q = self.encode(x)
        z = q.rsample((k,))  # (k, B, Z)
        flat = z.flatten(0, 1)
        log_joint = self.decode(flat).log_prob(x.repeat(k, *[1] * (x.dim() - 1))) + self.prior.log_prob(flat)  # type: ignore[operator]
        return log_joint.view(k, len(x)) - q.log_prob(z)

    def bound(self, x: Tensor, k: int = 1) -> Tensor:
        """An estimate of L_k = E[log mean of k weights w] <= log p(x) in nats, (B,).

        L_1 is the bound that `loss` trains, with the KL from the draw; L_k rises with k, to log p(x).
        It is the log of the mean, as `Dequantized.log_prob` is; `Dequantized.bound` is the mean of the logs.
        """
        return self.log_weights(x, k).logsumexp(0) - math.log(k)

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n examples, (n, *shape): a z for each from the prior, then x given z."""
        return self.decode(self.prior.sample(n)).sample()  # type: ignore[operator]
