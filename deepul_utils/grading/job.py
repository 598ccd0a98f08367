"""A notebook to be judged as plain data, which travels to another process or machine, and what comes back."""

from __future__ import annotations

import atexit
import functools
import hashlib
import importlib
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

import deepul_utils
from deepul_utils.checks.question import QUESTIONS
from deepul_utils.grading.container import Containers, starts
from deepul_utils.grading.judge import judge
from deepul_utils.grading.kernel import LocalProcess, Process
from deepul_utils.grading.warm_start import WarmStart


class JobFailed(Exception):
    """A submission could not be judged, through no fault of the student's; the message says why, in one sentence."""


@dataclass(frozen=True)
class Job:
    """All that decides how a notebook is judged.

    Attributes:
        homework: the notebook's name.
        cells: its code cells, restored: a JSON list of [source, nbgrader's marks or null].
        files: the weights that were handed in with it, by file name.
        timeout: seconds that one cell, or one call of a function, may compute.
        seed: draws the checks' data.
        sandbox: in which the student's code runs: one of `container.SANDBOXES`.
        checks: the modules that hold its questions' checks.
        version: of the grader and the checks, by their source.
    """

    homework: str
    cells: str
    files: Mapping[str, bytes]
    timeout: float
    seed: int
    sandbox: str
    checks: tuple[str, ...]
    version: str

    @classmethod
    def of(
        cls,
        notebook: NotebookNode,
        homework: str,
        files: Mapping[str, bytes],
        *,
        timeout: float,
        seed: int,
        sandbox: str,
    ) -> Job:
        """The job of judging a restored notebook."""
        cells = json.dumps([[cell.source, cell.metadata.get("nbgrader")] for cell in _code(notebook)], sort_keys=True)
        asked = (question for id, question in QUESTIONS.items() if id.split(".")[0] == homework)
        checks = tuple(sorted({question.body.__module__ for question in asked}))
        return cls(homework, cells, files, timeout, seed, sandbox, checks, source_version(checks))

    @property
    def key(self) -> str:
        """The same for jobs that are judged alike, and for no others."""
        files = {name: hashlib.sha256(content).hexdigest() for name, content in self.files.items()}
        parts = [self.homework, self.cells, files, self.timeout, self.seed, self.sandbox, self.version]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def load_checks(self) -> str:
        """Import its questions' checks, and return the `version` that this machine has."""
        for module in self.checks:
            importlib.import_module(module)
        return source_version(self.checks)

    def run(self) -> str:
        """Judge it in this process, with the student's code in another; return its cells' outputs as JSON.

        Raises:
            SandboxUnavailable: this machine has no sandbox.
        """
        self.load_checks()
        cells = [
            new_code_cell(source, metadata={"nbgrader": marks} if marks else {})
            for source, marks in json.loads(self.cells)
        ]
        notebook = new_notebook(cells=cells)
        with TemporaryDirectory(prefix="deepul-work-") as folder:
            start: Callable[[], Process]
            if self.sandbox != "none":
                start = functools.partial(_starts(self.sandbox), self.homework)
            else:
                for name, content in self.files.items():
                    Path(folder, name).write_bytes(content)
                start = functools.partial(LocalProcess, Path(folder), "autograde")
            judge(notebook, start, timeout=self.timeout, seed=self.seed, files=self.files)
        return json.dumps([cell.outputs for cell in notebook.cells])


def show(notebook: NotebookNode, outputs: str) -> None:
    """Give the notebook's code cells the outputs that its job's run returned.

    Raises:
        ValueError: they are not this notebook's.
    """
    found = nbformat.from_dict(json.loads(outputs))
    for count, (cell, own) in enumerate(zip(_code(notebook), found, strict=True), start=1):
        cell.outputs, cell.execution_count = own, count


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@functools.cache
def source_version(checks: tuple[str, ...]) -> str:
    """A hash of the source of `deepul_utils` and of the modules with checks."""
    sources = {str(path) for path in Path(deepul_utils.__file__).parent.rglob("*.py")}
    sources |= {inspect.getfile(sys.modules[module]) for module in checks}
    digest = hashlib.sha256()
    for text in sorted(Path(source).read_bytes() for source in sources):
        digest.update(hashlib.sha256(text).digest())
    return digest.hexdigest()


@functools.cache
def _starts(sandbox: str) -> WarmStart | Containers:
    """One that starts kernels for all that this process judges."""
    start = starts(sandbox)
    atexit.register(start.close)
    return start
