"""Five hundred damaged notebooks: none stops the grader, none gains a point, and each is recorded as it was judged."""

import codecs
import contextlib
import copy
import io
import json
import random
import warnings
from types import SimpleNamespace

import nbformat
import pytest
import tiny_homework
from nbformat.v4 import new_output
from nbgrader.utils import determine_grade

from deepul_utils.checks.student import NotebookStudent
from deepul_utils.course.release import generate
from deepul_utils.grading import engine
from deepul_utils.grading import judge as judging
from deepul_utils.grading.judge import judge
from deepul_utils.grading.kernel import Run
from deepul_utils.grading.record import RestoreCells, read
from deepul_utils.grading.recorder import one_gradebook

pytestmark = [pytest.mark.xdist_group("fuzz"), pytest.mark.timeout(1200)]

NUMBER = 500
WEEK = tiny_homework.WEEK
HUGE = "a huge number"  # in the text it becomes one that Python will not read
ODD = [None, True, 0, -1, 4.5, 1e308, 10**400, HUGE, "", "sums-double", "a\0b", "\ud800", "x" * 5000, [], {}]
ODD += [[None], {"": None}, ["def double(x): return x\n", 3], [[["deep"]]], float("nan"), float("inf")]


def places(node, path=()):
    """The path to everything in a JSON document."""
    yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(items):
        yield from places(value, (*path, key))


def at(document, path):
    for key in path:
        document = document[key]
    return document


def any_place(rng, document):
    """A container in the document and a key in it."""
    *path, key = rng.choice([path for path in places(document) if path])
    return at(document, path), key


def replace(rng, document):
    container, key = any_place(rng, document)
    container[key] = rng.choice(ODD)


def remove(rng, document):
    container, key = any_place(rng, document)
    del container[key]


def exchange(rng, document):
    (one, key), (other, at_other) = any_place(rng, document), any_place(rng, document)
    one[key], other[at_other] = copy.deepcopy(other[at_other]), copy.deepcopy(one[key])


def nest(rng, document):
    container, key = any_place(rng, document)
    for _ in range(rng.choice([1, 30, 300])):
        container[key] = [container[key]] if rng.random() < 0.5 else {"source": container[key]}


def rename(rng, document):
    container, key = any_place(rng, document)
    if isinstance(container, dict):
        container[rng.choice(["cells", "source", "metadata", "nbgrader", "grade_id", "x"])] = container.pop(key)


def delete_cells(rng, document):
    for _ in range(rng.randint(1, 3)):
        del document["cells"][rng.randrange(len(document["cells"]))]


def duplicate_cell(rng, document):
    cell = copy.deepcopy(rng.choice(document["cells"]))
    document["cells"].insert(rng.randrange(len(document["cells"])), cell)


def shuffle_cells(rng, document):
    rng.shuffle(document["cells"])


def flip_type(rng, document):
    rng.choice(document["cells"])["cell_type"] = rng.choice(["code", "markdown", "raw", "heading", "", ["code"], None])


def change_source(rng, document):
    cell = rng.choice(document["cells"])
    lines = "".join(cell["source"]).splitlines(keepends=True)
    cut = "".join(lines)[: rng.randrange(len("".join(lines)) + 1)]
    cell["source"] = rng.choice([None, 3, [], [None], lines, [lines], lines[::-1], cut, "2.0", "5.0", {"text": "2.0"}])


def change_marks(rng, document):
    marks = rng.choice([cell["metadata"]["nbgrader"] for cell in document["cells"] if cell["metadata"]])
    marks[rng.choice(list(marks))] = rng.choice([True, False, 1000, "sums-half", "sums-double", "code", *ODD])


def exchange_marks(rng, document):
    one, other = rng.choice(document["cells"]), rng.choice(document["cells"])
    one["metadata"], other["metadata"] = other["metadata"], one["metadata"]


def change_ids(rng, document):
    for cell in document["cells"]:
        cell["id"] = rng.choice([None, "same", "same", 3, "x" * 100])
        if rng.random() < 0.3:
            del cell["id"]


def change_format(rng, document):
    document["nbformat"] = rng.choice([1, 2, 3, 4, 5, 100, -1, "4", None])
    document["nbformat_minor"] = rng.choice([0, 4, 5, 99, "5", None])
    if document["nbformat"] == 3:
        document["worksheets"] = [{"cells": document.pop("cells")}]


def forge_outputs(rng, document):
    forged = {"output_type": "execute_result", "data": {"text/plain": "2.0"}, "metadata": {}, "execution_count": 1}
    for cell in document["cells"]:
        cell["outputs"] = rng.choice([[forged], forged, None, 3, [3], [{"output_type": []}]])


DAMAGE = [replace, remove, exchange, nest, rename, delete_cells, duplicate_cell, shuffle_cells, flip_type]
DAMAGE += [change_source, change_marks, exchange_marks, change_ids, change_format, forge_outputs]


def truncated(rng, content):
    return content[: rng.randrange(len(content))]


def flipped(rng, content):
    changed = bytearray(content)
    for _ in range(rng.randint(1, 5)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def recoded(rng, content):
    return content.decode().encode(rng.choice(["utf-16", "utf-32", "cp037", "utf-8-sig"]))


def spliced(rng, content):
    middle = rng.choice([b"[" * 100_000, b"\0", codecs.BOM_UTF8, b"\xff\xfe", b'"', b"<html>", b'{"cells": []}', b"//"])
    place = rng.randrange(len(content))
    return content[:place] + middle + content[place:]


def damaged(base, seed):
    """The bytes of a notebook with one to four damages of its structure, and sometimes one of its text."""
    rng = random.Random(seed)
    document = copy.deepcopy(base)
    for _ in range(rng.randint(1, 4)):
        with contextlib.suppress(
            LookupError, TypeError, AttributeError, ValueError
        ):  # none left of what it would damage
            rng.choice(DAMAGE)(rng, document)
    content = json.dumps(document).replace(json.dumps(HUGE), "9" * 5000).encode()
    return rng.choice([truncated, flipped, recoded, spliced])(rng, content) if rng.random() < 0.2 else content


class HereKernel:
    """Runs the cells in this process, where they cost nothing: the damage is ours, and no stranger's code."""

    alive, computed = True, 0.0

    def __init__(self, process):
        self._namespace = {}
        self._ask = NotebookStudent(self._namespace)._ask

    def stop(self):
        pass

    def run(self, code, timeout):
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                exec(code, self._namespace)
        except Exception as error:
            return Run([new_output("error", ename=type(error).__name__, evalue=str(error))])
        return Run([])

    def ask(self, target, name, args, kwargs, timeout):
        return self._ask(target, name, args, kwargs)


@pytest.fixture(scope="module")
def base(shared_course):
    """What a student handed in who is right about `half` and wrong about `double`, before the damage."""
    notebook = shared_course.answered(double='    return len("of the answer")')
    notebook.cells = [cell for cell in notebook.cells if cell.id not in ("imports", "hand-in")]
    return json.loads(nbformat.writes(notebook))


@pytest.fixture(scope="module")
def judged(shared_course, base, tmp_path_factory):
    """For each damaged notebook its file, and the points of its grade cells as nbgrader would read them."""
    folder = tmp_path_factory.mktemp("damaged")
    db_url = f"sqlite:///{shared_course.root}/gradebook.db"
    generate(shared_course.root, WEEK, into=tmp_path_factory.mktemp("unused"), db_url=db_url)
    where = {"notebook": "sums", "assignment": WEEK, "student": "eve", "db_url": db_url}
    found = []
    with pytest.MonkeyPatch.context() as patch, one_gradebook(db_url):
        patch.setattr(judging, "Kernel", HereKernel)
        for seed in range(NUMBER):
            path = folder / f"{seed}.ipynb"
            path.write_bytes(damaged(base, seed))
            notebook, _ = RestoreCells().preprocess(read(path), {"nbgrader": where})
            judge(notebook, lambda: None, timeout=60)
            nbformat.validate(notebook)
            cells = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")]
            points = [(cell.metadata.nbgrader.grade_id, *determine_grade(cell)) for cell in cells]
            found.append(SimpleNamespace(path=path, points=points))
    return found


def test_none_gains_a_point(judged):
    allowed = {"sums-double": {0}, "sums-half": {0, 1, 2, 3}, "sums-why": {0, None}}
    most = {"sums-double": 2, "sums-half": 3, "sums-why": 1}
    for one in judged:
        assert sorted(name for name, _, _ in one.points) == sorted(allowed), one.path
        for name, score, max_score in one.points:
            assert score in allowed[name], (one.path, one.points)
            assert max_score == most[name], (one.path, one.points)


def test_what_is_whole_keeps_its_points(judged):
    """Damage elsewhere in the file costs a right answer nothing, where there is still a notebook to read."""
    half = [{name: score for name, score, _ in one.points}["sums-half"] for one in judged]
    assert NUMBER / 2 < half.count(3) < NUMBER


def test_nbgrader_records_them_alike(judged, shared_course):
    """In a sandbox and through all of nbgrader: everybody is graded, and as above."""
    expected = {}
    for number, one in enumerate(judged):
        shared_course.submit(f"student-{number}", "").write_bytes(one.path.read_bytes())
        expected[f"student-{number}"] = sum(score or 0 for _, score, _ in one.points)
    root = shared_course.root
    results = list(engine.grade(root, WEEK, engine.submissions(root, WEEK), course=root, timeout=60, jobs=1))
    assert {result.student: result.score for result in results} == expected, results
