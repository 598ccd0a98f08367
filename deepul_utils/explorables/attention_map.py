"""Where the heads of a transformer look, over an image: pick the pixel that is predicted, a layer and a head."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets
from numpy.typing import ArrayLike

from deepul_utils.explorables.base import Explorable

_PARTS = 1000


class AttentionMap(Explorable):
    """A binary image as far as the model knows it, and beside it the weights of one head at the next pixel.

    The position of a pixel holds the value of the one visited before it, and the first one a start token. So a weight
    is drawn on the pixel whose value stands at the position that gets it.

    Args:
        images: (N, H, W) of 0 and 1.
        maps: (N, layers, heads, D, D) from `ImageTransformer.attention_maps`.
        ink: (N, H, W) the model's p(x_i = 1 | earlier x).
        order: (D,) position of each pixel in the ordering; the raster where not given.

    Raises:
        ValueError: sizes that do not fit, rows that do not sum to 1, or weight on what comes later.

    Example:
        >>> maps = np.tril(np.ones((4, 4))) / np.arange(1, 5)[:, None]
        >>> figure = AttentionMap(np.eye(2)[None], maps[None, None, None], np.full((1, 2, 2), 0.5))
        >>> figure.rows[0][0][0], figure.ink
        ('1000;500,500;333,333,333;250,250,250,250', [[500, 500, 500, 500]])
    """

    width = traitlets.Int(min=1).tag(sync=True)
    visits = traitlets.List(traitlets.Int()).tag(sync=True)  # the pixels, in the order of the visits
    images = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)
    ink = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)  # in parts of 1000, as are the rows
    # [image][layer][head]: the parts of each visit up to this one, as text, since a list takes a line for each number.
    rows: Any = traitlets.List().tag(sync=True)
    image = traitlets.Int(0, min=0).tag(sync=True)
    layer = traitlets.Int(0, min=0).tag(sync=True)
    head = traitlets.Int(0, min=0).tag(sync=True)
    pixel = traitlets.Int(0, min=0).tag(sync=True)

    def __init__(
        self, images: ArrayLike, maps: ArrayLike, ink: ArrayLike, order: ArrayLike | None = None, **kwargs: Any
    ) -> None:
        images, maps, ink = np.asarray(images, dtype=int), np.asarray(maps, dtype=float), np.asarray(ink, dtype=float)
        D = images[0].size
        if (
            images.ndim != 3
            or ink.shape != images.shape
            or maps.ndim != 5
            or maps.shape[::3] + maps.shape[4:]
            != (
                len(images),
                D,
                D,
            )
        ):
            raise ValueError(
                "give images (N, H, W), maps (N, layers, heads, H * W, H * W) and ink (N, H, W), "
                f"got {images.shape}, {maps.shape} and {ink.shape}"
            )
        visits = np.argsort(np.arange(D) if order is None else np.asarray(order))
        maps = maps[..., visits[:, None], visits]
        if np.abs(maps.sum(-1) - 1).max() > 1e-4 or np.triu(maps, 1).max() > 1e-6:
            raise ValueError("each row of maps must sum to 1, with no weight on positions that come later in the order")
        parts = np.rint(_PARTS * maps).astype(int)
        super().__init__(
            width=images.shape[2],
            visits=visits.tolist(),
            images=images.reshape(-1, D).tolist(),
            ink=np.rint(_PARTS * ink).astype(int).reshape(-1, D).tolist(),
            rows=[[[_as_text(head) for head in layer] for layer in n] for n in parts],
            **kwargs,
        )


def _as_text(parts: np.ndarray) -> str:
    """The lower triangle of (D, D): its rows apart by semicolons, their parts by commas."""
    return ";".join(",".join(map(str, row[: t + 1])) for t, row in enumerate(parts))
