"""PixelVAE: p(x | z) = prod_i p(x_i | pixels before i, z): an autoregressive model for the likelihood of a VAE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, constraints

from deepul_utils.models.autoregressive import Autoregressive
from deepul_utils.models.pixelcnn import PixelCNN
from deepul_utils.nn.cache import Cache


class GuidedPixelCNN(PixelCNN):
    """A PixelCNN of x given a map h, which is added to what the first layer makes of the image.

    Every pixel's conditional sees h at the places that the blocks above the first layer look at, its own among them.
    What a pixel sees of the image reaches `kernel_size // 2` * (`layers` + 1) rows up.

    Args:
        image_shape: (H, W) or (C, H, W).
        options: as for `PixelCNN`, without classes. With no `layers` the kernel alone is all that a pixel sees.

    Raises:
        ValueError: h is no (B, width, H, W).

    Paper: Gulrajani et al., "PixelVAE: A Latent Variable Model for Natural Images" (2017).

    Example:
        >>> model = GuidedPixelCNN((8, 8), width=16, layers=0, kernel_size=3)
        >>> h = torch.zeros(2, 16, 8, 8)
        >>> model.log_prob(model.sample(2, h), h).shape
        torch.Size([2])
    """

    def __init__(self, image_shape: Sequence[int], **options: Any) -> None:
        super().__init__(image_shape, **options)
        self.map_shape = self.first.out_channels, self.height, self.width

    def network(self, image: Tensor, y: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        assert y is not None  # `_labels` has seen it
        h = y if cache is None else y[..., cache.at[0], cache.at[1], None, None]
        return self._rest(self.first(image, cache) + h, None, cache)

    def _labels(self, y: Tensor | None, n: int) -> Tensor:
        if y is None or y.shape != (n, *self.map_shape):
            came = None if y is None else tuple(y.shape)
            raise ValueError(f"the map h must be {(n, *self.map_shape)}, one for each example, got {came}")
        return y


class Guided(nn.Module):
    """The likelihood of a `VAE` whose decoder gives what an autoregressive model is to be conditioned on.

    Args:
        model: `log_prob(x, h)` and `sample(n, h)`, as those of `GuidedPixelCNN`.

    Example:
        >>> from deepul_utils.distributions.base import StandardNormal
        >>> from deepul_utils.models.vae import VAE
        >>> from deepul_utils.nn.mlp import MLP
        >>> pixels = Guided(GuidedPixelCNN((4, 4), width=8, layers=0, kernel_size=3))
        >>> encoder = nn.Sequential(nn.Flatten(), MLP(16, 2 * 3))
        >>> decoder = nn.Sequential(MLP(3, 8 * 16), nn.Unflatten(1, (8, 4, 4)))
        >>> model = VAE(encoder, decoder, pixels, prior=StandardNormal(3))
        >>> model.sample(5).shape
        torch.Size([5, 4, 4])
    """

    def __init__(self, model: Autoregressive) -> None:
        super().__init__()
        self.model = model

    def forward(self, h: Tensor) -> Distribution:
        """The law of x given h (B, ...)."""
        return _GivenMap(self.model, h)


class _GivenMap(Distribution):
    """p(x | h), for values x of any number type, which an encoder wants to be real."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, model: Autoregressive, h: Tensor) -> None:
        super().__init__(h.shape[:1], torch.Size(model.shape), validate_args=False)
        self.model, self.h = model, h

    def log_prob(self, value: Tensor) -> Tensor:
        x = value.long()
        if not (x == value).all():
            raise ValueError("x must be whole numbers: round or draw grey values first")
        return self.model.log_prob(x, self.h)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        if len(sample_shape):
            raise ValueError("one draw for each h; repeat h for more")
        return self.model.sample(len(self.h), self.h).to(self.h.dtype)
