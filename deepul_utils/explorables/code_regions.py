"""Codes on a plane of points: drag them, and see the region, the usage and the meaning of each, and the cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets
from numpy.typing import ArrayLike

from deepul_utils.explorables.base import Explorable


class CodeRegions(Explorable):
    """Points on the plane, each with a small image, and codes that one drags: a point belongs to the nearest code.

    Each code shows the mean image of its points. A button makes a round of k-means, another brings codes back that
    nothing is nearest to.

    Args:
        points: (N, 2) places.
        images: (N, H, W) of 0 and 1, what each point stands for.
        codes: (K, 2) the places of the codes at first, K at most 12.

    Raises:
        ValueError: arrays that do not fit together; images that are not of 0 and 1.

    Example:
        >>> figure = CodeRegions([[0.5, -1.0], [1.0, 2.0]], np.eye(2)[:, None], [[0, 0]])
        >>> figure.points, figure.images, figure.codes
        ('50 -100 100 200', '1001', [[0.0, 0.0]])
    """

    points = traitlets.Unicode().tag(sync=True)  # in hundredths
    images = traitlets.Unicode().tag(sync=True)  # a character a pixel
    shape: Any = traitlets.List(traitlets.Int()).tag(sync=True)  # H, W
    codes: Any = traitlets.List().tag(sync=True)

    def __init__(self, points: ArrayLike, images: ArrayLike, codes: ArrayLike, **kwargs: Any) -> None:
        points, images, codes = (np.asarray(array, dtype=float) for array in (points, images, codes))
        if points.shape != (len(images), 2) or images.ndim != 3 or codes.ndim != 2 or codes.shape[1] != 2:
            raise ValueError(
                f"points, images and codes must be (N, 2), (N, H, W), (K, 2), got {points.shape}, {images.shape}, "
                f"{codes.shape}"
            )
        if not np.isin(images, (0, 1)).all():
            raise ValueError("images must be of 0 and 1")
        if not 1 <= len(codes) <= 12:
            raise ValueError(f"give 1 to 12 codes, got {len(codes)}")
        super().__init__(
            points=" ".join(map(str, np.rint(100 * points).astype(int).ravel())),
            images="".join(map(str, images.astype(int).ravel())),
            shape=list(images.shape[1:]),
            codes=codes.round(2).tolist(),
            **kwargs,
        )
