"""Run a submission's cells, and judge each question where its grade cell stands."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from deepul_utils.checks.question import OUTCOME_MIME, QUESTIONS, CaseResult, Outcome, Question, grade_id
from deepul_utils.checks.student import NotebookStudent, Reference, Student, StudentFailed
from deepul_utils.grading.kernel import PATIENCE, CallStopped, Kernel, Process

JUDGED = "the question can be judged"  # the only case of a question whose check did not come to an end
STOPPED = "Stopped"  # the name of the error that a stopped cell shows

_STOPS = 2  # how many calls of a question may be stopped before the rest are not made
_PATIENCE = 20  # how many times a cell's limit all calls of a question may take together by the clock
BUDGET = 10  # how many times a cell's limit a submission may compute; by the clock, `PATIENCE` times as long


def judge(
    notebook: NotebookNode,
    start: Callable[[], Process],
    *,
    timeout: float,
    seed: int = 0,
    files: Mapping[str, bytes] | None = None,
) -> dict[str, Outcome]:
    """Run the notebook's code cells, give them their outputs, and return the outcomes by grade_id.

    The student's code runs in the process of a kernel. The checks, their data and their verdicts stay in this one:
    they call the student's functions over a wire, and only plain arrays, numbers and texts come back.
    Nothing that one cell does keeps the next from running: a cell that takes too long is interrupted, and where the
    process ended, a new one first runs again what ran well before. Every grade cell gets an outcome. A submission
    that has computed for `BUDGET` times the `timeout`, all cells and calls together, gets no more: what is left of it
    does not run, and fails.

    Args:
        notebook: changed in place.
        start: starts a process for a kernel.
        timeout: seconds that one cell, or one call of a function, may compute.
        seed: draws the checks' data.
        files: the weights that were handed in, by file name; see `checks.weights`.

    Raises:
        DataUnavailable: a question's data cannot be had here, which is no fault of the student's.
    """
    questions = {grade_id(id): question for id, question in QUESTIONS.items()}
    outcomes: dict[str, Outcome] = {}
    with contextlib.closing(_Session(start, timeout)) as session:
        before = 0.0
        for count, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), start=1):
            marks = cell.metadata.get("nbgrader", {})
            if marks.get("grade") and not marks.get("solution"):
                id = marks["grade_id"]
                outcomes[id] = session.judge(questions[id], seed, files) if id in questions else _unknown(marks)
                cell.outputs = [_verdict(outcomes[id], marks["points"], session.computed - before)]
                before = session.computed
            else:
                cell.outputs = session.run(cell.source)
            cell.execution_count = count
    return outcomes


class _UsedUp(StudentFailed):
    """A submission has computed as long as it may."""


class _Session:
    """A submission's kernel, which comes back to life where a cell ends it."""

    def __init__(self, start: Callable[[], Process], timeout: float) -> None:
        self._start, self._timeout = start, timeout
        self._kernel: Kernel | None = None
        self._ran: list[str] = []
        self._began = time.monotonic()
        self._computed = 0.0  # by the kernels that have ended

    def close(self) -> None:
        if self._kernel:
            self._computed += self._kernel.computed
            self._kernel.stop()
            self._kernel = None

    @property
    def computed(self) -> float:
        """Seconds that the submission has computed."""
        return self._computed + (self._kernel.computed if self._kernel else 0.0)

    def _check_budget(self) -> None:
        if max(self.computed, (time.monotonic() - self._began) / PATIENCE) > BUDGET * self._timeout:
            raise _UsedUp(f"the submission's time is used up: it may compute for {BUDGET * self._timeout:g} seconds")

    def _alive(self) -> Kernel:
        """A kernel that has run what ran well before; what ends it this time is left out.

        Raises:
            _UsedUp: no time is left.
        """
        self._check_budget()
        while self._kernel is None or not self._kernel.alive:
            self.close()
            self._kernel = Kernel(self._start())
            for source in list(self._ran):
                self._kernel.run(source, self._timeout)
                self._check_budget()
                if not self._kernel.alive:
                    self._ran.remove(source)
                    break
        return self._kernel

    def run(self, source: str) -> list[NotebookNode]:
        """Run a cell of the student's and return its outputs."""
        try:
            run = self._alive().run(source, self._timeout)
        except _UsedUp as used_up:
            return [_stopped(str(used_up))]
        if not run.stopped:
            self._ran.append(source)
            return run.outputs
        return [*run.outputs, _stopped(f"a cell {run.stopped}")]

    def judge(self, question: Question, seed: int, files: Mapping[str, bytes] | None) -> Outcome:
        """The outcome of a question on all that has run so far."""
        if self._kernel is None and not self._ran:  # no code, no kernel
            return question.judge(NotebookStudent({}), seed, files)
        stopped, deadline = 0, time.monotonic() + _PATIENCE * self._timeout

        def ask(target: Reference | None, name: str, args: tuple[Any, ...] | None, kwargs: dict[str, Any]) -> Any:
            nonlocal stopped
            if stopped >= _STOPS or time.monotonic() > deadline:
                raise StudentFailed("the question's time is used up")
            try:
                return self._alive().ask(target, name, args, kwargs, self._timeout)
            except CallStopped:
                stopped += 1
                raise

        return question.judge(Student(ask, self.close), seed, files)


def _stopped(why: str) -> NotebookNode:
    return new_output("error", ename=STOPPED, evalue=why, traceback=[f"{STOPPED}: {why}"])


def _verdict(outcome: Outcome, points: float, seconds: float = 0.0) -> NotebookNode:
    """The output from which nbgrader reads the points, since it is the first that is a result or an error.

    It also says how many `seconds` were computed since the verdict before.
    """
    data = outcome._repr_mimebundle_() | {"text/plain": str(round(outcome.score / outcome.points * points, 2))}
    data[OUTCOME_MIME] |= {"seconds": round(seconds, 2)}
    return new_output("execute_result", data=data, execution_count=1)


def _unknown(marks: NotebookNode) -> Outcome:
    return failed(marks["grade_id"], marks["points"], "no check of this course judges this cell")


def failed(question: str, points: float, why: str) -> Outcome:
    """The outcome of a question that could not be judged: no points, and why."""
    return Outcome(question, points, (CaseResult(JUDGED, 1.0, False, why),))
