"""Numbers with a gradient that backpropagation by itself would not find: after a draw, and after a rounding."""

from __future__ import annotations

from torch import Tensor


def score_function(f: Tensor, log_q: Tensor) -> Tensor:
    """f, whose gradient is the leave-one-out score-function estimate of that of E_q[f].

    f_k + [f_k - b_k] (log q(z_k) - [log q(z_k)]), where b_k is the mean of f over the other
    draws, and brackets are constants. The value is f's own, so that it can be shown. Its mean
    over draws has an unbiased gradient, in the parameters of q and in those of f.

    Args:
        f: (K, ...) f(z_k) of K >= 2 independent draws z_k of q, made by `sample`, so that no
            gradient passes through them.
        log_q: (K, ...) log q(z_k).

    Returns:
        (K, ...).

    Raises:
        ValueError: fewer than two draws, or shapes that differ.

    References:
        Williams (1992), Simple statistical gradient-following algorithms; Kool et al. (2019),
        Buy 4 REINFORCE samples, get a baseline for free!

    Example:
        >>> import torch
        >>> loc = torch.zeros(2, requires_grad=True)
        >>> q = torch.distributions.Normal(loc, 1.0)
        >>> z = torch.tensor([[0.5, 0.5], [-1.0, 1.5]])
        >>> f = score_function((z - 1) ** 2, q.log_prob(z))
        >>> f.tolist(), torch.autograd.grad(f.mean(0).sum(), loc)
        ([[0.25, 0.25], [4.0, 0.25]], (tensor([-2.8125,  0.0000]),))
    """
    if f.shape != log_q.shape:
        shapes = f"{tuple(f.shape)}, {tuple(log_q.shape)}"
        raise ValueError(f"f and log_q must have the same shape (K, ...), got {shapes}")
    if len(f) < 2:
        raise ValueError("a draw's baseline is the mean of the others; give two draws or more")
    baseline = (f.sum(0) - f) / (len(f) - 1)
    return f + (f - baseline).detach() * (log_q - log_q.detach())


def straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """hard, with the gradient of soft: [hard] + soft - [soft], where brackets are constants.

    The gradient is that of another function, and biased unless what follows is linear.

    Args:
        hard: any shape, such as a one-hot draw or a rounded number.
        soft: as `hard`, such as the probabilities or the number before it was rounded.

    Raises:
        ValueError: shapes that differ.

    References:
        Bengio et al. (2013), Estimating or propagating gradients through stochastic neurons.

    Example:
        >>> import torch
        >>> x = torch.tensor([0.2, 0.7], requires_grad=True)
        >>> rounded = straight_through(x.round(), x)
        >>> rounded.tolist(), torch.autograd.grad((rounded**2).sum(), x)
        ([0.0, 1.0], (tensor([0., 2.]),))
    """
    if hard.shape != soft.shape:
        raise ValueError(f"hard and soft must have the same shape, got {tuple(hard.shape)}, {tuple(soft.shape)}")
    return hard.detach() + (soft - soft.detach())
