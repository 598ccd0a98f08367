"""The last cell of a homework notebook: what still fails, and the file to hand in."""

from __future__ import annotations

import json
import os
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepul_utils.checks import weights
from deepul_utils.checks.card import Row, card
from deepul_utils.checks.question import QUESTIONS, Outcome, run, weights_of


@dataclass(frozen=True)
class HandIn:
    """The summary of a notebook: an outcome for each question, and where its hand-in lies."""

    notebook: str
    outcomes: tuple[Outcome, ...]
    packed: str

    @property
    def score(self) -> float:
        """Points of all the questions together."""
        return round(sum(outcome.score for outcome in self.outcomes), 2)

    @property
    def points(self) -> float:
        """Points that all the questions could give."""
        return sum(outcome.points for outcome in self.outcomes)

    def _rows(self) -> list[Row]:
        rows = []
        for outcome in self.outcomes:
            failed = next((case for case in outcome.cases if not case.passed), None)
            first = f"first: {failed.name}: {failed.message}" if failed else ""
            rows.append(Row(not failed, f"{outcome.question}: {outcome.score:g} of {outcome.points:g}", first))
        return rows

    def __str__(self) -> str:
        rows = [f"{'✓' if row.passed else '✗'} {row.title}  {row.message}".rstrip() for row in self._rows()]
        return "\n".join([f"{self.notebook}: {self.score:g} of {self.points:g} points", *rows, self.packed])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        shown = card(self.notebook, self.score, self.points, self._rows(), self.packed)
        return {"text/plain": str(self), "text/html": shown}


def hand_in(notebook: str, namespace: dict[str, Any]) -> HandIn | None:
    """Run all checks of `notebook` again, say what still fails, and pack the file to hand in, trained weights included.

    Args:
        notebook: its name without .ipynb, such as "histograms".
        namespace: the notebook's `globals()`.

    Returns:
        The summary, which shows as a card; None while a grader runs the notebook.

    Raises:
        ValueError: no question belongs to such a notebook.
    """
    if "NBGRADER_EXECUTION" in os.environ:
        print("This notebook is being graded: there is nothing to hand in.")
        return None
    ids = [id for id in QUESTIONS if id.split(".")[0] == notebook]
    if not ids:
        raise ValueError(f"no question belongs to a notebook called {notebook!r}; write its name as in the file's name")
    outcomes = tuple(run(id, namespace) for id in ids)
    pack = _from_colab if "google.colab" in sys.modules else _from_disk
    return HandIn(notebook, outcomes, pack(notebook, namespace))


def _zip(notebook: str, content: bytes) -> Path:
    """`content` as the notebook, and the weights beside it, in a zip of its own, which appears whole or not at all."""
    target = Path(f"{notebook}_hand_in.zip")
    with zipfile.ZipFile(f"{target}.part", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{notebook}.ipynb", content)
        for name, tensors in weights.read(Path(), weights_of(notebook)).items():
            archive.writestr(name, tensors)
    Path(f"{target}.part").replace(target)
    return target


def _from_disk(notebook: str, namespace: dict[str, Any]) -> str:
    # Jupyter and VS Code name the file that runs: it may be a copy with another name.
    named = os.environ.get("JPY_SESSION_NAME") or namespace.get("__vsc_ipynb_file__") or ""
    source = next((p for p in (Path(named), Path(f"{notebook}.ipynb")) if p.suffix == ".ipynb" and p.is_file()), None)
    if source is None:
        return f"There is no {notebook}.ipynb in this folder to pack: save the notebook, and hand in its file."
    try:
        target = _zip(notebook, source.read_bytes())
    except OSError as error:
        return f"{source.name} could not be packed ({error.strerror}): hand in the file itself."
    saved = time.strftime("%H:%M:%S", time.localtime(source.stat().st_mtime))
    again = "If you changed it since, save it and run this cell again."
    return f"Packed {source.name}, as saved at {saved}, into {target}: hand in that file. {again}"


def _from_colab(notebook: str, namespace: dict[str, Any]) -> str:
    from google.colab import _message, files  # type: ignore[import-not-found]

    try:
        content = _message.blocking_request("get_ipynb", timeout_sec=30)["ipynb"]
        target = _zip(notebook, json.dumps(content).encode())
        files.download(str(target))
    except Exception:  # Colab promises nothing about its messages, and a browser may refuse the download
        by_hand = "choose File > Download > Download .ipynb and hand in that file"
        return f"Colab did not hand over the notebook: {by_hand}."
    return f"Your browser downloads {target}: hand in that file."
