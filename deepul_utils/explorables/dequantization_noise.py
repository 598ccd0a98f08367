"""Noise of width 0 to 1 on integers: what a density claims of its data, and what it is worth as a law over them."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets
from numpy.typing import ArrayLike

from deepul_utils.explorables.base import Explorable


class DequantizationNoise(Explorable):
    """Mixtures of logistics, trained on y = x + 1/2 + w (u - 1/2), u uniform, for several widths w of the noise.

    The claim is E_u[log p(y)]; the law is P(x) = F(x + 1) - F(x), where the first and the last value take the tails.

    Args:
        params: (W, S, 3, M) the logits, means and log-scales of the components, by width and by step.
        widths: (W,) of the noise.
        steps: (S,) the steps of training after which these were the parameters.
        train, test: (K,) how often each value comes in the data.
        law: (K,) the true probabilities.

    Raises:
        ValueError: shapes that do not fit together.

    Example:
        >>> figure = DequantizationNoise(np.zeros((2, 1, 3, 4)), [0, 1], [0], [3, 0], [1, 1], [0.5, 0.5])
        >>> figure.width, figure.step, len(figure.params)
        (1, 0, 2)
    """

    params = traitlets.List(traitlets.List(traitlets.List(traitlets.List(traitlets.Float())))).tag(sync=True)
    widths = traitlets.List(traitlets.Float()).tag(sync=True)
    steps = traitlets.List(traitlets.Int()).tag(sync=True)
    train = traitlets.List(traitlets.Int()).tag(sync=True)
    test = traitlets.List(traitlets.Int()).tag(sync=True)
    law = traitlets.List(traitlets.Float()).tag(sync=True)
    width = traitlets.Int(0, min=0).tag(sync=True)  # index of the width that is shown
    step = traitlets.Int(0, min=0).tag(sync=True)  # and of the step

    def __init__(
        self,
        params: ArrayLike,
        widths: ArrayLike,
        steps: ArrayLike,
        train: ArrayLike,
        test: ArrayLike,
        law: ArrayLike,
        **kwargs: Any,
    ) -> None:
        values = np.asarray(params, dtype=float)
        due = (len(np.asarray(widths)), len(np.asarray(steps)), 3)
        if values.ndim != 4 or values.shape[:3] != due:
            raise ValueError(f"params must be (W, S, 3, M), here {(*due, 'M')}, got {values.shape}")
        sizes = {len(np.asarray(a)) for a in (train, test, law)}
        if len(sizes) != 1:
            raise ValueError(f"train, test and law must name the same K values, got {sorted(sizes)}")
        super().__init__(
            params=values.round(5).tolist(),
            widths=np.asarray(widths, dtype=float).round(5).tolist(),
            steps=np.asarray(steps).tolist(),
            train=np.asarray(train).tolist(),
            test=np.asarray(test).tolist(),
            law=np.asarray(law, dtype=float).round(6).tolist(),
            **({"width": due[0] - 1, "step": due[1] - 1} | kwargs),
        )
