"""How nbgrader works on this course: its folders, its stub, and who reads, runs and judges a submission."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from datetime import datetime
from pathlib import Path

from nbgrader.converters import base
from nbgrader.converters.base import BaseConverter
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    LimitOutput,
    OverwriteKernelspec,
)
from nbgrader.server_extensions.formgrader import handlers
from nbgrader.utils import find_all_files
from sqlalchemy.exc import OperationalError, SAWarning
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from deepul_utils.grading import safe_html
from deepul_utils.grading.record import JudgeCells, RestoreCells, SaveGrades, SubmissionReader, handed_in_at, is_file

FILE = "nbgrader_config.py"


def settings(root: Path, course: Path | None = None) -> Config:
    """nbgrader's configuration for the course whose repository is `root`.

    Also puts this Python's programs on PATH, where nbgrader looks for alembic, silences SQLAlchemy on nbgrader, and
    keeps nbgrader from following links in what was handed in: it would copy what they lead to into the feedback, and
    wait for ever on a pipe.

    Args:
        root: the repository, with solutions/ and exercises/.
        course: the folder of submitted/, autograded/, feedback/ and gradebook.db; `root` where not given.
    """
    programs = str(Path(sys.executable).parent)
    if programs not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = programs + os.pathsep + os.environ["PATH"]
    warnings.filterwarnings("ignore", "Object of type <Submitted", SAWarning)
    base.find_all_files = _find_files
    CourseDirectory.get_existing_timestamp = _timestamp
    config = _folders(root.resolve(), (course or root).resolve())
    config.CourseDirectory.course_id = "course"  # assignments belong to one, and PostgreSQL wants it to be there
    config.CourseDirectory.ignore = [".ipynb_checkpoints", "__pycache__", "*.pyc", "feedback", "*_hand_in.zip"]
    config.ClearSolutions.code_stub = {"python": "raise NotImplementedError()"}
    config.Autograde.exporter_class = SubmissionReader
    config.Autograde.sanitize_preprocessors = [RestoreCells, OverwriteKernelspec, CheckCellMetadata]
    config.Autograde.autograde_preprocessors = [
        JudgeCells,
        LimitOutput,
        SaveGrades,
        AssignLatePenalties,
        CheckCellMetadata,
    ]
    config.GenerateFeedback.exporter_class = safe_html.Pages
    config.Exporter.optimistic_validation = True  # once a notebook, instead of after each step
    # For feedback and for formgrader: pages with students' text and outputs run in a person's browser.
    config.HTMLExporter.preprocessors = [safe_html.CleanOutputs]
    # Before nbgrader's own, so that no page asks another host for MathJax: formulas are MathML.
    config.HTMLExporter.extra_template_basedirs = [str(Path(__file__).with_name("templates")), handlers.template_path]
    config.HTMLExporter.filters = {"markdown2html": safe_html.markdown2html}
    return config


def _find_files(path: str, exclude: list[str] | None = None) -> list[str]:
    return [name for name in find_all_files(path, exclude) if is_file(Path(name))]


def _timestamp(self: CourseDirectory, folder: str) -> datetime | None:
    return handed_in_at(Path(folder))[0]


def load(root: Path, course: Path) -> Config:
    """The `settings` with what the nbgrader_config.py of `root`, and then that of `course`, say on top of them."""
    root, course = root.resolve(), course.resolve()
    config = settings(root, course)
    for folder in dict.fromkeys([root, course]):
        if (folder / FILE).is_file():
            config.merge(PyFileConfigLoader(FILE, str(folder)).load_config())
    config.merge(_folders(root, course))
    return config


def _folders(root: Path, course: Path) -> Config:
    config = Config()
    config.CourseDirectory.root = str(course)
    config.CourseDirectory.source_directory = os.path.relpath(root / "solutions", course)
    config.CourseDirectory.release_directory = os.path.relpath(root / "exercises", course)
    return config


def not_opened(error: OperationalError) -> str:
    """What to say of a gradebook that cannot be opened: its server is not there, or it is locked."""
    return f"the gradebook cannot be opened: {' '.join(str(error.orig).split())}"


class NbgraderFailed(Exception):
    """nbgrader gave up; the message is the reason that it logged."""


def start(app: BaseConverter) -> None:
    """Run one of nbgrader's converters without its log.

    Raises:
        NbgraderFailed: with the reason in one line.
    """
    app.log = logging.Logger("nbgrader")
    app.log.addHandler(reasons := _Reasons(logging.ERROR))
    try:
        app.start()
    except Exception as error:  # nbgrader logs the reason, then raises an exception that points to its log
        raise NbgraderFailed(reasons.first or str(error)) from reasons.error or error


class _Reasons(logging.Handler):
    """Keeps the first reason that nbgrader logs: the last line of a traceback, or a message of its own.

    And the first exception of which it logs something, since what it raises in the end does not lead to that.
    """

    first = ""
    error: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self.error = self.error or sys.exc_info()[1]
        lines = record.getMessage().strip().splitlines()
        if not self.first and not lines[0].startswith("There was an error processing assignment"):
            self.first = lines[-1 if lines[0].startswith("Traceback") else 0]
