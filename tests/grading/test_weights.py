"""Weights that were handed in, through the grader: loaded into the student's own model, in the sandbox and outside."""

import functools

import nbformat
import pytest
import torch
import trained_homework
from nbformat.v4 import new_code_cell, new_notebook
from safetensors.torch import save

from deepul_utils.checks.question import QUESTIONS, Question
from deepul_utils.course.release import release
from deepul_utils.data.mnist import DataUnavailable
from deepul_utils.grading import engine
from deepul_utils.grading.check import check
from deepul_utils.grading.judge import judge
from deepul_utils.grading.kernel import LocalProcess
from deepul_utils.grading.warm_start import WarmStart

pytestmark = pytest.mark.xdist_group("weights")
SEED = 20


@pytest.fixture(scope="module")
def files():
    return {"toys.safetensors": save(trained_homework.right_weights())}


@pytest.fixture(scope="module")
def sandbox():
    start = WarmStart()
    yield functools.partial(start, "toys")
    start.close()


def notebook(code=""):
    marks = {"grade": True, "solution": False, "grade_id": "toys-trained", "points": 4}
    cells = [new_code_cell(trained_homework.HONEST + code), new_code_cell('checks.run("toys.trained", globals())')]
    cells[1].metadata["nbgrader"] = marks
    return new_notebook(cells=cells)


def outcome(start, files, code=""):
    return judge(notebook(code), start, timeout=30, seed=SEED, files=files)["toys-trained"]


@pytest.mark.parametrize("where", ["sandbox", "outside"])
def test_right_weights_pass(sandbox, files, tmp_path, where):
    start = sandbox if where == "sandbox" else functools.partial(LocalProcess, tmp_path, "autograde")
    judged = outcome(start, files)
    assert [case.message for case in judged.cases] == ["", ""]
    assert judged.score == 4


@pytest.mark.parametrize("name", trained_homework.CHEATS)
def test_a_cheat_gains_nothing(sandbox, files, name):
    code, said = trained_homework.CHEATS[name]
    judged = outcome(sandbox, files, code)
    assert judged.score == 0
    assert all(said in case.message for case in judged.cases)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda right: None, "there is no toys.safetensors beside the notebook"),
        (lambda right: save(right)[:-1], "toys.safetensors is damaged"),
        (lambda right: save({**right, "first.logits": torch.full((6,), torch.nan)}), "NaN or infinity in `first.log"),
        (lambda right: save({**right, "first.logits": torch.zeros(7)}), "size mismatch for first.logits"),
        (lambda right: save({n: t for n, t in right.items() if n != "first.logits"}), "Missing key(s) in state_dict"),
        (lambda right: save({n: torch.randn_like(t) for n, t in right.items()}), "nats per dimension; train longer"),
    ],
)
def test_wrong_weights_fail_with_the_reason(sandbox, damage, said):
    content = damage(trained_homework.right_weights())
    judged = outcome(sandbox, {"toys.safetensors": content} if content else {})
    assert judged.score == 0
    assert all(said in case.message for case in judged.cases)


def test_weights_of_megabytes_cross_and_the_kernel_never_sees_the_file(sandbox):
    """25 MB of them; the notebook looks for the file wherever it may look."""
    code = """
import pathlib
class Large(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Parameter(torch.zeros(6250, 1000))
    def forward(self, x):
        found = [f for folder in (".", "/tmp", str(pathlib.Path.home())) for f in pathlib.Path(folder).glob("*.safet*")]
        assert not found
        return self.table[0, :6].expand(*x.shape, 6)

def build_model():
    return Large()
"""
    judged = outcome(sandbox, {"toys.safetensors": save({"table": torch.zeros(6250, 1000)})}, code)
    assert {case.message for case in judged.cases} == {
        "the test loss is 1.7918 nats per dimension; train longer, or a larger model"
    }


def test_a_grader_without_the_data_gives_no_zero(sandbox, files, monkeypatch):
    def unavailable(*args):
        raise DataUnavailable("MNIST cannot be downloaded: set DEEPUL_DATA")

    monkeypatch.setattr(trained_homework, "draw", unavailable)
    with pytest.raises(DataUnavailable, match="set DEEPUL_DATA"):
        outcome(sandbox, files)


def test_deepul_check_reads_the_file_beside_the_notebook(files, tmp_path):
    nbformat.write(notebook(), tmp_path / "toys.ipynb")
    [missing] = check(tmp_path / "toys.ipynb", timeout=30)
    assert missing.score == 0
    (tmp_path / "toys.safetensors").write_bytes(files["toys.safetensors"])
    [found] = check(tmp_path / "toys.ipynb", timeout=30)
    assert [case.message for case in found.cases] == ["", ""]


def test_a_class_hands_in_weights(files, tmp_path):
    """Through release, nbgrader and the workers: weights beside the notebook, none, and those of another model."""

    def marks(**more):
        usual = {"schema_version": 3, "grade": False, "solution": False, "locked": False, "task": False}
        return {"nbgrader": usual | more}

    body = "    return Net()"
    answer = trained_homework.HONEST.strip().replace(body, f"    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION")
    solution = notebook()
    solution.cells[0] = new_code_cell(answer, metadata=marks(grade_id="toys-trained-answer", solution=True))
    solution.cells[1].metadata = marks(grade_id="toys-trained", grade=True, locked=True, points=4)
    solution.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    path = tmp_path / "solutions" / "week1_toys" / "toys.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(solution, path)
    [released] = release(tmp_path, "week1_toys")
    answered = nbformat.read(released, as_version=4)
    answered.cells[0].source = trained_homework.HONEST
    other = {name: tensor[:3] for name, tensor in trained_homework.right_weights().items()}
    for student, weights in {"ada": files["toys.safetensors"], "bob": None, "eve": save(other)}.items():
        folder = tmp_path / "submitted" / student / "week1_toys"
        folder.mkdir(parents=True)
        nbformat.write(answered, folder / "toys.ipynb")
        if weights:
            (folder / "toys.safetensors").write_bytes(weights)
    graded = engine.grade(tmp_path, "week1_toys", ["ada", "bob", "eve"], course=tmp_path, jobs=1)
    found = {one.student: (one.score, one.problems) for one in graded}
    assert found["ada"] == (4, ())
    assert found["bob"][0] == found["eve"][0] == 0
    assert "there is no toys.safetensors beside the notebook" in found["bob"][1][0]
    assert "Error(s) in loading state_dict" in found["eve"][1][0]


def test_a_restart_leaves_nothing_of_earlier_calls(sandbox, monkeypatch):
    """Not in the process, not in its files; the cells that ran have run again, and the next question is judged."""
    code = """
from pathlib import Path

calls, note = [], Path.home() / "note"

def count():
    calls.append(1)
    seen = len(calls) + 10 * note.exists()
    note.touch()
    return seen
"""

    def body(student, case, seed):
        with case("counts"):
            found = [student.count(), student.count()]
            student.restart()
            assert (found, student.count()) == ([1, 12], 1)
            student.restart()  # and asks nothing more

    monkeypatch.setitem(QUESTIONS, "toys.first", Question("toys.first", 1, (), body))
    monkeypatch.setitem(QUESTIONS, "toys.second", Question("toys.second", 1, (), body))
    cells = [new_code_cell(code), new_code_cell(""), new_code_cell("")]
    for cell, name in zip(cells[1:], ("first", "second"), strict=True):
        cell.metadata["nbgrader"] = {"grade": True, "solution": False, "grade_id": f"toys-{name}", "points": 1}
    outcomes = judge(new_notebook(cells=cells), sandbox, timeout=30, seed=SEED)
    assert [outcome.cases[0].message for outcome in outcomes.values()] == ["", ""]
