"""Grade a made-up class on week 1 with plain nbgrader and with `deepul grade`: same scores, how fast, how much memory.

    python benchmarks/grading.py [--class 100] [--plain 100] [--jobs 2] [--folder FOLDER]

Every notebook differs from every other, and each run starts from nothing, so that nothing is judged only once for two.
Both are given the same class; plain nbgrader, which is slow, may be given its first students only (`--plain 10`), or
none (`--plain 0`). Time is that of whole commands, from solutions/ to pages of feedback.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil
from nbgrader.api import Gradebook
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from sample_class import CARELESS, WEEK, Homework  # noqa: E402

from deepul_utils.grading.record import SEED_FILE  # noqa: E402

UNANSWERED = "raise NotImplementedError()"
PLAIN = f"""\
c = get_config()
c.CourseDirectory.source_directory = {str(ROOT / "solutions")!r}
c.ClearSolutions.code_stub = {{"python": {UNANSWERED!r}}}
c.Execute.timeout = 60
"""
SAMPLES = 3.0  # seconds between two looks at the memory, each of which costs a tenth of one


def make(folder: Path, size: int) -> None:
    """A class that answers each question right, wrong or not at all, by chance."""
    week = {path.stem: Homework(ROOT, path.stem) for path in sorted((ROOT / "solutions" / WEEK).glob("*.ipynb"))}
    chance = random.Random(0)
    for number in range(size):
        submitted = folder / "submitted" / f"student{number:04}" / WEEK
        submitted.mkdir(parents=True)
        for name, homework in week.items():
            wrong = {}
            for id in CARELESS:
                if chance.random() < 0.3:
                    wrong[id] = CARELESS[id] if chance.random() < 0.7 else (UNANSWERED, 0.0)
            notebook = homework.answered(wrong)
            for cell in notebook.cells:
                if cell.metadata.get("nbgrader", {}).get("solution") and cell.cell_type == "code":
                    cell.source = f"# By student {number}.\n{cell.source}"
            nbformat.write(notebook, submitted / f"{name}.ipynb")
    (folder / SEED_FILE).write_text("0", encoding="utf-8")  # that of the checks in a notebook


@dataclass
class Run:
    """What one grader took for a class."""

    name: str
    students: int
    seconds: float = 0.0
    memory: list[int] = field(default_factory=list)  # bytes of all its processes, now and then

    @property
    def rate(self) -> float:
        return 60 * self.students / self.seconds

    def measure(self, folder: Path, *commands: list[str]) -> None:
        """Run the commands one after another."""
        began = time.monotonic()
        for command in commands:
            programs = Path(sys.executable).parent
            path = f"{programs}{os.pathsep}{os.environ['PATH']}"  # nbgrader looks for alembic there
            environment = os.environ | {"OMP_NUM_THREADS": "1", "PATH": path}
            cwd = ROOT if command[0] == "deepul" else folder
            with tempfile.TemporaryFile() as said:
                process = psutil.Popen(
                    [programs / command[0], *command[1:]], cwd=cwd, env=environment, stdout=said, stderr=said
                )
                done = threading.Event()
                looking = threading.Thread(target=self._look, args=(process, done))
                looking.start()
                code = process.wait()
                done.set()
                looking.join()
                if code:
                    said.seek(0)
                    sys.exit(f"{' '.join(command)} ended with {code}:\n{said.read().decode(errors='replace')[-3000:]}")
        self.seconds = time.monotonic() - began

    def _look(self, process: psutil.Popen, done: threading.Event) -> None:
        while not done.wait(SAMPLES):
            total = 0
            with contextlib.suppress(psutil.NoSuchProcess):
                for one in (process, *process.children(recursive=True)):
                    with contextlib.suppress(psutil.Error):
                        total += one.memory_full_info().pss
            self.memory.append(total)


def scores(folder: Path) -> dict[str, dict[str, float]]:
    """What the gradebook says, by student and question."""
    with Gradebook(f"sqlite:///{folder}/gradebook.db") as gradebook:
        return {
            submission.student.id: {
                grade.name: grade.auto_score for notebook in submission.notebooks for grade in notebook.grades
            }
            for submission in gradebook.assignment_submissions(WEEK)
        }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--class", dest="size", type=int, default=100, help="how many students")
    options.add_argument("--plain", type=int, help="how many of them plain nbgrader grades; all where not given")
    options.add_argument("--jobs", type=int, default=2, help="processes of deepul grade")
    options.add_argument("--folder", type=Path, help="where to work; a temporary folder where not given")
    given = options.parse_args()
    plain = Run("nbgrader autograde", given.size if given.plain is None else given.plain)
    ours = Run(f"deepul grade --jobs {given.jobs}", given.size)
    with contextlib.ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="grading-")))
        make(folder / "ours", ours.students)
        ours.measure(folder, ["deepul", "grade", "week1", "--course", str(folder / "ours"), "--jobs", str(given.jobs)])
        runs = [ours]
        if plain.students:
            make(folder / "plain", plain.students)
            (folder / "plain" / "nbgrader_config.py").write_text(PLAIN, encoding="utf-8")
            steps = ("generate_assignment", "autograde", "generate_feedback")
            plain.measure(folder / "plain", *[["nbgrader", step, WEEK] for step in steps])
            runs.insert(0, plain)
            ours_says, plain_says = scores(folder / "ours"), scores(folder / "plain")
            different = [name for name in plain_says if plain_says[name] != ours_says[name]]
            if different or len(plain_says) != plain.students:
                sys.exit(f"the scores differ: {[(plain_says[name], ours_says[name]) for name in different[:3]]}")
    table = Table("", "Students", "Seconds", "Students a minute", "Peak memory, first half", "second half")
    for run in runs:
        half = len(run.memory) // 2
        spent = (f"{run.seconds:.0f}", f"{run.rate:.1f}")
        peaks = [f"{max(part) / 2**20:.0f} MiB" for part in (run.memory[: half + 1], run.memory[half:])]
        table.add_row(run.name, str(run.students), *spent, *peaks)
    Console().print(table)
    if plain.students:
        print(f"The scores are the same. deepul grade is {ours.rate / plain.rate:.1f} times as fast.")


if __name__ == "__main__":
    main()
