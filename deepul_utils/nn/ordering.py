"""Orderings: order[i] is the position, 0 .. D - 1, at which dimension i comes; an example is flattened to D numbers.

The channels of a pixel follow one another, red first. `order.argsort()` lists the dimensions as they are visited.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor


def image_sizes(shape: Sequence[int]) -> tuple[int, int, int]:
    """Channels, height and width of (C, H, W), (H, W) or (T,).

    Example:
        >>> image_sizes((28, 28))
        (1, 28, 28)
    """
    channels, height, width = (1, 1, *shape)[-3:]
    return channels, height, width


def as_order(order: ArrayLike, dims: int) -> Tensor:
    """`order` as a tensor (dims,).

    Raises:
        ValueError: it does not give every dimension a position of its own.
    """
    positions = torch.as_tensor(order, dtype=torch.long)
    if not torch.equal(positions.sort().values, torch.arange(dims)):
        raise ValueError(f"an ordering gives each of the {dims} dimensions a position of its own from 0 to {dims - 1}")
    return positions


def raster(shape: Sequence[int]) -> Tensor:
    """Row by row, each from left to right.

    Example:
        >>> raster((2, 3)).reshape(2, 3)
        tensor([[0, 1, 2],
                [3, 4, 5]])
        >>> raster((3, 1, 2)).reshape(3, 1, 2)[:, 0]  # red, green, blue of the first pixel, then of the second
        tensor([[0, 3],
                [1, 4],
                [2, 5]])
    """
    C, H, W = image_sizes(shape)
    return torch.arange(C * H * W).reshape(H, W, C).permute(2, 0, 1).flatten()


def columns(shape: Sequence[int]) -> Tensor:
    """Column by column, each from the top.

    Example:
        >>> columns((2, 3)).reshape(2, 3)
        tensor([[0, 2, 4],
                [1, 3, 5]])
    """
    C, H, W = image_sizes(shape)
    return torch.arange(C * H * W).reshape(W, H, C).permute(2, 1, 0).flatten()


def even_odd(shape: Sequence[int]) -> Tensor:
    """Of the pixels in raster order the first, third, fifth ..., then those left out.

    Example:
        >>> even_odd((2, 3)).reshape(2, 3)
        tensor([[0, 3, 1],
                [4, 2, 5]])
    """
    C, H, W = image_sizes(shape)
    pixels = torch.arange(H * W)
    place = torch.cat([pixels[::2], pixels[1::2]]).argsort()  # of each pixel
    return (C * place + torch.arange(C)[:, None]).flatten()


def shuffled(shape: Sequence[int], seed: int = 0) -> Tensor:
    """A random ordering, the same for the same seed.

    Example:
        >>> shuffled((2, 2)).sort().values
        tensor([0, 1, 2, 3])
    """
    return torch.from_numpy(np.random.default_rng(seed).permutation(int(np.prod(shape))))
