"""tanh(a) * sigmoid(b): half of the features open and close a gate for the other half."""

from __future__ import annotations

from torch import Tensor


def gate(h: Tensor, groups: int = 1) -> Tensor:
    """tanh(a) * sigmoid(b), with a the first and b the second half of the channels, or of each group of channels.

    Args:
        h: (B, 2 F, ...).
        groups: equal parts of the channels that must not mix, such as R, G and B.

    Returns:
        (B, F, ...).

    Paper: van den Oord et al., "Conditional Image Generation with PixelCNN Decoders" (2016), equation 2.

    Example:
        >>> import torch
        >>> gate(torch.tensor([[100.0, -100.0, 0.0, 100.0]]))
        tensor([[ 0.5000, -1.0000]])
    """
    a, b = h.unflatten(1, (groups, 2, -1)).unbind(2)
    return (a.tanh() * b.sigmoid()).flatten(1, 2)
