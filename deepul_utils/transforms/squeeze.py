"""(C, H, W) -> (4 C, H / 2, W / 2): every block of 2 x 2 pixels becomes one pixel with four times the channels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from deepul_utils.transforms.transform import Transform


class Squeeze(Transform):
    """Channel c becomes the channels 4c, ..., 4c + 3: upper left, upper right, lower left, lower right.

    Every number is still there, once, in another place: log|det dz/dx| = 0.

    Paper: Dinh et al., "Density Estimation Using Real NVP" (2017), section 3.6.

    Example:
        >>> x = torch.arange(4.0).view(1, 1, 2, 2)
        >>> Squeeze()(x)[0].flatten()
        tensor([0., 1., 2., 3.])
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return F.pixel_unshuffle(x, 2), torch.zeros(len(x), dtype=x.dtype, device=x.device)

    def inverse(self, z: Tensor) -> Tensor:
        return F.pixel_shuffle(z, 2)

    def latent_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(4 C, H / 2, W / 2).

        Raises:
            ValueError: H or W is odd.
        """
        C, H, W = shape
        if H % 2 or W % 2:
            raise ValueError(
                f"an image of {H} x {W} pixels cannot be cut into blocks of 2 x 2; pad it, or stop earlier"
            )
        return 4 * C, H // 2, W // 2
