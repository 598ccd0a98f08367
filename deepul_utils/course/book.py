"""Build the site with Jupyter Book: committed outputs, every warning an error, nothing stale left behind."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_STEP = re.compile(r"(reading sources|writing output)\.\.\. \[ *(\d+)%\] (\S+)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_CELL = re.compile(r"\.ipynb:(\d+)(\d{4})\b")  # MyST-NB counts 10,000 lines a cell, and one too many


class BookError(Exception):
    """The site could not be built; the message says why and what to do."""


def build(root: Path, into: Path | None = None, progress: Callable[[str, float], None] | None = None) -> Path:
    """Build the book of the repository `root`, and return the page to open.

    A second build reads only changed pages. Whatever can leave something stale behind (another configuration,
    table of contents, style sheet or script, or a failed build) starts again from nothing.

    Args:
        root: the folder of _config.yml and _toc.yml.
        into: the folder that gets `_build`; `root` where not given.
        progress: called with the page in work and the share of the work that is done, from 0 to 1.

    Raises:
        BookError: there is no book in `root`, Jupyter Book is missing, or the build gave a warning.
    """
    root = root.resolve()
    if not (root / "_toc.yml").is_file():
        raise BookError(f"there is no _toc.yml in {root}; go to the folder of the course and try again")
    output = (into or root) / "_build"
    seal = output / ".built"
    fingerprint = _fingerprint(root)
    if not seal.is_file() or seal.read_text() != fingerprint:
        shutil.rmtree(output / "html", ignore_errors=True)
        shutil.rmtree(output / ".doctrees", ignore_errors=True)
    seal.unlink(missing_ok=True)
    status, lines = _run_jupyter_book(root, output.parent, progress or (lambda page, done: None))
    if status:
        raise BookError(_why(lines, root))
    seal.write_text(fingerprint)
    return output / "html" / "index.html"


def _fingerprint(root: Path) -> str:
    digest = hashlib.sha256()
    try:
        for package in ("jupyter-book", "sphinx", "myst-nb", "sphinx-book-theme"):
            digest.update(version(package).encode())
    except PackageNotFoundError as error:
        raise BookError(f"{error.name} is not installed; try: pip install 'deepul_utils[book]'") from None
    extension = Path(__file__).with_name("sphinx_extension.py")
    for path in [root / "_config.yml", root / "_toc.yml", extension, *sorted((root / "book" / "_static").rglob("*"))]:
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _run_jupyter_book(root: Path, into: Path, progress: Callable[[str, float], None]) -> tuple[int, list[str]]:
    start = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", start, "build", str(root), "--path-output", str(into), "-W", "--keep-going"]
    lines = []
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    ) as process:
        for line in process.stdout or []:
            line = _COLOUR.sub("", line).rstrip()
            lines.append(line)
            if step := _STEP.search(line):
                what, percent, page = step.groups()
                progress(page, int(percent) / 200 + (0.5 if what == "writing output" else 0))
    return process.returncode, lines


def _why(lines: list[str], root: Path) -> str:
    found = [line for line in lines if re.search(r"\b(WARNING|ERROR|CRITICAL):", line)]
    if not found:  # an exception: its name and all that it says
        start = max((i for i, line in enumerate(lines) if re.match(r"\S*(Error|Exception)\b", line)), default=0)
        found = [" ".join(filter(None, (line.strip(" =") for line in lines[start:])))]
    reason = _CELL.sub(lambda match: f".ipynb, cell {match[1]}, line {int(match[2]) - 1}", found[0])
    more = f" (and {len(found) - 1} more like it)" if len(found) > 1 else ""
    return f"the book was not built: {reason.replace(f'{root}/', '')}{more}"
