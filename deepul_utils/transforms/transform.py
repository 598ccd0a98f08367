"""z = f(x) with log|det df/dx|: an invertible map, and several in a row, whose log-determinants add up."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Transform(nn.Module):
    """An invertible map z = f(x) of every example of a batch, with the logarithm of the volume that it makes of one.

    A subclass defines `forward` and `inverse`, and `latent_shape` where z has another shape than x.
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z = f(x) and log|det df/dx|, (B,): the direction in which a density is computed."""
        raise NotImplementedError

    def inverse(self, z: Tensor) -> Tensor:
        """x with f(x) = z: the direction in which samples are drawn."""
        raise NotImplementedError

    def latent_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of one z for one x of that shape."""
        return shape


class Composition(Transform):
    """f = f_n o ... o f_1, the first named first: log|det df/dx| is the sum of every map's own.

    Each log-determinant is taken where its map is applied, at the output of the map before it.

    Example:
        >>> from deepul_utils.transforms.elementwise import Scale
        >>> fourfold = Composition(Scale(2.0), Scale(2.0))
        >>> fourfold(torch.tensor([[1.0, 3.0]]))  # log 4 for each of the two dimensions
        (tensor([[ 4., 12.]]), tensor([2.7726]))
        >>> fourfold.inverse(torch.tensor([[4.0, 12.0]]))
        tensor([[1., 3.]])
    """

    def __init__(self, *transforms: Transform) -> None:
        super().__init__()
        self.transforms = nn.ModuleList(transforms)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        total = torch.zeros(len(x), device=x.device)  # of single precision: gives way to a transform's double
        for transform in self.transforms:
            x, log_det = transform(x)
            total = total + log_det
        return x, total

    def inverse(self, z: Tensor) -> Tensor:
        for transform in reversed(self.transforms):
            z = transform.inverse(z)  # type: ignore[operator]
        return z

    def latent_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        for transform in self.transforms:
            shape = transform.latent_shape(shape)  # type: ignore[operator]
        return shape


class Inverse(Transform):
    """A transform the other way round: z = f^-1(x), log|det dz/dx| = -log|det df/dz|, taken at z.

    For transforms whose z has the shape of x.

    Example:
        >>> from deepul_utils.transforms.elementwise import Scale
        >>> Inverse(Scale(2.0))(torch.tensor([[1.0, 3.0]]))
        (tensor([[0.5000, 1.5000]]), tensor([-1.3863]))
    """

    def __init__(self, transform: Transform) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.transform.inverse(x)
        return z, -self.transform(z)[1]

    def inverse(self, z: Tensor) -> Tensor:
        x: Tensor = self.transform(z)[0]
        return x
