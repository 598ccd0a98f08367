"""Each mistake in a notebook is found and named; repair and execution change nothing else."""

import copy
import json
import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from typer.testing import CliRunner

from deepul_utils.cli import app
from deepul_utils.course import colab, notebooks
from deepul_utils.course.release import find_mistakes
from deepul_utils.explorables.histogram_smoothing import HistogramSmoothing

ROOT = Path(__file__).parents[2]
ALT = {"mystnb": {"image": {"alt": "A line that rises."}}}
IMPORT = "from deepul_utils.explorables.histogram_smoothing import HistogramSmoothing"
STATE = "application/vnd.jupyter.widget-state+json"
NAME = "book/week1_coins/coin.ipynb"


def chapter():
    """A small chapter as an author leaves it after typing: not run, ids made by Jupyter."""
    return [
        new_markdown_cell("# A coin"),
        new_code_cell("import ipywidgets\nimport matplotlib.pyplot as plt\n\n" + IMPORT),
        new_markdown_cell("## A figure to drag"),
        new_code_cell("plt.plot([0, 1]);", metadata=copy.deepcopy(ALT)),
        new_code_cell("ipywidgets.IntSlider()  # never shown\nprint(1)\nHistogramSmoothing(bins=7)"),
        new_code_cell("# NBVAL_CHECK_OUTPUT\nprint(2)\nplt.gca"),
        new_markdown_cell(""),
    ]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The chapter after `execute`, as text."""
    root = tmp_path_factory.mktemp("ran")
    for name in ("_config.yml", "pyproject.toml"):
        (root / name).write_bytes((ROOT / name).read_bytes())
    path = root / NAME
    path.parent.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=chapter()), path)
    shown = []
    notebooks.execute([path], lambda page, done: shown.append((page, done)))
    assert shown == [("coin", 0.0)]
    return path


@pytest.fixture
def clean(ran, course):
    """A copy of the executed chapter for one test to spoil."""
    path = course / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(ran.read_bytes())
    return path


def spoil(path, change):
    """Apply `change` to the notebook at `path` and write it as Jupyter would."""
    notebook = notebooks.read(path)
    change(notebook)
    path.write_text(nbformat.v4.writes(notebook) + "\n", encoding="utf-8")


def cell(notebook, words):
    return next(cell for cell in notebook.cells if words in cell.source)


def test_executed_chapter_is_clean(clean):
    assert notebooks.lint([clean]) == []


def test_running_again_changes_nothing(ran):
    before = ran.read_text()
    notebooks.execute([ran])
    assert ran.read_text() == before


def test_what_execute_stores(ran):
    notebook = notebooks.read(ran)
    figure, explorable, check = notebook.cells[5:]
    assert [c.id for c in notebook.cells[:5]] == [
        "markdown-a-coin",
        "colab-badge",
        "setup",
        "code-import-ipywidgets-import-matplotlib",
        "markdown-a-figure-to-drag",
    ]
    assert [c.execution_count for c in notebook.cells if c.cell_type == "code"] == [1, 2, 3, 4, 5]
    assert list(figure.outputs[0].data) == ["image/png", "text/plain"]
    states = notebook.metadata.widgets[STATE].state
    shown, layout = (states[f"{explorable.id}-widget-{k}"] for k in range(2))
    assert len(states) == 2, "the slider that no cell shows is not stored"
    assert (shown.state.bins, shown.state.layout) == (7, f"IPY_MODEL_{explorable.id}-widget-1")
    assert layout.model_name == "LayoutModel"
    assert explorable.outputs[1].data["text/plain"] == f"<{HistogramSmoothing.__module__}.HistogramSmoothing object>"
    assert check.outputs[0].text == "2\n"
    assert set(notebook.metadata) == {"kernelspec", "language_info", "widgets"}


def test_failing_chapter_stays_as_it_was(clean):
    spoil(clean, lambda n: n.cells.insert(1, new_code_cell("[][0]", id="oops")))
    before = clean.read_text()
    with pytest.raises(
        notebooks.NotebookError, match=r"coin\.ipynb: cell oops raised IndexError: list index out of range$"
    ):
        notebooks.execute([clean])
    assert clean.read_text() == before


@pytest.mark.parametrize(
    ("source", "limit", "message"),
    [
        ("import time; time.sleep(60)", 2, r"coin\.ipynb: A cell timed out"),
        ("import os; os._exit(1)", 60, r"coin\.ipynb: Kernel died"),
    ],
)
def test_chapter_that_hangs_or_dies_is_named(clean, monkeypatch, source, limit, message):
    monkeypatch.setattr(colab, "_SETUP", "# importing torch takes seconds\n")
    monkeypatch.setattr(notebooks, "TIMEOUT", limit)
    spoil(clean, lambda n: n.cells.insert(1, new_code_cell(source, id="oops")))
    with pytest.raises(notebooks.NotebookError, match=message):
        notebooks.execute([clean])


def set_source(words, source):
    return lambda n: cell(n, words).update(source=source)


def add(*new):
    return lambda n: n.cells.extend(new)


def output(**fields):
    return lambda n: cell(n, "print(2)").outputs.append(new_output(**fields))


AUTHORS_MISTAKES = {
    "no title": (set_source("# A coin", "A coin"), "the first cell should be the title"),
    "MyST directive": (add(new_markdown_cell("```{note}\nhm\n```", id="a")), r"cell a has MyST markup, '```{'"),
    "MyST colon fence": (add(new_markdown_cell("see\n\n:::{tip}\n:::", id="a")), r"cell a has MyST markup, ':::{'"),
    "MyST role": (add(new_markdown_cell("as {cite}`x` says", id="a")), r"cell a has MyST markup, '{cite}`'"),
    "figure without alt text": (lambda n: cell(n, "plt.plot").metadata.clear(), "shows a figure without alt text"),
    "empty alt text": (lambda n: cell(n, "plt.plot").metadata.mystnb.image.update(alt=""), "figure without alt text"),
    "error": (output(output_type="error", ename="KeyError", evalue="'x'"), r"raised KeyError: 'x'"),
    "warning": (output(output_type="stream", name="stderr", text="W\nOld!\n"), "printed a warning or an error: Old!"),
    "large output": (output(output_type="stream", text="x" * 150_001), "an output of 150"),
    "not run": (lambda n: cell(n, "print(2)").update(execution_count=None), "cells were not run in order"),
    "run out of order": (lambda n: cell(n, "print(2)").update(execution_count=1), "cells were not run in order"),
    "state not stored": (lambda n: n.metadata.pop("widgets"), "shows a widget whose state is not stored"),
    "explorable alone": (
        lambda n: n.cells.insert(6, new_markdown_cell("### Alone", id="alone")),
        "its section has no figure for print",
    ),
    "unknown explorable": (
        lambda n: next(iter(n.metadata.widgets[STATE].state.values())).state.update(_anywidget_id="deepul_utils.x.Y"),
        "shows a widget that is no explorable",
    ),
    "foreign widget": (
        lambda n: next(iter(n.metadata.widgets[STATE].state.values())).state.update(_anywidget_id="json.JSONDecoder"),
        "shows a widget that is no explorable",
    ),
}


@pytest.mark.parametrize("mistake", AUTHORS_MISTAKES)
def test_lint_names_what_an_author_must_mend(clean, mistake):
    change, message = AUTHORS_MISTAKES[mistake]
    spoil(clean, change)
    for fix in (True, False):
        (problem,) = notebooks.lint([clean], fix=fix)
        assert problem.startswith(f"{clean}: ")
        assert re.search(message, problem)


SLIPS = {
    "Jupyter's id": lambda n: cell(n, "print(2)").update(id="0a1b2c3d"),
    "JupyterLab's id": lambda n: cell(n, "print(2)").update(id="fa1b2c3d-12ab-4cde-8f00-0a1b2c3d4e5f"),
    "id twice": lambda n: cell(n, "print(2)").update(id=cell(n, "print(1)").id),
    "older format": lambda n: n.update(nbformat_minor=4) or [c.pop("id") for c in n.cells],
    "empty cell": add(new_code_cell("  \n", id="nothing")),
    "header twice": lambda n: n.cells.extend(nbformat.from_dict([{**c, "id": f"{c.id}-again"} for c in n.cells[1:3]])),
    "no header": lambda n: n.cells.__delitem__(slice(1, 3)),
    "header of an old release": lambda n: n.cells[2].update(source=n.cells[2].source.replace("tags/v", "tags/v0.")),
    "header moved": lambda n: n.cells.append(n.cells.pop(1)),
    "Colab's metadata": lambda n: n.metadata.update(colab={"provenance": []}, accelerator="GPU"),
    "another kernel": lambda n: n.metadata.kernelspec.update(name="my-venv"),
    "Python's version": lambda n: n.metadata.language_info.update(version="3.13.15"),
    "times": lambda n: cell(n, "print(2)").metadata.update(execution={"shell.execute_reply": "2026-11-20"}),
    "address": lambda n: (
        cell(n, "plt.gca")
        .outputs[1]
        .data.update({"text/plain": cell(n, "plt.gca").outputs[1].data["text/plain"] + " at 0x7f00"})
    ),
    "widget that no cell shows": lambda n: n.metadata.widgets[STATE].state.update(
        stray=nbformat.from_dict({"model_name": "LayoutModel", "state": {}})
    ),
    "module of yesterday": lambda n: next(iter(n.metadata.widgets[STATE].state.values())).state.update(_esm="old"),
}


@pytest.mark.parametrize("slip", [name for name in SLIPS if name != "no header"])
def test_lint_repairs_slips(clean, slip):
    before = json.loads(clean.read_text())
    spoil(clean, SLIPS[slip])
    (problem,) = notebooks.lint([clean])
    assert problem.endswith("not as `make lint` leaves it: run `make lint`")
    assert notebooks.lint([clean], fix=True) == []
    after = json.loads(clean.read_text())
    for notebook in (before, after):
        for part in notebook["cells"]:
            del part["id"]  # a new one where Jupyter's was
    if "id" not in slip and slip != "older format":
        assert after == before
    assert after["cells"] == before["cells"]


def test_lint_stamps_a_header_where_there_is_none(clean):
    spoil(clean, SLIPS["no header"])
    assert notebooks.lint([clean], fix=True) == [f"{clean}: its cells were not run in order: run `make execute`"]
    assert [c.id for c in notebooks.read(clean).cells[1:3]] == ["colab-badge", "setup"]


def test_homework_loses_its_outputs(clean, course):
    path = course / "solutions/week1_coins/coin.ipynb"
    path.parent.mkdir(parents=True)
    path.write_bytes(clean.read_bytes())
    assert len(notebooks.lint([path])) == 1
    assert notebooks.lint([path], fix=True) == []
    notebook = notebooks.read(path)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert {(len(c.outputs), c.execution_count) for c in code} == {(0, None)}
    assert "widgets" not in notebook.metadata
    assert "exercises/week1_coins/coin.ipynb" in notebook.cells[1].source


def test_mistakes_of_homework_are_those_that_stop_a_release(write):
    path = write([new_markdown_cell("# A"), new_code_cell("1")], "solutions/week1_coins/coin.ipynb")
    assert notebooks.lint([path], fix=True) == []
    marks = {"schema_version": 2, "grade_id": "x", "grade": True, "solution": False, "locked": True}
    spoil(path, lambda n: n.cells[-1].metadata.update(nbgrader=marks))
    mistakes = list(find_mistakes(path))
    assert mistakes
    assert notebooks.lint([path]) == [f"{path}: {mistake}" for mistake in mistakes]


def test_notebook_of_no_course_is_named(tmp_path):
    path = tmp_path / "stray.ipynb"
    path.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=[new_markdown_cell("# A")])))
    (problem,) = notebooks.lint([path], fix=True)
    assert re.search("stray.ipynb is in no repository of this course", problem)


@pytest.mark.parametrize("content", ["", "{", '{"nbformat": 4}', "[]", "\x00"])
def test_file_that_is_no_notebook_is_named_and_left(clean, content):
    good, clean = clean, clean.with_name("bad.ipynb")
    clean.write_text(content)
    (problem,) = notebooks.lint([clean, good], fix=True)
    assert problem.startswith(f"{clean}: cannot be read as a notebook: ")
    assert clean.read_text() == content


def test_missing_file_is_named(course):
    (problem,) = notebooks.lint([course / "none.ipynb"])
    assert "none.ipynb: cannot be read as a notebook" in problem


def test_deepul_lint(clean, course, monkeypatch):
    """The command looks through the whole course, or the files given, and fails where a problem is left."""
    monkeypatch.chdir(course)
    spoil(clean, SLIPS["Colab's metadata"])
    found = CliRunner().invoke(app, ["lint"])
    assert found.exit_code == 1
    assert found.stderr == f"{NAME}: its metadata is not as `make lint` leaves it: run `make lint`\n"
    repaired = CliRunner().invoke(app, ["lint", "--fix", NAME])
    assert repaired.exit_code == 0
    assert repaired.stdout == "✓ 1 notebook without a mistake\n"


def test_deepul_lint_elsewhere_says_where_to_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nowhere = CliRunner().invoke(app, ["lint"])
    assert nowhere.exit_code == 1
    assert "go to the folder of the course" in nowhere.stderr
