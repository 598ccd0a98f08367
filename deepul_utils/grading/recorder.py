"""Record what was judged: through nbgrader, one student after another, and nothing twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, InvalidEntry, MissingEntry
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import OperationalError
from traitlets.config import Config

from deepul_utils.grading import names
from deepul_utils.grading.cache import Cache
from deepul_utils.grading.report import Graded, problems_in
from deepul_utils.grading.settings import NbgraderFailed, start

_LOCKED = 60  # seconds to wait for others who write to the gradebook


class GradebookUnavailable(Exception):
    """Nothing can be written to the gradebook; the message says why, in one sentence."""


@contextlib.contextmanager
def one_gradebook(db_url: str) -> Iterator[None]:
    """In here, all gradebooks are one: nbgrader opens some twenty for each student, and looks at all tables each time.

    Not for several threads.
    """
    patient = f"{db_url}?timeout={_LOCKED}" if db_url.startswith("sqlite:") and "?" not in db_url else db_url
    the_one = Gradebook(patient)
    made, closed = Gradebook.__init__, Gradebook.close

    def same(self: Gradebook, url: str, *args: Any, **kwargs: Any) -> None:
        if url == db_url:
            self.__dict__.update(the_one.__dict__)
        else:
            made(self, url, *args, **kwargs)

    def end(self: Gradebook) -> None:
        self.db.remove()
        if self.engine is not the_one.engine:
            self.engine.dispose()

    Gradebook.__init__, Gradebook.close = same, end
    try:
        yield
    finally:
        Gradebook.__init__, Gradebook.close = made, closed
        the_one.close()


class _Kept:
    """A converter that keeps its exporter, with its templates, from one student to the next."""

    _started = False

    def start(self: Any) -> None:
        if self._started:
            self.init_notebooks()
            with contextlib.chdir(self.coursedir.root):
                self.convert_notebooks()
        else:
            super().start()  # type: ignore[misc]
            self._started = True
        self.exporter._nb_metadata.clear()  # it would grow with the class


class _Autograde(_Kept, Autograde):
    def init_notebooks(self) -> None:
        super().init_notebooks()
        for notebooks in self.assignments.values():
            # Other names reach no database; they are not those of homework.
            notebooks[:] = [path for path in notebooks if Path(path).name.isprintable()]


class _GenerateFeedback(_Kept, GenerateFeedback):
    pass


class Recorder:
    """Writes scores to the gradebook, graded notebooks to autograded/ and pages for students to feedback/.

    Args:
        config: nbgrader's, as `settings.load` makes it.
        folders: the course, and the week as its assignment.
        cache: where it keeps what it has recorded.
        force: record also what has not changed since.
    """

    def __init__(self, config: Config, folders: CourseDirectory, cache: Cache, force: bool) -> None:
        self._folders, self._cache, self._force = folders, cache, force
        self._autograde = _Autograde(coursedir=folders, config=config, force=True)
        self._feedback = _GenerateFeedback(coursedir=folders, config=config, force=True)

    def record(self, student: str, fingerprint: str) -> Graded:
        """Record one student, and return the result; what was recorded before and has not changed stays.

        Args:
            student: the name of the folder.
            fingerprint: what it was handed in and judged by; the same where these are.

        Raises:
            GradebookUnavailable: it is locked, say, or its disk is full.
        """
        if set(student) & set("[]*?"):
            return failed(student, "nbgrader cannot use this name: take [, ], * and ? out of the folder's")
        name = hashlib.sha256(f"{self._folders.assignment_id}/{student}".encode()).hexdigest()
        try:
            self._record(student, name, fingerprint)
            return self._result(student)
        except (NbgraderFailed, OperationalError, InvalidEntry) as error:  # the last may hide the one before it
            if cause := _operational(error):
                raise GradebookUnavailable(unavailable(cause)) from None
            return failed(student, f"nbgrader could not grade it: {error}")

    def _record(self, student: str, name: str, fingerprint: str) -> None:
        self._folders.student_id = student
        with Gradebook(self._folders.db_url) as gradebook:
            names.enter_missing(gradebook, student)
        before = {} if self._force else self._cache.load(name) or {}
        automatic, by_hand = self._grades(student)
        handed_in = self._hands_in_something(student)
        same = before.get("fingerprint") == fingerprint and before.get("automatic") == automatic
        if handed_in and not (same and self._folder("autograded", student).is_dir()):
            with _environment():
                start(self._autograde)
            same = False
        if handed_in and not (same and before.get("by_hand") == by_hand and self._folder("feedback", student).is_dir()):
            start(self._feedback)
            same = False
        if not same:
            automatic, by_hand = self._grades(student)
            now = {"fingerprint": fingerprint, "automatic": automatic, "by_hand": by_hand}
            self._cache.put(name, json.dumps(now))

    def _folder(self, step: str, student: str) -> Path:
        pattern = getattr(self._folders, f"{step}_directory")
        return Path(self._folders.format_path(pattern, student, self._folders.assignment_id))

    def _grades(self, student: str) -> tuple[str, str]:
        """What the gradebook has of a student, as two hashes: of what nbgrader wrote, and of all."""
        with Gradebook(self._folders.db_url) as gradebook, contextlib.suppress(MissingEntry):
            submission = gradebook.find_submission(self._folders.assignment_id, student)
            automatic: list[Any] = [str(submission.timestamp), submission.total_seconds_late]
            by_hand: list[Any] = []
            for notebook in submission.notebooks:
                automatic.append([notebook.name, notebook.late_submission_penalty])
                automatic += [[grade.name, grade.auto_score] for grade in notebook.grades]
                by_hand += [[grade.manual_score, grade.extra_credit] for grade in notebook.grades]
                by_hand += [[comment.name, comment.comment] for comment in notebook.comments]
            return _hash(automatic), _hash(automatic + by_hand)
        return "", ""

    def _hands_in_something(self, student: str) -> bool:
        """Whether there is a notebook of the week; where there is none, which nbgrader cannot grade, records 0."""
        week, submitted = self._folders.assignment_id, self._folder("submitted", student)
        with Gradebook(self._folders.db_url) as gradebook:
            asked = gradebook.find_assignment(week).notebooks
            if any((submitted / f"{notebook.name}.ipynb").is_file() for notebook in asked):
                return True
            for notebook in gradebook.update_or_create_submission(week, student).notebooks:
                for grade in notebook.grades:
                    grade.auto_score, grade.needs_manual_grade = 0, False
            gradebook.db.commit()
        return False

    def _result(self, student: str) -> Graded:
        """What the gradebook and the graded notebooks say about one student."""
        week = self._folders.assignment_id
        with Gradebook(self._folders.db_url) as gradebook:
            submission = gradebook.find_submission(week, student)
            score, points = submission.score - submission.late_submission_penalty, submission.max_score
            waiting = sum(grade.needs_manual_grade for notebook in submission.notebooks for grade in notebook.grades)
            asked = {notebook.name for notebook in gradebook.find_assignment(week).notebooks}
        said = problems_in(self._folder("autograded", student), self._folder("submitted", student), asked, week)
        return Graded(student, max(0.0, score), points, waiting, tuple(said))


def failed(student: str, why: str) -> Graded:
    """The result of a student of whom nothing could be recorded."""
    return Graded(student, None, 0, 0, (why,))


def unavailable(error: OperationalError) -> str:
    """What to say where the gradebook cannot be read or written."""
    what = " ".join(str(error.orig).split())
    return f"the gradebook cannot be used ({what}); what was judged is kept: see to it, and give the command again"


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()


def _operational(error: BaseException | None) -> OperationalError | None:
    """The database's own error behind `error`, where there is one."""
    while error is not None and not isinstance(error, OperationalError):
        error = error.__cause__ or error.__context__
    return error


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """Leaves behind what NBGRADER_EXECUTION was, which nbgrader does not where it fails."""
    before = os.environ.get("NBGRADER_EXECUTION")
    try:
        yield
    finally:
        os.environ.pop("NBGRADER_EXECUTION", None)
        if before is not None:
            os.environ["NBGRADER_EXECUTION"] = before
