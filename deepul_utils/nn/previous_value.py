"""h_t = e(x_{t-1}) + place_t + b_y: what a sequence model reads before it predicts x_t."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepul_utils.nn.cache import Cache
from deepul_utils.nn.conditioning import ClassBias


class Coordinates(nn.Module):
    """A linear map of where a dimension lies, each of its coordinates scaled from -1 at one end to 1 at the other.

    Args:
        shape: of one example: (T,), (H, W) or (C, H, W).
        width: of the output.

    Example:
        >>> place = Coordinates((2, 3), width=8)
        >>> place.table.tolist()
        [[-1.0, -1.0], [-1.0, 0.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 0.0], [1.0, 1.0]]
    """

    table: Tensor

    def __init__(self, shape: Sequence[int], width: int) -> None:
        super().__init__()
        ends = [torch.linspace(-1, 1, size) for size in shape]
        self.register_buffer("table", torch.stack(torch.meshgrid(*ends, indexing="ij"), -1).flatten(0, -2))
        self.linear = nn.Linear(len(shape), width, bias=False)

    def forward(self, dims: Tensor) -> Tensor:
        """(T, width) for T dimensions, given by their indices in a flattened example."""
        return self.linear(self.table[dims])


class PreviousValue(nn.Module):
    """The input of a sequence model at step t: the value just seen, where the next one lies, and the class.

    The shift by one is what lets the network itself see the present: x_{t-1} is all there is of it. At the first step
    a start token takes the place of a value.

    Args:
        order: (D,) position of each dimension in the ordering.
        num_values: K.
        width: of the vectors h_t.
        num_classes: classes to condition on; 0 for none.
        place: maps indices of dimensions to vectors, as `Coordinates` or an embedding does.
    """

    visits: Tensor

    def __init__(
        self, order: Tensor, num_values: int, width: int, num_classes: int = 0, place: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.register_buffer("visits", order.argsort())
        self.start = num_values
        self.table = nn.Embedding(num_values + 1, width)
        self.place = place
        self.bias = ClassBias(num_classes, width, axis=-1)

    def forward(self, x: Tensor, y: Tensor | None = None, steps: slice = slice(None)) -> Tensor:
        """(B, T, width), one vector for each of the T steps, in the order of the visits."""
        before = F.pad(x.flatten(1)[:, self.visits[:-1]], (1, 0), value=self.start)  # (B, D)
        h = self.table(before[:, steps])
        if self.place is not None:
            h = h + self.place(self.visits[steps])
        return self.bias(h, y)

    def walk(self, network: Callable[[Tensor, Cache], Tensor], x: Tensor, y: Tensor | None) -> Iterator[Tensor]:
        """The output (B, K) of `network` at one step after the other, each read from what x holds by then."""
        cache = Cache(len(self.visits))
        for t in range(len(self.visits)):
            cache.at = (t,)
            yield network(self(x, y, slice(t, t + 1)), cache)[:, 0]
