"""Grade a week: every submission through nbgrader, one failure never touching another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from deepul_utils.course.release import generate
from deepul_utils.grading.record import NOTES
from deepul_utils.grading.report import Graded, problems
from deepul_utils.grading.sandbox import bubblewrap
from deepul_utils.grading.settings import NbgraderFailed, load, start


class GradingError(Exception):
    """A week cannot be graded at all; the message says why and what to do."""


def submissions(course: Path, week: str, student: str = "*") -> list[str]:
    """The students that handed in `week`: those with a folder submitted/STUDENT/`week`.

    Raises:
        GradingError: there are none.
    """
    students = sorted(path.parent.name for path in (course / "submitted").glob(f"{student}/{week}") if path.is_dir())
    if not students:
        raise GradingError(f"there is nothing to grade: no folder {course / 'submitted' / student / week}")
    return students


def grade(
    root: Path, week: str, students: list[str], *, course: Path, timeout: float | None = None, trusted: bool = False
) -> Iterator[Graded]:
    """Grade the students' notebooks of `week` and write their feedback, one student after another.

    Scores go to `course`/gradebook.db, graded notebooks to autograded/ and pages for students to feedback/.

    Args:
        root: the repository, with solutions/.
        week: a folder's name, such as `week1_likelihood`.
        course: the folder with submitted/.
        timeout: seconds that one cell may compute; what nbgrader_config.py says, or 60, where not given.
        trusted: run the notebooks without a sandbox, with all that this user may do.

    Raises:
        SandboxUnavailable: there is no sandbox here, and the notebooks are not trusted.
        HomeworkError: solutions/ cannot be released, or other questions were graded in this gradebook before.
    """
    config = load(root, course)
    if timeout is not None:
        config.JudgeCells.timeout = timeout
    if trusted:
        config.JudgeCells.sandbox = False
    else:
        bubblewrap()
    folders = CourseDirectory(config=config, assignment_id=week)
    with TemporaryDirectory() as unused:
        generate(root, week, into=Path(unused), db_url=folders.db_url)
    for student in students:
        yield _grade_one(config, folders, student)


def _grade_one(config: Config, folders: CourseDirectory, student: str) -> Graded:
    """Grade one student's notebooks and write the feedback; whatever goes wrong stays here."""
    if set(student) & set("[]*?"):
        return Graded(student, None, 0, 0, ("nbgrader cannot use this name: take [, ], * and ? out of the folder's",))
    folders.student_id = student
    before = os.environ.get("NBGRADER_EXECUTION")
    try:
        if _hands_in_something(folders, student):
            start(Autograde(coursedir=folders, config=config, force=True))
            start(GenerateFeedback(coursedir=folders, config=config, force=True))
    except NbgraderFailed as error:
        return Graded(student, None, 0, 0, (f"nbgrader could not grade it: {error}",))
    finally:  # nbgrader leaves it behind where it fails
        os.environ.pop("NBGRADER_EXECUTION", None)
        if before is not None:
            os.environ["NBGRADER_EXECUTION"] = before
    return _result(folders, student)


def _hands_in_something(folders: CourseDirectory, student: str) -> bool:
    """Whether there is a notebook of the week; where there is none, which nbgrader cannot grade, records 0 points."""
    week = folders.assignment_id
    submitted = Path(folders.format_path(folders.submitted_directory, student, week))
    with Gradebook(folders.db_url) as gradebook:
        if any(
            (submitted / f"{notebook.name}.ipynb").is_file() for notebook in gradebook.find_assignment(week).notebooks
        ):
            return True
        gradebook.update_or_create_student(student)
        for notebook in gradebook.update_or_create_submission(week, student).notebooks:
            for grade in notebook.grades:
                grade.auto_score, grade.needs_manual_grade = 0, False
        gradebook.db.commit()
    return False


def _result(folders: CourseDirectory, student: str) -> Graded:
    """What the gradebook and the graded notebooks say about one student."""
    week = folders.assignment_id
    submitted, graded = (
        Path(folders.format_path(step, student, week))
        for step in (folders.submitted_directory, folders.autograded_directory)
    )
    said: list[str] = []
    with Gradebook(folders.db_url) as gradebook:
        submission = gradebook.find_submission(week, student)
        score, points = submission.score - submission.late_submission_penalty, submission.max_score
        waiting = sum(grade.needs_manual_grade for notebook in submission.notebooks for grade in notebook.grades)
        asked = {notebook.name for notebook in gradebook.find_assignment(week).notebooks}
    for name in sorted(asked):
        path = graded / f"{name}.ipynb"
        if path.is_file():
            notebook = nbformat.read(path, as_version=4)
            said += problems(notebook, notebook.metadata.get(NOTES, []))
        else:
            said.append(f"{name}.ipynb was not handed in")
    for path in sorted(submitted.glob("*.ipynb")):
        if path.stem not in asked:
            said.append(f"{path.name} is no notebook of {week}: give it the name of one to have it graded")
    return Graded(student, max(0.0, score), points, waiting, tuple(said))
