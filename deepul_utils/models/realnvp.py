"""RealNVP: log p(x) = log N(f(x); 0, I) + log|det df/dx|, with f a stack of couplings that take turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from deepul_utils.models.flow import Flow
from deepul_utils.nn.mlp import MLP
from deepul_utils.nn.resnet import ResNet
from deepul_utils.transforms.act_norm import ActNorm
from deepul_utils.transforms.coupling import Coupling
from deepul_utils.transforms.element import Element, ScaleAndShift
from deepul_utils.transforms.partition import channels, checkerboard, every_second
from deepul_utils.transforms.split import Split
from deepul_utils.transforms.squeeze import Squeeze
from deepul_utils.transforms.transform import Composition, Transform

Partition = Callable[[Sequence[int], int], Tensor]  # (shape, parity) -> mask, as those of transforms.partition


class RealNVP(Flow):
    """For points: ActNorm and a coupling, again and again, every other one with the complementary mask.

    Args:
        dims: D.
        couplings: how many.
        hidden: widths of each coupling's MLP.
        element: makes what a coupling does to each number.

    Paper: Dinh et al., "Density Estimation Using Real NVP" (2017).

    Example:
        >>> _ = torch.manual_seed(0)
        >>> model = RealNVP(2, couplings=4)
        >>> x = torch.randn(5, 2)
        >>> z, log_det = model.transform(x)
        >>> torch.allclose(model.transform.inverse(z), x, atol=1e-5)
        True
    """

    def __init__(
        self,
        dims: int,
        couplings: int = 6,
        hidden: Sequence[int] = (64, 64),
        element: Callable[[], Element] = ScaleAndShift,
    ) -> None:
        layers: list[Transform] = []
        for k in range(couplings):
            law = element()
            mask = every_second([dims], k % 2)
            seen = int(mask.sum())
            net = MLP(seen, (dims - seen) * law.num_params, hidden)
            layers += [ActNorm(dims), Coupling(mask, _from_zero(net, net[-1]), law)]
        super().__init__((dims,), Composition(*layers))


class ImageRealNVP(Flow):
    """For images: at each scale couplings over pixels, a squeeze, couplings over channels, and half of them are done.

    With one scale there are couplings over pixels alone. Every coupling follows an ActNorm, and its network is a
    residual one.

    Args:
        shape: (C, H, W); both H and W divisible by 2 to the power of `scales` - 1.
        scales: how many.
        couplings: over pixels at each scale, and as many over channels after each squeeze.
        width: features of the networks.
        blocks: residual blocks of each.
        before: what the data go through first, such as `Logit`; its log-determinant counts.
        pixels: the mask of the couplings over pixels.
        element: makes what a coupling does to each number.

    Raises:
        ValueError: an image that cannot be squeezed so often.

    Paper: Dinh et al., "Density Estimation Using Real NVP" (2017).

    Example:
        >>> model = ImageRealNVP((1, 8, 8), scales=2, couplings=2, width=8)
        >>> z, log_det = model.transform(torch.randn(3, 1, 8, 8))
        >>> z.shape, log_det.shape
        (torch.Size([3, 64]), torch.Size([3]))
    """

    def __init__(
        self,
        shape: Sequence[int],
        scales: int = 2,
        couplings: int = 4,
        width: int = 32,
        blocks: int = 2,
        before: Transform | None = None,
        pixels: Partition = checkerboard,
        element: Callable[[], Element] = ScaleAndShift,
    ) -> None:
        def coupled(shape: tuple[int, ...], partition: Partition) -> list[Transform]:
            layers: list[Transform] = []
            for k in range(couplings):
                law = element()
                net = ResNet(shape[0], shape[0] * law.num_params, width, blocks)
                mask = partition(shape, k % 2)
                layers += [ActNorm(shape[0]), Coupling(mask, _from_zero(net, net.last[-1]), law)]
            return layers

        def scale(shape: tuple[int, ...], left: int) -> Transform:
            over_pixels = coupled(shape, pixels)
            if left == 1:
                return Composition(*over_pixels)
            small = Squeeze().latent_shape(shape)
            rest = scale((small[0] // 2, *small[1:]), left - 1)
            return Composition(*over_pixels, Squeeze(), *coupled(small, channels), Split(small, rest))

        first = [] if before is None else [before]
        super().__init__(shape, Composition(*first, scale(tuple(shape), scales)))


@torch.no_grad()
def _from_zero(net: nn.Module, last: nn.Module) -> nn.Module:
    """`net`, whose outputs are 0 before training, so that an affine coupling begins as the identity."""
    for parameter in last.parameters():
        parameter.zero_()
    return net
