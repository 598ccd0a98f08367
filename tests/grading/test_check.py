"""A student's file against the checks: a table, an exit code, and one sentence for a bad file."""

import nbformat
import pytest
from typer.testing import CliRunner

from deepul_utils.cli import app
from deepul_utils.grading.check import CheckError, check


def run(path, *options):
    return CliRunner().invoke(app, ["check", str(path), *options], env={"COLUMNS": "120"})


def write(folder, notebook, name="sums.ipynb"):
    path = folder / name
    nbformat.write(notebook, path)
    return path


def test_a_right_notebook_passes_whatever_it_is_called(course, tmp_path):
    result = run(write(tmp_path, course.answered(), "done (1).ipynb"))
    assert result.exit_code == 0, result.output
    assert "5 of 5 points" in result.output
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["done (1).ipynb"]  # packs nothing


def test_a_wrong_answer_fails_and_a_deleted_check_runs_all_the_same(course, tmp_path):
    notebook = course.answered(half="    return x // 2")
    notebook.cells = [cell for cell in notebook.cells if cell.id != "half-check"]
    result = run(write(tmp_path, notebook))
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert any("double" in line and "2 of 2" in line and "✓ twice 0" in line for line in lines)
    assert any("half" in line and "2 of 3" in line and "✓ half of 4" in line for line in lines)
    assert "Usual cause: // drops the rest" in result.output
    assert lines[-1] == "4 of 5 points"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x80\x81", "is no text file, so it is no notebook"),
        (b'{"cells": [', "is damaged: it is no valid JSON from line 1 on"),
        (b'{"cells": []}', "asks no question of this course; give the path of a homework notebook"),
    ],
)
def test_a_bad_file_is_said_in_one_sentence(tmp_path, content, message):
    path = tmp_path / "file.ipynb"
    path.write_bytes(content)
    result = run(path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"{path} {message}\n"


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(CheckError, match=r"nowhere\.ipynb cannot be read: No such file or directory"):
        check(tmp_path / "nowhere.ipynb", timeout=1)
