"""Gated PixelCNN: a vertical stack sees the rows above, a horizontal one what is left of the pixel: no blind spot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from deepul_utils.models.autoregressive import Autoregressive
from deepul_utils.nn.cache import Cache
from deepul_utils.nn.conditioning import ClassBias
from deepul_utils.nn.gate import gate
from deepul_utils.nn.masked import MaskedConv2d, pixel_mask, vertical_mask


class GatedLayer(nn.Module):
    """v' = gate(z), z = W_v * v + b_y, and h' = h + U gate(W_h * h + V z + c_y), with gate(a, b) = tanh(a) sigmoid(b).

    The first layer, of kind A, has no h + before its output: h there is the image, which holds the pixel itself.

    Args:
        inputs: features of v and h.
        width: features of v' and h'.
        kernel_size: odd.
        kind: A for the first layer, B for the others.
        channels: of the data, each with a group of the features of h of its own.
        num_classes: classes to condition on; 0 for none.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        kernel_size: int,
        kind: Literal["A", "B"],
        channels: int = 1,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        self.channels, self.residual = channels, kind == "B"
        self.down = MaskedConv2d(vertical_mask(2 * width, inputs, kernel_size))
        self.down_bias = ClassBias(num_classes, 2 * width)
        self.across = nn.Conv2d(2 * width, 2 * width, 1)  # V: whole rows above, so that no group need be masked
        self.right = MaskedConv2d(pixel_mask(2 * width, inputs, (1, kernel_size), kind, channels))
        self.right_bias = ClassBias(num_classes, 2 * width)
        self.out = MaskedConv2d(pixel_mask(width, width, 1, "B", channels))

    def vertical(self, v: Tensor, y: Tensor | None, cache: Cache | None = None) -> tuple[Tensor, Tensor]:
        """v', and what it tells the horizontal stack."""
        v = self.down_bias(self.down(v, cache), y)
        return gate(v), self.across(v)

    def horizontal(self, h: Tensor, told: Tensor, y: Tensor | None, cache: Cache | None = None) -> Tensor:
        """h'; the gate pairs features of the same channel's group."""
        z = gate(self.right_bias(self.right(h, cache) + told, y), self.channels)
        return h + self.out(z, cache) if self.residual else self.out(z, cache)


class GatedPixelCNN(Autoregressive):
    """Two stacks of masked convolutions with gates; between them they see every earlier pixel.

    The vertical stack reads the image shifted down by one row, once, before its first layer: from there on each layer
    may see its own row. Shifting again in every layer would leave rows out, and a blind spot with them.

    Args:
        image_shape: (H, W) or (C, H, W).
        num_values: K.
        width: features of each stack, a multiple of C.
        layers: gated layers, the first of kind A.
        kernel_size: odd.
        num_classes: classes to condition on; 0 for none.
        layer: `layer(inputs, width, kernel_size, kind, channels, num_classes)`, as `GatedLayer`.

    Paper: van den Oord et al., "Conditional Image Generation with PixelCNN Decoders" (2016).

    Example:
        >>> import torch
        >>> model = GatedPixelCNN((8, 8), num_values=17, width=16, layers=3, num_classes=10)
        >>> model.sample(2, y=torch.tensor([3, 8])).shape
        torch.Size([2, 8, 8])
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        num_values: int = 2,
        width: int = 64,
        layers: int = 7,
        kernel_size: int = 7,
        num_classes: int = 0,
        layer: Callable[..., nn.Module] = GatedLayer,
    ) -> None:
        super().__init__(image_shape, num_values, num_classes)
        C = self.channels
        self.layers = nn.ModuleList(
            layer(C if kind == "A" else width, width, kernel_size, kind, C, num_classes)
            for kind in "A" + "B" * (layers - 1)
        )
        self.hidden = MaskedConv2d(pixel_mask(width, width, 1, "B", C))
        self.last = MaskedConv2d(pixel_mask(C * num_values, width, 1, "B", C))

    def vertical(self, v: Tensor, y: Tensor | None = None, cache: Cache | None = None) -> list[Tensor]:
        """What each layer of the vertical stack tells the horizontal one; v is the image, shifted down by one row."""
        messages = []
        for layer in self.layers:
            v, told = layer.vertical(v, y, cache)  # type: ignore[operator]
            messages.append(told)
        return messages

    def horizontal(
        self, h: Tensor, messages: Sequence[Tensor], y: Tensor | None = None, cache: Cache | None = None
    ) -> Tensor:
        """Logits (B, C, K, H, W) for an image h (B, C, H, W)."""
        for layer, told in zip(self.layers, messages, strict=True):
            h = layer.horizontal(h, told, y, cache)  # type: ignore[operator]
        return self.last(self.hidden(h.relu(), cache).relu(), cache).unflatten(1, (self.channels, -1))

    def network(self, image: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits (B, C, K, H, W) for an image (B, C, H, W) of numbers from -1 to 1."""
        return self.horizontal(image, self.vertical(_shifted_down(image), y), y)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.network(self._pixels(x), y).movedim(2, -1).reshape(*x.shape, -1)

    def walk(self, x: Tensor, y: Tensor | None = None) -> Iterator[Tensor]:
        cache = Cache(self.height, self.width)
        for r in range(self.height):
            cache.at = r, 0
            messages = self.vertical(_shifted_down(self._pixels(x))[:, :, r : r + 1], y, cache)  # a row at once
            for c in range(self.width):
                cache.at = r, c
                told = [message[..., c : c + 1] for message in messages]
                for channel in range(self.channels):
                    yield self.horizontal(self._pixels(x, r, c), told, y, cache)[:, channel, :, 0, 0]
                # Now that the pixel is known, the first layer keeps it.
                self.layers[0].right(self._pixels(x, r, c), cache)  # type: ignore[operator]


def _shifted_down(image: Tensor) -> Tensor:
    return F.pad(image, (0, 0, 1, -1))
