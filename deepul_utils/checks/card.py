"""The card that a check shows under its cell, in Jupyter, in Colab and in the feedback that students get."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import NamedTuple

# Both are legible on a white and on a black page; the text keeps the colour that the page gives it.
PASSED, FAILED = "#2e8b57", "#d9534f"


class Row(NamedTuple):
    """One line of a card: a tick or a cross, what was looked at, what to look at next, and a picture of it, as HTML."""

    passed: bool
    title: str
    message: str = ""
    picture: str = ""


def card(title: str, score: float, points: float, rows: Iterable[Row], note: str = "") -> str:
    """An HTML card: `title`, `score` of `points`, a line for each row, and a note below."""
    lines, last = [], ""
    for row in rows:
        mark = f'<b style="color:{PASSED}">✓</b>' if row.passed else f'<b style="color:{FAILED}">✗</b>'
        # A function that is missing fails every case alike: its message is said once.
        message = row.message if row.message != last else ""
        last = row.message
        below = f'<div style="margin:.1em 0 .5em;white-space:pre-wrap;opacity:.85">{_with_arrays(message)}</div>'
        lines.append(
            f'<div style="display:flex;gap:.6em;margin:.2em 0">{mark}<div style="min-width:0;overflow-wrap:anywhere">'
            f"{html.escape(row.title)}{below + row.picture if message else ''}</div></div>"
        )
    return (
        f'<div style="border-left:4px solid {PASSED if score == points else FAILED};padding:.3em 1em;margin:.4em 0;'
        f'max-width:48em;line-height:1.45;font-family:system-ui,sans-serif;font-size:14px">'
        f'<div style="margin-bottom:.3em"><b>{html.escape(title)}</b>: {score:g} of {points:g} points</div>'
        f"{''.join(lines)}{f'<div>{html.escape(note)}</div>' if note else ''}</div>"
    )


def _with_arrays(message: str) -> str:
    """The message as HTML; the lines that compare arrays keep their columns."""
    text, *arrays = re.split(r"(?<=\n)(?=expected )", html.escape(message), maxsplit=1)
    return text + "".join(f'<span style="font-family:ui-monospace,monospace">{part}</span>' for part in arrays)
