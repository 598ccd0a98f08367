"""Masks of 0 and 1 that cut the dimensions of an example in two: 1 stays as it is in a coupling, 0 is changed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def every_second(shape: Sequence[int], parity: int = 0) -> Tensor:
    """Every second dimension of points (D,), every second channel of images (C, H, W): 1 where (c + parity) is even.

    Example:
        >>> every_second([5]), every_second([5], parity=1)
        (tensor([1., 0., 1., 0., 1.]), tensor([0., 1., 0., 1., 0.]))
    """
    mask = (torch.arange(shape[0]) + parity + 1) % 2
    return _over(mask, shape, axis=0)


def checkerboard(shape: Sequence[int], parity: int = 0) -> Tensor:
    """The white squares of a chess board, in every channel of (C, H, W) images: 1 where row + column + parity is even.

    Example:
        >>> checkerboard([1, 2, 4])
        tensor([[[1., 0., 1., 0.],
                 [0., 1., 0., 1.]]])
    """
    C, H, W = shape
    mask = (torch.arange(H)[:, None] + torch.arange(W) + parity + 1) % 2
    return mask.float().repeat(C, 1, 1)


def channels(shape: Sequence[int], parity: int = 0) -> Tensor:
    """The first half of the channels of (C, H, W) images, or with parity 1 the others.

    Example:
        >>> channels([4, 1, 1], parity=1).flatten()
        tensor([0., 0., 1., 1.])
    """
    return _half(shape, parity, axis=0)


def upper_half(shape: Sequence[int], parity: int = 0) -> Tensor:
    """The upper half of (C, H, W) images, or with parity 1 the lower one: a bad choice, as the book shows.

    Example:
        >>> upper_half([1, 2, 3])
        tensor([[[1., 1., 1.],
                 [0., 0., 0.]]])
    """
    return _half(shape, parity, axis=1)


def _half(shape: Sequence[int], parity: int, axis: int) -> Tensor:
    size = shape[axis]
    return _over((torch.arange(size) < size // 2) ^ bool(parity), shape, axis)


def _over(mask: Tensor, shape: Sequence[int], axis: int) -> Tensor:
    """A mask of one axis, spread over all others."""
    return mask.float().view(-1, *[1] * (len(shape) - 1 - axis)).expand(*shape).clone()
