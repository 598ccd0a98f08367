"""Clouds of gradient estimates: drag a law under a function, and compare score function and pathwise gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import traitlets

from deepul_utils.explorables.base import Explorable


class GradientClouds(Explorable):
    """A hundred estimates of d/dm E[f(z)], z ~ N(m, s^2), by score function and path, each the mean of K draws.

    Draws are made from stored noise, z = m + s * noise, so that moving the law moves the same draws.

    Attributes:
        functions: the three choices of f, each with its slope.

    Example:
        >>> figure = GradientClouds(function="wave", loc=0.5)
        >>> figure.function, figure.scale, figure.num_samples, len(figure.noise)
        ('wave', 1.0, 4, 1600)
        >>> f, slope = figure.functions["square"]
        >>> float(f(3.0)), float(slope(3.0))
        (4.0, 4.0)
    """

    functions: ClassVar[dict[str, tuple[Callable[..., Any], Callable[..., Any]]]] = {
        "square": (lambda z: (z - 1) ** 2, lambda z: 2 * (z - 1)),
        "wave": (lambda z: np.sin(3 * z), lambda z: 3 * np.cos(3 * z)),
        "step": (lambda z: np.where(z > 1, 1.0, 0.0), np.zeros_like),
    }

    function = traitlets.Enum(list(functions), "square").tag(sync=True)
    loc = traitlets.Float(-1.0).tag(sync=True)
    scale = traitlets.Float(1.0).tag(sync=True)
    num_samples = traitlets.Int(4, min=1, max=16).tag(sync=True)
    baseline = traitlets.Bool(False).tag(sync=True)  # the best constant one is taken away from f
    noise = traitlets.List(traitlets.Float()).tag(sync=True)  # 100 rows of 16

    @traitlets.default("noise")
    def _noise(self) -> Any:
        return np.random.default_rng(0).normal(size=1600).round(3).tolist()
