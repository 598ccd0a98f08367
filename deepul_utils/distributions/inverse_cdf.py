"""x = min {k : F(k) > u}, u uniform on [0, 1): a draw from a law over 0 .. K - 1 as a function of its noise."""

from __future__ import annotations

from torch import Tensor


def inverse_cdf(logits: Tensor, u: Tensor) -> Tensor:
    """Draw from p = softmax(logits) by inverting its distribution function F.

    x = min {k : F(k) > u} with F(k) = p(0) + ... + p(k). Two samplers that are given the same noise and laws give the
    same values.

    Args:
        logits: (..., K).
        u: (...) uniform numbers in [0, 1).

    Returns:
        (...) integers in 0 .. K - 1.

    Example:
        >>> import torch
        >>> inverse_cdf(torch.tensor([0.5, 0.3, 0.2]).log(), torch.tensor([0.1, 0.6, 0.99]))
        tensor([0, 1, 2])
    """
    cdf = logits.softmax(-1).cumsum(-1)
    # F(K - 1) is 1, but its sum may round to less, so it is left out.
    return (cdf[..., :-1] <= u[..., None]).sum(-1)
