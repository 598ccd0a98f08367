"""log p(x) = log p_base(z) + sum of log|dz_i / dx_i| over dimensions and layers, each autoregressive in x or in z."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import torch
from torch import Tensor, nn

from deepul_utils.models.flow import Flow
from deepul_utils.models.pixelcnn import PixelCNN
from deepul_utils.nn.cache import Cache
from deepul_utils.nn.masked_mlp import MaskedMLP
from deepul_utils.transforms.autoregressive import MaskedAutoregressive
from deepul_utils.transforms.element import Element
from deepul_utils.transforms.transform import Composition, Inverse, Transform


class AutoregressiveFlow(Flow):
    """Masked autoregressive layers with a masked MLP each, every other one in the reverse ordering.

    One layer in the order of the data's dimensions is an AF: a density takes one pass, a sample D. With `inverse` the
    layers are turned round, an IAF: a sample takes one pass, a density D.

    Args:
        dims: D.
        element: of every layer; its parameters come from the masked MLPs.
        layers: how many.
        hidden: widths of the masked MLPs' hidden layers.
        inverse: whether the layers are those of an IAF.
        base: as in `Flow`.

    Example:
        >>> from deepul_utils.transforms.element import ScaleAndShift
        >>> model = AutoregressiveFlow(2, ScaleAndShift(), layers=4)
        >>> model.log_prob(torch.zeros(5, 2)).shape
        torch.Size([5])
    """

    def __init__(
        self,
        dims: int,
        element: Element,
        layers: int = 1,
        hidden: Sequence[int] = (64, 64),
        inverse: bool = False,
        base: nn.Module | None = None,
    ) -> None:
        forwards = torch.arange(dims)
        orders = [forwards.flip(0) if layer % 2 else forwards for layer in range(layers)]
        nets = [MaskedMLP(dims, element.num_params, hidden, order) for order in orders]
        transforms: list[Transform] = [MaskedAutoregressive(net, element) for net in nets]
        if inverse:
            transforms = [Inverse(transform) for transform in transforms]
        super().__init__((dims,), Composition(*transforms), base)


class PixelFlow(Flow):
    """A PixelCNN whose outputs are the parameters of an element for each pixel, given the pixels before it.

    With a mixture's distribution function for an element it is week 2's PixelCNN for continuous values.

    Args:
        image_shape: (H, W) or (C, H, W) of images whose values are about -1 to 1.
        element: of every pixel and channel.
        width: features of the PixelCNN.
        layers: its blocks with a large kernel.
        kernel_size: odd.
        base: as in `Flow`.

    Example:
        >>> from deepul_utils.transforms.logistic_mixture import LogisticMixture
        >>> model = PixelFlow((8, 8), LogisticMixture(components=2), width=8, layers=1)
        >>> model.log_prob(torch.zeros(3, 8, 8)).shape
        torch.Size([3])
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        element: Element,
        width: int = 64,
        layers: int = 5,
        kernel_size: int = 7,
        base: nn.Module | None = None,
    ) -> None:
        cnn = PixelCNN(image_shape, element.num_params, width, layers, kernel_size)
        super().__init__(image_shape, MaskedAutoregressive(_PixelParams(cnn), element), base)


class _PixelParams(nn.Module):
    """(B, *image_shape) real numbers to (B, *image_shape, P), what a PixelCNN gives in place of logits."""

    def __init__(self, cnn: PixelCNN) -> None:
        super().__init__()
        self.cnn = cnn

    @property
    def order(self) -> Tensor:
        return self.cnn.order

    def forward(self, x: Tensor) -> Tensor:
        return self.cnn.network(self._image(x)).movedim(2, -1).reshape(*x.shape, -1)

    def walk(self, x: Tensor) -> Iterator[Tensor]:
        """The parameters (B, P) of each dimension in the raster's order, from layers that keep what they know."""
        image, cache = self._image(x), Cache(self.cnn.height, self.cnn.width)
        for r, c in product(range(self.cnn.height), range(self.cnn.width)):
            cache.at = r, c
            for channel in range(self.cnn.channels):
                yield self.cnn.network(image[:, :, r, c, None, None], None, cache)[:, channel, :, 0, 0]
            self.cnn.first(image[:, :, r, c, None, None], cache)  # which keeps the pixel, now that it is known

    def _image(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), self.cnn.channels, self.cnn.height, self.cnn.width)
