"""Run a student's notebook against the checks that the student can see."""

from __future__ import annotations

import re
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from deepul_utils.checks import weights
from deepul_utils.checks.question import QUESTIONS, Outcome, grade_id
from deepul_utils.grading.judge import judge
from deepul_utils.grading.kernel import LocalProcess
from deepul_utils.grading.notebook import UnreadableNotebook, parse

_RUN = re.compile(r"""checks\.run\(["']([\w.]+)["'], globals\(\)\)""")


class CheckError(Exception):
    """A file cannot be checked; the message says why."""


def check(path: Path, *, timeout: float) -> list[Outcome]:
    """Run the notebook at `path` and judge all questions of its homework, whatever the file is called.

    Args:
        timeout: seconds that one cell may compute.

    Raises:
        CheckError: the file is not there, is no notebook, or is no homework of this course.
    """
    try:
        notebook = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CheckError(f"{path} is no text file, so it is no notebook") from None
    except UnreadableNotebook as error:
        raise CheckError(f"{path} {error}") from None
    asked = _mark(notebook)
    if not asked:
        raise CheckError(f"{path} asks no question of this course; give the path of a homework notebook")
    folder = path.resolve().parent
    files = weights.read(folder, [QUESTIONS[id].weights for id in asked if QUESTIONS[id].weights])
    outcomes = judge(notebook, lambda: LocalProcess(folder, "validate"), timeout=timeout, files=files)
    return [outcomes[grade_id(id)] for id in asked]


def _mark(notebook: NotebookNode) -> list[str]:
    """Mark the cells that run a check as its grade cell, add those that are missing, and return the questions."""
    cells: dict[str, NotebookNode] = {}
    for cell in notebook.cells:
        cell.metadata.pop("nbgrader", None)
        if cell.cell_type == "code" and (call := _RUN.fullmatch(cell.source.strip())):
            cells[call[1]] = cell
    homework = {id.split(".")[0] for id in cells}
    asked = [id for id in QUESTIONS if id.split(".")[0] in homework]
    for id in asked:
        if id not in cells:
            notebook.cells.append(cells.setdefault(id, new_code_cell()))
        marks = {"grade": True, "grade_id": grade_id(id), "points": QUESTIONS[id].points}
        cells[id].metadata["nbgrader"] = NotebookNode(marks)
    return asked
