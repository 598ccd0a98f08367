"""z = e_k, k = argmin_j |h - e_j|^2: each vector is replaced by the nearest of K codes, and its gradient passes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, distributed, nn

from deepul_utils.distributions.gradient_estimators import straight_through

_MEMORY = 0.99  # of the average of usage, from one batch to the next


def nearest(h: Tensor, codes: Tensor) -> Tensor:
    """argmin_j |h - e_j|^2, by |h|^2 - 2 h . e_j + |e_j|^2, whose first term is the same for every j.

    Args:
        h: (..., D) vectors.
        codes: (K, D) the codes e_j.

    Returns:
        (...) indices from 0 to K - 1; of codes that are equally near, the first.

    Example:
        >>> nearest(torch.tensor([[0.9, 0.2], [4.0, 4.0]]), torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 2.0]]))
        tensor([1, 2])
    """
    return (codes.square().sum(1) - 2 * h @ codes.T).argmin(-1)


class Quantised(NamedTuple):
    """What a `Quantiser` makes of vectors h (B, D, *positions)."""

    z: Tensor  # (B, D, *positions) the nearest codes, through which gradients reach h
    indices: Tensor  # (B, *positions) which they are
    codebook: Tensor  # |sg(h) - e|^2: moves the codes alone; summed over D and positions, mean over examples
    commitment: Tensor  # |h - sg(e)|^2: the same number, and moves h alone


class Quantiser(nn.Module):
    """K codes of D numbers, and the nearest of them in place of each vector.

    Codes that nothing is near get no gradient, and drift at most by the momentum that Adam keeps. In training, those
    that are chosen less often than `restart` times their even share 1 / K, on average over about a hundred batches,
    begin anew at a vector of the batch. So do all in the first batch, which makes them at home where the vectors are.

    Args:
        num_codes: K.
        dims: D.
        restart: between 0 and 1; at 0 no code ever begins anew.

    Raises:
        ValueError: vectors of another size than D; a size below 1; `restart` outside [0, 1].

    Paper: van den Oord et al., "Neural Discrete Representation Learning" (2017).

    Example:
        >>> quantise = Quantiser(8, dims=2)
        >>> made = quantise(torch.randn(5, 2, 4, 4))
        >>> made.z.shape, made.indices.shape
        (torch.Size([5, 2, 4, 4]), torch.Size([5, 4, 4]))
        >>> torch.equal(made.z, quantise.look_up(made.indices))
        True
    """

    usage: Tensor

    def __init__(self, num_codes: int, dims: int, restart: float = 0.1) -> None:
        super().__init__()
        if min(num_codes, dims) < 1 or not 0 <= restart <= 1:
            raise ValueError(f"give sizes of at least 1 and a share from 0 to 1, got {num_codes}, {dims}, {restart}")
        self.restart = restart
        self.codes = nn.Parameter(torch.empty(num_codes, dims).uniform_(-1 / num_codes, 1 / num_codes))
        self.register_buffer("usage", torch.zeros(num_codes))  # the share of the vectors, on average over batches

    def forward(self, h: Tensor) -> Quantised:
        if h.dim() < 2 or h.shape[1] != self.codes.shape[1]:
            raise ValueError(f"h must be (B, {self.codes.shape[1]}, ...), got {tuple(h.shape)}")
        vectors = h.movedim(1, -1)  # (B, *positions, D)
        if self.training:
            self._begin_anew(vectors.flatten(0, -2))
        indices = nearest(vectors, self.codes)
        if self.training:
            share = indices.flatten().bincount(minlength=len(self.codes)) / indices.numel()
            self.usage.lerp_(share.to(self.usage), 1 - _MEMORY)
        codes = self.look_up(indices)
        codebook = (h.detach() - codes).square().sum() / len(h)
        commitment = (h - codes.detach()).square().sum() / len(h)
        return Quantised(straight_through(codes, h), indices, codebook, commitment)

    def look_up(self, indices: Tensor) -> Tensor:
        """The codes of indices (B, *positions), as (B, D, *positions)."""
        return self.codes[indices].movedim(-1, 1)

    @torch.no_grad()
    def _begin_anew(self, vectors: Tensor) -> None:
        """Put codes that are hardly used at vectors (N, D), each at one of its own as far as these go."""
        unused = (self.usage < self.restart / len(self.codes)).nonzero()[:, 0]
        if len(unused) == 0:
            return
        places = torch.randperm(len(vectors), device=vectors.device)[: len(unused)]
        places = places.repeat(-(-len(unused) // len(places)))[: len(unused)]
        self.codes[unused] = vectors[places].to(self.codes)
        self.usage[unused] = 1 / len(self.codes)
        if distributed.is_available() and distributed.is_initialized():  # every process goes on with the same codes
            distributed.broadcast(self.codes, 0)
