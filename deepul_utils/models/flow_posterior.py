"""Flow posterior: log q(z | x) = log N(e; mu, s^2) - log|det dz/de|, with z = f(e; x) and mu, s from an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, constraints

from deepul_utils.distributions.independent import DiagonalNormal
from deepul_utils.nn.masked_mlp import MaskedMLP
from deepul_utils.transforms.autoregressive import MaskedAutoregressive
from deepul_utils.transforms.element import Element, ScaleAndShift
from deepul_utils.transforms.transform import Composition, Transform


class Flowed(Distribution):
    """The law of z = f(e) for e of a simpler law: log q(z) = log q_0(e) - log|det df/de|.

    A draw comes through `f.forward`, and its log-density comes along. It is remembered, so that
    `log_prob` of what `rsample` has just returned costs nothing. Any other z has to be carried
    back by `f.inverse`.

    Args:
        start: q_0, with `rsample` and `log_prob`, a law of (Z,) numbers for each of B examples.
        transform: f, of noise (..., Z) given row by row, the rows of one example B apart.

    Example:
        >>> from deepul_utils.transforms.elementwise import Scale
        >>> q = Flowed(DiagonalNormal(torch.zeros(1, 4)), Scale(2.0))
        >>> q.log_prob(torch.zeros(1, 2))  # -log 2 pi - 2 log 2
        tensor([-3.2242])
        >>> z = q.rsample((5,))  # (5, 1, 2)
        >>> torch.allclose(q.log_prob(z), q.log_prob(z.clone()))
        True
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, start: Distribution, transform: Transform) -> None:
        super().__init__(start.batch_shape, start.event_shape, validate_args=False)
        self.start, self.transform = start, transform
        self._drawn: tuple[Tensor, int, Tensor] | None = None

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """(*sample_shape, B, Z), one pass of f; gradients pass through it."""
        noise = self.start.rsample(torch.Size(sample_shape))
        z, log_det = self.transform(noise.flatten(0, -2))
        z = z.view_as(noise)
        self._drawn = z, z._version, self.start.log_prob(noise) - log_det.view(z.shape[:-1])
        return z

    def log_prob(self, value: Tensor) -> Tensor:
        """log q(z) in nats, (*sample_shape, B), of z (*sample_shape, B, Z); B may be 1."""
        if self._drawn is not None:
            z, version, log_q = self._drawn
            if value is z and z._version == version:  # and not changed in place since
                return log_q
        z = value.expand(*value.shape[:-2], *self.batch_shape, *self.event_shape)
        noise = self.transform.inverse(z.flatten(0, -2))
        log_det = self.transform(noise)[1]
        return self.start.log_prob(noise.view(z.shape)) - log_det.view(z.shape[:-1])


class IAF(nn.Module):
    """Makes q(z | x) of an encoder's output: a diagonal normal law, bent by inverse autoregressive layers.

    A layer's network reads the noise and the encoder's context h: z_i = f(e_i; net_i(e_j for every j before i, h)).
    So a draw takes one pass of each network, and its density is known with it. Every other layer has the reverse
    ordering.

    Args:
        dims: Z.
        context: the length of h; the encoder gives 2 Z + context numbers. With 0, the layers are the same for all x.
        layers: how many.
        hidden: widths of each network.
        element: what a layer does to each number; by default `ScaleAndShift()`.

    Raises:
        ValueError: parameters of another number.

    Paper: Kingma et al., "Improved Variational Inference with Inverse Autoregressive Flow" (2016).

    Example:
        >>> posterior = IAF(dims=3, context=4)
        >>> q = posterior(torch.zeros(5, 2 * 3 + 4))
        >>> z = q.rsample()  # (5, 3)
        >>> q.log_prob(z).shape
        torch.Size([5])
    """

    def __init__(
        self,
        dims: int,
        context: int = 0,
        layers: int = 2,
        hidden: Sequence[int] = (64, 64),
        element: Element | None = None,
    ) -> None:
        super().__init__()
        self.dims, self.context, self.element = dims, context, element or ScaleAndShift()
        forwards = torch.arange(dims)
        orders = [forwards.flip(0) if layer % 2 else forwards for layer in range(layers)]
        num_params = self.element.num_params
        self.nets = nn.ModuleList(MaskedMLP(dims, num_params, hidden, order, context=context) for order in orders)

    def forward(self, params: Tensor) -> Flowed:
        """q(z | x) from params (B, 2 Z + context): means, log standard deviations and h."""
        if params.shape[1:] != (2 * self.dims + self.context,):
            raise ValueError(
                f"params must be (B, {2 * self.dims} + {self.context}), means and log standard "
                f"deviations of {self.dims} latents and the context, got {tuple(params.shape)}"
            )
        start, h = params[:, : 2 * self.dims], params[:, 2 * self.dims :]
        nets = [_Given(net, h) for net in self.nets] if self.context else self.nets
        layers = [MaskedAutoregressive(net, self.element) for net in nets]
        return Flowed(DiagonalNormal(start), Composition(*layers))


class _Given(nn.Module):
    """A network of noise and context for some contexts (B, C): the rows of x are theirs, over and over."""

    def __init__(self, net: nn.Module, context: Tensor) -> None:
        super().__init__()
        self.net, self.context, self.order = net, context, net.order

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x, self.context.repeat(len(x) // len(self.context), 1))
        return out
