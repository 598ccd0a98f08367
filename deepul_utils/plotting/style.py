"""One look for every figure: a white card, letters that a phone shows legibly, the explorables' colours."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import Any

import matplotlib as mpl
from cycler import cycler
from IPython.core.getipython import get_ipython
from matplotlib.figure import Figure
from PIL import Image

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
    """Give every later figure of this process the book's look; notebooks keep it sharp and small.

    Example:
        >>> use()
        >>> mpl.rcParams["figure.facecolor"]
        'white'
    """
    mpl.rcParams.update(_RC)
    formatter = getattr(get_ipython(), "display_formatter", None)
    if formatter is not None:
        # Loading it sets a formatter of its own, so it must not be loaded later.
        import matplotlib_inline.backend_inline  # noqa: F401

        formatter.formatters["image/png"].for_type(Figure, _png)


def _png(figure: Figure) -> tuple[str, dict[str, int]]:
    """The figure in 256 colours, a third of the bytes, with two pixels for each one on the page."""
    drawn, small = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png", dpi=2 * figure.dpi, bbox_inches="tight")
    image = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    image.save(small, format="png", optimize=True)
    return b64encode(small.getvalue()).decode(), {"width": image.width // 2, "height": image.height // 2}
