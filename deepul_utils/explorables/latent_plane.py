"""A VAE's plane of latents: walk over it, and see what the decoder makes of each place."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets
from numpy.typing import ArrayLike

from deepul_utils.explorables.base import Explorable

_SHADES = string.digits + string.ascii_uppercase + string.ascii_lowercase  # from white to black


class LatentPlane(Explorable):
    """The plane z with the codes of some examples on it, and the image that the decoder makes of a chosen place.

    The decoder is not there when a page is read: its images on a square grid are stored, and between them the figure
    interpolates.

    Args:
        images: (G, G, H, W) the decoder's means on a grid from -reach to reach, indexed [z0, z1], in 0..1.
        reach: where the grid ends on every side.
        codes: (N, 2) the places of examples, such as the means of q(z | x).
        labels: (N,) the class of each, an integer in 0..9.
        z: the place that is shown first.

    Raises:
        ValueError: arrays that do not fit together.

    Example:
        >>> grid = np.linspace(0, 1, 3)[:, None, None, None] * np.ones((3, 3, 2, 2))
        >>> figure = LatentPlane(grid, 3, [[0.5, -1.0]], [7])
        >>> figure.rows, figure.codes
        (['000000000000', 'UUUUUUUUUUUU', 'zzzzzzzzzzzz'], '50 -100')
    """

    rows: Any = traitlets.List(traitlets.Unicode()).tag(sync=True)  # a text for each z0: a character a pixel
    shape: Any = traitlets.List(traitlets.Int()).tag(sync=True)  # G, H, W
    reach = traitlets.Float().tag(sync=True)
    codes = traitlets.Unicode().tag(sync=True)  # in hundredths
    labels = traitlets.Unicode().tag(sync=True)  # a digit each
    z: Any = traitlets.List(traitlets.Float(), [0.0, 0.0]).tag(sync=True)
    shown = traitlets.Bool(True).tag(sync=True)  # the codes are shown

    def __init__(
        self, images: ArrayLike, reach: float, codes: ArrayLike, labels: Sequence[int] | np.ndarray, **kwargs: Any
    ) -> None:
        images, codes, labels = np.asarray(images, dtype=float), np.asarray(codes), np.asarray(labels)
        if images.ndim != 4 or images.shape[0] != images.shape[1] or len(images) < 2:
            raise ValueError(f"images must be (G, G, H, W) with G of at least 2, got {images.shape}")
        if not np.isin(labels, range(10)).all():
            raise ValueError(f"labels must be integers from 0 to 9, got {labels.min()} to {labels.max()}")
        if codes.shape != (len(labels), 2):
            raise ValueError(f"codes must be (N, 2) for N labels, got {codes.shape} and {len(labels)} labels")
        shades = np.array(list(_SHADES))[np.rint(images.clip(0, 1) * (len(_SHADES) - 1)).astype(int)]
        super().__init__(
            rows=["".join(row.ravel()) for row in shades],
            shape=[len(images), *images.shape[2:]],
            reach=float(reach),
            codes=" ".join(map(str, np.rint(100 * codes).astype(int).ravel())),
            labels="".join(map(str, labels)),
            **kwargs,
        )
