"""Every question gets an outcome, whatever the cells around it do."""

import pytest
from nbformat.v4 import new_code_cell

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


def test_a_question_that_never_ends_costs_only_itself(course, tmp_path):
    double, half = outcomes(course.answered(double="    while True: pass"), tmp_path, timeout=6)
    assert (double.score, messages(double)) == (0, ["`double` took longer than 6 seconds"] * 2)
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


@pytest.mark.parametrize("counted", ["computing", "waiting"])
def test_a_submission_that_uses_up_its_time_gets_no_more(course, monkeypatch, counted):
    """Every cell and call takes a little less than it may; after the last that fits in the budget none is made."""
    spent = {"computing": 0.0, "waiting": 0.0}

    class Busy:
        """A kernel whose cells and calls take 9 of 10 seconds each, or as long as that by the clock."""

        alive = True
        stop = staticmethod(lambda: None)
        computed = property(lambda self: spent["computing"])

        def __init__(self, process):
            self.namespace = {}

        def run(self, code, timeout):
            spent[counted] += 9 if counted == "computing" else 9 * PATIENCE
            exec(code, self.namespace)
            return Run([])

        def ask(self, target, name, args, kwargs, timeout):
            self.run("", timeout)
            return NotebookStudent(self.namespace)._ask(target, name, args, kwargs)

    monkeypatch.setattr(judging, "Kernel", Busy)
    monkeypatch.setattr(judging.time, "monotonic", lambda: spent["waiting"])
    notebook = course.answered()
    at = notebook.cells.index(cell(notebook, "double"))
    notebook.cells[at:at] = [new_code_cell("") for _ in range(BUDGET - 3)]
    judged = judge(notebook, lambda: None, timeout=10)
    why = "the submission's time is used up: it may compute for 100 seconds"
    assert messages(judged["sums-double"]) == []  # 90 seconds before its last call, 99 before half's cell
    assert messages(judged["sums-half"]) == [why] * 2
    assert cell(notebook, "half-answer").outputs == []
    assert [output.evalue for output in cell(notebook, "hand-in").outputs] == [why]
