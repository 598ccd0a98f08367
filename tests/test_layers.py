"""Imports go down only, and the contract that says so can fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def lint_imports(root):
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()", "--no-cache"]
    environment = os.environ | {"PYTHONPATH": str(root), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=120)


def test_imports_go_down_only():
    report = lint_imports(ROOT)
    assert report.returncode == 0, report.stdout
    assert "0 broken" in report.stdout


@pytest.mark.parametrize(
    ("module", "imported", "contract"),
    [
        ("distributions/bits.py", "deepul_utils.nn", "Imports go down only"),
        ("nn/mlp.py", "deepul_utils.distributions", "Imports go down only"),
        ("models/histogram.py", "deepul_utils.training", "Imports go down only"),
        ("training/fit.py", "deepul_utils.plotting", "Imports go down only"),
        ("plotting/bars.py", "deepul_utils.explorables", "Imports go down only"),
        ("explorables/base.py", "deepul_utils.course", "Imports go down only"),
        ("grading/judge.py", "deepul_utils.cli", "Imports go down only"),
        ("transforms/transform.py", "deepul_utils.models", "Imports go down only"),
        ("nn/mlp.py", "deepul_utils.transforms", "Imports go down only"),
        ("models/histogram.py", "deepul_utils.data", "Models, transforms and training know no data set"),
        ("transforms/transform.py", "deepul_utils.data", "Models, transforms and training know no data set"),
        ("training/fit.py", "deepul_utils.models", "Training knows only model.loss(batch)"),
        ("checks/laws.py", "nbformat", "Notebook tools only in course and grading"),
        ("plotting/bars.py", "nbgrader.api", "Notebook tools only in course and grading"),
    ],
)
def test_an_import_that_goes_up_is_named(tmp_path, module, imported, contract):
    shutil.copytree(ROOT / "deepul_utils", tmp_path / "deepul_utils", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "deepul_utils" / module).open("a") as file:
        file.write(f"\nimport {imported}\n")
    report = lint_imports(tmp_path)
    assert report.returncode == 1, report.stdout + report.stderr
    assert f"{contract} BROKEN" in report.stdout
