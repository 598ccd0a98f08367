"""A law over pairs, p(x0, x1), as a heat map."""

from __future__ import annotations

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm, to_rgb
from numpy.typing import ArrayLike

from deepul_utils.plotting.style import COLOURS


def heat_map(
    probs: ArrayLike, ax: Axes | None = None, *, role: str = "model", top: float | None = None, title: str = ""
) -> Axes:
    """Draw a law p(x0, x1) as a heat map, x0 to the right and x1 upwards.

    The colour goes with the square root of p, so that faint cells are seen beside dark ones.

    Args:
        probs: (K0, K1) probabilities, indexed [x0, x1].
        ax: where to draw; the current axes where not given.
        role: "data", "model" or "truth", whose colour the map gets.
        top: the probability of the darkest colour; the largest one where not given. Give the same to maps that are to
            be compared.
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
    colour = np.array(to_rgb(COLOURS[role]))
    shades = LinearSegmentedColormap.from_list(role, np.stack([np.ones(3), colour, 0.5 * colour]))
    norm = PowerNorm(0.5, vmin=0, vmax=probs.max() if top is None else top)
    ax.imshow(probs.T, origin="lower", cmap=shades, norm=norm)
    ax.set(xlabel="$x_0$", ylabel="$x_1$", title=title)
    ax.grid(False)
    return ax
