"""Sampling in slow motion: one value after the other, each beside the law from which it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets
from numpy.typing import ArrayLike

from deepul_utils.explorables.base import Explorable
from deepul_utils.nn.ordering import raster

_PARTS = 1000


class SlowMotion(Explorable):
    """Samples of an autoregressive model, an image or a text, drawn step by step from stored laws.

    Args:
        samples: (S, H, W) images or (S, T) sequences of integers in 0 .. K - 1.
        probs: (S, *shape, K) the law from which each of these values was drawn. The figure stores parts of 1000.
        order: (D,) position of each dimension; the raster where not given.
        labels: what each of the K values is called, such as characters; images need none.
        step: how many values have been drawn at first.

    Raises:
        ValueError: shapes that do not fit together, or laws that do not sum to 1.

    Example:
        >>> figure = SlowMotion([[1, 0]], [[[0.5, 0.5], [0.9, 0.1]]], labels="ab")
        >>> figure.probs, figure.visits, figure.labels
        ([[[500, 500], [900, 100]]], [0, 1], ['a', 'b'])
    """

    columns = traitlets.Int(min=1).tag(sync=True)
    samples = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)  # flattened
    probs = traitlets.List(traitlets.List(traitlets.List(traitlets.Int()))).tag(sync=True)  # in the order of the visits
    visits = traitlets.List(traitlets.Int()).tag(sync=True)
    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    which = traitlets.Int(0, min=0).tag(sync=True)
    step = traitlets.Int(0, min=0).tag(sync=True)

    def __init__(
        self,
        samples: ArrayLike,
        probs: ArrayLike,
        order: ArrayLike | None = None,
        labels: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        values, laws = np.asarray(samples), np.asarray(probs, dtype=float)
        if values.ndim not in (2, 3) or laws.shape[:-1] != values.shape:
            raise ValueError(
                f"samples must be (S, T) or (S, H, W) and probs the same with K at the end, got {values.shape} "
                f"and {laws.shape}"
            )
        if np.abs(laws.sum(-1) - 1).max() > 1e-3:
            raise ValueError("each law in probs must sum to 1: take the softmax of the logits")
        if len(labels) not in (0, laws.shape[-1]):
            raise ValueError(f"give a label for each of the {laws.shape[-1]} values, or none")
        visits = np.asarray(raster(values.shape[1:]) if order is None else order).argsort()
        parts = np.rint(_PARTS * laws).astype(int).reshape(len(values), len(visits), -1)[:, visits]
        super().__init__(
            columns=values.shape[-1],
            samples=values.reshape(len(values), -1).tolist(),
            probs=parts.tolist(),
            visits=visits.tolist(),
            labels=list(labels),
            **kwargs,
        )
