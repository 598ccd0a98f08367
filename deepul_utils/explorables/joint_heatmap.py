"""A joint law p(x0, x1): pick x0 and see p(x1 | x0) beside it, and draw samples one number at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets
from numpy.typing import ArrayLike

from deepul_utils.explorables.base import Explorable

_PARTS = 10_000


class JointHeatmap(Explorable):
    """A joint law as a heat map, with p(x0) above it and p(x1 | x0) beside it, and ancestral sampling step by step.

    Sample number i takes two uniform numbers: x0 is the smallest k with F(k) > u, then x1 likewise from its row.

    Args:
        joint: (K, K) probabilities, indexed [x0, x1]; a trained model's, say. The figure stores p(x0) and the rows
            p(x1 | x0), rounded to parts of 10,000.
        x0: the column that is picked at first; the likeliest one where not given.

    Raises:
        ValueError: `joint` is not a square table of probabilities that sum to 1.

    Example:
        >>> figure = JointHeatmap([[0.1, 0.1], [0.2, 0.6]])
        >>> figure.first, figure.rows, figure.x0
        ([2000, 8000], [[5000, 5000], [2500, 7500]], 1)
    """

    first = traitlets.List(traitlets.Int()).tag(sync=True)
    rows = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)
    x0 = traitlets.Int(min=0).tag(sync=True)
    steps = traitlets.Int(0, min=0).tag(sync=True)  # numbers drawn so far: two for each sample
    forget = traitlets.Bool(False).tag(sync=True)  # draw x1 from its marginal, as if x0 were unknown
    seed = traitlets.Int(1).tag(sync=True)

    def __init__(self, joint: ArrayLike, x0: int | None = None, **kwargs: Any) -> None:
        joint = np.asarray(joint, dtype=float)
        if joint.ndim != 2 or joint.shape[0] != joint.shape[1]:
            raise ValueError(f"joint must be (K, K), got {joint.shape}; reshape it so that joint[x0, x1] is p(x0, x1)")
        if joint.min() < 0 or abs(joint.sum() - 1) > 1e-4:
            raise ValueError(f"joint must hold probabilities that sum to 1, got a sum of {joint.sum():.6g}")
        first = joint.sum(1, keepdims=True)
        rows = np.divide(joint, first, out=np.full_like(joint, 1 / len(joint)), where=first > 0)
        super().__init__(
            first=np.rint(_PARTS * first[:, 0]).astype(int).tolist(),
            rows=np.rint(_PARTS * rows).astype(int).tolist(),
            x0=int(first.argmax()) if x0 is None else x0,
            **kwargs,
        )
