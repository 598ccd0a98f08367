"""A law over pairs, p(x0, x1), of integers or real numbers, as a heat map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
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
    return _draw(probs, ax, role, top, title)


@torch.no_grad()
def density_map(
    log_prob: Callable[[torch.Tensor], Any],
    low: tuple[float, float],
    high: tuple[float, float],
    ax: Axes | None = None,
    *,
    role: str = "model",
    top: float | None = None,
    title: str = "",
    cells: int = 200,
) -> Axes:
    """Draw a density p(x0, x1) over a box, as `heat_map` draws a table.

    Args:
        log_prob: maps points (N, 2) to their log-densities (N,).
        low: the box's lower corner.
        high: its upper corner.
        ax: where to draw; the current axes where not given.
        role: "data", "model" or "truth", whose colour the map gets.
        top: the density of the darkest colour; the largest one where not given.
        title: stands above the map.
        cells: along each side, at the middle of which the density is taken.

    Example:
        >>> ax = density_map(lambda x: -x.square().sum(1) / 2, (-3, -3), (3, 3))
        >>> ax.images[0].get_extent()
        [-3, 3, -3, 3]
        >>> plt.close()
    """
    sides = [a + (b - a) * (torch.arange(cells) + 0.5) / cells for a, b in zip(low, high, strict=True)]
    density = np.exp(np.asarray(log_prob(torch.cartesian_prod(*sides)))).reshape(cells, cells)
    return _draw(density, ax, role, top, title, extent=[low[0], high[0], low[1], high[1]])


def _draw(table: np.ndarray, ax: Axes | None, role: str, top: float | None, title: str, **more: Any) -> Axes:
    ax = plt.gca() if ax is None else ax
    colour = np.array(to_rgb(COLOURS[role]))
    shades = LinearSegmentedColormap.from_list(role, np.stack([np.ones(3), colour, 0.5 * colour]))
    norm = PowerNorm(0.5, vmin=0, vmax=table.max() if top is None else top)
    ax.imshow(table.T, origin="lower", cmap=shades, norm=norm, **more)
    ax.set(xlabel="$x_0$", ylabel="$x_1$", title=title)
    ax.grid(False)
    return ax
