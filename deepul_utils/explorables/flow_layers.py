"""A trained flow on the plane, layer by layer: points on their way from the data to the Gaussian and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets
from numpy.typing import ArrayLike

from deepul_utils.explorables.base import Explorable

_PARTS = 100


class FlowLayers(Explorable):
    """Two clouds of points after every layer: data on their way to z, and draws of z on their way back to samples.

    A point keeps the colour of its direction in the latent plane, so that one sees which part of the Gaussian serves
    which part of the data.

    Args:
        data: (layers + 1, N, 2) positions of test points, from x to z.
        samples: (layers + 1, M, 2) positions of samples, in the same order, from x to z.
        log_dets: (layers + 1,) mean log|det| of all layers so far, over the data; the first is 0.
        names: what each of the layers does.
        step: how many layers have been passed.

    Raises:
        ValueError: arrays that do not fit together.

    Example:
        >>> path = np.array([[[0.5, 1.0]], [[0.25, 1.0]]])
        >>> figure = FlowLayers(path, path, [0, -0.69], ["halves the first"])
        >>> figure.data, figure.reach
        (['50 100', '25 100'], 1.0)
    """

    data: Any = traitlets.List(traitlets.Unicode()).tag(sync=True)  # a text a layer, since a list takes many lines
    samples: Any = traitlets.List(traitlets.Unicode()).tag(sync=True)
    log_dets = traitlets.List(traitlets.Float()).tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    reach = traitlets.Float().tag(sync=True)  # from -reach to reach; the few points beyond lie at the edge
    step = traitlets.Int(0, min=0).tag(sync=True)
    back = traitlets.Bool(False).tag(sync=True)  # the samples are shown

    def __init__(
        self, data: ArrayLike, samples: ArrayLike, log_dets: Sequence[float], names: Sequence[str], **kwargs: Any
    ) -> None:
        clouds = [np.asarray(cloud, dtype=float) for cloud in (data, samples)]
        layers = len(names)
        if any(c.ndim != 3 or c.shape[::2] != (layers + 1, 2) for c in clouds) or len(log_dets) != layers + 1:
            raise ValueError(
                f"for {layers} layers give data and samples ({layers + 1}, N, 2) and {layers + 1} log_dets, got "
                f"{clouds[0].shape}, {clouds[1].shape} and {len(log_dets)}"
            )
        texts = [[" ".join(map(str, np.rint(_PARTS * at).astype(int).ravel())) for at in cloud] for cloud in clouds]
        super().__init__(
            data=texts[0],
            samples=texts[1],
            log_dets=[round(float(value), 2) for value in log_dets],
            names=list(names),
            reach=float(np.ceil(max(np.quantile(np.abs(cloud), 0.998, method="lower") for cloud in clouds))),
            **kwargs,
        )
