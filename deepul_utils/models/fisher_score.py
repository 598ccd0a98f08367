"""Fisher score: g(x) = grad_theta log p_theta(x), an example described by how the model would have to change."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn


class _Law(Protocol):
    def log_prob(self, x: Tensor) -> Tensor: ...


def fisher_scores(model: _Law, x: Tensor) -> Tensor:
    """The gradient of log p(x) in all parameters of the model, for each example by itself.

    Under the model the scores have the mean 0, and their covariance is the Fisher information.

    Args:
        model: an nn.Module with `log_prob`.
        x: (B, ...) examples.

    Returns:
        (B, P) for P parameters, in nats per unit of each, in the order of `model.parameters()`.

    Raises:
        TypeError: the model is no nn.Module.

    Paper: Jaakkola and Haussler, "Exploiting Generative Models in Discriminative Classifiers" (1999).

    Example:
        >>> from deepul_utils.models.histogram import Histogram
        >>> fisher_scores(Histogram(4), torch.tensor([0, 3]))  # one-hot minus probabilities
        tensor([[ 0.7500, -0.2500, -0.2500, -0.2500],
                [-0.2500, -0.2500, -0.2500,  0.7500]])
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"the model must be an nn.Module, whose parameters it is about, got {type(model).__name__}")
    parameters = list(model.parameters())
    rows = []
    for example in x:
        gradients = torch.autograd.grad(model.log_prob(example[None])[0], parameters)
        rows.append(torch.cat([gradient.flatten() for gradient in gradients]))
    return torch.stack(rows)
