"""Read what a student handed in: whatever of it is a notebook, and one sentence where nothing is."""

from __future__ import annotations

import json
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

SIZE_LIMIT = 50_000_000  # characters of a submitted file

_NEW_CELL = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}


class UnreadableNotebook(Exception):
    """A file is no notebook; the message says what it is instead, as the end of a sentence."""


def parse(text: str) -> NotebookNode:
    """The notebook that `text` holds, with its cells' sources and nbgrader's metadata, and without anything else.

    Outputs, ids, tags and the metadata of Colab and others are left behind, so that no writer's habits (Colab's
    nbformat_minor 0 without cell ids) and no student's tag (`skip-execution`) reach the grader.

    Raises:
        UnreadableNotebook: there is no notebook in it.
    """
    if len(text) > SIZE_LIMIT:
        raise UnreadableNotebook(f"is larger than {SIZE_LIMIT / 1e6:.0f} MB")
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise UnreadableNotebook("is empty")
    if text.lstrip().startswith("<"):
        raise UnreadableNotebook("is a web page, not the notebook itself")
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise UnreadableNotebook(f"is damaged: it is no valid JSON from line {error.lineno} on") from None
    except (ValueError, RecursionError):
        raise UnreadableNotebook("is damaged: it is no valid JSON") from None
    cells = document.get("cells") if isinstance(document, dict) else None
    if not isinstance(cells, list):
        raise UnreadableNotebook("is no notebook: it has no list of cells")
    read = [_cell(number, cell) for number, cell in enumerate(cells)]
    return new_notebook(cells=[cell for cell in read if cell is not None])


def _cell(number: int, cell: Any) -> NotebookNode | None:
    """A clean copy of a cell, or nothing where it is no cell."""
    if not isinstance(cell, dict) or cell.get("cell_type") not in ["code", "markdown", "raw"]:
        return None
    source = cell.get("source")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    clean = _NEW_CELL[cell["cell_type"]](source=source, id=f"cell-{number}")
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    if isinstance(marks, dict) and isinstance(marks.get("grade_id"), str):
        clean.metadata["nbgrader"] = NotebookNode(grade_id=marks["grade_id"])  # the gradebook knows the rest
    pictures = cell.get("attachments")
    if cell["cell_type"] == "markdown" and isinstance(pictures, dict):
        clean["attachments"] = NotebookNode({k: v for k, v in pictures.items() if _is_picture(v)})
    return clean


def _is_picture(attachment: Any) -> bool:
    return isinstance(attachment, dict) and all(isinstance(data, str) for data in attachment.values())
