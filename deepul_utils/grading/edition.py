"""The student's edition of `deepul_utils`: what a sandbox holds in place of the course's own.

It has the data, models, training, plots and explorables that homework uses, without the checks, the grader, the
release tools, and the bodies of the functions that a question withholds: calling one of these raises a clear error.
"""

from __future__ import annotations

import ast
import compileall
import py_compile
import shutil
import tempfile
from pathlib import Path

import deepul_utils
from deepul_utils.checks.question import QUESTIONS

_ABSENT = ("checks", "course", "grading", "cli", "__pycache__")
_NEEDED_CHECKS = ("desk.py", "student.py", "wire.py")
_CHECKS = '''"""Stands in for the checks while a notebook is graded: the grader judges from outside."""

from typing import Any


def run(id: str, namespace: dict[str, Any]) -> None:
    """Do nothing: the grader runs the check of `id` itself."""


def hand_in(notebook: str, namespace: dict[str, Any]) -> None:
    """Do nothing: the notebook has been handed in."""
'''


class Editions:
    """A temporary folder with an edition for each homework notebook, made when it is first asked for."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory | None = None

    def folder(self, homework: str) -> Path:
        """The folder of the edition for the homework notebook of that name, beside those of all others.

        The homework without a name is the one that withholds nothing.
        """
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="deepul-editions-")
        folder = Path(self._folder.name, homework or "none")
        if not folder.exists():
            build(folder, homework)
        return folder

    def close(self) -> None:
        """Remove them all; the next that is asked for is made again."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def build(folder: Path, homework: str) -> None:
    """Write the student's edition for a homework notebook to `folder`/deepul_utils.

    Args:
        folder: where the package goes.
        homework: the notebook's name; what its questions withhold is left out.

    Raises:
        ValueError: a withheld name is not in the library.
    """
    source, target = Path(deepul_utils.__file__).parent, folder / "deepul_utils"
    shutil.copytree(source, target, ignore=lambda path, names: set(_ABSENT) & set(names))
    (target / "checks").mkdir()
    (target / "checks" / "__init__.py").write_text(_CHECKS, encoding="utf-8")
    for name in _NEEDED_CHECKS:
        shutil.copy(source / "checks" / name, target / "checks" / name)
    asked = (question for id, question in QUESTIONS.items() if id.split(".")[0] == homework)
    for dotted in {name for question in asked for name in question.withholds}:
        _withhold(folder, dotted)
    # Each kernel would otherwise compile it anew, since it can write nothing here.
    compileall.compile_dir(target, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    for path in (folder, *folder.rglob("*")):  # for the user of a container, who is nobody here
        path.chmod(0o755 if path.is_dir() else 0o644)


def _withhold(folder: Path, dotted: str) -> None:
    """Replace the body of the function, or of every method of the class, called `dotted` by a raise."""
    parts = dotted.split(".")
    split = next((i for i in range(len(parts), 0, -1) if folder.joinpath(*parts[:i]).with_suffix(".py").is_file()), 0)
    file = folder.joinpath(*parts[:split]).with_suffix(".py")
    node: ast.AST | None = ast.parse(file.read_text(encoding="utf-8")) if split else None
    for name in parts[split:]:
        node = next((item for item in getattr(node, "body", ()) if getattr(item, "name", None) == name), None)
    if node is None or split == len(parts):
        raise ValueError(f"a question withholds {dotted}, which is no function or class of the library")
    members = node.body if isinstance(node, ast.ClassDef) else [node]
    functions = [item for item in members if isinstance(item, ast.FunctionDef)]
    lines = file.read_text(encoding="utf-8").splitlines()
    for function in sorted(functions, key=lambda item: item.lineno, reverse=True):
        documented = ast.get_docstring(function) is not None and len(function.body) > 1
        body = function.body[1:] if documented else function.body
        start, end = body[0].lineno - 1, body[-1].end_lineno
        refusal = f'raise RuntimeError("{dotted.split(".", 1)[1]} is what a question asks for: write it yourself")'
        lines[start:end] = [" " * body[0].col_offset + refusal]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
