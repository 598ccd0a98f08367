"""A class that hands in week 1, each student with one of the things that happen, and the points each deserves.

    python tests/sample_class.py [FOLDER]

writes it to FOLDER (`_build/sample_class` where not given): submitted/, and an nbgrader_config.py with which nbgrader's
own commands and formgrader run there. `deepul grade week1 --course FOLDER` grades it. FOLDER/canvas/ holds the same
class as Canvas exports it, for `deepul collect` and `deepul export`.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import sys
import zipfile
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent

import nbformat
from nbformat import NotebookNode

from deepul_utils.checks.question import QUESTIONS, grade_id
from deepul_utils.grading.record import SEED_FILE

ROOT = Path(__file__).resolve().parents[1]
WEEK = "week1_likelihood"
TIMEOUT = 8  # seconds that one cell may compute: one student's loop never ends

CONFIG = """\
# With this, nbgrader's own commands and formgrader grade this class when they start in this folder.
from pathlib import Path

from deepul_utils.grading.settings import settings

here = Path(__file__).parent
c = get_config()
c.merge(settings(here / {root!r}, here))
c.JudgeCells.timeout = {timeout}
"""

# Wrong answers, as students give them: the body of the function, and the points it deserves.
CARELESS: dict[str, tuple[str, float]] = {
    "histograms.empirical": ("return np.bincount(x) / len(x)", 0.5),
    "histograms.nll": ("return -np.log(probs)[np.arange(x.shape[1]), x].mean()", 1),
    "histograms.kl": ("return np.sum(q * np.log(q / p))", 0.6),
    "mixture_of_logistics.fit_histogram": ("return np.bincount(x, minlength=num_values) / len(x)", 0.5),
    "mixture_of_logistics.log_prob": (
        """
        scale = np.exp(log_scale)
        upper, lower = (x + 0.5 - loc) / scale, (x - 0.5 - loc) / scale
        return np.log(1 / (1 + np.exp(-upper)) - 1 / (1 + np.exp(-lower)))""",
        0.67,
    ),
    "mixture_of_logistics.mixture_log_prob": (
        """
        weights = np.exp(logits) / np.exp(logits).sum()
        return np.log(np.exp(component_log_prob) @ weights)""",
        1.5,
    ),
    "mixture_of_logistics.sample": (
        """
        m = np.searchsorted(np.cumsum(np.exp(logits) / np.exp(logits).sum()), u)
        z = loc[m] + np.exp(log_scale[m]) * np.log(v / (1 - v))
        return np.clip(np.floor(z), 0, num_values - 1).astype(int)""",
        0,
    ),
    "toy_autoregressive.parameters": ("return sum(num_values ** (len(p) + 1) for p in parents)", 0),
    "toy_autoregressive.log_joint": (
        """
        log_p0 = logits0 - np.log(np.exp(logits0).sum())
        log_p1 = logits1 - np.log(np.exp(logits1).sum())
        return log_p0[x[:, 0]] + log_p1[x[:, 0], x[:, 1]]""",
        0,
    ),
    "toy_autoregressive.log_prob": (
        """
        log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        return np.take_along_axis(log_p, x[:, :, None], 2)[:, :, 0].mean(axis=1)""",
        0.67,
    ),
    "toy_autoregressive.sample": (
        """
        p0, p1 = (np.exp(z) / np.exp(z).sum(-1, keepdims=True) for z in (logits0, logits1))
        x0 = (np.cumsum(p0) <= uniforms[:, :1]).sum(1)
        x1 = (np.cumsum(p1, axis=1)[x0] <= uniforms[:, :1]).sum(1)
        return np.stack([x0, x1], axis=1)""",
        1,
    ),
}
HASTY: dict[str, tuple[str, float]] = {
    "histograms.empirical": ("return np.bincount(x, minlength=num_values)", 0),
    "histograms.nll": ("return np.log(probs)[np.arange(x.shape[1]), x].sum(axis=1).mean()", 0),
    "histograms.kl": ("return np.sum(p * np.log(p / q))", 1.8),
}


@dataclass(frozen=True)
class Student:
    """One of the class: what happened, the notebooks handed in, and what they deserve.

    Attributes:
        story: what happened, in a sentence.
        files: the text of each file handed in, by its name.
        scores: the points that each question deserves.
        said: what the instructor must be told, in this order; each is a part of a sentence.
        waiting: how many written answers wait for a person.
    """

    name: str
    story: str
    files: dict[str, str]
    scores: dict[str, float]
    said: tuple[str, ...] = ()
    waiting: int = 0


def students(root: Path = ROOT) -> list[Student]:
    """The class, made from solutions/ and exercises/ of the course in `root`."""
    week = {path.stem: Homework(root, path.stem) for path in sorted((root / "solutions" / WEEK).glob("*.ipynb"))}
    points = {id: question.points for id, question in QUESTIONS.items() if id.split(".")[0] in week}
    written = sum(homework.written for homework in week.values())

    def files(notebooks: dict[str, NotebookNode]) -> dict[str, str]:
        return {f"{name}.ipynb": nbformat.writes(notebook) for name, notebook in notebooks.items()}

    def right() -> dict[str, NotebookNode]:
        return {name: homework.answered() for name, homework in week.items()}

    def only(name: str, notebook: NotebookNode, **lost: float) -> tuple[dict[str, str], dict[str, float]]:
        """One notebook only, with what its questions deserve: all points but for those `lost`."""
        own = {id: value for id, value in points.items() if id.startswith(f"{name}.")}
        return files({name: notebook}), dict.fromkeys(points, 0.0) | own | {f"{name}.{id}": p for id, p in lost.items()}

    def missing(*there: str) -> tuple[str, ...]:
        return tuple(f"{name}.ipynb was not handed in" for name in week if name not in there)

    careless = {id: value for id, (_, value) in CARELESS.items() if id in points}
    hasty, hasty_scores = only("histograms", week["histograms"].answered(HASTY))
    tests, tests_scores = only("histograms", _tests_deleted_and_copied(week["histograms"].answered()))
    syntax, syntax_scores = only("histograms", _syntax_error(week["histograms"].answered()), kl=0)
    loop, loop_scores = only("mixture_of_logistics", _endless(week["mixture_of_logistics"].answered()), fit_histogram=0)
    damaged = files(right())
    damaged["histograms.ipynb"] = damaged["histograms.ipynb"][:3000]
    colab = {name: _through_colab(text) for name, text in files(right()).items()}
    return [
        Student("ada", "Everything is right.", files(right()), points, waiting=written),
        Student(
            "bayes",
            "Every answer is wrong in some of its cases, and some print warnings.",
            files({name: homework.answered(CARELESS) for name, homework in week.items()}),
            careless,
            tuple(f"{id}: " for id in careless),
            written,
        ),
        Student(
            "cantor",
            "Other wrong answers, in the only notebook handed in.",
            hasty,
            hasty_scores | {id: value for id, (_, value) in HASTY.items()},
            ("these are counts", "the sign", "0 log 0", *missing("histograms")),
        ),
        Student(
            "dirichlet",
            "The notebooks come back as they were released.",
            files({name: homework.released for name, homework in week.items()}),
            dict.fromkeys(points, 0.0),
            tuple(f"not answered: {name}." for name in week),
        ),
        Student("emmy", "Everything is right, and went through Colab.", colab, points, waiting=written),
        Student(
            "fisher",
            "One test is deleted, another is there twice.",
            tests,
            tests_scores,
            ("histograms-nll is there 2 times", "histograms-empirical was missing: it is back", *missing("histograms")),
        ),
        Student(
            "gauss",
            "One answer has a syntax error.",
            syntax,
            syntax_scores,
            ("histograms.kl: SyntaxError: ", *missing("histograms")),
        ),
        Student(
            "hilbert",
            "One answer has a loop that never ends.",
            loop,
            loop_scores,
            (
                *missing("mixture_of_logistics")[:1],
                f"a cell took longer than {TIMEOUT} seconds",
                "mixture_of_logistics.fit_histogram: one step on the data 0, 0, 1: "
                f"`fit_histogram` took longer than {TIMEOUT} seconds",
                *missing("mixture_of_logistics")[1:],
            ),
        ),
        Student(
            "jeffreys",
            "One file is cut off, the others are right.",
            damaged,
            points | {id: 0.0 for id in points if id.startswith("histograms.")},
            ("histograms.ipynb is damaged: it is no valid JSON from line ",),
            written - week["histograms"].written,
        ),
    ]


class Homework:
    """A notebook of the week, as released and with its solutions."""

    def __init__(self, root: Path, name: str) -> None:
        self.solution = nbformat.read(root / "solutions" / WEEK / f"{name}.ipynb", as_version=4)
        self.released = nbformat.read(root / "exercises" / WEEK / f"{name}.ipynb", as_version=4)
        marks = [cell.metadata.get("nbgrader", {}) for cell in self.solution.cells]
        self.written = sum(bool(m.get("grade") and m.get("solution")) for m in marks)

    def answered(self, wrong: dict[str, tuple[str, float]] | None = None) -> NotebookNode:
        """The released notebook with the right answers, but for those questions that `wrong` answers."""
        bodies = {f"{grade_id(id)}-answer": body for id, (body, _) in (wrong or {}).items()}
        notebook = deepcopy(self.released)
        for cell, solved in zip(notebook.cells, self.solution.cells, strict=True):
            marks = cell.metadata.get("nbgrader", {})
            if body := bodies.get(marks.get("grade_id")):
                cell.source = cell.source.replace(_STUB, indent(dedent(body).strip(), "    "))
            elif marks.get("solution"):
                cell.source = re.sub(r"\n *### (BEGIN|END) SOLUTION", "", solved.source)
        return notebook


_STUB = "    raise NotImplementedError()"


def _cell(notebook: NotebookNode, id: str) -> NotebookNode:
    return next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == id)


def _tests_deleted_and_copied(notebook: NotebookNode) -> NotebookNode:
    notebook.cells.remove(_cell(notebook, "histograms-empirical"))
    copied = deepcopy(_cell(notebook, "histograms-nll"))
    copied["id"] = "a-copy"
    notebook.cells.insert(2, copied)
    return notebook


def _syntax_error(notebook: NotebookNode) -> NotebookNode:
    cell = _cell(notebook, "histograms-kl-answer")
    cell.source = cell.source.replace("np.sum(", "np.sum((", 1)
    return notebook


def _endless(notebook: NotebookNode) -> NotebookNode:
    cell = _cell(notebook, "mixture_of_logistics-fit_histogram-answer")
    cell.source = cell.source.replace("for _ in range(steps):", "while steps > 0:")
    return notebook


def _through_colab(text: str) -> str:
    """The notebook as Colab writes it: format 4.0 without cell ids, its own metadata, widgets without a state."""
    document = json.loads(text)
    document["nbformat_minor"] = 0
    document["metadata"] = {
        "colab": {"name": "Copy of a notebook.ipynb", "provenance": [], "toc_visible": True},
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
        "accelerator": "GPU",
        "widgets": {"application/vnd.jupyter.widget-state+json": {"3f1c": {"model_module": "@jupyter-widgets/base"}}},
    }
    for number, cell in enumerate(document["cells"]):
        del cell["id"]
        cell["metadata"] |= {"id": f"c{number:011d}", "colab": {"base_uri": "https://localhost:8080/"}}
        if cell["cell_type"] == "code":
            cell["metadata"]["outputId"] = f"{number:08d}-aaaa-bbbb"
            cell["execution_count"] = number
            cell["outputs"] = [{"output_type": "stream", "name": "stderr", "text": ["a warning of Colab's\n"]}]
    return json.dumps(document)


def make(folder: Path, root: Path = ROOT) -> list[Student]:
    """Write the class to `folder`, in place of what was there, and return it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = CONFIG.format(root=os.path.relpath(root, folder), timeout=TIMEOUT)
    (folder / "nbgrader_config.py").write_text(config, encoding="utf-8")
    # The seed of the checks' data, which a course otherwise draws: what some wrong answers lose depends on the data.
    (folder / SEED_FILE).write_text("0", encoding="utf-8")
    everyone = students(root)
    for student in everyone:
        submitted = folder / "submitted" / student.name / WEEK
        submitted.mkdir(parents=True)
        for name, text in student.files.items():
            (submitted / name).write_text(text, encoding="utf-8")
    _canvas(folder / "canvas", everyone, root)
    return everyone


def _canvas(folder: Path, everyone: list[Student], root: Path) -> None:
    """Write what Canvas exports: submissions.zip, and its gradebook with one more, who hands in nothing.

    Fisher is late, and Gauss hands in twice.
    """
    folder.mkdir()
    cells = (cell for path in (root / "solutions" / WEEK).glob("*.ipynb") for cell in nbformat.read(path, 4).cells)
    points = sum(cell.metadata.get("nbgrader", {}).get("points", 0) for cell in cells)
    header = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Week 1 (91)"]
    lines = [["    Points Possible", "", "", "", "", f"{points:g}"]]
    with zipfile.ZipFile(folder / "submissions.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number, student in enumerate(everyone, start=1001):
            lines.append([student.name.title(), str(number), f"s{number}", student.name, "A", ""])
            late = "_LATE" if student.name == "fisher" else ""
            for upload, (name, text) in enumerate(student.files.items(), start=10 * number):
                archive.writestr(f"{student.name}{late}_{number}_{upload}_{name}", text)
            if student.name == "gauss":
                again = name.replace(".ipynb", "-1.ipynb")
                archive.writestr(f"{student.name}_{number}_{upload + 1}_{again}", text + "\n")
    lines.append(["Noether", "1999", "s1999", "noether", "A", ""])
    with (folder / "gradebook.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *lines])


if __name__ == "__main__":
    for student in make(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "_build" / "sample_class"):
        print(f"{student.name:10} {student.story}")
