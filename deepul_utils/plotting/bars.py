"""Bars of a law over the values 0 .. K - 1, with other laws drawn over them as outlines."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from deepul_utils.plotting.style import COLOURS


def bars(
    *,
    data: ArrayLike | None = None,
    model: ArrayLike | None = None,
    truth: ArrayLike | None = None,
    labels: dict[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one law as bars and the others over it as outlines, each in the colour of its role.

    The first one given, in the order of the arguments, gets the bars.

    Args:
        data: (K,) an empirical law, K probabilities.
        model: (K,) a model's law.
        truth: (K,) the law that the data come from.
        labels: what the legend says instead of "data", "model" and "truth".
        ax: where to draw; a new figure otherwise.

    Returns:
        The axes, to which a caller may add a title or a limit.

    Raises:
        ValueError: no law was given, or they are not all of one shape (K,).

    Example:
        >>> ax = bars(data=[0.25, 0.75], truth=[0.5, 0.5])
        >>> ax.get_xlabel()
        'value x'
        >>> plt.close(ax.figure)
    """
    given = {"data": data, "model": model, "truth": truth}
    laws = {role: np.asarray(law, dtype=float) for role, law in given.items() if law is not None}
    shapes = {law.shape for law in laws.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise ValueError(f"give at least one law, each of the same shape (K,), got {sorted(shapes) or 'none'}")
    if ax is None:
        ax = plt.subplots()[1]
    names = {role: role for role in laws} | (labels or {})
    (first, filled), *others = laws.items()
    values = np.arange(len(filled))
    alpha = 0.55 if others else 0.9
    drawn: list[Any] = [ax.bar(values, filled, width=0.9, color=COLOURS[first], alpha=alpha, label=names[first])]
    for role, law in others:
        edges = np.arange(len(law) + 1) - 0.5
        drawn.append(ax.stairs(law, edges, color=COLOURS[role], linewidth=2, baseline=None, label=names[role]))
    ax.set(xlabel="value x", ylabel="probability", xlim=(-0.7, len(values) - 0.3))
    ax.locator_params(axis="x", integer=True)
    if others:
        ax.legend(handles=drawn)
    return ax
