"""Scores from the gradebook as the CSV that a platform imports; no cell of it is a formula."""

from __future__ import annotations

import csv
import os
import re
from dataclasses import dataclass
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import OperationalError

from deepul_utils.grading.names import shown
from deepul_utils.grading.roster import Roster
from deepul_utils.grading.settings import load, not_opened

_CANVAS_KEPT = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
_ABOUT_POINTS = "the platform would read the scores as parts of another total: change it there and export again"


class ExportError(Exception):
    """There is nothing to export, or it does not fit the template; the message says why and what to do."""


@dataclass(frozen=True)
class Score:
    """A student's name, points after the late penalty, and how many answers wait for a person."""

    name: str
    score: float
    penalty: float
    waiting: int


def scores(root: Path, course: Path, week: str) -> tuple[dict[str, Score], float]:
    """Every student's score in the gradebook of `course`, and the points of the week.

    Raises:
        ExportError: nothing of the week was graded, or the gradebook cannot be opened.
    """
    folders = CourseDirectory(config=load(root, course), assignment_id=week)
    file = folders.db_url.removeprefix("sqlite:///")
    if file == folders.db_url or Path(file).is_file():
        try:
            with Gradebook(folders.db_url) as gradebook:
                found, points = _recorded(gradebook, week)
        except OperationalError as error:
            raise ExportError(not_opened(error)) from None
        if found:
            return found, points
    raise ExportError(f"nothing of {week} was graded in {course}: type deepul grade {week} first")


def _recorded(gradebook: Gradebook, week: str) -> tuple[dict[str, Score], float]:
    try:
        points = gradebook.find_assignment(week).max_score
    except MissingEntry:
        return {}, 0
    found = {
        one.student.id: Score(
            shown(one.student),
            max(0.0, one.score - one.late_submission_penalty),
            one.late_submission_penalty,
            sum(grade.needs_manual_grade for notebook in one.notebooks for grade in notebook.grades),
        )
        for one in gradebook.assignment_submissions(week)
    }
    return found, points


def harmless(cell: str) -> str:
    """`cell` as a spreadsheet shows it, even where it would run it as a formula.

    >>> harmless("=1+1"), harmless("Ada")
    ("'=1+1", 'Ada')
    """
    start = cell.lstrip(" \u00a0\ufeff")[:1]
    return f"'{cell}" if start and start in "=+-@\t\r\n＝＋－＠" else cell


def export(root: Path, course: Path, week: str, format: str, template: Path | None, into: Path) -> list[str]:
    """Write the scores to the CSV `into`, and return a sentence on whatever a person should know.

    Args:
        root: the repository.
        course: the folder of gradebook.db.
        week: a folder's name, such as `week1_likelihood`.
        format: "canvas", "moodle" or "csv".
        template: Canvas's exported gradebook, or Moodle's grading worksheet.
        into: a file, which appears whole or not at all.

    Raises:
        ExportError: there is nothing to export, or it does not fit the template.
        RosterError: the template is no CSV.
    """
    found, points = scores(root, course, week)
    said: list[str] = []
    if format == "csv":
        lines = [["student", "name", "score", "points", "late_penalty", "waiting"]]
        for student, one in found.items():
            numbers = (f"{one.score:g}", f"{points:g}", f"{one.penalty:g}", str(one.waiting))
            lines.append([student, one.name, *numbers])
        delimiter = ","
    else:
        if template is None:
            what = "gradebook, exported as CSV" if format == "canvas" else "grading worksheet"
            raise ExportError(f"{format} knows its students by its own numbers: give its {what}, with --template FILE")
        roster = Roster.read(template)
        lines, said = _fill(roster, found, points, week, format)
        delimiter = roster.delimiter
    if waiting := [student for student, one in found.items() if one.waiting]:
        said.append(f"answers wait for a person, so these scores will change: {', '.join(waiting)}")
    part = into.with_name(f".{into.name}.part")
    with part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([harmless(cell) for cell in line] for line in lines)
    os.replace(part, into)
    return said


def _fill(
    roster: Roster, found: dict[str, Score], points: float, week: str, format: str
) -> tuple[list[list[str]], list[str]]:
    """The template's lines with the scores, and what does not fit."""
    column = _column(roster.header, week, format)
    kept = list(range(len(roster.header)))
    if format == "canvas":
        kept = [at for at, name in enumerate(roster.header) if name in _CANVAS_KEPT or at == column]
        total = next((line[column] for line in roster.lines if line[0].strip() == "Points Possible"), "")
    else:
        total = roster.lines[0][roster.header.index("Maximum Grade")] if "Maximum Grade" in roster.header else ""
    if total.strip() and _number(total) != points:
        raise ExportError(
            f"{roster.header[column]!r} has {total.strip()} points and {week} has {points:g}: {_ABOUT_POINTS}"
        )
    matched, said = roster.match(found)
    lines, missing = [roster.header], []
    people = {row.number: row.name for row in roster.rows}
    for number, line in enumerate(roster.lines):
        if number in matched:
            line = [*line[:column], f"{found[matched[number]].score:g}", *line[column + 1 :]]
        elif number in people:
            missing.append(people[number])
            line = [*line[:column], "", *line[column + 1 :]]
        lines.append(line)
    if missing:
        said.append(f"no score, so an empty cell: {', '.join(missing)}")
    if unknown := sorted(set(found) - set(matched.values())):
        said.append(f"graded, but not in the template, so left out: {', '.join(unknown)}")
    return [[line[at] for at in kept] for line in lines], said


def _column(header: list[str], week: str, format: str) -> int:
    """Where the scores go: Moodle's Grade, or Canvas's one column that has the week in its name."""
    if format == "moodle":
        if "Identifier" not in header or "Grade" not in header:
            raise ExportError("this is no grading worksheet of Moodle: it has no columns Identifier and Grade")
        return header.index("Grade")
    if not {"Student", "ID"} <= set(header):
        raise ExportError("this is no gradebook of Canvas: it has no columns Student and ID")
    assignments = [at for at, name in enumerate(header) if re.search(r"\(\d+\)$", name)]
    short = week.partition("_")[0]
    pattern = re.sub(r"\d+", r"[\\W_]*0*\g<0>(?!\\d)", short)  # "week1" is found in "Week 1" and "week_01"
    fits = [at for at in assignments if re.search(pattern, header[at], re.IGNORECASE)]
    if len(fits) != 1:
        names = ", ".join(header[at] for at in assignments) or "none"
        raise ExportError(f"the template should have one assignment with {short!r} in its name; it has {names}")
    return fits[0]


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None
