"""A check: named, weighted cases that judge what a student's functions answer."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deepul_utils.checks import weights as handed_in
from deepul_utils.checks.card import Row, card
from deepul_utils.checks.laws import LawBroken
from deepul_utils.checks.student import NotebookStudent, StudentFailed
from deepul_utils.data.mnist import DataUnavailable

OUTCOME_MIME = "application/vnd.deepul.outcome+json"
_MESSAGE_LIMIT = 2000  # characters; a student's exception may hold any number of them


@dataclass(frozen=True)
class CaseResult:
    """One case of a check: whether it held, and if not, what to look at."""

    name: str
    weight: float
    passed: bool
    message: str = ""
    picture: str = ""  # HTML of `checks.picture`


@dataclass(frozen=True)
class Outcome:
    """What a check found: its cases, and the points that they earn.

    In a notebook it shows as a card. Its plain text is the score alone, which nbgrader reads as
    partial credit.
    """

    question: str
    points: float
    cases: tuple[CaseResult, ...]

    @property
    def score(self) -> float:
        """Points earned: the passed cases' share of the weights, times the question's points."""
        total = sum(case.weight for case in self.cases)
        earned = sum(case.weight for case in self.cases if case.passed)
        return round(self.points * earned / total, 2)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON: what a grader reads from the cell's output."""
        return {
            "question": self.question,
            "points": self.points,
            "score": self.score,
            "cases": [asdict(case) for case in self.cases],
        }

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        rows = [Row(case.passed, case.name, case.message, case.picture) for case in self.cases]
        return {
            "text/plain": str(self.score),
            "text/html": card(self.question, self.score, self.points, rows),
            OUTCOME_MIME: self.as_dict(),
        }


@dataclass(frozen=True)
class Question:
    """A homework question: its check, its points, the library names that would answer it, the weights it asks for."""

    id: str
    points: float
    withholds: tuple[str, ...]
    body: Callable[..., None]
    weights: str = ""

    def judge(self, student: Any, seed: int = 0, files: Mapping[str, bytes] | None = None) -> Outcome:
        """Run every case on `student` and return the outcome; the seed draws the cases' sizes and data.

        Nothing that a student answers keeps a case from being judged: what the check cannot digest is a failed case.
        `files` holds the weights that were handed in, by file name.

        Raises:
            DataUnavailable: the check's own data cannot be had here, for which no student loses points.
        """
        results: list[CaseResult] = []

        @contextlib.contextmanager
        def case(name: str, weight: float = 1.0) -> Iterator[None]:
            message = picture = ""
            passed = False
            try:
                yield
                passed = True
            except (LawBroken, StudentFailed) as failure:
                message, picture = str(failure), getattr(failure, "picture", "")
            except DataUnavailable:
                raise
            except Exception as error:
                message = (
                    "the answer is not of the kind that the question asks for, "
                    f"and judging it raised {type(error).__name__}: {error}"
                )
            results.append(CaseResult(name, weight, passed, message[:_MESSAGE_LIMIT], picture))

        own = {"weights": lambda: handed_in.load(self.weights, files or {})} if self.weights else {}
        self.body(student, case, seed, **own)
        if not results:
            raise ValueError(f"the check of {self.id} opens no case; judge the student inside `with case(name):`")
        return Outcome(self.id, self.points, tuple(results))


QUESTIONS: dict[str, Question] = {}


def grade_id(id: str) -> str:
    """The grade_id of a question's grade cell: nbgrader allows no dots there.

    Example:
        >>> grade_id("histograms.nll")
        'histograms-nll'
    """
    return id.replace(".", "-")


def weights_of(notebook: str) -> list[str]:
    """The names of the weights that the questions of a homework notebook ask for."""
    asked = (question.weights for id, question in QUESTIONS.items() if id.split(".")[0] == notebook)
    return sorted({name for name in asked if name})


def question(
    id: str, *, points: float, withholds: tuple[str, ...] = (), weights: str = ""
) -> Callable[[Callable[..., None]], Question]:
    """Register `body(student, case, seed)` as the check of question `id`.

    The body calls the student inside `with case(name, weight)` only, and opens the same cases whatever the
    student answers. `withholds` names library functions that would answer the question. Where `weights` is the name
    of weights, say "made", the student hands in made.safetensors beside the notebook, and the body is
    `body(student, case, seed, weights)`: `weights()` loads the tensors. See `checks.trained` for how to judge them.

    Example:
        >>> @question("doctest.double", points=2)
        ... def double(student, case, seed):
        ...     with case("twice three"):
        ...         laws.matches(student.double(3), 6)
        >>> from deepul_utils.checks import laws
        >>> double.judge(NotebookStudent({"double": lambda x: x + x})).score
        2.0
        >>> del QUESTIONS["doctest.double"]
    """

    def register(body: Callable[..., None]) -> Question:
        if id in QUESTIONS:
            raise ValueError(f"two checks are called {id!r}; give one another name")
        QUESTIONS[id] = Question(id, points, withholds, body, weights)
        return QUESTIONS[id]

    return register


def run(id: str, namespace: dict[str, Any]) -> Outcome:
    """Check question `id` on the functions that a notebook defines; its grade cell calls this with `globals()`.

    Raises:
        ValueError: there is no such question.
    """
    if id not in QUESTIONS:
        raise ValueError(f"there is no question {id!r}; there are {', '.join(sorted(QUESTIONS))}")
    # nbgrader takes anything on stderr for an error, so a student's harmless warning must not get there.
    with warnings.catch_warnings(), contextlib.redirect_stderr(sys.stdout):
        warnings.simplefilter("ignore")
        asked = QUESTIONS[id].weights
        return QUESTIONS[id].judge(NotebookStudent(namespace), files=handed_in.read(Path(), [asked] if asked else []))
