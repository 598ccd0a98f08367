"""MADE: every p(x_i | earlier x) = softmax(l_i) in one pass of a network whose masks keep later x from l_i."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import log

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn import functional as F

from deepul_utils.models.autoregressive import Autoregressive
from deepul_utils.nn.conditioning import ClassBias
from deepul_utils.nn.masked import MaskedLinear, made_masks
from deepul_utils.nn.ordering import as_order


class MADE(Autoregressive):
    """A masked autoencoder: D conditionals at the cost of one, in any ordering, or in several that share their weights.

    It reads the values one-hot, D * K numbers, so that each mask repeats for the K inputs and the K logits of a
    dimension. With several orderings o the model is their mixture, p(x) = mean_o p_o(x); training takes one ordering a
    step, whose -log p_o is on average an upper bound of -log p.

    Args:
        dims: D.
        hidden: widths of the hidden layers; with fewer than D - 1 units some outputs miss some of the earlier inputs.
        num_values: K.
        orders: orderings, each (D,) the positions of the dimensions; by default the one 0, 1, ..., D - 1.
        num_classes: classes to condition on; 0 for none.
        masks: `masks(dims, hidden, order)` gives the mask of each layer, as `made_masks` does.

    Raises:
        ValueError: a mask whose shape is not (units out, units in).

    Paper: Germain et al., "MADE: Masked Autoencoder for Distribution Estimation" (2015).

    Example:
        >>> model = MADE(dims=3, hidden=[16], orders=[[2, 0, 1]])
        >>> every_x = torch.cartesian_prod(*[torch.arange(2)] * 3)
        >>> round(model.log_prob(every_x).exp().sum().item(), 4)
        1.0
    """

    def __init__(
        self,
        dims: int,
        hidden: Sequence[int],
        num_values: int = 2,
        orders: Sequence[ArrayLike] | None = None,
        num_classes: int = 0,
        masks: Callable[[int, Sequence[int], Tensor], Sequence[ArrayLike]] = made_masks,
    ) -> None:
        self.orders = [as_order(order, dims) for order in ([range(dims)] if orders is None else orders)]
        super().__init__([dims], num_values, num_classes, self.orders[0])
        sizes = [(b, a) for a, b in pairwise([dims, *hidden, dims])]
        layers = zip(*(masks(dims, hidden, order) for order in self.orders), strict=True)
        stacks = [torch.stack([torch.as_tensor(mask) for mask in layer]) for layer in layers]  # orderings first
        if [tuple(stack.shape[1:]) for stack in stacks] != sizes:
            raise ValueError(
                f"masks must be (units out, units in): {sizes}, got {[tuple(s.shape[1:]) for s in stacks]}"
            )
        stacks[0] = stacks[0].repeat_interleave(num_values, dim=2)
        stacks[-1] = stacks[-1].repeat_interleave(num_values, dim=1)
        self.layers = nn.ModuleList(MaskedLinear(stack) for stack in stacks)
        self.biases = nn.ModuleList(ClassBias(num_classes, stack.shape[1]) for stack in stacks)

    def forward(self, x: Tensor, y: Tensor | None = None, ordering: int = 0) -> Tensor:
        """Logits (B, D, K) of the conditionals in the ordering of that index."""
        h = F.one_hot(x, self.num_values).flatten(1).to(self.grid.dtype)  # (B, D * K)
        for layer, bias in zip(self.layers, self.biases, strict=True):
            h = bias(layer(h.relu(), ordering), y)  # relu leaves the input, one-hot, as it is
        return h.view(*x.shape, -1)

    def in_order(self, ordering: int) -> Autoregressive:
        """The model of one ordering, p_o, with the same weights."""
        return _InOrder(self, ordering).to(self.order.device)

    def log_prob(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        each = [self.in_order(o).log_prob(x, y) for o in range(len(self.orders))]
        return torch.stack(each).logsumexp(0) - log(len(each))

    def loss(self, batch: Tensor | tuple[Tensor, ...]) -> Tensor:
        """The mean of -log p in nats per example; in training, of -log p_o in an ordering drawn for this batch."""
        if not self.training:
            return super().loss(batch)
        return self.in_order(int(torch.randint(len(self.orders), ()))).loss(batch)

    def sample(self, n: int, y: Tensor | None = None, u: Tensor | None = None) -> Tensor:
        """n examples (n, D), each in an ordering drawn for it, by D passes: there is nothing that could be kept."""
        y, u = self._labels(y, n), self._noise(u, n)
        chosen = torch.randint(len(self.orders), (n,), device=self.order.device)
        x = torch.empty(n, *self.shape, dtype=torch.long, device=self.order.device)
        for o in chosen.unique().tolist():
            rows = chosen == o
            x[rows] = self.in_order(o).sample(int(rows.sum()), y if y is None else y[rows], u[rows])
        return x

    sample_naively = sample


class _InOrder(Autoregressive):
    def __init__(self, made: MADE, ordering: int) -> None:
        super().__init__(made.shape, made.num_values, made.num_classes, made.orders[ordering])
        self.made, self.ordering = made, ordering

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.made(x, y, self.ordering)
