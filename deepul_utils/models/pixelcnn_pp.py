"""PixelCNN++: p(pixel | earlier pixels) = sum_m pi_m prod_c P_mc(x_c | x_<c), with P_mc discretized logistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Independent, MixtureSameFamily
from torch.nn import functional as F

from deepul_utils.distributions.discretized_logistic import DiscretizedLogistic
from deepul_utils.models.autoregressive import Autoregressive
from deepul_utils.nn.causal_unet import CausalUNet, Features
from deepul_utils.nn.masked import MaskedConv2d, pixel_mask, vertical_mask


class PixelCNNPP(Autoregressive):
    """Each pixel is drawn from a mixture of M discretized logistics, which two U-nets read from the pixels before it.

    Component m has for channel c the scale s_mc and the location mu_mc + sum_j a_mcj x_j, j < c. So the channels of a
    pixel depend on one another through the mixture alone, and the networks need not keep them apart. One U-net sees the
    rows above; the other listens to it and also sees what is left of the pixel.

    Args:
        image_shape: (H, W) or (C, H, W).
        num_values: K.
        width: features.
        blocks: on the way down, and as many on the way up, at each resolution.
        levels: how often the image is halved.
        components: M.
        num_classes: classes to condition on; 0 for none.

    Paper: Salimans et al., "PixelCNN++" (2017).

    Example:
        >>> model = PixelCNNPP((3, 8, 8), width=8, blocks=1, components=2)
        >>> model.log_prob(torch.randint(256, (2, 3, 8, 8))).shape
        torch.Size([2])
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        num_values: int = 256,
        width: int = 64,
        blocks: int = 2,
        levels: int = 2,
        components: int = 10,
        num_classes: int = 0,
    ) -> None:
        super().__init__(image_shape, num_values, num_classes)
        C = self.channels

        def above(outputs: int, inputs: int) -> Tensor:
            return vertical_mask(outputs, inputs, 3)

        def left(outputs: int, inputs: int) -> Tensor:
            return pixel_mask(outputs, inputs, 3, "B")

        self.enter = nn.ModuleList(MaskedConv2d(mask(width, C)) for mask in (above, left))
        self.vertical = CausalUNet(width, above, levels, blocks, False, num_classes)
        self.horizontal = CausalUNet(width, left, levels, blocks, True, num_classes)
        # For each component: its weight, then for each channel mu, log s and the a of earlier channels.
        self.sizes = [1, C, C, C * (C - 1) // 2]
        self.out = nn.Conv2d(width, components * sum(self.sizes), 1)

    def network(self, image: Tensor, y: Tensor | None = None) -> Tensor:
        """Parameters (B, P, H, W) of the mixtures, for an image (B, C, H, W) of numbers from -1 to 1."""
        said: Features = {}
        self.vertical(self.enter[0](F.pad(image, (0, 0, 1, -1))), y, said)  # shifted down by one row
        h = self.horizontal(self.enter[1](F.pad(image, (1, -1))), y, {}, said)  # shifted right by one column
        return self.out(F.elu(h))

    def components(self, parameters: Tensor, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """log pi (B, H, W, M), then location and log scale (B, H, W, M, C), both in values."""
        each = parameters.movedim(1, -1).unflatten(-1, (-1, sum(self.sizes)))  # (B, H, W, M, ...)
        logits, mu, log_s, a = each.split(self.sizes, -1)
        C = self.channels
        row, col = torch.tril_indices(C, C, -1, device=a.device)
        A = a.new_zeros(*a.shape[:-1], C, C)
        A[..., row, col] = a.tanh()
        mu = mu + (A @ image.movedim(1, -1)[..., None, :, None]).squeeze(-1)
        half = (self.num_values - 1) / 2
        return logits.squeeze(-1).log_softmax(-1), half * (1 + mu), log_s.clamp(min=-7) + log(half)

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        x, y = self._checked(x), self._labels(y, len(x))
        image = self._pixels(x)
        log_pi, loc, log_scale = self.components(self.network(image, y), image)
        each = Independent(DiscretizedLogistic(loc, log_scale, self.num_values), 1)
        mixture = MixtureSameFamily(Categorical(logits=log_pi), each)
        return mixture.log_prob(self._image(x).movedim(1, -1)).flatten(1).sum(1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self._logits(self.network(self._pixels(x), y), x).reshape(*x.shape, -1)

    def _logits(self, parameters: Tensor, x: Tensor, r: int | None = None, c: int | None = None) -> Tensor:
        """log p(x_c = k | x_<c, earlier pixels) for all k, (B, C, H, W, K): earlier channels weigh the components."""
        log_pi, loc, log_scale = self.components(parameters, self._pixels(x, r, c))
        pixels = self._image(x, r, c).movedim(1, -1)[..., None, :]  # (B, H, W, 1, C)
        each = DiscretizedLogistic(loc, log_scale, self.num_values).log_prob(pixels)
        seen = F.pad(each[..., :-1].cumsum(-1), (1, 0))  # (B, H, W, M, C): log P_m(x_<c)
        values = torch.arange(self.num_values, device=x.device)
        each_k = DiscretizedLogistic(loc[..., None], log_scale[..., None], self.num_values).log_prob(values)
        return ((log_pi[..., None] + seen)[..., None] + each_k).logsumexp(-3).log_softmax(-1).movedim(-2, 1)

    def walk(self, x: Tensor, y: Tensor | None = None) -> Iterator[Tensor]:
        above, left = self.vertical.caches(self.height, self.width), self.horizontal.caches(self.height, self.width)
        said: Features = {}
        for r in range(self.height):
            above[0].at = r, 0
            row = F.pad(self._pixels(x), (0, 0, 1, -1))[:, :, r : r + 1]
            self.vertical(self.enter[0](row, above[0]), y, said, None, above)
            for c in range(self.width):
                left[0].at = r, c
                before = F.pad(self._pixels(x), (1, -1))[:, :, r : r + 1, c : c + 1]
                h = self.horizontal(self.enter[1](before, left[0]), y, {}, said, left)
                parameters = self.out(F.elu(h))
                for channel in range(self.channels):
                    yield self._logits(parameters, x, r, c)[:, channel, 0, 0]
