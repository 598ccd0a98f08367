"""One look for every figure: a white card, letters that a phone shows legibly, the explorables' colours."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
from cycler import cycler
from IPython.core.getipython import get_ipython

# The COLOURS of explorables/kit.js.
COLOURS = {"data": "#3b7dd8", "model": "#e0723a", "truth": "#2e9b6a", "bad": "#d1495b", "quiet": "#8a8f98"}

_INK = "#23272e"

_RC: Any = {
    "figure.figsize": (6.4, 3.2),
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
    "font.size": 12,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "axes.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=list(COLOURS.values())),
    "grid.color": "#e4e6ea",
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "image.cmap": "Blues",
}


def use() -> None:
    """Give every later figure of this process the book's look, at twice the pixels inside a notebook.

    Example:
        >>> use()
        >>> mpl.rcParams["figure.facecolor"]
        'white'
    """
    mpl.rcParams.update(_RC)
    shell = get_ipython()
    if shell is not None and hasattr(shell, "kernel"):
        from matplotlib_inline.config import InlineBackend

        InlineBackend.instance(parent=shell).figure_formats = {"retina"}
