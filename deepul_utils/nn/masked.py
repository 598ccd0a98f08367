"""y = (M * W) x + b: layers whose masks M cut the connections from what comes later."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn import functional as F

from deepul_utils.nn.cache import Cache, Rows
from deepul_utils.nn.ordering import as_order


def made_degrees(dims: int, hidden: Sequence[int], order: ArrayLike | None = None) -> list[Tensor]:
    """The degrees of MADE: a unit of degree d may see the inputs at positions 0 .. d of the ordering.

    Degree D - 1 is of no use to a hidden unit, since no output may see the last input; the others, 0 .. D - 2, are
    spread evenly over each layer, so that D - 1 units are enough to let every output see every earlier input.

    Args:
        dims: D.
        hidden: widths of the hidden layers.
        order: (D,) the position of each input; 0, 1, ..., D - 1 where not given.

    Returns:
        One tensor for the inputs, then one for each hidden layer.

    Example:
        >>> made_degrees(3, [4], order=[2, 0, 1])
        [tensor([2, 0, 1]), tensor([0, 0, 1, 1])]
    """
    positions = torch.arange(dims) if order is None else as_order(order, dims)
    return [positions, *(torch.arange(units) * max(dims - 1, 1) // units for units in hidden)]


def made_masks(dims: int, hidden: Sequence[int], order: ArrayLike | None = None) -> list[Tensor]:
    """The masks of MADE's layers, True where a connection stays.

    With degrees d (`made_degrees`), a hidden unit h keeps unit k of the layer before if d_h >= d_k, and the output i at
    position d_i keeps it if d_i > d_k: the inequality that is strict once makes the whole autoregressive.

    Args:
        dims: D.
        hidden: widths of the hidden layers.
        order: (D,) the position of each dimension in the ordering; 0, 1, ..., D - 1 where not given.

    Returns:
        A boolean tensor (units out, units in) for each layer; the first has D columns and the last D rows.

    Paper: Germain et al., "MADE: Masked Autoencoder for Distribution Estimation" (2015).

    Example:
        >>> into, out = made_masks(3, [4])
        >>> out.long() @ into.long()  # how many paths lead from input j to output i
        tensor([[0, 0, 0],
                [2, 0, 0],
                [4, 2, 0]])
    """
    degrees = made_degrees(dims, hidden, order)
    masks = [after[:, None] >= before[None, :] for before, after in pairwise(degrees)]
    return [*masks, degrees[0][:, None] > degrees[-1][None, :]]


class MaskedLinear(nn.Linear):
    """A linear layer of which only some weights are used: y = (M * W) x + b.

    Args:
        mask: M, (outputs, inputs), or (number of masks, outputs, inputs) to share W among several.

    Example:
        >>> MaskedLinear(torch.tensor([[True, False]]))(torch.tensor([[0.0, 1.0]])).shape
        torch.Size([1, 1])
    """

    mask: Tensor

    def __init__(self, mask: ArrayLike) -> None:
        mask = torch.as_tensor(mask, dtype=torch.bool)
        super().__init__(mask.shape[-1], mask.shape[-2])
        self.register_buffer("mask", mask.reshape(-1, *mask.shape[-2:]))

    def forward(self, x: Tensor, which: int = 0) -> Tensor:
        """(B, outputs) for x (B, inputs), with the mask of index `which`."""
        return F.linear(x, self.weight * self.mask[which], self.bias)


def pixel_mask(
    outputs: int, inputs: int, kernel_size: int | Sequence[int], kind: Literal["A", "B"], channels: int = 1
) -> Tensor:
    """The mask of a convolution that sees, of an image in raster order, only what comes before.

    All rows above the centre stay, and of its own row what is left of it. The features at the centre itself come in as
    many equal groups as the data have channels (R, G, B), one after the other: a feature of group g keeps the groups
    before g in the first layer of a network (kind A) and its own as well in all others (kind B).

    Args:
        outputs: features out, a multiple of `channels`.
        inputs: features in, a multiple of `channels`.
        kernel_size: odd; one number for a square, or (rows, columns).
        kind: A or B.
        channels: of the data.

    Returns:
        (outputs, inputs, rows, columns), True where a weight stays.

    Raises:
        ValueError: an even kernel, features that do not divide into groups, another kind.

    Paper: van den Oord et al., "Pixel Recurrent Neural Networks" (2016), section 3.4.

    Example:
        >>> pixel_mask(1, 1, 3, "A")[0, 0].int()
        tensor([[1, 1, 1],
                [1, 0, 0],
                [0, 0, 0]], dtype=torch.int32)
        >>> pixel_mask(3, 3, 1, "A", channels=3)[:, :, 0, 0].int()  # G sees R, B sees R and G
        tensor([[0, 0, 0],
                [1, 0, 0],
                [1, 1, 0]], dtype=torch.int32)
    """
    rows, cols = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    if rows % 2 == 0 or cols % 2 == 0:
        raise ValueError(f"a masked kernel needs a centre, so its sizes must be odd, got {rows} x {cols}")
    if outputs % channels or inputs % channels:
        raise ValueError(f"features must be a multiple of the {channels} channels, got {inputs} in and {outputs} out")
    if kind not in ("A", "B"):
        raise ValueError(f"kind must be A (the first layer) or B (all others), got {kind!r}")
    mask = torch.zeros(outputs, inputs, rows, cols, dtype=torch.bool)
    mask[:, :, : rows // 2] = True
    mask[:, :, rows // 2, : cols // 2] = True
    after = torch.arange(outputs)[:, None] * channels // outputs  # group of each feature
    before = torch.arange(inputs)[None, :] * channels // inputs
    mask[:, :, rows // 2, cols // 2] = before < after if kind == "A" else before <= after
    return mask


def vertical_mask(outputs: int, inputs: int, kernel_size: int) -> Tensor:
    """The mask of the vertical stack of a Gated PixelCNN: the rows above and the whole of the pixel's own row.

    Its input is shifted down by one row before the first layer, so that its own row is already one above.

    Example:
        >>> vertical_mask(1, 1, 3)[0, 0].int()
        tensor([[1, 1, 1],
                [1, 1, 1],
                [0, 0, 0]], dtype=torch.int32)
    """
    mask = torch.zeros(outputs, inputs, kernel_size, kernel_size, dtype=torch.bool)
    mask[:, :, : kernel_size // 2 + 1] = True
    return mask


class MaskedConv2d(nn.Conv2d):
    """A convolution of which only some weights are used, with padding that keeps the size: y = (M * W) x + b.

    Rows below the centre and columns right of it that no mask uses are not computed: a 7x7 kernel costs as a 4x7 one.

    Args:
        mask: M, (outputs, inputs, rows, columns), as from `pixel_mask`.

    Example:
        >>> MaskedConv2d(pixel_mask(8, 1, 7, "A"))(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 8, 28, 28])
    """

    mask: Tensor

    def __init__(self, mask: ArrayLike) -> None:
        mask = torch.as_tensor(mask, dtype=torch.bool)
        outputs, inputs, rows, cols = mask.shape
        super().__init__(inputs, outputs, (rows, cols))
        self.register_buffer("mask", mask)
        self.top, self.left = rows // 2, cols // 2  # how far the kernel reaches up and to the left
        self.rows = rows if mask[:, :, self.top + 1 :].any() else self.top + 1
        self.cols = cols if mask[:, :, :, self.left + 1 :].any() else self.left + 1

    def kernel(self) -> Tensor:
        """The weights in use, (outputs, inputs, rows, columns)."""
        used = (..., slice(self.rows), slice(self.cols))
        return self.weight[used] * self.mask[used]

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, outputs, H, W) for x (B, inputs, H, W); with a cache, x is one pixel (B, inputs, 1, 1) or row of it."""
        if cache is None:
            pad = (self.left, self.cols - 1 - self.left, self.top, self.rows - 1 - self.top)
            return F.conv2d(F.pad(x, pad), self.kernel(), self.bias)
        if self not in cache.memory:
            right = self.cols - 1 - self.left
            cache.memory[self] = Rows(self.kernel()[:, :, : self.top + 1], self.bias, right, len(x), *cache.size)
        return cache.memory[self](x, *cache.at)
