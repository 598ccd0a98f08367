"""The sample class: every student gets the points deserved, nobody stops the batch, and what went wrong is said."""

import pytest
import sample_class
from nbgrader.api import Gradebook

from deepul_utils.checks.question import grade_id
from deepul_utils.grading import engine

# One worker grades the class, in minutes, for all of these tests.
pytestmark = [pytest.mark.xdist_group("sample-class"), pytest.mark.timeout(1800)]

STUDENTS = {student.name: student for student in sample_class.students()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("class") / "sample class"


@pytest.fixture(scope="module")
def graded(folder):
    """The results by student, as `deepul grade week1 --course FOLDER` makes them."""
    assert [student.name for student in sample_class.make(folder)] == list(STUDENTS)
    names = engine.submissions(folder, sample_class.WEEK)
    results = engine.grade(sample_class.ROOT, sample_class.WEEK, names, course=folder)
    return {result.student: result for result in results}


def test_everybody_is_graded(graded):
    assert graded.keys() == STUDENTS.keys()
    assert all(result.score is not None for result in graded.values())


@pytest.mark.parametrize("student", STUDENTS.values(), ids=STUDENTS)
def test_points_are_those_deserved(graded, folder, student):
    with Gradebook(f"sqlite:///{folder}/gradebook.db") as gradebook:
        submission = gradebook.find_submission(sample_class.WEEK, student.name)
        scores = {grade.name: grade.auto_score for notebook in submission.notebooks for grade in notebook.grades}
    assert {id: scores[grade_id(id)] for id in student.scores} == student.scores
    assert graded[student.name].score == pytest.approx(sum(student.scores.values()))
    assert graded[student.name].waiting == student.waiting


@pytest.mark.parametrize("student", STUDENTS.values(), ids=STUDENTS)
def test_what_went_wrong_is_said_and_nothing_else(graded, student):
    said = graded[student.name].problems
    assert len(said) == len(student.said), said
    for sentence, part in zip(said, student.said, strict=True):
        assert part in sentence
        assert "\n" not in sentence


@pytest.mark.parametrize("student", STUDENTS.values(), ids=STUDENTS)
def test_feedback_is_written_for_every_file(graded, folder, student):
    pages = folder / "feedback" / student.name / sample_class.WEEK
    assert sorted(page.stem for page in pages.glob("*.html")) == sorted(name.split(".")[0] for name in student.files)


def test_partial_credit_is_part_of_it():
    assert {points % 1 for student in STUDENTS.values() for points in student.scores.values()} > {0.0}
