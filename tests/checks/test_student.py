"""A notebook's namespace as a student: what it is asked, what it answers, and every way of failing."""

import linecache

import numpy as np
import pytest
import torch

from deepul_utils.checks import laws
from deepul_utils.checks.student import Desk, NotebookStudent, Student, StudentFailed
from deepul_utils.checks.wire import dumps, loads

SOURCE = """
import sys
import numpy as np
import torch

def double(x):
    return 2 * x

def in_place(x):
    x *= 0
    return x

def stub(x):
    raise NotImplementedError()

def calls_stub(x):
    return stub(x) + 1

def divides(x):
    y = x - x
    return 1 // y

def deep_in_numpy(x):
    return np.linalg.inv(np.zeros((2, 2)))

def calls_divides(x):
    return [divides(y) for y in (x, x)]

def calls_calls(x):
    return calls_divides(x)

def calls_them_all(x):
    return calls_calls(x)

def leaves(x):
    sys.exit()

def recurses(x):
    return recurses(x)

def forgets(x):
    x + 1

def interrupted(x):
    raise KeyboardInterrupt

number = 3
"""


@pytest.fixture
def student():
    """As in a kernel: the functions' globals are the namespace, and the source can be looked up."""
    linecache.cache["<cell>"] = (len(SOURCE), None, SOURCE.splitlines(keepends=True), "<cell>")
    namespace = {}
    exec(compile(SOURCE, "<cell>", "exec"), namespace)
    yield NotebookStudent(namespace)
    del linecache.cache["<cell>"]


def test_arguments_arrive_as_sent(student):
    assert student.double(3) == 6
    assert student.double(x=3) == 6
    np.testing.assert_array_equal(student.double(np.arange(3)), [0, 2, 4])
    np.testing.assert_array_equal(student.double(torch.arange(3)), [0, 2, 4])


def test_working_in_place_does_no_harm(student):
    x, t = np.arange(3), torch.arange(3)
    student.in_place(x)
    student.in_place(x=t)
    assert x.tolist() == t.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "the notebook has no `missing`: run the cell that defines it"),
        ("number", "`number` should be a function, but it is a int"),
        ("stub", "`stub` is not answered yet"),
        ("calls_stub", "`calls_stub` calls `stub`, which is not answered yet"),
        ("divides", r"`divides` raised ZeroDivisionError: .*\nin the line: return 1 // y"),
        ("deep_in_numpy", r"`deep_in_numpy` raised LinAlgError: .*\nin the line: return np.linalg.inv\("),
        ("leaves", "`leaves` raised SystemExit\nin the line: sys.exit"),
        ("recurses", "`recurses` raised RecursionError"),
        ("forgets", "`forgets` returned None: is a `return` missing?"),
    ],
)
def test_failures_are_said_in_the_students_terms(student, name, message):
    with pytest.raises(StudentFailed, match=message):
        getattr(student, name)(3)


DIVIDES = "in `divides`: return 1 // y"
CALLS_DIVIDES = "return [divides(y) for y in (x, x)]"


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("divides", ["in the line: return 1 // y"]),
        ("calls_divides", [f"in the line: {CALLS_DIVIDES}", DIVIDES]),
        ("calls_calls", ["in the line: return calls_divides(x)", f"in `calls_divides`: {CALLS_DIVIDES}", DIVIDES]),
        (
            "calls_them_all",
            ["in `calls_calls`: return calls_divides(x)", f"in `calls_divides`: {CALLS_DIVIDES}", DIVIDES],
        ),
        ("recurses", ["in the line: return recurses(x)"]),
        ("deep_in_numpy", ["in the line: return np.linalg.inv(np.zeros((2, 2)))"]),
    ],
)
def test_the_last_of_the_students_own_lines_are_shown(student, name, lines):
    with pytest.raises(StudentFailed) as said:
        getattr(student, name)(3)
    assert str(said.value).splitlines()[1:] == lines


def test_an_interrupt_stops_the_check(student):
    with pytest.raises(KeyboardInterrupt):
        student.interrupted(3)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (np.float64(0.5), 0.5),
        (np.arange(3), [0, 1, 2]),
        (torch.tensor([1.0, 2.0], requires_grad=True), [1.0, 2.0]),
        (torch.tensor([1.0, 2.0], dtype=torch.bfloat16), [1.0, 2.0]),
        (torch.tensor(2), 2),
        ((1, [2.0, "three"]), [1, [2.0, "three"]]),
        ({1: np.arange(2)}, {"1": [0, 1]}),
        (np.ma.masked_array([1, 2], [True, False]), [1, 2]),
        (True, True),
        (1j, 1j),
    ],
)
def test_answers_become_plain(answer, expected):
    got = NotebookStudent({"f": lambda: answer}).f()
    np.testing.assert_equal(got, expected)
    assert type(got) in (np.ndarray, bool, int, float, complex, list, dict)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.array([object()]), "array of dtype object"),
        (np.array(["a"]), "array of dtype <U1"),
        ({"a": None}, "returned None"),
    ],
)
def test_other_answers_are_refused(answer, message):
    with pytest.raises(StudentFailed, match=message):
        NotebookStudent({"f": lambda: answer}).f()


class Cell(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, 2)
        self.width = width

    def forward(self, x):
        return self.linear(x)

    def fails(self):
        raise NotImplementedError()


def desks(namespace):
    """The same student twice: called directly, and over the wire."""
    desk = Desk(namespace)

    def over_the_wire(target, name, args, kwargs):
        return loads(dumps(desk.ask(*loads(dumps([target, name, args, kwargs])))))

    return Student(desk.ask), Student(over_the_wire)


@pytest.mark.parametrize("wired", [False, True])
def test_objects_stay_with_the_student_behind_handles(wired):
    student = desks({"Cell": Cell, "twice": lambda layer, x: layer(layer(x))})[wired]
    cell = student.Cell(width=2)
    assert (repr(cell), cell.width) == ("a Cell", 2)
    x = torch.ones(3, 2)
    np.testing.assert_array_equal(cell(x), cell.forward(x))
    np.testing.assert_allclose(cell(x), x.numpy() @ cell.linear.weight.T + cell.linear.bias, rtol=1e-6)
    np.testing.assert_array_equal(student.twice(cell, x), cell(torch.from_numpy(cell(x))))
    with pytest.raises(StudentFailed, match=r"`Cell\.fails` is not answered yet"):
        cell.fails()
    with pytest.raises(StudentFailed, match="a Cell has no `backward`"):
        cell.backward()
    with pytest.raises(StudentFailed, match=r"`Cell` raised TypeError: .*width"):
        student.Cell()
    with pytest.raises(laws.LawBroken, match="got a Cell"):
        laws.matches(cell, 1.0)


@pytest.mark.parametrize("wired", [False, True])
def test_lists_of_objects_come_as_handles(wired):
    student = desks({"layers": lambda: [torch.nn.Linear(2, n) for n in (3, 4)]})[wired]
    assert [layer.out_features for layer in student.layers()] == [3, 4]
