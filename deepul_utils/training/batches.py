"""Random batches whose order is a function of (seed, epoch), so that a run can be repeated and taken up again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

Batch = Tensor | tuple[Tensor, ...]


class Batches:
    """An array, or several in step, in random batches; iterating again gives the next epoch.

    The order of epoch e depends on `seed` and e alone; set `epoch` to choose it. Every row comes once an epoch, so the
    last batch can be smaller. A batch is a tensor, or a tuple of tensors where several arrays were given: whole numbers
    and booleans as int64, real numbers in torch's default dtype.

    Args:
        x: (N, ...) examples.
        more: further arrays of N rows, such as labels.
        batch_size: rows a batch.
        seed: picks the orders.

    Raises:
        ValueError: no rows, arrays of different lengths, or a `batch_size` below 1.

    Example:
        >>> batches = Batches([10, 11, 12, 13, 14], batch_size=2)
        >>> [batch.tolist() for batch in batches]
        [[12, 14], [13, 10], [11]]
        >>> [batch.tolist() for batch in batches]
        [[11, 14], [13, 10], [12]]
        >>> batches.epoch
        2
    """

    def __init__(self, x: ArrayLike | Tensor, *more: ArrayLike | Tensor, batch_size: int = 128, seed: int = 0) -> None:
        self.arrays = tuple(
            a if isinstance(a, Tensor) else torch.from_numpy(np.array(a, order="C")) for a in (x, *more)
        )
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0
        rows = [a.shape[0] if a.ndim else 0 for a in self.arrays]
        if min(rows) < 1 or len(set(rows)) > 1:
            raise ValueError(f"each array needs the same number of rows, at least one; got {rows}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.rows = rows[0]

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return -(-self.rows // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.rows)
        self.epoch += 1
        return self._cut(torch.from_numpy(order), self.batch_size)

    def in_order(self, batch_size: int) -> Iterator[Batch]:
        """Every row once, in the order given."""
        return self._cut(torch.arange(self.rows), batch_size)

    def _cut(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        for index in order.split(batch_size):
            batch = tuple(_as_number(a[index.to(a.device)]) for a in self.arrays)
            yield batch if len(batch) > 1 else batch[0]


def _as_number(x: Tensor) -> Tensor:
    return x.to(torch.get_default_dtype()) if x.is_floating_point() else x.long()
