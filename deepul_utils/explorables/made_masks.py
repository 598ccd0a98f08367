"""MADE's masks on a small network: choose sizes, ordering and degrees, pick an output and see what it may see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import traitlets
from numpy.typing import ArrayLike

from deepul_utils.explorables.base import Explorable
from deepul_utils.nn.masked import made_degrees


class MadeMasks(Explorable):
    """A network whose connections follow from the degrees of its units, with the masks and their product beside it.

    A hidden unit of degree d keeps what has degree d or less, the output at position i what has less than i.

    Args:
        dims: D.
        hidden: widths of the hidden layers, all the same.
        order: (D,) the position of each dimension in the ordering; 0, 1, ..., D - 1 where not given.

    Raises:
        ValueError: more than the figure can hold, layers of different widths, or no ordering.

    Example:
        >>> figure = MadeMasks(3, [4], order=[2, 0, 1])
        >>> figure.order, figure.degrees, figure.picked
        ([2, 0, 1], [[0, 0, 1, 1]], 0)
    """

    dims = traitlets.Int(min=2, max=6).tag(sync=True)
    layers = traitlets.Int(min=1, max=3).tag(sync=True)
    units = traitlets.Int(min=1, max=8).tag(sync=True)
    order = traitlets.List(traitlets.Int()).tag(sync=True)
    degrees = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)  # of the hidden units
    picked = traitlets.Int(0, min=0).tag(sync=True)  # the output whose paths are lit
    strict = traitlets.Bool(True).tag(sync=True)  # > into the outputs; else >=, which is wrong
    seed = traitlets.Int(1).tag(sync=True)

    def __init__(
        self, dims: int = 3, hidden: Sequence[int] = (4,), order: ArrayLike | None = None, **kwargs: Any
    ) -> None:
        if not (2 <= dims <= 6 and 1 <= len(hidden) <= 3 and 1 <= min(hidden) <= max(hidden) <= 8):
            raise ValueError("the figure holds 2 to 6 dimensions and 1 to 3 hidden layers of 1 to 8 units")
        if len(set(hidden)) > 1:
            raise ValueError(f"the figure draws hidden layers of one width, got {list(hidden)}")
        positions, *degrees = (d.tolist() for d in made_degrees(dims, hidden, order))
        latest = positions.index(dims - 1)
        super().__init__(
            **{"dims": dims, "layers": len(hidden), "units": hidden[0], "order": positions, "degrees": degrees}
            | {"picked": latest}
            | kwargs
        )
