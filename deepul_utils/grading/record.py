"""Where nbgrader meets the grader: what reads, repairs and judges a submission when nbgrader grades it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from nbconvert.exporters import NotebookExporter
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor, SaveAutoGrades
from nbgrader.utils import parse_utc
from traitlets import Enum, Float

from deepul_utils.checks import weights
from deepul_utils.checks.question import weights_of
from deepul_utils.grading.cache import FOLDER, Cache, DiskFailed
from deepul_utils.grading.container import SANDBOXES
from deepul_utils.grading.job import Job, show
from deepul_utils.grading.notebook import SIZE_LIMIT, UnreadableNotebook, parse

NOTES = "deepul_notes"  # in the metadata of a graded notebook: what the grader did to it, one sentence each
SEED_FILE = "check_seed"  # in the course's folder
ASIDE = "submitted_earlier"  # there, too: what a student's later hand-in replaced
TIMESTAMP = "timestamp.txt"

Resources = dict[str, Any]


class SubmissionReader(NotebookExporter):
    """Reads a submission; a file that is no notebook becomes an empty one with a note, which then gets 0 points."""

    def from_filename(self, filename: str, resources: Any = None, **kw: Any) -> Any:
        """Read the notebook and hand it through the preprocessors."""
        grader: Any = self.parent
        if not grader._sanitizing:  # the second pass reads what the first wrote
            return super().from_filename(filename, resources, **kw)
        path = Path(filename)
        resources["metadata"] = ResourcesDict(name=path.stem, path=str(path.parent))
        return self.from_notebook_node(read(path), resources, **kw)


def read(path: Path) -> NotebookNode:
    """The notebook that was handed in as `path`; where there is none, an empty one with a note that says so."""
    try:
        if not is_file(path):
            raise UnreadableNotebook("is no file, but a link or a folder")
        with path.open(encoding="utf-8") as stream:
            return parse(stream.read(SIZE_LIMIT + 1))
    except (UnreadableNotebook, UnicodeDecodeError) as error:
        why = str(error) if isinstance(error, UnreadableNotebook) else "is no text file"
        return new_notebook(metadata={NOTES: [f"{path.name} {why}, so nothing in it could be graded"]})


def is_file(path: Path) -> bool:
    """Whether a file was handed in: no link, which could lead to anybody's files, and no pipe, which never ends."""
    return path.is_file() and not path.is_symlink()


def handed_in_at(folder: Path) -> tuple[datetime | None, str]:
    """The time in a student's timestamp.txt, in UTC; None where there is none.

    Where it holds no time, that of the student's files, and a sentence that says so.
    """
    if not is_file(folder / TIMESTAMP):
        return None, ""
    try:
        with (folder / TIMESTAMP).open(encoding="utf-8") as stream:
            return parse_utc(stream.read(100).strip()), ""
    except Exception:  # whatever it does to the parser
        newest = max(path.stat().st_mtime for path in folder.iterdir() if is_file(path))
        when = datetime.fromtimestamp(newest, UTC).replace(tzinfo=None)
        return when, f"{TIMESTAMP} holds no time, so that of the files counts: {when:%Y-%m-%d %H:%M:%S} UTC"


class RestoreCells(NbGraderPreprocessor):
    """Gives every cell the marks that it had in the release, whatever the submission says about itself.

    Of several copies of a cell the last that differs from the release counts, locked cells get their text back,
    and grade cells that are missing return: after their answers where these are there, else at the end.
    """

    def preprocess(self, nb: NotebookNode, resources: Resources) -> tuple[NotebookNode, Resources]:
        """Restore the cells of one notebook from the gradebook."""
        where = resources["nbgrader"]
        with Gradebook(where["db_url"]) as gradebook:
            released = _released_cells(gradebook.find_notebook(where["notebook"], where["assignment"]))
        notes = list(nb.metadata.get(NOTES, []))
        unreadable = bool(notes)
        copies: dict[str, list[NotebookNode]] = defaultdict(list)
        for cell in nb.cells:
            marks = cell.metadata.pop("nbgrader", None)
            if marks and marks.grade_id in released:
                copies[marks.grade_id].append(cell)
        for id, found in copies.items():
            original = released[id]
            locked = original.metadata.nbgrader.locked
            changed = [cell for cell in found if cell.source != original.source]
            cell = changed[-1] if changed and not locked else found[-1]
            if len(found) > 1:
                notes.append(
                    f"{id} is there {len(found)} times: the last one{'' if locked else ' with changes'} counts"
                )
            if changed and locked:
                notes.append(f"{id} was changed: its own text is back")
                cell.source = original.source
            nb.cells[nb.cells.index(cell)] = _as(original, cell)
        for id in sorted(released.keys() - copies.keys()):
            if released[id].metadata.nbgrader.grade or released[id].metadata.nbgrader.task:
                _insert(nb, released[id])
                if not unreadable:
                    notes.append(f"{id} was missing: it is back")
        if notes:
            nb.metadata[NOTES] = notes
            lines = "\n".join(f"- {note}." for note in notes)
            nb.cells.insert(0, new_markdown_cell(f"**From the grader**\n\n{lines}", id="from-the-grader"))
        return nb, resources


def _released_cells(notebook: Any) -> dict[str, NotebookNode]:
    """The marked cells of a released notebook by grade_id, as the gradebook has them."""
    points = {cell.name: cell.max_score for cell in [*notebook.grade_cells, *notebook.task_cells]}
    solutions = {cell.name for cell in notebook.solution_cells}
    tasks = {cell.name for cell in notebook.task_cells}
    cells = {}
    for source in notebook.source_cells:
        name = source.name
        marks = {
            "schema_version": 3,
            "grade_id": name,
            "grade": name in points and name not in tasks,
            "solution": name in solutions,
            "task": name in tasks,
            "locked": source.locked,
            "checksum": source.checksum,
            "cell_type": source.cell_type,
        }
        if name in points:
            marks["points"] = points[name]
        new = new_code_cell if source.cell_type == "code" else new_markdown_cell
        cells[name] = new(source=source.source, id=f"restored-{name}"[:64], metadata={"nbgrader": marks})
    return cells


def _as(original: NotebookNode, cell: NotebookNode) -> NotebookNode:
    """The submitted cell with the marks, and so the type, of the released one."""
    restored = NotebookNode(original, source=cell.source, id=cell.id)
    if "attachments" in cell and original.cell_type == "markdown":
        restored["attachments"] = cell.attachments
    return restored


def _insert(nb: NotebookNode, cell: NotebookNode) -> None:
    """Put a grade cell below the last of its answers, whose grade_ids begin with its own, or at the end."""
    answers = f"{cell.metadata.nbgrader.grade_id}-"
    ids = [other.metadata.get("nbgrader", {}).get("grade_id", "") for other in nb.cells]
    below = max((at + 1 for at, id in enumerate(ids) if id.startswith(answers)), default=len(ids))
    nb.cells.insert(below, cell)


class JudgeCells(NbGraderPreprocessor):
    """Runs and judges a notebook in place of nbgrader's Execute; nbgrader reads the scores from the outputs.

    What was judged before, and is in the course's cache, is not judged again.
    """

    timeout = Float(
        60.0,
        help="Seconds that one cell, or one call of a function, may compute; a whole notebook gets ten times that.",
    ).tag(config=True)
    sandbox = Enum(
        SANDBOXES, "bubblewrap", help="Where students' code runs; with none, it may do whatever you may."
    ).tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: Resources) -> tuple[NotebookNode, Resources]:
        """Run every cell and put the outcomes where the grade cells are."""
        job = self.job(nb, resources["nbgrader"]["notebook"], Path(resources["metadata"]["path"]))
        cache = Cache(Path(self.config.CourseDirectory.root, FOLDER, resources["nbgrader"]["assignment"]))
        outputs = cache.get(job.key)
        if outputs is None:
            outputs = job.run()
            with contextlib.suppress(DiskFailed):  # it only saves time
                cache.put(job.key, outputs)
        show(nb, outputs)
        return nb, resources

    def job(self, notebook: NotebookNode, homework: str, folder: Path) -> Job:
        """The job of judging a restored notebook whose student handed in what is in `folder`."""
        return Job.of(
            notebook,
            homework,
            weights.read(folder, weights_of(homework)),
            timeout=self.timeout,
            seed=seed_of(Path(self.config.CourseDirectory.root), folder, homework),
            sandbox=self.sandbox,
        )


class SaveGrades(SaveAutoGrades):
    """nbgrader's, which has a person look again at whatever a person has scored: here, only where it has changed."""

    def preprocess(self, nb: NotebookNode, resources: Resources) -> tuple[NotebookNode, Resources]:
        """Save the grades of one notebook."""
        where = resources["nbgrader"]
        cache = Cache(Path(self.config.CourseDirectory.root, FOLDER, where["assignment"], "scored"))
        name = hashlib.sha256(f"{where['student']}/{where['notebook']}".encode()).hexdigest()
        self._before: dict[str, str] = cache.load(name) or {}
        self._now: dict[str, str] = {}
        self._all = [[cell.source, cell.get("attachments")] for cell in nb.cells]
        nb, resources = super().preprocess(nb, resources)
        with contextlib.suppress(DiskFailed):  # then a person looks again
            cache.put(name, json.dumps(self._now))
        return nb, resources

    def _add_score(self, cell: NotebookNode, resources: Resources) -> None:
        id = cell.metadata.nbgrader.grade_id
        grade = self.gradebook.find_grade(id, self.notebook_id, self.assignment_id, self.student_id)
        scored = grade.manual_score is not None and not grade.needs_manual_grade
        written = cell.metadata.nbgrader.solution  # what a test judges is in all cells
        answer = json.dumps([cell.source, cell.get("attachments")] if written else self._all, sort_keys=True)
        self._now[id] = hashlib.sha256(answer.encode()).hexdigest()
        super()._add_score(cell, resources)
        if scored and self._before.get(id) == self._now[id]:
            grade.needs_manual_grade = False
            self.gradebook.db.commit()


def seed_of(course: Path, folder: Path, homework: str) -> int:
    """The seed of the checks' data for a notebook in `folder`: the course's own, or another for a later hand-in.

    Feedback names numbers of the cases that failed, since they teach: answered by heart, they gain nothing.
    """
    seed = secret_seed(course)
    earlier = len(list((course / ASIDE / folder.parent.name / folder.name).glob(f"{homework}_????????.ipynb")))
    return Random(f"{seed}/{earlier}").getrandbits(63) if earlier else seed


def secret_seed(course: Path) -> int:
    """The seed of the checks' data: drawn once for a course and kept in its folder, so that grades repeat."""
    file = course / SEED_FILE
    if not file.exists():
        atomic = file.with_name(f"{SEED_FILE}.{os.getpid()}")
        atomic.write_text(str(secrets.randbits(63)), encoding="utf-8")
        with contextlib.suppress(FileExistsError):
            os.link(atomic, file)  # the first wins
        atomic.unlink()
    return int(file.read_text(encoding="utf-8"))
