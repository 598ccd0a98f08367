"""z_i = f_i(x_i), log|det dz/dx| = sum_i log|f_i'(x_i)|: each dimension by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepul_utils.transforms.element import Element
from deepul_utils.transforms.transform import Transform


class Elementwise(Transform):
    """One element for each dimension, with parameters of its own that are learned: z_i = f(x_i; theta_i).

    Args:
        element: f.
        shape: of one example.

    Example:
        >>> from deepul_utils.transforms.element import Shift
        >>> move = Elementwise(Shift(), (2,))
        >>> move.params.data[:] = torch.tensor([[1.0], [-1.0]])
        >>> move(torch.tensor([[5.0, 5.0]]))[0].detach()
        tensor([[6., 4.]])
    """

    def __init__(self, element: Element, shape: Sequence[int]) -> None:
        super().__init__()
        self.element = element
        self.params = nn.Parameter(torch.zeros(*shape, element.num_params))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z, log_derivative = self.element(x, self.params.expand(len(x), *self.params.shape))
        return z, log_derivative.flatten(1).sum(1)

    def inverse(self, z: Tensor) -> Tensor:
        return self.element.inverse(z, self.params.expand(len(z), *self.params.shape))


class Scale(Transform):
    """z = factor x: log|det dz/dx| = D log|factor|.

    Raises:
        ValueError: `factor` is 0.

    Example:
        >>> Scale(1 / 256)(torch.tensor([[128.0, 64.0]]))  # -2 log 256
        (tensor([[0.5000, 0.2500]]), tensor([-11.0904]))
    """

    def __init__(self, factor: float) -> None:
        super().__init__()
        if factor == 0:
            raise ValueError("factor must not be 0: nothing could be undone")
        self.factor = factor

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_det = x[0].numel() * math.log(abs(self.factor))
        return self.factor * x, torch.full(x.shape[:1], log_det, dtype=x.dtype, device=x.device)

    def inverse(self, z: Tensor) -> Tensor:
        return z / self.factor


class Logit(Transform):
    """z = logit(alpha + (1 - 2 alpha) x): the unit interval onto the whole line.

    log dz/dx = log(1 - 2 alpha) - log y - log(1 - y), y = alpha + (1 - 2 alpha) x. With alpha > 0 the ends 0 and 1 stay
    finite.

    Args:
        alpha: from 0 to below 1/2.

    Raises:
        ValueError: another `alpha`.

    Paper: Dinh et al., "Density Estimation Using Real NVP" (2017), section 4.1; Papamakarios et al., "Masked
    Autoregressive Flow" (2017), with this alpha.

    Example:
        >>> z, log_det = Logit(alpha=0.1)(torch.tensor([[0.5], [1.0]]))  # y is 0.5 and 0.9
        >>> z, log_det
        (tensor([[0.0000],
                [2.1972]]), tensor([1.1632, 2.1848]))
    """

    def __init__(self, alpha: float = 0.0) -> None:
        super().__init__()
        if not 0 <= alpha < 0.5:
            raise ValueError(f"alpha must be from 0 to below 1/2, got {alpha}")
        self.alpha = alpha

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.alpha + (1 - 2 * self.alpha) * x
        log_derivative = math.log(1 - 2 * self.alpha) - y.log() - torch.log1p(-y)
        return torch.logit(y), log_derivative.flatten(1).sum(1)

    def inverse(self, z: Tensor) -> Tensor:
        return (torch.sigmoid(z) - self.alpha) / (1 - 2 * self.alpha)


class Sigmoid(Transform):
    """z = sigmoid(x): log dz/dx = log z + log(1 - z), from logarithms that do not round to those of 0.

    Example:
        >>> Sigmoid()(torch.tensor([[0.0, 50.0]]))  # -2 log 2 - 50
        (tensor([[0.5000, 1.0000]]), tensor([-51.3863]))
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.sigmoid(x), (F.logsigmoid(x) + F.logsigmoid(-x)).flatten(1).sum(1)

    def inverse(self, z: Tensor) -> Tensor:
        return torch.logit(z)


class NormalQuantile(Transform):
    """z = Phi^-1(x), the point below which a standard normal lies with probability x: (0, 1) onto the whole line.

    log dz/dx = z^2 / 2 + log(2 pi) / 2. Uniform x give standard normal z.

    Example:
        >>> NormalQuantile()(torch.tensor([[0.5], [0.975]]))[0]
        tensor([[0.0000],
                [1.9600]])
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = torch.special.ndtri(x)
        return z, (0.5 * z.square() + 0.5 * math.log(2 * math.pi)).flatten(1).sum(1)

    def inverse(self, z: Tensor) -> Tensor:
        return torch.erfc(-z * math.sqrt(0.5)) / 2


class LeakyReLU(Transform):
    """z = x where x > 0 and slope x elsewhere: dz/dx is 1 or slope.

    Raises:
        ValueError: `slope` is not positive; with 0, the ReLU, all negative x would become one z.

    Example:
        >>> LeakyReLU(0.5)(torch.tensor([[2.0, -2.0]]))  # log 0.5
        (tensor([[ 2., -1.]]), tensor([-0.6931]))
    """

    def __init__(self, slope: float = 0.1) -> None:
        super().__init__()
        if not slope > 0:
            raise ValueError(f"slope must be positive, got {slope}; a ReLU cannot be undone")
        self.slope = slope

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        negative = (x <= 0).flatten(1).sum(1)
        return torch.where(x > 0, x, self.slope * x), negative.to(x.dtype) * math.log(self.slope)

    def inverse(self, z: Tensor) -> Tensor:
        return torch.where(z > 0, z, z / self.slope)
