"""Hostile submissions, each a file of tests/attacks: none gains a point, learns anything, stays, or stops the rest.

A file's first line says what it tries. What follows are cells of a notebook that answers `half` rightly and `double`
wrongly, unless the second line says what else they deserve; a cell of `# %% notebook` is what the student did to
the file with an editor, one of `# %% folder` to the folder that is handed in. An attack that learns something
prints LEARNED.
"""

import json
import os
import re
import secrets
import socket
import tempfile
from functools import partial
from pathlib import Path

import nbformat
import psutil
import pytest
import tiny_homework
from nbgrader.api import Gradebook

from deepul_utils.course.release import generate, release
from deepul_utils.grading import cgroup, engine, record
from deepul_utils.grading.judge import judge
from deepul_utils.grading.notebook import parse
from deepul_utils.grading.record import RestoreCells
from deepul_utils.grading.sandbox import Limits
from deepul_utils.grading.warm_start import WarmStart

ATTACKS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("attacks/*.txt"))}
HANDED_IN = {name for name, text in ATTACKS.items() if "\n# %% folder\n" in text}
THROUGH_NBGRADER = {"scripts", "forged_outcome", "own_grade_cell", "malformed_messages"} | HANDED_IN
HOARDS = ("memory_bomb", "memory_bomb_of_many", "memory_nobody_maps")
ROOT = Path(__file__).parents[1]
WEEK = tiny_homework.WEEK
SEED = secrets.randbits(63)
PATIENCE = 1  # second
SECONDS = f"98{os.getpid()}"  # a mark of this run, which no other process of the machine has

pytestmark = [pytest.mark.xdist_group("attacks"), pytest.mark.timeout(300)]


def deserved(attack):
    """Points for `double` and `half`; None where any will do."""
    said = dict(re.findall(r"(double|half) (\w+)", ATTACKS[attack].splitlines()[1]))
    points = {"double": "0", "half": "3"} | said
    return [None if points[name] == "any" else float(points[name]) for name in ("double", "half")]


@pytest.fixture(scope="module")
def class_room(tmp_path_factory):
    """The released homework, its gradebook, and a port of the grader's."""
    root = tmp_path_factory.mktemp("course")
    path = root / "solutions" / WEEK / "sums.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(tiny_homework.solution(), path)
    release(root, WEEK)
    generate(root, WEEK, into=tmp_path_factory.mktemp("unused"), db_url=f"sqlite:///{root}/gradebook.db")
    (root / record.SEED_FILE).write_text(str(SEED))
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as abstract:
        port = tcp.getsockname()[1]
        abstract.bind(f"\0deepul-attack-{port}")
        abstract.listen()
        yield root, port


def parts(class_room, attack):
    """The kind and the text of each of its parts, with the names of this course in them."""
    root, port = class_room
    text = ATTACKS[attack]
    here = {"COURSE": root, "PORT": port, "GRADER_PID": os.getpid(), "SEED": SEED, "SECONDS": SECONDS}
    for name, value in here.items():
        text = text.replace(name, str(value))
    for part in re.split(r"^# %%", text, flags=re.MULTILINE):
        kind, _, code = part.partition("\n")
        yield kind.strip(), code


def hand_in(class_room, student, attack):
    """Put what the student hands in where it is graded."""
    path = class_room[0] / "submitted" / student / WEEK / "sums.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(submission(class_room, attack))
    for kind, code in parts(class_room, attack):
        if kind == "folder":
            exec(code, {"folder": path.parent})


def submission(class_room, attack):
    """The file that the student hands in."""
    root, _ = class_room
    notebook = json.loads((root / "exercises" / WEEK / "sums.ipynb").read_text())
    cells = notebook["cells"]
    half = next(cell for cell in cells if cell["id"] == "half-answer")
    half["source"] = "def half(x):\n    return x / 2"
    at = next(n for n, cell in enumerate(cells) if cell["id"] == "double-check")
    for number, (kind, code) in enumerate(parts(class_room, attack)):
        if kind == "notebook":
            exec(code, {"notebook": notebook})
        elif kind != "folder":
            new = {"cell_type": "code", "id": f"a{number}", "metadata": {}, "outputs": [], "execution_count": None}
            cells.insert(at, {**new, "source": code})
            at += 1
    return json.dumps(notebook)


@pytest.fixture(scope="module")
def kernels():
    """Kernels with the control group that this user gets."""
    yield from one_sandbox()


@pytest.fixture(scope="module")
def watched_kernels():
    """Kernels without a control group, as ordinary users have them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cgroup, "make", lambda processes, memory: [])
        yield from one_sandbox()


def one_sandbox():
    """Kernels of one sandbox, in which all attacks run one after another; what it leaves behind is looked for."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="att-", dir="/tmp") as folder:
        patch.setenv("DEEPUL_SECRET", "SECRET")
        patch.setattr(tempfile, "tempdir", folder)
        patch.setattr("deepul_utils.grading.kernel.GRACE", 2.0)
        before = {process.pid for process in psutil.Process().children(recursive=True)}
        start = WarmStart(Limits(memory=2 << 30, disk=8 << 20, processes=64, cpu_seconds=120))
        try:
            yield start
            groups = start._sandbox._group
        finally:
            start.close()
        assert os.listdir(folder) == []
        assert {process.pid for process in psutil.Process().children(recursive=True)} <= before
        assert not any(group.exists() for group in groups)


def outcomes(class_room, kernels, attack):
    """The points for `double` and `half`, and all that anybody would read."""
    root, _ = class_room
    where = {"notebook": "sums", "assignment": WEEK, "student": "eve", "db_url": f"sqlite:///{root}/gradebook.db"}
    read = parse(submission(class_room, attack))
    notebook, _ = RestoreCells().preprocess(read, {"nbgrader": where})
    judged = judge(notebook, partial(kernels, "sums"), timeout=PATIENCE, seed=SEED)
    assert list(judged) == ["sums-double", "sums-half"]
    text = nbformat.writes(notebook)
    return [judged["sums-double"].score, judged["sums-half"].score], text


def test_each_attack_says_what_it_tries():
    assert len(ATTACKS) >= 40
    assert all(re.fullmatch(r"# .{20,110}\.", text.splitlines()[0]) for text in ATTACKS.values())


@pytest.mark.parametrize("attack", HOARDS)
def test_no_hoard_needs_a_control_group(class_room, watched_kernels, attack):
    test_an_attack_gains_nothing_and_leaves_nothing(class_room, watched_kernels, attack)


@pytest.mark.parametrize("attack", sorted(ATTACKS.keys() - THROUGH_NBGRADER))
def test_an_attack_gains_nothing_and_leaves_nothing(class_room, kernels, attack):
    files = {path: path.read_bytes() for path in class_room[0].rglob("*") if path.is_file()}
    scores, text = outcomes(class_room, kernels, attack)
    for score, expected, limit in zip(scores, deserved(attack), (2, 3), strict=True):
        assert score <= limit if expected is None else score == expected, text[-4000:]
    assert "LEARNED" not in (said := shown(text)), said[:2000]
    assert len(text) < 3_000_000
    assert {path: path.read_bytes() for path in class_room[0].rglob("*") if path.is_file()} == files
    sandbox = kernels._sandbox
    assert sandbox.kernel_processes() == []
    assert not any(SECONDS in (process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))


def shown(text):
    """What a notebook's cells printed."""
    outputs = [output for cell in json.loads(text)["cells"] for output in cell.get("outputs", ())]
    return "".join("".join(output.get("text", "")) for output in outputs)


def test_a_class_with_attackers_is_graded_to_its_end(class_room):
    """Through nbgrader, with feedback pages on which nothing runs."""
    root, _ = class_room
    for student in (*THROUGH_NBGRADER, "zoe"):
        hand_in(class_room, student, student if student in ATTACKS else "warns_on_stderr")
    students = engine.submissions(root, WEEK)
    results = {one.student: one for one in engine.grade(root, WEEK, students, course=root, timeout=PATIENCE, jobs=1)}
    scores = {name: sum(deserved(name)) for name in THROUGH_NBGRADER} | {"zoe": 5}
    assert {name: result.score for name, result in results.items()} == scores, results["hostile_file_names"]
    assert "\n".join(problem for result in results.values() for problem in result.problems).encode()
    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        notebooks = [notebook for one in gradebook.assignment_submissions(WEEK) for notebook in one.notebooks]
        assert {grade.manual_score for notebook in notebooks for grade in notebook.grades} == {None}
    secrets = [str(SEED).encode(), b"SQLite format", b"root:", b"BEGIN SOLUTION"]
    given_back = [path.read_bytes() for path in (root / "feedback").rglob("*") if path.is_file()]
    assert not any(secret in content for secret in secrets for content in given_back)
    for student in sorted(THROUGH_NBGRADER - {"waits_on_a_pipe"}):
        page = (root / "feedback" / student / WEEK / "sums.html").read_text()
        body = page[page.index("<body") :]
        assert len(body) < 2_000_000
        assert not re.search(r"<(script|svg|iframe|form|input|object|embed|style|link|meta)\b", body, re.IGNORECASE)
        assert not re.search(r"<[^>]*\b(on\w+|srcdoc)\s*=", re.sub(r'="[^"]*"', "=''", body), re.IGNORECASE)
        assert not re.search(r'(href|src)="\s*javascript', body, re.IGNORECASE)
