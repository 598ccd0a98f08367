"""Small black and white images of which every cause is known: shape, size and place, in all combinations."""

from __future__ import annotations

from itertools import product

import numpy as np

SIDE = 12  # pixels
FACTORS = {"shape": 3, "size": 3, "across": 6, "down": 6}  # how many values each factor has
_SHAPES = ("square", "disc", "frame")


def shapes() -> tuple[np.ndarray, np.ndarray]:
    """Return each of the 324 images once, and its factors.

    All are equally likely and no two are alike, so the entropy of this law is log 324 = 5.78 nats.

    Returns:
        images (324, 12, 12), uint8 of 0 and 1; factors (324, 4), integers in the order of `FACTORS`.

    Example:
        >>> images, factors = shapes()
        >>> images.shape, factors[-1].tolist()
        ((324, 12, 12), [2, 2, 5, 5])
        >>> print("\\n".join("".join(".#"[pixel] for pixel in line[:6]) for line in images[0][:5]))
        ####..
        ####..
        ####..
        ####..
        ......
    """
    factors = np.array(list(product(*map(range, FACTORS.values()))))
    return np.stack([_drawn(*row) for row in factors]), factors


def _drawn(shape: int, size: int, across: int, down: int) -> np.ndarray:
    radius = 2.0 + 0.5 * size  # half of the width: 4, 5 or 6 pixels
    u, v = (np.arange(SIDE) + 0.5 - place - radius for place in (across, down))
    x, y = np.abs(u)[None, :], np.abs(v)[:, None]
    within = np.maximum(x, y) < radius
    name = _SHAPES[shape]
    if name == "disc":
        within &= x**2 + y**2 < (radius - 0.1) ** 2
    elif name == "frame":
        within &= np.maximum(x, y) > radius - 1
    return within.astype(np.uint8)
