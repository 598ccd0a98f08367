"""z = exp(log_scale) x + shift for each channel, set by the first batch so that z has mean 0 and deviation 1."""

from __future__ import annotations

import torch
from torch import Tensor, distributed, nn

from deepul_utils.transforms.transform import Transform

_EPS = 1e-6  # keeps a channel finite that is constant in the first batch


class ActNorm(Transform):
    """An affine transform of each channel, initialised from data and from then on trained like any other.

    Before it has seen a batch in training mode it is the identity. The first such batch, with mean m and standard
    deviation s in a channel, sets log_scale = -log s and shift = -m / s: the shift comes after the scale, so it is
    scaled as well. That this has happened is part of the state, and no later batch changes anything.

    `forward` takes (B, channels) or (B, channels, H, W) and returns z and log|det dz/dx| = H W sum_c log_scale_c, (B,).

    Args:
        channels: size of dimension 1.

    Raises:
        ValueError: the first batch has a single value in each channel, from which no deviation can be taken.

    Paper: Kingma and Dhariwal, "Glow: Generative Flow with Invertible 1x1 Convolutions" (2018), section 3.1.

    Example:
        >>> norm = ActNorm(2)
        >>> x = torch.tensor([[9.0, 0.1], [11.0, 0.3]])
        >>> z, log_det = norm(x)
        >>> z  # mean 0 and standard deviation 1 in each column
        tensor([[-1.0000, -1.0000],
                [ 1.0000,  1.0000]], grad_fn=...)
        >>> log_det  # - log 1 - log 0.1, for each example
        tensor([2.3026, 2.3026], grad_fn=...)
    """

    initialised: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        self.register_buffer("initialised", torch.tensor(False))

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Set scale and shift so that this x leaves with mean 0 and standard deviation 1 in each channel."""
        values = x.transpose(0, 1).flatten(1)  # (channels, values)
        if values.shape[1] < 2:
            raise ValueError(f"x {tuple(x.shape)} has one value a channel: start training with a larger batch")
        std, mean = torch.std_mean(values, dim=1, correction=0)
        if distributed.is_available() and distributed.is_initialized():  # every process starts from the same weights
            distributed.broadcast(mean, 0)
            distributed.broadcast(std, 0)
        self.log_scale.copy_(-(std + _EPS).log())
        self.shift.copy_(-mean * self.log_scale.exp())
        self.initialised.fill_(True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.training and not self.initialised:
            self.initialise(x)
        z = x * self._each(self.log_scale.exp(), x) + self._each(self.shift, x)
        pixels = x.shape[2:].numel()
        return z, (pixels * self.log_scale.sum()).expand(len(x))

    def inverse(self, z: Tensor) -> Tensor:
        return (z - self._each(self.shift, z)) * self._each(torch.exp(-self.log_scale), z)

    @staticmethod
    def _each(parameter: Tensor, x: Tensor) -> Tensor:
        """A number for each channel, in a shape that broadcasts over the examples and pixels of x."""
        return parameter.view(-1, *[1] * (x.dim() - 2))
