"""KL warm-up: E_q[-log p(x | z)] + w KL(q(z | x) || p(z)), with w rising from 0 to 1 in the first steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from deepul_utils.models.vae import VAE, Loss


class WarmedUp(VAE):
    """A VAE that pays for its code little by little: in training step t of the first T the KL counts t / T.

    Until the encoder's codes have become clear, the decoder is not paid for ignoring them. From step T on, and always
    in evaluation mode, the loss is minus the bound.

    Args:
        args: as for `VAE`.
        steps: T.
        kwargs: as for `VAE`.

    Raises:
        ValueError: `steps` is below 1.

    Paper: Bowman et al., "Generating Sentences from a Continuous Space" (2016), section 3.1.

    Example:
        >>> from deepul_utils.distributions.base import StandardNormal
        >>> from deepul_utils.distributions.independent import IndependentBernoulli
        >>> from deepul_utils.nn.mlp import MLP
        >>> model = WarmedUp(MLP(9, 4), MLP(2, 9), IndependentBernoulli, prior=StandardNormal(2), steps=4)
        >>> parts = model.loss(torch.ones(5, 9))
        >>> torch.allclose(parts.loss, parts.reconstruction + parts.kl / 4)
        True
    """

    step: Tensor

    def __init__(self, *args: Any, steps: int, **kwargs: Any) -> None:
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        super().__init__(*args, **kwargs)
        self.steps = steps
        self.register_buffer("step", torch.zeros((), dtype=torch.long))  # so that a checkpoint knows how far it is

    def loss(self, x: Tensor) -> Loss:
        """The loss, in training with the weighted KL, and its parts, unweighted."""
        parts = super().loss(x)
        if not self.training:
            return parts
        self.step += 1
        weight = min(1.0, self.step.item() / self.steps)
        price = parts.loss - parts.reconstruction  # the KL, with what free bits leave of it
        return parts._replace(loss=parts.reconstruction + weight * price)
