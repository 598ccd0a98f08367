"""The notebooks of this repository are clean, and survive being edited as text."""

from pathlib import Path

import pytest
from jupytext.cli import jupytext

from deepul_utils.course import notebooks

ROOT = Path(__file__).parents[2]
ALL = notebooks.chapters(ROOT) + notebooks.homework(ROOT)
BOOK = notebooks.chapters(ROOT)


def name(path):
    return f"{path.parts[-3]}/{path.stem}"


@pytest.mark.parametrize("path", ALL, ids=name)
def test_lint_finds_nothing(path):
    assert notebooks.lint([path]) == []


@pytest.mark.parametrize("path", BOOK, ids=name)
def test_stored_explorables_are_those_of_today(path):
    states = notebooks.read(path).metadata.widgets["application/vnd.jupyter.widget-state+json"].state
    stored = [model for model in states.values() if model.state.get("_anywidget_id")]
    assert stored
    for model in stored:
        assert model.state["_esm"] == notebooks.esm_of(model)


@pytest.mark.parametrize("form", ["md", "py:percent"])
@pytest.mark.parametrize("path", ALL, ids=name)
def test_editing_as_text_loses_nothing(path, form, tmp_path):
    """`jupytext --to md`, then `jupytext --update --to ipynb`, as CONTRIBUTING tells authors."""
    copy, text = tmp_path / path.name, tmp_path / f"{path.stem}.{form[:2]}"
    copy.write_bytes(path.read_bytes())
    jupytext(["--quiet", "--to", form, str(copy), "-o", str(text)])
    jupytext(["--quiet", "--update", "--to", "ipynb", str(text), "-o", str(copy)])
    before, after = notebooks.read(path), notebooks.read(copy)
    assert after.cells == before.cells
    assert after.metadata.get("widgets") == before.metadata.get("widgets")
