import io
import sys

import nbformat
import pytest
from nbclient import NotebookClient

from deepul_utils.training import progress as module
from deepul_utils.training.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def open_terminal(monkeypatch):
    # Not in a fixture: pytest's own stderr takes its place again before the test begins.
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr(sys, "stderr", Terminal())
    return sys.stderr


def run(steps=5, **settings):
    progress = Progress(total=steps, **settings)
    for step in range(steps):
        progress.step(loss=1.5 - step / 10)
    progress.close()


def test_a_terminal_shows_a_bar_and_clears_it(monkeypatch):
    terminal = open_terminal(monkeypatch)
    monkeypatch.setattr(module, "PATIENCE", -1.0)
    progress = Progress(total=8, done=4)
    for loss in (1.5, 1.25):
        progress.step(loss)
    progress.bar.refresh()
    assert "6/8" in terminal.getvalue()
    assert "loss 1.25" in terminal.getvalue()
    progress.close()
    assert terminal.getvalue().endswith("\r")


def test_a_short_run_shows_nothing(monkeypatch):
    terminal = open_terminal(monkeypatch)
    run()
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("silence", ["not shown", "a file", "TQDM_DISABLE"])
def test_where_nobody_looks_there_is_no_bar(monkeypatch, silence):
    terminal = open_terminal(monkeypatch)
    monkeypatch.setattr(module, "PATIENCE", -1.0)
    if silence == "a file":
        monkeypatch.setattr(Terminal, "isatty", lambda self: False)
    if silence == "TQDM_DISABLE":
        monkeypatch.setenv("TQDM_DISABLE", "1")
    run(shown=silence != "not shown")
    assert terminal.getvalue() == ""


CELL = """
from deepul_utils.training import progress
progress.PATIENCE = -1.0
bar = progress.Progress(total=3)
for _ in range(3):
    bar.step(1.0)
bar.close()
"""


@pytest.mark.parametrize("disable", ["", "1"])
def test_a_notebook_shows_a_widget_unless_told_not_to(monkeypatch, disable):
    monkeypatch.setenv("TQDM_DISABLE", disable)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    NotebookClient(notebook, timeout=60).execute()
    kinds = [output.get("name", output["output_type"]) for output in notebook.cells[0].outputs]
    assert kinds == ([] if disable else ["display_data"])  # and never stderr, which nbgrader takes for an error
    assert ("widgets" in notebook.metadata) is not bool(disable)
