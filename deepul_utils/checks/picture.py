"""Small pictures beside a failed case, as HTML that a card and a feedback page show alike."""

from __future__ import annotations

import base64
import html
import io

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.image import imsave

from deepul_utils.checks.card import FAILED

_SIZE = 224  # pixels, and the most dimensions that are drawn
_CELL = 16  # pixels of one entry at most
_SEEN, _UNSEEN = "#8a8f98", (0.54, 0.56, 0.6, 0.15)  # both show on a white and on a black page


def dependencies(sees: np.ndarray, due: np.ndarray, order: np.ndarray) -> str:
    """Which output sees which input, with what is wrong in red; empty where it would be too large.

    In the given ordering a right matrix is filled below its diagonal, and nowhere else.

    Args:
        sees: (D, D) whether output i depends on input j.
        due: (D, D) whether it should.
        order: (D,) the position of each dimension.

    Example:
        >>> due = np.tri(3, k=-1, dtype=bool)
        >>> dependencies(due | np.eye(3, dtype=bool), due, np.arange(3))[:29]
        '<img src="data:image/png;base'
    """
    dims = len(sees)
    if dims > _SIZE:
        return ""
    at = np.argsort(order)
    sees, due = sees[np.ix_(at, at)], due[np.ix_(at, at)]
    colours = np.where(sees[..., None], to_rgba(_SEEN), _UNSEEN)
    colours[sees & ~due] = to_rgba(FAILED)
    cell = min(_CELL, _SIZE // dims)
    frame = np.ones((cell, cell), dtype=bool)
    frame[3:-3, 3:-3] = False
    image = colours.repeat(cell, 0).repeat(cell, 1)
    image[np.kron(due & ~sees, frame)] = to_rgba(FAILED)
    if cell > 4:
        gap = np.arange(dims * cell) % cell == 0
        image[gap] = image[:, gap] = 0
    file = io.BytesIO()
    imsave(file, image, format="png", metadata={"Software": ""})
    wrong = [f"output {at[i]} {'sees' if sees[i, j] else 'misses'} input {at[j]}" for i, j in np.argwhere(sees != due)]
    told = ", ".join(wrong[:8]) + (f" and {len(wrong) - 8} more" if len(wrong) > 8 else "")
    alt = html.escape(f"Matrix of which output sees which input, wrong in {len(wrong)} places: {told}.", quote=True)
    source = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return (
        f'<img src="{source}" width="{dims * cell}" height="{dims * cell}" alt="{alt}">'
        '<div style="opacity:.85">A row for each output, a column for each input, in their ordering. '
        "Grey: the output sees the input. Red: it must not. A red frame: it should, and does not.</div>"
    )
