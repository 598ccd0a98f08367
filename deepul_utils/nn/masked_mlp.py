"""params_i = h_i(x_j for every j before i): the parameters of D conditionals from one MLP with MADE's masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from deepul_utils.nn.masked import MaskedLinear, made_masks
from deepul_utils.nn.ordering import as_order


class MaskedMLP(nn.Module):
    """MADE for real numbers: from x (B, D) to P parameters for each dimension, which see earlier dimensions alone.

    The parameters of the dimension that comes first depend on nothing; they are the biases of the last layer.

    Args:
        dims: D.
        num_params: P.
        hidden: widths of the hidden layers, at least D - 1, with ReLUs after them.
        order: (D,) the position of each dimension; 0, 1, ..., D - 1 where not given.
        masks: `masks(dims, hidden, order)` gives the mask of each layer, as `made_masks` does.
        context: C, the length of a vector that every layer and so all parameters see, unmasked; 0 for none.

    Paper: Germain et al., "MADE: Masked Autoencoder for Distribution Estimation" (2015).

    Example:
        >>> MaskedMLP(dims=3, num_params=2)(torch.zeros(5, 3)).shape
        torch.Size([5, 3, 2])
    """

    order: Tensor

    def __init__(
        self,
        dims: int,
        num_params: int,
        hidden: Sequence[int] = (64, 64),
        order: ArrayLike | None = None,
        masks: Callable[[int, Sequence[int], Tensor], Sequence[ArrayLike]] = made_masks,
        context: int = 0,
    ) -> None:
        super().__init__()
        self.register_buffer("order", as_order(range(dims) if order is None else order, dims))
        *inner, last = (torch.as_tensor(mask) for mask in masks(dims, hidden, self.order))
        layers = [MaskedLinear(mask) for mask in [*inner, last.repeat_interleave(num_params, dim=0)]]
        self.layers = nn.ModuleList(layers)
        given = [nn.Linear(context, layer.out_features, bias=False) for layer in layers] if context else []
        self.given = nn.ModuleList(given)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, D, P) for x (B, D) and, where the network knows one, a context (B, C)."""
        if (context is None) == bool(self.given):
            raise ValueError(f"this network was made {'with' if self.given else 'without'} a context")
        h = self._layer(0, x, context)
        for depth in range(1, len(self.layers)):
            h = self._layer(depth, h.relu(), context)
        return h.unflatten(1, (len(self.order), -1))

    def _layer(self, depth: int, h: Tensor, context: Tensor | None) -> Tensor:
        out: Tensor = self.layers[depth](h)
        return out if context is None else out + self.given[depth](context)

    @torch.no_grad()
    def walk(self, x: Tensor) -> Iterator[Tensor]:
        """The parameters (B, P) of one dimension after the other, while the caller fills in x (B, D).

        A unit is computed once, as soon as all that its mask lets through is known, so that the D steps together
        do the arithmetic of one pass, in many small steps.

        Raises:
            ValueError: the network knows a context.
        """
        if self.given:
            raise ValueError("a network that knows a context cannot walk: give it all of x, once for each dimension")
        layers = [layer for layer in self.layers if isinstance(layer, MaskedLinear)]
        weights = [layer.weight * layer.mask[0] for layer in layers]
        biases = [layer.bias[:, None] for layer in layers]
        known = self.order  # the position with which each unit is known
        features = [x.new_zeros(len(known), len(x))]  # units first, so that one unit's values lie side by side
        due = []
        for layer in layers[:-1]:
            known = torch.where(layer.mask[0], known, -1).amax(1)
            due.append([(known == t - 1).nonzero()[:, 0] for t in range(len(self.order))])
            features.append(x.new_zeros(len(known), len(x)))
        for t, i in enumerate(self.order.argsort().tolist()):
            for depth, units in enumerate(at[t] for at in due):
                h = torch.addmm(biases[depth][units], weights[depth][units], features[depth])
                features[depth + 1][units] = h.relu()
            weight, bias = (part.unflatten(0, (len(self.order), -1))[i] for part in (weights[-1], biases[-1]))
            yield torch.addmm(bias, weight, features[-1]).mT
            features[0][i] = x[:, i]
