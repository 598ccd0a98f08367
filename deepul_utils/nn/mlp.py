"""MLP: linear layers with a ReLU between, y = W_L relu(... relu(W_1 x + b_1) ...) + b_L."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F


class MLP(nn.Sequential):
    """A multilayer perceptron, from (B, inputs) to (B, outputs).

    Args:
        inputs: width of the input.
        outputs: width of the output, which no ReLU follows.
        hidden: widths of the hidden layers.

    Example:
        >>> MLP(3, 1, hidden=[8])
        MLP(
          (0): Linear(in_features=3, out_features=8, bias=True)
          (1): ReLU()
          (2): Linear(in_features=8, out_features=1, bias=True)
        )
    """

    def __init__(self, inputs: int, outputs: int, hidden: Sequence[int] = (64, 64)) -> None:
        widths = [inputs, *hidden]
        layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
        super().__init__(*layers, nn.Linear(widths[-1], outputs))

    @property
    def has_parts(self) -> bool:
        """Whether `part` holds: what was put in the place of the first or the last layer may mix what it gets."""
        return all(isinstance(layer, nn.Linear) and layer.bias is not None for layer in (self[0], self[-1]))

    def part(self, x: Tensor, inputs: Tensor | slice, outputs: Tensor) -> Tensor:
        """Some outputs, (B, len(outputs)), where all inputs but some are 0: no more is computed than that takes.

        Args:
            x: (B, len(inputs)) the values of these inputs.
            inputs: their indices.
            outputs: the indices of the outputs that are wanted.

        Example:
            >>> import torch
            >>> net, x = MLP(3, 2, hidden=[8]), torch.tensor([[0.0, 5.0, 0.0]])
            >>> torch.allclose(net.part(x[:, [1]], torch.tensor([1]), torch.tensor([0])), net(x)[:, [0]], atol=1e-6)
            True
        """
        first, last = self[0], self[-1]
        for layer in self:
            if isinstance(layer, nn.Linear) and (layer is first or layer is last):
                weight = layer.weight[:, inputs] if layer is first else layer.weight
                rows = outputs if layer is last else slice(None)
                x = F.linear(x, weight[rows], layer.bias[rows])
            else:
                x = layer(x)
        return x
