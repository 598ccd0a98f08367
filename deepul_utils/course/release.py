"""Make the homework that students get from the homework with its solutions, through nbgrader."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.nbgraderformat import MetadataValidator, SchemaTooNewError, SchemaTooOldError, ValidationError
from sqlalchemy.exc import OperationalError

from deepul_utils.checks.question import QUESTIONS, grade_id
from deepul_utils.course.notebooks import NotebookError, read
from deepul_utils.grading.settings import NbgraderFailed, not_opened, settings, start


class HomeworkError(Exception):
    """The homework has mistakes, or is not there; the message says which, one to a line."""


def find_week(root: Path, week: str) -> str:
    """The name of the one folder of solutions/ that `week` begins, so that `week1` finds `week1_likelihood`.

    Raises:
        HomeworkError: no folder or several do, or there is no solutions/.
    """
    weeks = all_weeks(root)
    found = [name for name in weeks if name == week] or [name for name in weeks if name.startswith(f"{week}_")]
    if len(found) != 1:
        raise HomeworkError(f"there is no week {week!r} in solutions/; there are {', '.join(weeks)}")
    return found[0]


def all_weeks(root: Path) -> list[str]:
    """The names of the folders of solutions/ that hold notebooks.

    Raises:
        HomeworkError: there are none.
    """
    weeks = sorted({path.parent.name for path in root.glob("solutions/*/*.ipynb")})
    if not weeks:
        raise HomeworkError(f"there is no homework in {root / 'solutions'}; go to the folder of the course")
    return weeks


def release(root: Path, week: str) -> list[Path]:
    """Make exercises/`week` from solutions/`week`, and return the notebooks made.

    The new folder replaces the old one when it is complete. Making it again changes no byte.

    Args:
        root: the repository.
        week: a folder's name, such as `week1_likelihood`.

    Raises:
        HomeworkError: a notebook has a mistake; exercises/ stays as it was.
    """
    notebooks = sorted((root / "solutions" / week).glob("*.ipynb"))
    if problems := [f"{path.relative_to(root)}: {problem}" for path in notebooks for problem in find_mistakes(path)]:
        raise HomeworkError("\n".join(problems))
    target = root / "exercises" / week
    target.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=target.parent, prefix=".release-") as folder:
        generate(root, week, into=Path(folder))
        shutil.rmtree(target, ignore_errors=True)
        os.replace(Path(folder) / week, target)
    return [target / path.name for path in notebooks]


def find_mistakes(path: Path) -> Iterator[str]:
    """What is wrong with a homework notebook with solutions, one sentence each.

    Beside nbgrader's own rules: each question is judged by one grade cell that runs its check and nothing else, for
    the check's points, and answered in a cell that leaves students a signature to fill in.
    """
    try:
        cells = read(path).cells
    except NotebookError as error:
        yield str(error)
        return
    marked = [cell for cell in cells if "nbgrader" in cell.metadata]
    ids = Counter(cell.metadata.nbgrader.get("grade_id") for cell in marked)
    yield from (f"the grade_id {id!r} is used {n} times; give each cell its own" for id, n in ids.items() if n > 1)
    asked = []
    for cell in marked:
        marks = cell.metadata.nbgrader
        name = f"cell {marks.get('grade_id')!r}"
        try:
            MetadataValidator().validate_cell(cell)
        except (ValidationError, SchemaTooOldError, SchemaTooNewError, KeyError) as error:
            yield f"{name} has metadata that nbgrader refuses: {str(error).splitlines()[0]}"
            continue
        if marks.solution and cell.cell_type == "code":
            yield from (f"{name} {problem}" for problem in _answer_mistakes(cell))
        elif marks.grade and cell.cell_type == "code":
            asked.append(marks.grade_id)
            yield from (f"{name} {problem}" for problem in _grade_mistakes(cell, ids))
    for id in QUESTIONS:
        if id.split(".")[0] == path.stem and grade_id(id) not in asked:
            yield f"question {id!r} has a check, but no cell with the grade_id {grade_id(id)!r}"


def _answer_mistakes(cell: NotebookNode) -> Iterator[str]:
    """An answer must keep its signature when nbgrader puts the stub in place of the solution."""
    marks = re.findall("### (BEGIN|END) SOLUTION", cell.source)
    if not marks or marks != ["BEGIN", "END"] * (len(marks) // 2):
        yield (
            "should hold one ### BEGIN SOLUTION and one ### END SOLUTION for each part to be filled in, "
            "so that students get the rest as their stub"
        )
    elif not re.search(r"^(def|class) ", cell.source.partition("### BEGIN SOLUTION")[0], re.MULTILINE):
        yield "has no `def` or `class` above ### BEGIN SOLUTION, so students would get no signature to fill in"


def _grade_mistakes(cell: NotebookNode, ids: Counter[str]) -> Iterator[str]:
    marks = cell.metadata.nbgrader
    question = {grade_id(id): question for id, question in QUESTIONS.items()}.get(marks.grade_id)
    if question is None:
        known = ", ".join(grade_id(id) for id in QUESTIONS)
        yield f"is the grade cell of no question; a question `notebook.name` has the grade_id `notebook-name`: {known}"
        return
    call = f'checks.run("{question.id}", globals())'
    if cell.source.strip() != call:
        yield f"should contain exactly {call}"
    if marks.points != question.points:
        yield f"gives {marks.points} points, but its check gives {question.points:g}"
    if not marks.locked:
        yield "should be locked"
    if f"{marks.grade_id}-answer" not in ids:
        yield f"has no answer: mark the solution's cell with the grade_id '{marks.grade_id}-answer'"


def generate(root: Path, week: str, into: Path, db_url: str | None = None) -> None:
    """Let nbgrader write the students' edition of `week` to `into`, and record it in the gradebook where one is given.

    Raises:
        HomeworkError: nbgrader refused, or the gradebook cannot be opened, and why.
    """
    config = settings(root)
    config.CourseDirectory.release_directory = os.path.relpath(into, root)
    config.SaveCells.enabled = db_url is not None
    if db_url:
        config.CourseDirectory.db_url = db_url
        try:
            Gradebook(db_url).close()
        except OperationalError as error:
            raise HomeworkError(not_opened(error)) from None
    folders = CourseDirectory(config=config, assignment_id=week)
    try:
        start(GenerateAssignment(coursedir=folders, config=config, no_database=db_url is None, force=True))
    except NbgraderFailed as error:
        if "submissions associated" in str(error):
            afresh = "move that file away to grade everybody afresh"
            raise HomeworkError(
                f"the questions of {week} are not those that gradebook.db has scores for; {afresh}"
            ) from None
        raise HomeworkError(f"nbgrader could not make {week}: {error}") from None
