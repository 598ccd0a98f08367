"""Each attack of tests/attacks, on plain `nbgrader autograde` and on `deepul grade`: what it gains, learns and leaves.

    python benchmarks/attacks.py [ATTACK ...]

Prints a row as soon as it has it: the points that an attacker gets beyond what the answer deserves (2 at most),
whether the student after the attacker is still graded, whether anything was learned, and what is left behind. Plain
nbgrader runs an attack with the rights of whoever grades: here it gets a throwaway course in a sandbox of its own, and
a control group for its bombs, which needs root.
"""

from __future__ import annotations

import functools
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [sys.path[0], os.environ.get("PYTHONPATH")]))
os.environ["DEEPUL_SECRET"] = "SECRET"
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where nbgrader finds alembic

import nbformat  # noqa: E402
import psutil  # noqa: E402
import test_attacks as attacks  # noqa: E402
import tiny_homework  # noqa: E402
from nbgrader.api import Gradebook, MissingEntry  # noqa: E402

from deepul_utils.course.release import release  # noqa: E402
from deepul_utils.grading import cgroup, engine, record  # noqa: E402
from deepul_utils.grading.sandbox import bubblewrap  # noqa: E402

WEEK, SEED = tiny_homework.WEEK, attacks.SEED
NEXT = "zoe"  # graded after every attacker
attacks.ATTACKS[NEXT] = "# No attack at all.\n# double 2, half 3\ndef double(x):\n    return 2 * x\n"
LIMIT = 90  # seconds for plain nbgrader to grade two
PLAIN_TESTS = {
    "double-check": "for x, expected in [(0, 0), (3, 6)]:\n    assert np.all(double(x) == expected)",
    "half-check": "for x, expected in [(4, 2), (5, 2.5)]:\n    assert np.all(half(x) == expected)",
}
GRADE = """
cd "$COURSE"
python -c 'import socket, time; s = socket.create_server(("127.0.0.1", '$PORT')); time.sleep(1000)' & listener=$!
nbgrader autograde "$WEEK" > log 2>&1
for process in /proc/[0-9]*; do
    [ "$process" -ef /proc/self ] || tr '\\0' ' ' < $process/cmdline; echo
done 2> /dev/null > processes
du -sm /tmp "$HOME" /dev/shm /run --exclude="$COURSE" 2> /dev/null | awk '{all += $1} END {print all}' > written
"""


@dataclass
class Found:
    """What an attack achieved."""

    points: float | None  # beyond those deserved; None where the attacker was not graded
    goes_on: bool
    learned: bool
    left: list[str]

    def __str__(self) -> str:
        points = "not graded" if self.points is None else f"{self.points:+g}" if self.points else "0"
        batch = "goes on" if self.goes_on else "STOPPED"
        return f"{points:>10}  {batch:7}  {'LEARNED' if self.learned else '-':7}  {', '.join(self.left) or '-':27}"


def plain_course(root: Path) -> None:
    """The tiny homework as it is usually written for nbgrader, with hidden tests, released with its defaults."""
    notebook = tiny_homework.solution()
    notebook.cells.pop()
    for cell in notebook.cells:
        if cell.id in PLAIN_TESTS:
            cell.source = f"### BEGIN HIDDEN TESTS\n{PLAIN_TESTS[cell.id]}\n### END HIDDEN TESTS"
        elif cell.id == "imports":
            cell.source = "import numpy as np"
    path = root / "source" / WEEK / "sums.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)
    run = subprocess.run(
        ["nbgrader", "generate_assignment", WEEK, "--create"], cwd=root, capture_output=True, text=True
    )
    if run.returncode:
        sys.exit(run.stderr)
    (root / "exercises").symlink_to("release")  # where the attackers look for what was released


def on_plain_nbgrader(name: str, course: Path) -> Found:
    """One attack, and an honest student behind it."""
    with TemporaryDirectory(prefix="plain-") as folder:
        root = Path(folder, "course")
        shutil.copytree(course, root, symlinks=True)
        room = root, 8765
        attacks.hand_in(room, NEXT, NEXT)
        attacks.hand_in(room, "eve", name)
        before = contents(root)
        group = cgroup.make(processes=150, memory=3 << 30)
        if not group:
            sys.exit("plain nbgrader has no limits, so this needs a control group for its bombs: run it as root")
        words = [bubblewrap(), "--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/", "/"]
        words += ["--dev", "/dev", "--proc", "/proc"]
        for place in ("/tmp", "/run", "/var/tmp", "/mnt"):
            words += ["--size", str(256 << 20), "--tmpfs", place]
        for place in {sys.prefix, sys.base_prefix, str(REPOSITORY)}:
            words += ["--ro-bind", place, place]
        words += ["--bind", str(root), str(root), "--setenv", "HOME", "/mnt", "--setenv", "COURSE", str(root)]
        words += ["--setenv", "WEEK", WEEK, "--setenv", "PORT", str(room[1]), "bash", "-c", GRADE]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(words, preexec_fn=functools.partial(cgroup.join, group), **quiet)
        try:
            process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            pass
        finally:
            process.kill()
            process.wait()
            cgroup.remove(group)
        left = changes(before, root)
        if (root / "processes").exists():
            lines = (root / "processes").read_text(errors="replace").splitlines()
            if any(attacks.SECONDS in line or "ipykernel" in line for line in lines):
                left.append("processes")
            if int((root / "written").read_text() or 0) > 100:
                left.append("a full disk")
        return found(root, "eve", name, left)


def on_deepul(names: list[str]) -> Iterator[tuple[str, Found]]:
    """All attacks as one class, each followed by the next."""
    with TemporaryDirectory(prefix="deepul-attacks-") as folder, listening() as port:
        root = Path(folder)
        path = root / "solutions" / WEEK / "sums.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(tiny_homework.solution(), path)
        release(root, WEEK)
        (root / record.SEED_FILE).write_text(str(SEED))
        for name in names:
            attacks.hand_in((root, port), name, name)
        attacks.hand_in((root, port), NEXT, NEXT)
        before = contents(root)
        outlive: dict[str, list[str]] = {}
        for one in engine.grade(root, WEEK, [*names, NEXT], course=root, timeout=2, jobs=1):
            alive = [process.info["cmdline"] or () for process in psutil.process_iter(["cmdline"])]
            outlive[one.student] = ["processes"] if any(attacks.SECONDS in line for line in alive) else []
        left = changes(before, root)
        for name in names:
            yield name, found(root, name, name, left + outlive.get(name, []))


@contextmanager
def listening() -> Iterator[int]:
    """A port of the grader's, and an abstract socket of the same number."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as abstract:
        port = tcp.getsockname()[1]
        abstract.bind(f"\0deepul-attack-{port}")
        abstract.listen()
        yield port


def found(root: Path, student: str, name: str, left: list[str]) -> Found:
    """What the gradebook and the graded notebook say of the attacker and of the student behind."""
    scores: dict[str, float] = {}
    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        for one in (student, NEXT):
            try:
                submission = gradebook.find_submission_notebook("sums", WEEK, one)
            except MissingEntry:
                continue
            grades = {grade.name: grade for grade in submission.grades}
            if grades["sums-double"].auto_score is not None:
                scores[one] = grades["sums-double"].score
            if any(grade.manual_score is not None for grade in grades.values()):
                left.append("manual scores")
    path = root / "autograded" / student / WEEK / "sums.ipynb"
    said = attacks.shown(path.read_text()) if path.exists() else ""
    points = scores[student] - (attacks.deserved(name)[0] or 0) if student in scores else None
    return Found(points, NEXT in scores, "LEARNED" in said, list(dict.fromkeys(left)))


def contents(root: Path) -> dict[str, bytes]:
    """All that no grader should change."""
    made = ("gradebook.db", "autograded", "feedback", "judged", "log", "processes", "written", ".nbgrader.log")
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if record.is_file(path) and path.relative_to(root).parts[0] not in made
    }


def changes(before: dict[str, bytes], root: Path) -> list[str]:
    return ["files"] if contents(root) != before else []


def main(names: list[str]) -> None:
    names = names or sorted(attacks.ATTACKS.keys() - {NEXT})
    head = f"{'points':>10}  {'batch':7}  {'secrets':7}  {'left behind':27}"
    print(f"{'attack':26}  {head}  {head}".rstrip())
    print(f"{'':26}  {'plain nbgrader':57}  deepul".rstrip(), flush=True)
    ours = dict(on_deepul(names))
    with TemporaryDirectory(prefix="plain-course-") as folder:
        plain_course(Path(folder))
        theirs = {}
        for name in names:
            theirs[name] = on_plain_nbgrader(name, Path(folder))
            print(f"{name:26}  {theirs[name]}  {ours[name]}".rstrip(), flush=True)
    for grader, results in (("plain nbgrader", theirs), ("deepul", ours)):
        counts = {
            "gain points": sum((one.points or 0) > 0 for one in results.values()),
            "stop the batch": sum(not one.goes_on for one in results.values()),
            "learn something": sum(one.learned for one in results.values()),
            "leave something behind": sum(bool(one.left) for one in results.values()),
        }
        print(f"{grader}: of {len(names)} attacks " + ", ".join(f"{count} {what}" for what, count in counts.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
