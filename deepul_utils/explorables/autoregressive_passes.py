"""AF against IAF: what each pass of the network finds, towards a density or towards a sample."""

from __future__ import annotations

from typing import Any

import traitlets

from deepul_utils.explorables.base import Explorable


class AutoregressivePasses(Explorable):
    """Two flows of D dimensions side by side, whose networks read x (AF) and z (IAF), pass by pass.

    Args:
        dims: D, 2 to 6.
        direction: "density", from x to z, or "sample", from z to x.
        passes: of each network so far.

    Raises:
        ValueError: a direction that is neither.

    Example:
        >>> AutoregressivePasses(dims=3, direction="sample").passes
        0
    """

    dims = traitlets.Int(min=2, max=6).tag(sync=True)
    direction = traitlets.Unicode().tag(sync=True)
    passes = traitlets.Int(min=0).tag(sync=True)

    def __init__(self, dims: int = 4, direction: str = "density", passes: int = 0, **kwargs: Any) -> None:
        if direction not in ("density", "sample"):
            raise ValueError(f'direction must be "density" or "sample", got {direction!r}')
        super().__init__(**{"dims": dims, "direction": direction, "passes": passes} | kwargs)
