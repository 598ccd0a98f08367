"""IWAE: log p(x) >= L_K = E[log 1/K sum_k w_k], w_k = p(x, z_k) / q(z_k | x), with K draws of z from q for each x."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from deepul_utils.models.vae import VAE


class IWAE(nn.Module):
    """A VAE that is trained through the bound of K draws, which is tighter than that of one.

    The gradient of log 1/K sum_k w_k is that of sum_k v_k log w_k, with the normalised weights v_k = w_k / sum_j w_j
    held fixed: draws that explain x well count most.

    Args:
        vae: the model, whose weights are trained in place, through its `bound` alone: free bits and a weight of the KL
            play no part.
        draws: K, draws of z for each x; with 1 it is the VAE's own bound, with the KL from the draw.

    References:
        Burda et al. (2016), Importance weighted autoencoders.

    Example:
        >>> from deepul_utils.distributions.base import StandardNormal
        >>> from deepul_utils.distributions.independent import IndependentBernoulli
        >>> from deepul_utils.nn.mlp import MLP
        >>> vae = VAE(MLP(64, 2 * 5), MLP(5, 64), IndependentBernoulli, prior=StandardNormal(5))
        >>> IWAE(vae, draws=10).loss(vae.sample(7)).shape
        torch.Size([])
    """

    def __init__(self, vae: VAE, draws: int) -> None:
        super().__init__()
        if draws < 1:
            raise ValueError(f"draws must be at least 1, got {draws}")
        self.vae, self.draws = vae, draws

    def loss(self, x: Tensor) -> Tensor:
        """Minus the bound of K draws, a mean in nats per example."""
        return -self.vae.bound(x, self.draws).mean()


@torch.no_grad()
def log_evidence(vae: VAE, x: Tensor, draws: int = 5000, chunk: int = 100) -> Tensor:
    """An estimate of L_K for many draws K, in nats, (B,): on average at most log p(x), and close to it for large K.

    Only `chunk` draws at a time are in memory; their weights are added up in log space.

    Args:
        vae: the model.
        x: (B, *shape) examples.
        draws: K, at least 1.
        chunk: draws at a time, at least 1.

    Raises:
        ValueError: no draws.

    Paper: Burda et al., "Importance Weighted Autoencoders" (2016), section 5.
    """
    if min(draws, chunk) < 1:
        raise ValueError(f"draws and chunk must be at least 1, got {draws} and {chunk}")
    total = torch.full((len(x),), -math.inf, device=x.device)
    for start in range(0, draws, chunk):
        log_w = vae.log_weights(x, min(chunk, draws - start))  # (chunk, B)
        total = torch.logaddexp(total, log_w.logsumexp(0))
    return total - math.log(draws)
