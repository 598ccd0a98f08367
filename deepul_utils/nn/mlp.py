"""MLP: linear layers with a ReLU between, y = W_L relu(... relu(W_1 x + b_1) ...) + b_L."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn


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
