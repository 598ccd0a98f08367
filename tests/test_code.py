"""Code is formatted, without lint, and its types hold; each of these checks sees a mistake."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.xdist_group("code")  # one after the other, since they share a cache


def run(*command, cwd=ROOT):
    return subprocess.run([sys.executable, "-m", *command], cwd=cwd, capture_output=True, text=True, timeout=280)


@pytest.mark.parametrize("command", [("ruff", "check"), ("ruff", "format", "--check"), ("mypy",)], ids=" ".join)
def test_nothing_is_found(command):
    report = run(*command)
    assert report.returncode == 0, report.stdout + report.stderr


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("def double(x):\n    return 2 * x\n", "missing a type annotation"),
        ("from deepul_utils.distributions.bits import bits_per_dim\n\nbits_per_dim('1', 2)\n", "cannot be"),
    ],
)
def test_types_of_the_public_api_are_checked(source, complaint, tmp_path):
    (tmp_path / "wrong.py").write_text(source)
    report = run("mypy", "--config-file", "pyproject.toml", str(tmp_path / "wrong.py"))
    assert report.returncode == 1
    assert complaint in report.stdout
