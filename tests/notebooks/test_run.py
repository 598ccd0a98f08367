"""Every chapter and every solution runs from top to bottom on a CPU without a network, and says the same numbers."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output, writes

from deepul_utils.course.notebooks import chapters, homework

ROOT = Path(__file__).parents[2]
CHECK = "# NBVAL_CHECK_OUTPUT"


@pytest.fixture
def nbval(offline, tmp_path):
    """Run a notebook again with nbval, which compares the cells marked NBVAL_CHECK_OUTPUT; what it reports."""

    def run(path):
        options = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=120", "-p", "no:cacheprovider", "-rA"]
        # No configuration, since warnings of nbval itself are not the notebook's.
        command = [*offline, sys.executable, "-m", "pytest", "-c", os.devnull, f"--rootdir={tmp_path}", *options, path]
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "TQDM_DISABLE": "1"}
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=280)

    return run


@pytest.mark.parametrize("path", chapters(ROOT) + homework(ROOT), ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_notebook_runs_offline_and_repeats_its_numbers(path, nbval, tmp_path):
    if path in homework(ROOT):
        path = shutil.copy(path, tmp_path)  # it packs itself into a file beside it
    report = nbval(path)
    assert report.returncode == 0, report.stdout + report.stderr


@pytest.mark.parametrize("path", chapters(ROOT), ids=lambda path: path.stem)
def test_chapter_states_numbers_that_are_compared(path):
    assert CHECK in path.read_text(encoding="utf-8")


def test_a_wrong_number_an_error_and_a_download_would_be_seen(nbval, tmp_path):
    cells = {
        f"{CHECK}\nprint(2)": ("2\n", "PASSED"),
        f"{CHECK}\nprint(3)": ("4\n", "FAILED"),
        "print(5)": ("6\n", "PASSED"),
        "1 / 0": ("", "FAILED"),
        "import socket; socket.create_connection(('1.1.1.1', 53), 1)": ("", "FAILED"),
    }
    notebook = new_notebook()
    for source, (text, _) in cells.items():
        outputs = [new_output("stream", text=text)] if text else []
        notebook.cells.append(new_code_cell(source, execution_count=1, outputs=outputs))
    path = tmp_path / "small.ipynb"
    path.write_text(writes(notebook))
    report = nbval(path).stdout
    verdicts = re.findall(r"^(PASSED|FAILED) \S*small.ipynb::Cell (\d)", report, re.MULTILINE)
    assert {int(k): verdict for verdict, k in verdicts} == dict(enumerate(v for _, v in cells.values())), report
