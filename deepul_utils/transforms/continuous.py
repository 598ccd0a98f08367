"""z = x(1), where x(0) = x and dx/dt = v(x, t); log|det dz/dx| is the integral of tr(dv/dx) along the way."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from deepul_utils.transforms.transform import Transform


class ContinuousFlow(Transform):
    """Points drift for one unit of time with the velocity that a network gives; to invert, the film runs backwards.

    An adaptive Runge–Kutta solver (dopri5 of torchdiffeq) chooses the steps, and gradients go back through them. No
    two paths meet, so any smooth network will do, with a Jacobian of any form: only its trace is needed. Exactly, that
    takes one derivative for each dimension. By Hutchinson's estimate, tr J = E[e^T J e] for signs e of +1 and -1, it
    takes one for each probe; e stays the same along the way, or the solver would see noise where it expects a smooth
    function.

    Args:
        velocity: maps x (B, D) and t () to (B, D), smooth in both.
        probes: number of vectors e; None for the exact trace.
        tolerance: largest local error of the solver, absolute and relative.

    Raises:
        ModuleNotFoundError: torchdiffeq is not installed.

    Paper: Grathwohl et al., "FFJORD: Free-form Continuous Dynamics for Scalable Reversible Generative Models" (2019).

    Example:
        >>> class Outwards(nn.Module):
        ...     def forward(self, x, t):
        ...         return x
        >>> with torch.no_grad():
        ...     ContinuousFlow(Outwards())(torch.tensor([[1.0, -2.0]]))  # e x; the trace is 2 all along
        (tensor([[ 2.7183, -5.4366]]), tensor([2.0000]))
    """

    def __init__(self, velocity: nn.Module, probes: int | None = None, tolerance: float = 1e-5) -> None:
        super().__init__()
        self.velocity, self.probes, self.tolerance = velocity, probes, tolerance
        try:
            from torchdiffeq import odeint
        except ModuleNotFoundError as missing:
            raise ModuleNotFoundError("ContinuousFlow needs torchdiffeq: run pip install torchdiffeq") from missing
        self._odeint = odeint

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        positions, log_dets = self.path(x, torch.tensor([0.0, 1.0]))
        return positions[-1], log_dets[-1]

    def inverse(self, z: Tensor) -> Tensor:
        return self._solve(lambda t, x: (self.velocity(x[0], t),), (z,), torch.tensor([1.0, 0.0]))[0][-1]

    def path(self, x: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
        """Where x is at each of the times, (T, B, D), and the log-determinant up to there, (T, B).

        Args:
            x: (B, D) the positions at the first of the times.
            times: (T,) numbers that rise, or fall.
        """
        directions = basis(x) if self.probes is None else signs(x, self.probes)

        def drift(t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            return velocity_and_trace(lambda x: self.velocity(x, t), state[0], directions)

        positions, log_dets = self._solve(drift, (x, torch.zeros_like(x[:, 0])), times)
        return positions, log_dets

    def _solve(self, drift: Callable, state: tuple[Tensor, ...], times: Tensor) -> tuple[Tensor, ...]:
        tolerances = {"rtol": self.tolerance, "atol": self.tolerance}
        return self._odeint(drift, state, times.to(state[0]), method="dopri5", **tolerances)


def velocity_and_trace(v: Callable[[Tensor], Tensor], x: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """v(x), (B, D), and sum_k e_k^T (dv/dx) e_k, (B,), by one derivative of the k B rows together.

    Args:
        v: maps (B, D) to (B, D), each row by itself.
        x: (B, D).
        directions: (k, B, D), the e_k: `basis(x)` for the trace, `signs(x, k)` for an unbiased estimate.

    Example:
        >>> x = torch.tensor([[1.0, 2.0]])
        >>> with torch.no_grad():
        ...     velocity_and_trace(torch.square, x, basis(x))  # the trace is 2 x_0 + 2 x_1
        (tensor([[1., 4.]]), tensor([6.]))
    """
    wanted = torch.is_grad_enabled()
    with torch.enable_grad():  # the derivative with respect to x is needed in any case
        x = x.repeat(len(directions), 1)  # (k B, D)
        value = v(x if x.requires_grad else x.requires_grad_())
        (change,) = torch.autograd.grad(value, x, directions.flatten(0, 1), create_graph=wanted)
    if not wanted:
        value = value.detach()
    return value.view_as(directions)[0], (directions * change.view_as(directions)).sum((0, 2))


def basis(x: Tensor) -> Tensor:
    """The D unit vectors, for each row of x (B, D): (D, B, D)."""
    return torch.eye(x.shape[1], dtype=x.dtype, device=x.device)[:, None].expand(-1, *x.shape)


def signs(x: Tensor, k: int) -> Tensor:
    """k vectors of random signs, over sqrt(k), for each row of x (B, D): (k, B, D)."""
    return (2 * torch.randint(2, (k, *x.shape), device=x.device) - 1).to(x.dtype) / k**0.5
