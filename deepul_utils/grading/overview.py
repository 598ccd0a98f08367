"""A graded week at a glance: one HTML page and one CSV, from the gradebook and the graded notebooks."""

from __future__ import annotations

import csv
import io
import os
import re
import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nbformat
from jinja2 import Environment, FileSystemLoader
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory

from deepul_utils.grading.export import harmless, scores
from deepul_utils.grading.judge import JUDGED
from deepul_utils.grading.report import outcome_of, problems_in, unanswered
from deepul_utils.grading.settings import load

BINS = 10
_EXAMPLES = 3  # messages of a case
_MESSAGE = 400  # characters of one
_SLOW = 5.0  # times the median
_TEMPLATE = "overview.html"

# What a person should look at, by what the grader's sentences say; the first that fits.
_LOOK = {
    "Could not be graded": re.compile(r"nothing in it could be graded|no check of this course judges"),
    "Broken Python, or answers that could not be read": re.compile(r"broke the Python|gave no answer"),
    "Time, memory, or Python that ended": re.compile(
        r"took longer than|is used up|ended the Python|the Python that held it ended"
        r"|GiB of memory|processes and threads|MemoryError|can't allocate memory"
    ),
    "Odd cells: changed tests, copies, missing ones": re.compile(r"its own text is back|is there \d+ times|it is back"),
    "Odd models": re.compile(r"trained on the test data|remember earlier calls|other examples of its batch"),
    "Files that are no notebook of the week": re.compile(r"is no notebook of"),
}


@dataclass
class Submission:
    """One student's week.

    Attributes:
        student: the name of the folder.
        name: that of the person, where the gradebook has one.
        score: after the late penalty; None where nothing was recorded.
        waiting: the written answers that wait for a person.
        outcomes: what each question's check found, by question.
        problems: what went wrong, a sentence each.
        pages: the feedback, by notebook, relative to the course's folder.
    """

    student: str
    name: str = ""
    score: float | None = None
    penalty: float = 0.0
    waiting: list[str] = field(default_factory=list)
    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    pages: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """What it computed, up to the last grade cell of each notebook."""
        return float(sum(outcome.get("seconds", 0) for outcome in self.outcomes.values()))


@dataclass
class Case:
    """How a case went in all notebooks in which it was judged."""

    name: str
    judged: int = 0
    wrong: int = 0
    unanswered: int = 0
    messages: Counter[str] = field(default_factory=Counter)

    @property
    def examples(self) -> list[tuple[str, int]]:
        """The messages that came most often, and how often."""
        return self.messages.most_common(_EXAMPLES)


def gather(root: Path, course: Path, week: str) -> tuple[list[Submission], float]:
    """Every student that handed in something or has a score, and the points of the week.

    Raises:
        ExportError: nothing of the week was graded.
    """
    found, points = scores(root, course, week)
    folders = CourseDirectory(config=load(root, course), assignment_id=week)
    with Gradebook(folders.db_url) as gradebook:
        asked = sorted(notebook.name for notebook in gradebook.find_assignment(week).notebooks)
        waiting = {
            one.student.id: [g.name for notebook in one.notebooks for g in notebook.grades if g.needs_manual_grade]
            for one in gradebook.assignment_submissions(week)
        }
    handed_in = {path.parent.name for path in Path(folders.root).glob(f"{folders.submitted_directory}/*/{week}")}
    submissions = []
    for student in sorted(set(found) | handed_in):
        submitted, graded, feedback = (
            Path(folders.format_path(step, student, week))
            for step in (folders.submitted_directory, folders.autograded_directory, folders.feedback_directory)
        )
        one = Submission(student, waiting=waiting.get(student, []))
        if student in found:
            one.name, one.score, one.penalty = found[student].name, found[student].score, found[student].penalty
            one.problems = problems_in(graded, submitted, asked, week)
        else:
            one.problems = ["it was handed in, and is not graded"]
        for name in asked:
            if (path := graded / f"{name}.ipynb").is_file():
                outcomes = map(outcome_of, nbformat.read(path, as_version=4).cells)
                one.outcomes |= {outcome["question"]: outcome for outcome in outcomes if outcome}
            if (feedback / f"{name}.html").is_file():
                one.pages[name] = quote(os.path.relpath(feedback / f"{name}.html", folders.root))
        submissions.append(one)
    return submissions, points


def cases(submissions: Iterable[Submission]) -> dict[str, list[Case]]:
    """The cases of each question, in their order."""
    found: dict[str, dict[str, Case]] = {}
    for one in submissions:
        for question, outcome in one.outcomes.items():
            for judged in outcome["cases"]:
                if judged["name"] == JUDGED:  # the check did not come to an end, or there is none
                    continue
                case = found.setdefault(question, {}).setdefault(judged["name"], Case(judged["name"]))
                case.judged += 1
                if not judged["passed"] and unanswered(judged["message"]):
                    case.unanswered += 1
                elif not judged["passed"]:
                    case.wrong += 1
                    case.messages[judged["message"][:_MESSAGE]] += 1
    return {question: list(by_name.values()) for question, by_name in found.items()}


def to_look_at(submissions: Iterable[Submission]) -> dict[str, list[tuple[Submission, str]]]:
    """What needs a person: by kind, each with its student and a sentence."""
    submissions = list(submissions)
    usual = statistics.median([one.seconds for one in submissions] or [0.0])
    slow, written = f"Much slower than the usual {usual:.0f} s", "Written answers to read"
    kinds = ["Not graded", *_LOOK, slow, written]
    found: dict[str, list[tuple[Submission, str]]] = {kind: [] for kind in kinds}
    for one in submissions:
        said: dict[str, list[str]] = {kind: [] for kind in kinds}
        for sentence in one.problems:
            if kind := "Not graded" if one.score is None else _kind(sentence):
                said[kind].append(sentence)
        for question, case in ((name, case) for name, outcome in one.outcomes.items() for case in outcome["cases"]):
            kind = _kind(case["message"]) if one.score is not None else None
            if kind and not any(other.startswith(f"{question}: ") for other in said[kind]):  # once for all its cases
                said[kind].append(f"{question}: {case['name']}: {case['message']}")
        if one.seconds > max(10.0, _SLOW * usual):
            said[slow].append(f"{one.seconds:.0f} s")
        said[written] += one.waiting
        for kind, sentences in said.items():
            found[kind] += [(one, sentence[:_MESSAGE]) for sentence in dict.fromkeys(sentences)]
    return {kind: sentences for kind, sentences in found.items() if sentences}


def _kind(sentence: str) -> str | None:
    """What kind of thing to look at a sentence of the grader's is; None where it is none."""
    return next((kind for kind, pattern in _LOOK.items() if pattern.search(sentence)), None)


def bins(submissions: Iterable[Submission], points: float) -> list[int]:
    """How many students have a score in each tenth of the points; full marks count to the last."""
    counts = [0] * BINS
    for one in submissions:
        if one.score is not None:
            counts[min(BINS - 1, int(BINS * one.score / points))] += 1
    return counts


def write(root: Path, course: Path, week: str) -> tuple[Path, Path]:
    """Write WEEK_report.html and WEEK_report.csv to `course`, and return their paths.

    Raises:
        ExportError: nothing of the week was graded.
    """
    submissions, points = gather(root, course, week)
    page, table = (course / f"{week}_report.{kind}" for kind in ("html", "csv"))
    _whole(table, _csv(submissions, points))
    _whole(page, _html(submissions, points, week, table.name))
    return page, table


def _html(submissions: list[Submission], points: float, week: str, table: str) -> str:
    got = [one.score for one in submissions if one.score is not None]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["points"] = lambda value: f"{round(value, 2):g}"
    return environment.get_template(_TEMPLATE).render(
        week=week,
        made=datetime.now(UTC),
        submissions=submissions,
        points=points,
        mean=statistics.mean(got),
        median=statistics.median(got),
        seconds=sum(one.seconds for one in submissions),
        bins=bins(submissions, points),
        questions=cases(submissions),
        look=to_look_at(submissions),
        table=table,
    )


def _csv(submissions: list[Submission], points: float) -> str:
    asked = sorted({question for one in submissions for question in one.outcomes})
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["student", "name", "score", "points", "late_penalty", "waiting", "seconds", *asked, "problems"])
    for one in submissions:
        score = "" if one.score is None else f"{one.score:g}"
        numbers = [score, f"{points:g}", f"{one.penalty:g}", str(len(one.waiting)), f"{one.seconds:.1f}"]
        each = [f"{one.outcomes[id]['score']:g}" if id in one.outcomes else "" for id in asked]
        writer.writerow([harmless(cell) for cell in (one.student, one.name, *numbers, *each, "; ".join(one.problems))])
    return text.getvalue()


def _whole(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8", newline="")
    os.replace(part, path)
