"""A course with the tiny homework, and a place to hand it in."""

import copy
import os
from pathlib import Path

import nbformat
import pytest
import tiny_homework

from deepul_utils.course.release import release


class Course:
    """A repository with the tiny homework released, and submissions that tests write into it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        path = root / "solutions" / tiny_homework.WEEK / "sums.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(tiny_homework.solution(), path)
        [made] = release(root, tiny_homework.WEEK)
        self.released = nbformat.read(made, as_version=4)

    def answered(self, double="    return 2 * x", half="    return x / 2", why="Since 1/2 + 1/2 = 1."):
        """The notebook of a student who wrote these bodies and this text."""
        notebook = copy.deepcopy(self.released)
        for cell in notebook.cells:
            for name, body in (("double", double), ("half", half)):
                if cell.id == f"{name}-answer":
                    cell.source = cell.source.replace("    raise NotImplementedError()", body)
            if cell.id == "why":
                cell.source = why
        return notebook

    def submit(self, student, notebook, name="sums.ipynb"):
        """Hand in a notebook, or any text."""
        path = self.root / "submitted" / student / tiny_homework.WEEK / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = notebook if isinstance(notebook, str) else nbformat.writes(notebook)
        path.write_text(text, encoding="utf-8")
        return path


@pytest.fixture(autouse=True, scope="session")
def _kernels_find_the_homework():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(tiny_homework.__file__).parent), prepend=os.pathsep)
        yield


@pytest.fixture
def course(tmp_path):
    return Course(tmp_path / "course")


@pytest.fixture(scope="module")
def shared_course(tmp_path_factory):
    """One course for all tests of a module."""
    return Course(tmp_path_factory.mktemp("shared") / "course")
