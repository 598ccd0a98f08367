"""A continuous flow as a film: points drift, and the area under the trace along a path is its log-determinant."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets
from numpy.typing import ArrayLike

from deepul_utils.explorables.base import Explorable

_PARTS = 1000


class ContinuousFlowFilm(Explorable):
    """Points at even steps of time between 0 and 1, one of them followed, with tr(dv/dx) along its path.

    Args:
        paths: (T, P, 2) positions of P points at T times. The figure stores thousandths.
        traces: (T, P) the trace at these times and positions.
        step: the time that is shown at first, counted from 0.
        which: the point that is followed at first.

    Raises:
        ValueError: shapes that do not fit together.

    Example:
        >>> film = ContinuousFlowFilm([[[0, 1]], [[0.5, 1]]], [[2], [1.5]])
        >>> film.paths, film.traces
        ([[0, 1000], [500, 1000]], [[2000], [1500]])
    """

    paths = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)  # for each time x0, x1 of all points
    traces = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)
    step = traitlets.Int(0, min=0).tag(sync=True)
    which = traitlets.Int(0, min=0).tag(sync=True)

    def __init__(self, paths: ArrayLike, traces: ArrayLike, **kwargs: Any) -> None:
        positions, rates = np.asarray(paths, dtype=float), np.asarray(traces, dtype=float)
        if positions.ndim != 3 or positions.shape[2] != 2 or len(positions) < 2 or rates.shape != positions.shape[:2]:
            raise ValueError(
                f"paths must be (T, P, 2) of at least two times and traces (T, P), got {positions.shape} "
                f"and {rates.shape}"
            )
        if kwargs.get("step", 0) >= len(positions) or kwargs.get("which", 0) >= rates.shape[1]:
            raise ValueError(f"step must be below {len(positions)} and which below {rates.shape[1]}")
        super().__init__(
            paths=np.rint(_PARTS * positions).astype(int).reshape(len(positions), -1).tolist(),
            traces=np.rint(_PARTS * rates).astype(int).tolist(),
            **kwargs,
        )
