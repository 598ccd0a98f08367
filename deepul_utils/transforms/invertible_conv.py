"""z[:, h, w] = W x[:, h, w]: one matrix for the channels of every pixel, log|det| = H W log|det W|."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepul_utils.transforms.transform import Transform


class InvertibleConv(Transform):
    """A 1 x 1 convolution with as many outputs as inputs, a learned generalisation of a permutation of the channels.

    It starts as a random orthogonal matrix, so that log|det W| starts at 0. The determinant may be negative, and it may
    overflow: `slogdet` takes its logarithm, and the sign is not needed.

    `forward` takes (B, channels) or (B, channels, H, W) and returns z and log|det dz/dx| = H W log|det W|, (B,).

    Args:
        channels: C; W is C x C.
        weight: W to start from, (C, C); a random orthogonal matrix where not given.

    Raises:
        ValueError: `weight` is not (C, C), or is singular.

    Paper: Kingma and Dhariwal, "Glow: Generative Flow with Invertible 1x1 Convolutions" (2018), section 3.2.

    Example:
        >>> swap = InvertibleConv(2, torch.tensor([[0.0, 2.0], [1.0, 0.0]]))  # its determinant is -2
        >>> z, log_det = swap(torch.ones(1, 2, 4, 4))
        >>> log_det  # 16 pixels of log 2
        tensor([11.0904], grad_fn=...)
    """

    def __init__(self, channels: int, weight: Tensor | None = None) -> None:
        super().__init__()
        if weight is None:
            weight = torch.linalg.qr(torch.randn(channels, channels))[0]
        if weight.shape != (channels, channels) or torch.linalg.slogdet(weight)[1].isinf():
            raise ValueError(f"weight must be ({channels}, {channels}) and have an inverse, got {tuple(weight.shape)}")
        self.weight = nn.Parameter(weight.clone())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pixels = x.shape[2:].numel()
        log_det = pixels * torch.linalg.slogdet(self.weight)[1]
        return self._convolve(x, self.weight), log_det.expand(len(x))

    def inverse(self, z: Tensor) -> Tensor:
        return self._convolve(z, torch.linalg.inv(self.weight))

    @staticmethod
    def _convolve(x: Tensor, weight: Tensor) -> Tensor:
        return F.linear(x, weight) if x.dim() == 2 else F.conv2d(x, weight[:, :, None, None])
