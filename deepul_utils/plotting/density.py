"""Laws and points in two dimensions: heat maps of p(x0, x1) and scatter plots."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes


def heat_map(probs: Any, ax: Axes | None = None, *, top: float | None = None, title: str = "") -> Axes:
    """Draw a law p(x0, x1) as a heat map, x0 to the right and x1 upwards.

    Args:
        probs: (K0, K1) probabilities, indexed [x0, x1].
        ax: where to draw; the current axes where not given.
        top: the probability that gets the darkest colour; the largest one where not given.
            Give maps that stand side by side the same.
        title: stands above the map.

    Raises:
        ValueError: `probs` is not a table.

    Example:
        >>> ax = heat_map(np.full((4, 4), 1 / 16))
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('$x_0$', '$x_1$')
        >>> plt.close()
    """
    probs = np.asarray(probs)
    if probs.ndim != 2:
        raise ValueError(f"probs must be (K0, K1), got {probs.shape}; reshape it so that probs[x0, x1] is p(x0, x1)")
    ax = plt.gca() if ax is None else ax
    ax.imshow(probs.T, origin="lower", cmap="Blues", vmin=0, vmax=probs.max() if top is None else top)
    ax.set(xlabel="$x_0$", ylabel="$x_1$", title=title)
    ax.grid(False)
    return ax
