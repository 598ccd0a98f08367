"""Autoregressive: log p(x) = sum_i log p(x_i | x_j for every j before i), each conditional a softmax over K values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from deepul_utils.distributions.inverse_cdf import inverse_cdf
from deepul_utils.nn.ordering import as_order, image_sizes, raster


class Autoregressive(nn.Module):
    """The probability that the models of week 2 share; a model adds its network.

    A subclass defines `forward(x, y)`, the logits of every conditional in one pass. One that can do better than a
    whole pass for each dimension of a sample also defines `walk`.

    Args:
        shape: of one example: (D,) or (T,) for a sequence, (H, W) for a grey image, (C, H, W) for a coloured one.
        num_values: K; every dimension takes the values 0..K-1.
        num_classes: classes y to condition on; 0 for none.
        order: (D,) position of each dimension of a flattened example in the ordering; by default the raster.

    Raises:
        ValueError: a size that is no size, an `order` that is no ordering; x or y of another shape or other values.

    Example:
        >>> class Uniform(Autoregressive):
        ...     def forward(self, x, y=None):
        ...         return torch.zeros(*x.shape, self.num_values)
        >>> Uniform((2, 2), num_values=4).log_prob(torch.tensor([[[3, 1], [0, 2]]]))  # -4 log 4
        tensor([-5.5452])
    """

    order: Tensor
    grid: Tensor

    def __init__(
        self, shape: Sequence[int], num_values: int, num_classes: int = 0, order: ArrayLike | None = None
    ) -> None:
        super().__init__()
        if not (1 <= len(shape) <= 3 and min(shape) >= 1 and num_values >= 2):
            raise ValueError(f"give 1 to 3 sizes of at least 1 and 2 values or more, got {tuple(shape)}, {num_values}")
        self.shape, self.num_values, self.num_classes = tuple(shape), num_values, num_classes
        self.channels, self.height, self.width = image_sizes(shape)
        self.register_buffer("order", raster(shape) if order is None else as_order(order, prod(shape)))
        self.register_buffer("grid", torch.linspace(-1, 1, num_values), persistent=False)

    def conditionals(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits of every p(x_i | earlier x, y): x (B, *shape) integers, y (B,) classes; (B, *shape, K) out."""
        return self(self._checked(x), self._labels(y, len(x)))

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x | y) in nats, (B,)."""
        logits = self.conditionals(x, y)
        # Autocast leaves a sum of hundreds of terms 8 bits on a CPU, 24 on a GPU: 24 on both.
        log_p = logits.log_softmax(-1, torch.promote_types(logits.dtype, torch.float))  # (B, *shape, K)
        return log_p.gather(-1, x.long()[..., None]).flatten(1).sum(1)

    def loss(self, batch: Tensor | tuple[Tensor, ...]) -> Tensor:
        """-log p(x), or -log p(x | y) for a batch (x, y): the mean in nats per example."""
        x, y = batch if isinstance(batch, tuple) else (batch, None)
        return -self.log_prob(x, y).mean()

    def sample(self, n: int, y: Tensor | None = None, u: Tensor | None = None) -> Tensor:
        """n examples, (n, *shape), by a walk that keeps what the network knows of the dimensions already visited.

        Args:
            n: how many.
            y: (n,) their classes, for a conditional model.
            u: (n, *shape) uniform noise in [0, 1), from which each value is drawn by `inverse_cdf`; by default fresh.
        """
        return self._follow(self.walk, n, y, u)

    def sample_naively(self, n: int, y: Tensor | None = None, u: Tensor | None = None) -> Tensor:
        """What `sample` gives for the same noise, by a pass over all of x for each dimension."""
        return self._follow(self.naive_walk, n, y, u)

    def walk(self, x: Tensor, y: Tensor | None = None) -> Iterator[Tensor]:
        """Visit the dimensions of x in order: yields the logits (n, K) of each, and reads its values when resumed.

        What the layers keep is no part of a graph, so walk under `torch.no_grad()`.
        """
        return self.naive_walk(x, y)

    def naive_walk(self, x: Tensor, y: Tensor | None = None) -> Iterator[Tensor]:
        """`walk`, from the definition."""
        for i in self.order.argsort(stable=True):
            yield self(x, y).flatten(1, -2)[:, i]

    @torch.no_grad()
    def _follow(
        self, walk: Callable[[Tensor, Tensor | None], Iterator[Tensor]], n: int, y: Tensor | None, u: Tensor | None
    ) -> Tensor:
        u = self._noise(u, n)
        x = torch.zeros(n, *self.shape, dtype=torch.long, device=u.device)
        visits = self.order.argsort(stable=True).tolist()
        for i, logits in zip(visits, walk(x, self._labels(y, n)), strict=True):
            x.view(n, -1)[:, i] = inverse_cdf(logits, u.view(n, -1)[:, i])
        return x

    def _checked(self, x: Tensor) -> Tensor:
        if x.shape[1:] != self.shape:
            raise ValueError(f"x must be (B, {', '.join(map(str, self.shape))}), got {tuple(x.shape)}; reshape it")
        if x.is_floating_point() or not ((x >= 0) & (x < self.num_values)).all():
            raise ValueError(f"x must be integers from 0 to {self.num_values - 1}; put the data on the grid first")
        return x.long()

    def _labels(self, y: Tensor | None, n: int) -> Tensor | None:
        if y is None and self.num_classes == 0:
            return None
        if self.num_classes == 0:
            raise ValueError("this model knows no classes: leave y out, or build it with num_classes")
        if y is None or y.shape != (n,) or y.is_floating_point() or not ((y >= 0) & (y < self.num_classes)).all():
            raise ValueError(f"y must be {n} classes, integers from 0 to {self.num_classes - 1}, one for each example")
        return y.to(self.order.device)

    def _noise(self, u: Tensor | None, n: int) -> Tensor:
        if u is None:
            return torch.rand(n, *self.shape, device=self.order.device)
        if u.shape != (n, *self.shape):
            raise ValueError(f"the noise u must have shape {(n, *self.shape)}, got {tuple(u.shape)}")
        return u.to(self.order.device)

    def _image(self, x: Tensor, r: int | None = None, c: int | None = None) -> Tensor:
        """x as (B, C, H, W), or the pixel at row r and column c of it, (B, C, 1, 1)."""
        image = x.reshape(len(x), self.channels, self.height, self.width)
        return image if r is None else image[:, :, r, c, None, None]

    def _pixels(self, x: Tensor, r: int | None = None, c: int | None = None) -> Tensor:
        """`_image` with the values spread from -1 to 1, where 0, which pads the borders, is in the middle."""
        return self.grid[self._image(x, r, c)]
