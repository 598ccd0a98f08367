"""Every question gets an outcome, whatever the cells around it do."""

import dataclasses

import pytest
from nbformat.v4 import new_code_cell

from deepul_utils.checks import laws
from deepul_utils.checks.question import QUESTIONS
from deepul_utils.checks.student import NotebookStudent
from deepul_utils.grading import judge as judging
from deepul_utils.grading.judge import BUDGET, judge
from deepul_utils.grading.kernel import PATIENCE, LocalProcess, Run


def outcomes(notebook, folder, timeout=30):
    judged = judge(notebook, lambda: LocalProcess(folder, "autograde"), timeout=timeout)
    assert list(judged) == ["sums-double", "sums-half"]
    return judged["sums-double"], judged["sums-half"]


def cell(notebook, id):
    return next(cell for cell in notebook.cells if cell.id == id)


def messages(outcome):
    return [case.message for case in outcome.cases if not case.passed]


def test_right_and_wrong_answers_and_noise_on_stderr(course, tmp_path):
    warns = "    import sys, warnings; warnings.warn('no'); print('hm', file=sys.stderr)\n    return x // 2"
    notebook = course.answered(half=warns)
    cell(notebook, "half-check").metadata.nbgrader.points = 6  # as a gradebook may have it
    double, half = outcomes(notebook, tmp_path)
    assert double.score == 2
    assert (half.score, messages(half)) == (2, ["the answer should be 2.5, got 2\nUsual cause: // drops the rest"])
    shown = cell(notebook, "half-check").outputs
    assert shown[0].output_type == "execute_result"
    assert shown[0].data["text/plain"] == "4.0"
    assert len(shown) == 1
    assert [c.execution_count for c in notebook.cells if c.cell_type == "code"] == [1, 2, 3, 4, 5, 6]


def test_one_cell_takes_nothing_from_the_others(course, tmp_path):
    """A syntax error, a lost import, and a cell that ends Python: what does not need them is judged."""
    notebook = course.answered(double="    return 2 * (x")
    cell(notebook, "imports").source = "import tiny_homework\nimport a_module_that_nobody_has"
    ends = new_code_cell("import os; os._exit(3)")
    notebook.cells.insert(notebook.cells.index(cell(notebook, "half-check")), ends)
    double, half = outcomes(notebook, tmp_path)
    assert double.score == 0
    assert messages(double) == ["the notebook has no `double`: run the cell that defines it"] * 2
    assert half.score == 3
    assert cell(notebook, "double-answer").outputs[0].ename == "SyntaxError"
    assert [output.evalue for output in ends.outputs] == ["a cell ended the Python that ran it"]


USED_UP = "the question's time is used up"


@pytest.fixture
def _four_cases(monkeypatch):
    """`double` is judged by four."""

    def body(student, case, seed):
        for x in range(4):
            with case(f"twice {x}"):
                laws.matches(student.double(x), 2 * x)

    monkeypatch.setitem(QUESTIONS, "sums.double", dataclasses.replace(QUESTIONS["sums.double"], body=body))


@pytest.mark.usefixtures("_four_cases")
def test_a_question_that_never_ends_costs_only_itself(course, tmp_path):
    """After the second call that was stopped none is made, else every case would take its limit."""
    double, half = outcomes(course.answered(double="    while True: pass"), tmp_path, timeout=6)
    assert (double.score, messages(double)) == (0, ["`double` took longer than 6 seconds"] * 2 + [USED_UP] * 2)
    assert half.score == 3


def test_a_question_that_ends_python_costs_only_itself(course, tmp_path):
    double, half = outcomes(course.answered(double="    import os; os._exit(1)"), tmp_path)
    assert (double.score, messages(double)) == (0, ["`double` ended the Python that ran it"] * 2)
    assert half.score == 3


def test_a_grade_cell_of_no_question_gives_nothing(course, tmp_path):
    notebook = course.answered()
    cell(notebook, "double-check").metadata.nbgrader.grade_id = "sums-dubble"
    judged = judge(notebook, lambda: LocalProcess(tmp_path, "autograde"), timeout=30)
    assert judged["sums-dubble"].score == 0
    assert messages(judged["sums-dubble"]) == ["no check of this course judges this cell"]
    assert judged["sums-half"].score == 3


@pytest.fixture
def spend(monkeypatch):
    """`spend(computing=9)`, or `waiting`: from then on every cell and call takes so many seconds; cells can call it."""
    spent, each = {"computing": 0.0, "waiting": 0.0}, {}

    class Busy:
        """A kernel without a process."""

        alive = True
        stop = staticmethod(lambda: None)
        computed = property(lambda self: spent["computing"])

        def __init__(self, process):
            self.namespace = {"spend": each.update}

        def run(self, code, timeout):
            for counted, seconds in each.items():
                spent[counted] += seconds
            exec(code, self.namespace)
            return Run([])

        def ask(self, target, name, args, kwargs, timeout):
            self.run("", timeout)
            return NotebookStudent(self.namespace)._ask(target, name, args, kwargs)

    monkeypatch.setattr(judging, "Kernel", Busy)
    monkeypatch.setattr(judging.time, "monotonic", lambda: spent["waiting"])
    return each.update


@pytest.mark.parametrize("counted", ["computing", "waiting"])
def test_a_submission_that_uses_up_its_time_gets_no_more(course, spend, counted):
    """Every cell and call takes a little less than it may; after the last that fits in the budget none is made."""
    spend(**{counted: 9 if counted == "computing" else 9 * PATIENCE})
    notebook = course.answered()
    at = notebook.cells.index(cell(notebook, "double"))
    notebook.cells[at:at] = [new_code_cell("") for _ in range(BUDGET - 3)]
    judged = judge(notebook, lambda: None, timeout=10)
    why = "the submission's time is used up: it may compute for 100 seconds"
    assert messages(judged["sums-double"]) == []  # 90 seconds before its last call, 99 before half's cell
    assert messages(judged["sums-half"]) == [why] * 2
    assert cell(notebook, "half-answer").outputs == []
    assert [output.evalue for output in cell(notebook, "hand-in").outputs] == [why]


@pytest.mark.usefixtures("_four_cases")
def test_a_question_whose_calls_are_all_slow_gets_no_more_by_the_clock(course, spend):
    """None is stopped, and together they take too long; the next question has a time of its own."""
    notebook = course.answered()
    cell(notebook, "double-answer").source += "\nspend(waiting=75)"
    cell(notebook, "half-answer").source += "\nspend(waiting=1)"
    judged = judge(notebook, lambda: None, timeout=10)
    assert messages(judged["sums-double"]) == [USED_UP]  # 225 seconds before the fourth call, and 200 are given
    assert judged["sums-double"].score == 1.5
    assert judged["sums-half"].score == 3
