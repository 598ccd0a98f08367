"""z = (rest(x_a), x_b): half of the channels go on through the rest of the flow, the others are latents already."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from deepul_utils.transforms.transform import Transform


class Split(Transform):
    """The step of a multi-scale flow: x_b, the later half of the channels, is done and gets no further layers.

    z is flat, (B, C * H * W), and holds x_b as well: the base density sees every latent once, so that none of them can
    lack its share of log p.

    Args:
        shape: (C, H, W) of one x.
        rest: what x_a, the first half of the channels, goes through.

    Raises:
        ValueError: a single channel, which cannot be halved.

    Paper: Dinh et al., "Density Estimation Using Real NVP" (2017), section 3.6.

    Example:
        >>> from deepul_utils.transforms.squeeze import Squeeze
        >>> split = Split((2, 2, 2), Squeeze())
        >>> z, log_det = split(torch.arange(8.0).view(1, 2, 2, 2))
        >>> z
        tensor([[0., 1., 2., 3., 4., 5., 6., 7.]])
    """

    def __init__(self, shape: Sequence[int], rest: Transform) -> None:
        super().__init__()
        C, *pixels = shape
        if C < 2:
            raise ValueError(f"a split needs two channels or more, got {C}; squeeze first")
        self.going, self.done = (C // 2, *pixels), (C - C // 2, *pixels)
        self.rest = rest

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x_a, x_b = x.split((self.going[0], self.done[0]), dim=1)
        z_a, log_det = self.rest(x_a)
        return torch.cat([z_a.flatten(1), x_b.flatten(1)], 1), log_det

    def inverse(self, z: Tensor) -> Tensor:
        z_a, x_b = z.split((prod(self.going), prod(self.done)), dim=1)
        x_a = self.rest.inverse(z_a.unflatten(1, self.rest.latent_shape(self.going)))
        return torch.cat([x_a, x_b.unflatten(1, self.done)], 1)

    def latent_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (prod(shape),)
