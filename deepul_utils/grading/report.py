"""What graded notebooks tell a person: a sentence for each thing that went wrong, and tables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from rich.table import Table
from rich.text import Text

from deepul_utils.checks.laws import CAUSE
from deepul_utils.checks.question import OUTCOME_MIME, QUESTIONS, Outcome, grade_id
from deepul_utils.grading.judge import JUDGED, STOPPED
from deepul_utils.grading.names import printable
from deepul_utils.grading.record import NOTES, handed_in_at


@dataclass(frozen=True)
class Graded:
    """One student's week: the score, or None where nothing could be recorded, and what went wrong, a sentence each."""

    student: str
    score: float | None
    points: float
    waiting: int  # written answers that wait for a person
    problems: tuple[str, ...]


_FILE = re.compile(r" \(\S+, line (\d+)\)$")  # the kernel's own name for a cell


def problems(notebook: NotebookNode, notes: Iterable[str]) -> list[str]:
    """What went wrong in a graded notebook, one sentence each: `notes`, cells that failed, points that were lost."""
    said = list(notes)
    if all(_marks(cell).get("grade") for cell in notebook.cells if cell.cell_type == "code"):
        return said  # nothing of the student's is in it, and the notes say why
    explained, missing, lost = set(), [], []
    for cell in notebook.cells:
        question = _answered(_marks(cell).get("grade_id", ""))
        for error in (output for output in cell.get("outputs", []) if output.output_type == "error"):
            if question or error.ename == STOPPED:  # free cells may fail: they show what the answers do
                said.append(f"{question}: {_error_sentence(error)}" if question else error.evalue)
                explained.add(question)
        if (outcome := outcome_of(cell)) and (failed := _first_failed(outcome)):
            if unanswered(failed["message"]):
                missing.append(outcome["question"])
            elif outcome["question"] not in explained:
                case = "" if failed["name"] == JUDGED else f"{failed['name']}: "
                lost.append(f"{outcome['question']}: {case}{_sentence(failed['message'])}")
    said += [f"not answered: {', '.join(missing)}"] if missing else []
    return list(dict.fromkeys(said + lost))


def problems_in(graded: Path, submitted: Path, asked: Iterable[str], week: str) -> list[str]:
    """What went wrong with one student's week: in its notebooks, in what is missing, and in what belongs to nothing.

    Args:
        graded: the folder of the graded notebooks.
        submitted: the folder of what was handed in.
        asked: the names of the week's notebooks.
        week: its name.
    """
    said = []
    for name in sorted(asked):
        path = graded / f"{name}.ipynb"
        if path.is_file():
            notebook = nbformat.read(path, as_version=4)
            said += problems(notebook, notebook.metadata.get(NOTES, []))
        else:
            said.append(f"{name}.ipynb was not handed in")
    for path in sorted(submitted.glob("*.ipynb")):
        if path.stem not in asked:
            name = path.name if path.name.isprintable() else ascii(path.name)  # which may be no text at all
            said.append(f"{name} is no notebook of {week}: give it the name of one to have it graded")
    _, doubt = handed_in_at(submitted)
    return [*said, doubt] if doubt else said


def unanswered(message: str) -> bool:
    """Whether a case failed because nothing was written."""
    return message.endswith("is not answered yet")


def _marks(cell: NotebookNode) -> dict[str, Any]:
    marks: dict[str, Any] = cell.metadata.get("nbgrader", {})
    return marks


def _answered(id: str) -> str | None:
    """The question that a cell answers: an answer's grade_id is that of the question and more."""
    return next((question for question in QUESTIONS if id.startswith(f"{grade_id(question)}-")), None)


def outcome_of(cell: NotebookNode) -> dict[str, Any] | None:
    """The outcome that a graded cell shows; None for any other cell."""
    return next((o.data[OUTCOME_MIME] for o in cell.get("outputs", []) if OUTCOME_MIME in o.get("data", {})), None)


def _first_failed(outcome: dict[str, Any]) -> dict[str, Any] | None:
    """The first case of an outcome that did not pass."""
    return next((case for case in outcome["cases"] if not case["passed"]), None)


def _sentence(message: str) -> str:
    """A case's message in one line: the usual cause where it names one, else its first line."""
    lines = message.splitlines() or [""]
    return next((line.removeprefix(CAUSE) for line in lines if line.startswith(CAUSE)), lines[0])


def _error_sentence(error: NotebookNode) -> str:
    """An error output in one line, without the kernel's name for the cell."""
    what = _FILE.sub(r" in line \1", error.evalue.strip().split("\n")[0])
    return f"its {what[2:]}" if error.ename == STOPPED else f"{error.ename}: {what}".removesuffix(": ")


def questions_table(outcomes: Iterable[Outcome]) -> Table:
    """Every case of every question, passed or not, with its message."""
    table = Table(show_lines=True)
    table.add_column("Question", no_wrap=True)
    table.add_column("Points", justify="right", no_wrap=True)
    table.add_column("Cases")
    for outcome in outcomes:
        cases, last = Text(), ""
        for case in outcome.cases:
            cases.append("✓ " if case.passed else "✗ ", style="green" if case.passed else "red")
            cases.append(f"{case.name}\n")
            if case.message != last:  # a missing function fails every case alike
                cases.append("  " + printable(case.message).replace("\n", "\n  ") + "\n", style="dim")
            last = case.message
        cases.rstrip()
        style = "green" if outcome.score == outcome.points else "red"
        points = Text(f"{outcome.score:g} of {outcome.points:g}", style=style)
        table.add_row(outcome.question.split(".")[1], points, cases)
    return table


def class_table(graded: Iterable[Graded]) -> Table:
    """Every student's score, and what went wrong."""
    table = Table(show_lines=True)
    table.add_column("Student")
    table.add_column("Score", justify="right", no_wrap=True)
    table.add_column("What went wrong")
    for one in graded:
        score = Text("not graded", style="red") if one.score is None else Text(f"{one.score:g} of {one.points:g}")
        if one.waiting:
            score.append(f"\n+ {one.waiting} to read", style="yellow")
        table.add_row(Text(printable(one.student)), score, Text(printable("\n".join(one.problems))))
    return table
