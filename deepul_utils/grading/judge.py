"""Run a submission's cells, and judge each question where its grade cell stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from deepul_utils.checks.question import OUTCOME_MIME, QUESTIONS, CaseResult, Outcome, Question, grade_id
from deepul_utils.grading.kernel import Kernel, Run

JUDGED = "the question can be judged"  # the only case of a question whose check did not come to an end
STOPPED = "Stopped"  # the name of the error that a stopped cell shows

# The grade cell's own line, whatever became of the notebook's imports.
_JUDGE = "__import__('deepul_utils.checks').checks.run({id!r}, globals())"


def judge(notebook: NotebookNode, *, folder: Path, timeout: float, execution: str = "autograde") -> dict[str, Outcome]:
    """Run the notebook's code cells, give them their outputs, and return the outcomes by grade_id.

    Nothing that one cell does keeps the next from running: a cell that takes too long is interrupted, and where the
    process ended, a new one first runs again what ran well before. Every grade cell gets an outcome.

    Args:
        notebook: changed in place.
        folder: where it runs.
        timeout: seconds that one cell may compute.
        execution: see `Kernel`.
    """
    questions = {grade_id(id): question for id, question in QUESTIONS.items()}
    outcomes: dict[str, Outcome] = {}
    ran: list[str] = []
    kernel = Kernel(folder, execution)
    try:
        for count, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), start=1):
            if not kernel.alive:
                kernel = _again(kernel, ran, folder, timeout, execution)
            marks = cell.metadata.get("nbgrader", {})
            if marks.get("grade") and not marks.get("solution"):
                id = marks["grade_id"]
                outcomes[id], cell.outputs = _judge_one(kernel, questions.get(id), marks, timeout)
            else:
                run = kernel.run(cell.source, timeout)
                cell.outputs = run.outputs + ([_error(run.stopped)] if run.stopped else [])
                if not run.stopped:
                    ran.append(cell.source)
            cell.execution_count = count
    finally:
        kernel.stop()
    return outcomes


def _again(dead: Kernel, ran: list[str], folder: Path, timeout: float, execution: str) -> Kernel:
    """A new kernel that has run again what ran well; what ends it this time is left out."""
    dead.stop()
    kernel = Kernel(folder, execution)
    for source in list(ran):
        kernel.run(source, timeout)
        if not kernel.alive:
            ran.remove(source)
            return _again(kernel, ran, folder, timeout, execution)
    return kernel


def _judge_one(
    kernel: Kernel, question: Question | None, marks: NotebookNode, timeout: float
) -> tuple[Outcome, list[NotebookNode]]:
    if question is None:
        outcome, run = failed(marks["grade_id"], marks["points"], "no check of this course judges this cell"), Run([])
    else:
        run = kernel.run(_JUDGE.format(id=question.id), timeout)
        outcome = _outcome(question, run)
    # nbgrader reads the points from the first output that is a result or an error, so this one stands in front.
    points = str(round(outcome.score / outcome.points * marks["points"], 2))
    shown = new_output("execute_result", data=outcome._repr_mimebundle_() | {"text/plain": points}, execution_count=1)
    return outcome, [shown, *(output for output in run.outputs if output.get("name") == "stdout")]


def _outcome(question: Question, run: Run) -> Outcome:
    """What the check found, or, where it did not come to an end, a failed outcome that says why."""
    if run.error:
        return failed(question.id, question.points, f"it {run.error}" if run.stopped else run.error)
    try:
        return _read(question, run.data(OUTCOME_MIME))
    except (KeyError, TypeError, ValueError):
        return failed(question.id, question.points, "its test gave no outcome")


def _read(question: Question, data: Any) -> Outcome:
    cases = tuple(
        CaseResult(str(c["name"]), float(c["weight"]), c["passed"] is True, str(c["message"])) for c in data["cases"]
    )
    if data["question"] != question.id or not cases:
        raise ValueError("this is the outcome of another question")
    return Outcome(question.id, question.points, cases)


def failed(question: str, points: float, why: str) -> Outcome:
    """The outcome of a question that could not be judged: no points, and why."""
    return Outcome(question, points, (CaseResult(JUDGED, 1.0, False, why),))


def _error(stopped: str) -> NotebookNode:
    why = f"a cell {stopped}"
    return new_output("error", ename=STOPPED, evalue=why, traceback=[f"{STOPPED}: {why}"])
