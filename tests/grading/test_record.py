"""A submission's cells are what the release says that they are, and the gradebook gets the scores."""

import copy

import nbformat
import pytest
import tiny_homework
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.nbgraderformat import MetadataValidator

from deepul_utils.course.release import generate
from deepul_utils.grading.notebook import parse
from deepul_utils.grading.record import NOTES, RestoreCells


@pytest.fixture(scope="module")
def restore(shared_course, tmp_path_factory):
    """What the grader makes of a submission, before it runs."""
    folder = tmp_path_factory.mktemp("gradebook")
    db_url = f"sqlite:///{folder}/gradebook.db"
    generate(shared_course.root, tiny_homework.WEEK, into=folder, db_url=db_url)
    where = {"notebook": "sums", "assignment": tiny_homework.WEEK, "student": "ada", "db_url": db_url}

    def restore(notebook):
        read = parse(nbformat.writes(notebook))
        made, _ = RestoreCells().preprocess(read, {"nbgrader": where})
        nbformat.validate(made)
        MetadataValidator().validate_nb(made)
        return made

    return restore


def cell(notebook, id):
    """The one cell with this grade_id."""
    [found] = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == id]
    return found


def ids(notebook):
    return [c.metadata["nbgrader"]["grade_id"] for c in notebook.cells if "nbgrader" in c.metadata]


ALL = ["sums-double-answer", "sums-double", "sums-half-answer", "sums-half", "sums-why"]


def test_a_faithful_submission_is_left_alone(shared_course, restore):
    submitted = shared_course.answered()
    made = restore(submitted)
    assert NOTES not in made.metadata
    assert [c.source for c in made.cells] == [c.source for c in submitted.cells]
    assert [c.metadata.get("nbgrader") for c in made.cells] == [c.metadata.get("nbgrader") for c in submitted.cells]


def test_copies_do_not_stop_anything(shared_course, restore):
    submitted = shared_course.answered()
    at = {c.id: n for n, c in enumerate(submitted.cells)}
    twice = copy.deepcopy(submitted.cells[at["double-check"]])
    twice.id = "twice"
    submitted.cells.insert(at["double-check"], twice)
    made = restore(submitted)
    assert ids(made) == ALL
    assert made.metadata[NOTES] == ["sums-double is there 2 times: the last one counts"]
    assert made.cells[0].source == "**From the grader**\n\n- sums-double is there 2 times: the last one counts."


def test_of_a_written_answers_copies_the_one_with_words_counts(shared_course, restore):
    submitted = shared_course.answered(why="My reasons.")
    empty = copy.deepcopy(next(c for c in shared_course.released.cells if c.id == "why"))
    empty.id = "empty"
    submitted.cells.append(empty)
    assert cell(restore(submitted), "sums-why").source == "My reasons."


@pytest.mark.parametrize("keep_answer", [True, False])
def test_a_deleted_test_comes_back(shared_course, restore, keep_answer):
    submitted = shared_course.answered()
    gone = {"double-check"} if keep_answer else {"double-check", "double-answer"}
    submitted.cells = [c for c in submitted.cells if c.id not in gone]
    made = restore(submitted)
    assert made.metadata[NOTES] == ["sums-double was missing: it is back"]
    assert cell(made, "sums-double").source == 'checks.run("sums.double", globals())'
    assert ids(made) == (ALL if keep_answer else [*ALL[2:], "sums-double"])


def test_a_deleted_written_answer_comes_back_empty(shared_course, restore):
    """So that it is worth nothing, and waits for nobody."""
    submitted = shared_course.answered()
    submitted.cells = [c for c in submitted.cells if c.id != "why"]
    assert cell(restore(submitted), "sums-why").source == cell(shared_course.released, "sums-why").source


def test_a_changed_test_gets_its_own_text_back(shared_course, restore):
    submitted = shared_course.answered()
    cell(submitted, "sums-half").source = "3.0"
    made = restore(submitted)
    assert cell(made, "sums-half").source == 'checks.run("sums.half", globals())'
    assert made.metadata[NOTES] == ["sums-half was changed: its own text is back"]


@pytest.mark.parametrize(
    "marks",
    [
        {"points": 1000},
        {"grade": False},
        {"solution": True},
        {"locked": False},
        {"schema_version": 1},
        {"checksum": "0" * 32},
        {"more": [1]},
    ],
)
def test_marks_are_those_of_the_release(shared_course, restore, marks):
    submitted = shared_course.answered()
    cell(submitted, "sums-half").metadata.nbgrader.update(marks)
    made = restore(submitted)
    assert cell(made, "sums-half").metadata.nbgrader == cell(shared_course.released, "sums-half").metadata.nbgrader


def test_flipped_cell_types_are_flipped_back(shared_course, restore):
    submitted = shared_course.answered()
    flipped = {"sums-why": new_code_cell("my words"), "sums-double": new_markdown_cell("checks")}
    for grade_id, new in flipped.items():
        old = cell(submitted, grade_id)
        submitted.cells[submitted.cells.index(old)] = new
        new.metadata["nbgrader"] = old.metadata.nbgrader
    made = restore(submitted)
    assert (cell(made, "sums-why").cell_type, cell(made, "sums-why").source) == ("markdown", "my words")
    assert cell(made, "sums-double").cell_type == "code"


def test_marks_that_the_release_does_not_know_are_dropped(shared_course, restore):
    submitted = shared_course.answered()
    marks = dict(cell(submitted, "sums-half").metadata.nbgrader, grade_id="sums-bonus", points=100)
    submitted.cells.append(new_code_cell("100.0", metadata={"nbgrader": marks}))
    assert ids(restore(submitted)) == ALL


def test_a_notebook_without_any_marks_has_its_tests_at_the_end(shared_course, restore):
    """As when all cells were copied into a new notebook."""
    submitted = shared_course.answered()
    submitted.cells = [new_code_cell(c.source) for c in submitted.cells if c.id.endswith("-answer")]
    made = restore(submitted)
    assert ids(made) == ["sums-double", "sums-half", "sums-why"]
    assert made.cells[-3:] == [cell(made, id) for id in ids(made)]
