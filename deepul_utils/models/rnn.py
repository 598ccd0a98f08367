"""RNN: p(x_t | x_0 .. x_{t-1}) = softmax(V h_t)_{x_t}, h_t = f(h_{t-1}, x_{t-1}): the state carries all of the past."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from torch import Tensor, nn

from deepul_utils.models.autoregressive import Autoregressive
from deepul_utils.nn.cache import Cache
from deepul_utils.nn.previous_value import Coordinates, PreviousValue


class RNN(Autoregressive):
    """A recurrent network that reads text character by character, or an image pixel by pixel in raster order.

    Without coordinates no parameter depends on the length of a sequence, so that the weights of an `RNN((64,), K)` fit
    an `RNN((1000,), K)`, which samples longer text.

    Args:
        shape: of one example: (T,), (H, W) or (C, H, W).
        num_values: K.
        width: of the state.
        coordinates: whether the network is told where the pixel lies that it predicts.
        num_classes: classes to condition on; 0 for none.
        cell: nn.LSTM, nn.GRU or nn.RNN.

    References:
        Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997).

    Example:
        >>> model = RNN((8, 8), num_values=17, coordinates=True)
        >>> model.sample(3).shape
        torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        shape: Sequence[int],
        num_values: int = 2,
        width: int = 128,
        coordinates: bool = False,
        num_classes: int = 0,
        cell: Callable[..., nn.RNNBase] = nn.LSTM,
    ) -> None:
        super().__init__(shape, num_values, num_classes)
        place = Coordinates(shape, width) if coordinates else None
        self.embed = PreviousValue(self.order, num_values, width, num_classes, place)
        self.recurrent = cell(width, width, batch_first=True)
        self.out = nn.Linear(width, num_values)

    def network(self, h: Tensor, cache: Cache | None = None) -> Tensor:
        """Logits (B, T, K) for inputs h (B, T, width); a cache keeps the state."""
        state = None if cache is None else cache.memory.get(self.recurrent)
        h, state = self.recurrent(h, state)
        if cache is not None:
            cache.memory[self.recurrent] = state
        return self.out(h)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        logits = self.network(self.embed(x, y))  # (B, D, K), in the order of the visits
        return logits[:, self.order].view(*x.shape, -1)

    def walk(self, x: Tensor, y: Tensor | None = None) -> Iterator[Tensor]:
        return self.embed.walk(self.network, x, y)
