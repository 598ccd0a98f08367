"""bits/dim = nats / (D ln 2): the one place where nats become bits per dimension."""

from __future__ import annotations

import math
from typing import TypeVar

Number = TypeVar("Number", bound="float")


def bits_per_dim(nats: Number, dims: int) -> Number:
    """Bits per dimension of a negative log-likelihood, nats / (D ln 2).

    Args:
        nats: -log p(x) in nats per example: a number, an array or a tensor.
        dims: D, how many values an example has (for an image C * H * W).

    Raises:
        ValueError: `dims` is not positive.

    Example:
        >>> round(bits_per_dim(8 * math.log(256), 8), 6)  # eight uniform bytes
        8.0
    """
    if dims < 1:
        raise ValueError(f"dims must be at least 1, got {dims}; count channels, rows and columns")
    return nats / (dims * math.log(2))  # type: ignore[return-value]
