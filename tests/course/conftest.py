"""A course of its own for every test, in a folder with a space in its name."""

import shutil
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def course(tmp_path):
    """An empty repository: address and version are those of this one."""
    root = tmp_path / "a course"
    root.mkdir()
    for name in ("_config.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    return root


@pytest.fixture
def write(course):
    """Write a notebook of these cells into the course, and return its path."""

    def write(cells, name="book/week1_coins/coin.ipynb"):
        path = course / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=cells)) + "\n", encoding="utf-8")
        return path

    return write
