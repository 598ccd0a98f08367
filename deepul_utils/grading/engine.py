"""Grade a week: workers judge what was handed in, this process alone records it, and a run that was killed goes on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import OperationalError
from traitlets.config import Config

from deepul_utils.course.release import generate
from deepul_utils.grading import container
from deepul_utils.grading.cache import FOLDER, Cache, DiskFailed
from deepul_utils.grading.job import Job
from deepul_utils.grading.pool import ClusterUnavailable, Pool, cluster, local
from deepul_utils.grading.record import JudgeCells, RestoreCells, is_file, read
from deepul_utils.grading.recorder import GradebookUnavailable, Recorder, failed, one_gradebook, unavailable
from deepul_utils.grading.report import Graded
from deepul_utils.grading.settings import load

_LOOK = 60  # seconds without a result after which to look whether anybody judges


class GradingError(Exception):
    """A week cannot be graded, or not to its end; the message says why and what to do."""


def submissions(course: Path, week: str, students: list[str] | None = None) -> list[str]:
    """The students that handed in `week`: those with a folder submitted/STUDENT/`week`.

    Args:
        course: the folder with submitted/.
        week: a folder's name, such as `week1_likelihood`.
        students: only these: names, or patterns such as `a*`; everybody where not given.

    Raises:
        GradingError: there are none.
    """
    found = set()
    for pattern in students or ["*"]:
        if not (some := _handed_in(course, week, pattern)):
            raise GradingError(f"there is nothing to grade: no folder {course / 'submitted' / pattern / week}")
        found |= some
    return sorted(found)


def _handed_in(course: Path, week: str, pattern: str = "*") -> set[str]:
    return {path.parent.name for path in (course / "submitted").glob(f"{pattern}/{week}") if path.is_dir()}


def check(root: Path, course: Path, sandbox: str | None = None) -> str:
    """What to know before grading on this machine; empty where nothing.

    Args:
        root, course, sandbox: as `grade` takes them.

    Raises:
        SandboxUnavailable: there is no such sandbox here.
    """
    config = load(root, course)
    if sandbox is not None:
        config.JudgeCells.sandbox = sandbox
    return container.check(JudgeCells(config=config).sandbox)


def grade(
    root: Path,
    week: str,
    students: list[str],
    *,
    course: Path,
    timeout: float | None = None,
    sandbox: str | None = None,
    jobs: int | None = None,
    scheduler: str | None = None,
    force: bool = False,
) -> Generator[Graded, None, None]:
    """Grade the students' notebooks of `week` and write their feedback, in the order in which they are judged.

    Scores go to `course`/gradebook.db, graded notebooks to autograded/, pages for students to feedback/, and what
    was judged to judged/. From there a run that was stopped or killed goes on: nothing is judged twice.

    Args:
        root: the repository, with solutions/.
        week: a folder's name, such as `week1_likelihood`.
        course: the folder with submitted/.
        timeout: seconds that one cell may compute; what nbgrader_config.py says, or 60, where not given.
        sandbox: one of `container.SANDBOXES`, where none lets the notebooks do all that this user may do; what
            nbgrader_config.py says, or bubblewrap, where not given.
        jobs: how many to judge at once on this machine; one for each of its cores where not given.
        scheduler: the address of a Dask scheduler, whose workers judge instead.
        force: judge and record again what was before.

    Raises:
        SandboxUnavailable: there is no such sandbox here.
        HomeworkError: solutions/ cannot be released, or other questions were graded in this gradebook before.
        GradingError: there is no cluster, or nothing more can be written.
    """
    config = load(root, course)
    if timeout is not None:
        config.JudgeCells.timeout = timeout
    if sandbox is not None:
        config.JudgeCells.sandbox = sandbox
    if scheduler is None:
        check(root, course, sandbox)
    folders = CourseDirectory(config=config, assignment_id=week)
    with TemporaryDirectory() as unused:
        generate(root, week, into=Path(unused), db_url=folders.db_url)
    workers = cluster(scheduler) if scheduler else local(jobs or os.cpu_count() or 1)
    try:
        cache = Cache(Path(folders.root, FOLDER, week))
        with workers as pool, one_gradebook(folders.db_url), cache.in_use():
            yield from _Run(config, folders, pool, cache, force).grade(students)
            if set(students) == _handed_in(course, week):
                cache.prune()
    except (ClusterUnavailable, DiskFailed, GradebookUnavailable) as error:
        raise GradingError(str(error)) from None
    except OperationalError as error:
        raise GradingError(unavailable(error)) from None


@dataclass
class _Submission:
    """One student's notebooks on their way."""

    student: str
    fingerprint: str
    waiting: set[str] = field(default_factory=set)  # keys of the jobs that are not judged yet
    failed: str = ""


class _Run:
    """One run over a class: what is judged is kept at once, and recorded when all of a student's is there."""

    def __init__(self, config: Config, folders: CourseDirectory, pool: Pool, cache: Cache, force: bool) -> None:
        self._config, self._folders, self._pool, self._cache, self._force = config, folders, pool, cache, force
        self._recorder = Recorder(config, folders, self._cache, force)
        self._judge, self._restore = JudgeCells(config=config), RestoreCells(config=config)
        self._judging: dict[Future[str], str] = {}  # the key of each job that is under way
        self._judged: set[str] = set()  # the keys of this run's jobs
        with Gradebook(folders.db_url) as gradebook:
            self._asked = {notebook.name for notebook in gradebook.find_assignment(folders.assignment_id).notebooks}

    def grade(self, students: list[str]) -> Iterator[Graded]:
        """Keep the workers busy, and record in the meantime."""
        to_do = iter(students)
        under_way: list[_Submission] = []
        while True:
            under_way += [self._begin(student) for student in islice(to_do, 2 * self._pool.size - len(under_way))]
            if not under_way:
                break
            self._take(under_way)
            if ready := next((one for one in under_way if not one.waiting), None):
                under_way.remove(ready)
                if ready.failed:
                    yield failed(ready.student, ready.failed)
                else:
                    yield self._recorder.record(ready.student, ready.fingerprint)
            elif not wait(self._judging, _LOOK, FIRST_COMPLETED).done and not self._pool.alive():
                raise ClusterUnavailable(
                    "the Dask cluster has no workers any more; what was judged is kept: "
                    "start some, and give the command again"
                )

    def _begin(self, student: str) -> _Submission:
        """Send those of a student's notebooks to the workers that are not judged yet."""
        week = self._folders.assignment_id
        folder = Path(self._folders.format_path(self._folders.submitted_directory, student, week))
        jobs = [job for path in sorted(folder.glob("*.ipynb")) if path.stem in self._asked and (job := self._job(path))]
        begun = _Submission(student, self._fingerprint(folder, jobs))
        for job in jobs:
            key = job.key
            if self._force and key not in self._judged:
                self._cache.drop(key)
            if key not in self._judging.values() and self._cache.get(key) is None:
                self._judging[self._pool.submit(job)] = key
                self._judged.add(key)
            if key in self._judging.values():
                begun.waiting.add(key)
        return begun

    def _job(self, path: Path) -> Job | None:
        """The job of judging a notebook; None where it cannot be restored, which nbgrader says when it tries to."""
        where = {"notebook": path.stem, "assignment": self._folders.assignment_id, "db_url": self._folders.db_url}
        try:
            notebook, _ = self._restore.preprocess(read(path), {"nbgrader": where})
            return self._judge.job(notebook, path.stem, path.parent)
        except OperationalError:
            raise
        except Exception:
            return None

    def _fingerprint(self, folder: Path, jobs: list[Job]) -> str:
        """Of all that a student's record follows from."""
        files = []
        for path in sorted(filter(is_file, folder.rglob("*"))):
            with path.open("rb") as stream:
                files.append([str(path.relative_to(folder)), hashlib.file_digest(stream, "sha256").hexdigest()])
        parts = [files, [job.key for job in jobs], self._config]
        named = json.dumps(parts, default=lambda value: getattr(value, "__qualname__", str(value)))
        return hashlib.sha256(named.encode()).hexdigest()

    def _take(self, under_way: list[_Submission]) -> None:
        """Keep what has been judged since."""
        for future in [future for future in self._judging if future.done()]:
            key, why = self._judging.pop(future), ""
            try:
                outputs = future.result()
            except CancelledError:
                raise ClusterUnavailable(
                    "the Dask scheduler is gone; what was judged is kept: start it, and give the command again"
                ) from None
            except Exception as error:
                why = str(error) or type(error).__name__
            else:
                self._cache.put(key, outputs)
            for one in under_way:
                if key in one.waiting:
                    one.waiting.remove(key)
                    one.failed = one.failed or why
