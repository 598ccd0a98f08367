"""Run a submission's cells, and judge each question where its grade cell stands."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from deepul_utils.checks.question import OUTCOME_MIME, QUESTIONS, CaseResult, Outcome, Question, grade_id
from deepul_utils.checks.student import NotebookStudent
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
    with contextlib.closing(_Session(folder, timeout, execution)) as session:
        for count, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), start=1):
            marks = cell.metadata.get("nbgrader", {})
            if marks.get("grade") and not marks.get("solution"):
                id = marks["grade_id"]
                outcomes[id], streams = session.judge(questions[id]) if id in questions else (_unknown(marks), [])
                cell.outputs = [_verdict(outcomes[id], marks["points"]), *streams]
            else:
                cell.outputs = session.run(cell.source)
            cell.execution_count = count
    return outcomes


class _Session:
    """A submission's kernel, which comes back to life where a cell ends it."""

    def __init__(self, folder: Path, timeout: float, execution: str) -> None:
        self._folder, self._timeout, self._execution = folder, timeout, execution
        self._kernel: Kernel | None = None
        self._ran: list[str] = []

    def close(self) -> None:
        if self._kernel:
            self._kernel.stop()

    def _alive(self) -> Kernel:
        """A kernel that has run what ran well before; what ends it this time is left out."""
        while self._kernel is None or not self._kernel.alive:
            self.close()
            self._kernel = Kernel(self._folder, self._execution)
            for source in list(self._ran):
                self._kernel.run(source, self._timeout)
                if not self._kernel.alive:
                    self._ran.remove(source)
                    break
        return self._kernel

    def run(self, source: str) -> list[NotebookNode]:
        """Run a cell of the student's and return its outputs."""
        run = self._alive().run(source, self._timeout)
        if not run.stopped:
            self._ran.append(source)
            return run.outputs
        why = f"a cell {run.stopped}"
        return [*run.outputs, new_output("error", ename=STOPPED, evalue=why, traceback=[f"{STOPPED}: {why}"])]

    def judge(self, question: Question) -> tuple[Outcome, list[NotebookNode]]:
        """The outcome of a question on all that has run so far, and what was printed on the way."""
        if self._kernel is None:  # no code, no kernel
            return question.judge(NotebookStudent({})), []
        run = self._alive().run(_JUDGE.format(id=question.id), self._timeout)
        return _outcome(question, run), [output for output in run.outputs if output.get("name") == "stdout"]


def _verdict(outcome: Outcome, points: float) -> NotebookNode:
    """The output from which nbgrader reads the points, since it is the first that is a result or an error."""
    share = str(round(outcome.score / outcome.points * points, 2))
    return new_output("execute_result", data=outcome._repr_mimebundle_() | {"text/plain": share}, execution_count=1)


def _unknown(marks: NotebookNode) -> Outcome:
    return failed(marks["grade_id"], marks["points"], "no check of this course judges this cell")


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
