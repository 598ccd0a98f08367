"""Homework in the sandbox: solutions earn all points, an untouched release none, and no cell of theirs fails."""

from functools import partial
from pathlib import Path

import nbformat
import pytest

from deepul_utils.checks.question import QUESTIONS, grade_id
from deepul_utils.course.notebooks import homework
from deepul_utils.grading.judge import judge
from deepul_utils.grading.warm_start import WarmStart

ROOT = Path(__file__).parents[2]
HOMEWORK = homework(ROOT)
# What a trained model earns is up to its weights, with which the tests of that question deal.
TRAINED = {grade_id(id) for id, question in QUESTIONS.items() if question.weights}

pytestmark = [pytest.mark.xdist_group("homework"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def start():
    kernels = WarmStart()
    yield kernels
    kernels.close()


def judged(start, path):
    notebook = nbformat.read(path, as_version=4)
    return notebook, judge(notebook, partial(start, path.stem), timeout=60, seed=7)


@pytest.mark.parametrize("path", HOMEWORK, ids=lambda path: f"{path.parts[-2]}/{path.stem}")
def test_solutions_earn_all_points_and_no_cell_of_an_honest_student_fails(start, path):
    notebook, outcomes = judged(start, path)
    missed = {id: outcome for id, outcome in outcomes.items() if outcome.score < outcome.points}
    assert missed.keys() <= TRAINED, missed
    broken = [out for cell in notebook.cells for out in cell.get("outputs", ()) if out.output_type == "error"]
    assert broken == []


@pytest.mark.parametrize("path", HOMEWORK, ids=lambda path: f"{path.parts[-2]}/{path.stem}")
def test_an_untouched_release_earns_nothing(start, path):
    _, outcomes = judged(start, ROOT / "exercises" / path.relative_to(ROOT / "solutions"))
    assert outcomes
    assert {outcome.score for outcome in outcomes.values()} == {0}
