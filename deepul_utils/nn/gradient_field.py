"""|d output / d input|: what one output of a network sees, measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def gradient_field(network: Callable[[Tensor], Tensor], inputs: Tensor, at: tuple[int, ...]) -> Tensor:
    """How much the outputs at one position move with each input: the sum of |d outputs[..., at] / d inputs|.

    It is exactly 0 where nothing leads from the input to the output. Several random examples keep a ReLU that is shut
    for one of them from hiding a path.

    Args:
        network: maps (B, ..., *positions) to (B, ..., *positions).
        inputs: a batch of examples.
        at: indices of the last axes of the output, such as (row, column).

    Returns:
        Of the shape of one example.

    Example:
        >>> average = torch.nn.AvgPool1d(3, stride=1, padding=1)
        >>> gradient_field(average, torch.randn(4, 1, 6), at=(2,)) > 0
        tensor([[False,  True,  True,  True, False, False]])
    """
    inputs = inputs.detach().requires_grad_()
    position: tuple[Any, ...] = (..., *at)
    outputs = network(inputs)[position].reshape(len(inputs), -1)  # (B, outputs at the position)
    each = (torch.autograd.grad(out.sum(), inputs, retain_graph=True)[0].abs() for out in outputs.unbind(1))
    return sum(each, torch.zeros_like(inputs)).sum(0)
