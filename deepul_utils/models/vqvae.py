"""VQ-VAE: log p(x) >= log p(x | z = e_k) + log P(k), where k are the codes nearest to what the encoder says of x."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from deepul_utils.models.autoregressive import Autoregressive
from deepul_utils.models.quantiser import Quantiser, nearest


class Loss(NamedTuple):
    """The loss and its parts, each a mean per example; the first three in nats."""

    loss: Tensor
    reconstruction: Tensor  # -log p(x | z)
    code: Tensor  # -log P(k)
    codebook: Tensor  # |sg(h) - e_k|^2
    commitment: Tensor  # |h - sg(e_k)|^2


class VQVAE(nn.Module):
    """A model with latents of whole numbers, one of K codes at each position of a map, and a prior over such maps.

    q(k | x) has all its mass on one k, so that its entropy is 0 and the bound of the VAE becomes
    log p(x | e_k) + log P(k). In training the loss is minus that bound, and codebook + beta commitment; in evaluation
    minus the bound alone. The prior is trained along with the rest, and since k is whole numbers its term moves nothing
    but the prior; one that is trained afterwards, on the codes of `encode`, has the same aim.

    Args:
        encoder: maps x (B, *shape) to vectors h (B, D, *positions).
        decoder: maps codes z (B, D, *positions) to the parameters of p(x | z).
        likelihood: maps the decoder's output to a law of x, such as `IndependentBernoulli`.
        quantiser: of K codes of D numbers.
        prior: P(k), over maps of `positions` with the values 0 to K - 1, such as a `PixelCNN`.
        beta: weight of the commitment.

    Paper: van den Oord et al., "Neural Discrete Representation Learning" (2017).

    Example:
        >>> from deepul_utils.distributions.independent import IndependentBernoulli
        >>> from deepul_utils.models.pixelcnn import PixelCNN
        >>> encoder, decoder = nn.Conv2d(1, 3, 2, stride=2), nn.ConvTranspose2d(3, 1, 2, stride=2)
        >>> prior = PixelCNN((4, 4), num_values=16, width=8, layers=1, kernel_size=3)
        >>> model = VQVAE(encoder, decoder, IndependentBernoulli, Quantiser(16, dims=3), prior=prior)
        >>> x = model.sample(5)
        >>> x.shape, model.encode(x).shape
        (torch.Size([5, 1, 8, 8]), torch.Size([5, 4, 4]))
        >>> bool(torch.isclose(model.eval().loss(x).loss, -model.bound(x).mean()))
        True
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: Callable[[Tensor], Distribution],
        quantiser: Quantiser,
        *,
        prior: Autoregressive,
        beta: float = 0.25,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.quantiser, self.prior = encoder, decoder, quantiser, prior
        self.likelihood, self.beta = likelihood, beta

    def encode(self, x: Tensor) -> Tensor:
        """The codes k of x (B, *shape), (B, *positions)."""
        return nearest(self.encoder(x).movedim(1, -1), self.quantiser.codes)

    def decode(self, k: Tensor) -> Distribution:
        """p(x | z) for codes k (B, *positions)."""
        return self.likelihood(self.decoder(self.quantiser.look_up(k)))

    def loss(self, x: Tensor) -> Loss:
        """Minus the bound, with what moves codes and encoder towards each other, and the parts."""
        z, k, codebook, commitment = self.quantiser(self.encoder(x))
        reconstruction = -self.likelihood(self.decoder(z)).log_prob(x).mean()
        code = self.prior.loss(k)
        pull = codebook + self.beta * commitment if self.training else 0.0
        return Loss(reconstruction + code + pull, reconstruction, code, codebook, commitment)

    def bound(self, x: Tensor) -> Tensor:
        """log p(x | z) + log P(k) <= log p(x) in nats, (B,)."""
        k = self.encode(x)
        return self.decode(k).log_prob(x) + self.prior.log_prob(k)

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """n examples, (n, *shape): codes from the prior, then x given them."""
        return self.decode(self.prior.sample(n)).sample()
