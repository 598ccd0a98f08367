"""Homework becomes what students get: stubs for solutions, byte by byte the same each time, and no mistake gets by."""

import json
import os
import re
from pathlib import Path

import nbformat
import pytest
import tiny_homework
from nbformat.v4 import new_code_cell

from deepul_utils.course import release
from deepul_utils.course.release import HomeworkError

ROOT = Path(__file__).parents[2]
NAME = f"solutions/{tiny_homework.WEEK}/sums.ipynb"


@pytest.fixture
def homework(tmp_path):
    """Write the tiny homework, changed by `change`, to a course in a folder with odd characters; return its path."""
    path = tmp_path / "a course (1)+" / NAME
    path.parent.mkdir(parents=True)

    def write(change=lambda notebook: None):
        notebook = tiny_homework.solution()
        change(notebook)
        nbformat.write(notebook, path)
        return path

    write()
    return write


@pytest.fixture
def root(homework):
    return homework().parents[2]


def cell(notebook, id):
    return next(cell for cell in notebook.cells if cell.id == id)


def test_students_get_the_signature_and_no_solution(root):
    [path] = release.release(root, tiny_homework.WEEK)
    assert path == root / "exercises" / tiny_homework.WEEK / "sums.ipynb"
    made = nbformat.read(path, as_version=4)
    nbformat.validate(made)
    stub = 'def double(x: float) -> float:\n    """Return double of x."""\n    raise NotImplementedError()'
    assert cell(made, "double-answer").source == stub
    assert cell(made, "double-check").source == 'checks.run("sums.double", globals())'
    assert cell(made, "double-check").metadata.editable is False
    assert "SOLUTION" not in path.read_text()
    assert "x / 2" not in path.read_text()
    assert "two halves" not in path.read_text()
    assert [c.id for c in made.cells] == [c.id for c in tiny_homework.solution().cells]


def test_again_changes_no_byte_and_leaves_nothing_else(root):
    [path] = release.release(root, tiny_homework.WEEK)
    first = path.read_bytes()
    assert release.release(root, tiny_homework.WEEK) == [path]
    assert path.read_bytes() == first
    files = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    assert files == [f"exercises/{tiny_homework.WEEK}/sums.ipynb", NAME]


def test_a_notebook_that_is_gone_goes(root):
    release.release(root, tiny_homework.WEEK)
    (root / NAME).rename((root / NAME).with_name("more.ipynb"))
    [path] = release.release(root, tiny_homework.WEEK)
    assert os.listdir(path.parent) == ["more.ipynb"]


def test_other_files_of_a_week_come_along_but_for_hand_ins(root):
    (root / NAME).with_name("data.csv").write_text("1,2\n")
    (root / NAME).with_name("sums_hand_in.zip").write_bytes(b"left by a run of the solutions")
    [path] = release.release(root, tiny_homework.WEEK)
    assert sorted(os.listdir(path.parent)) == ["data.csv", "sums.ipynb"]


def test_a_mistake_leaves_the_old_release(homework, root):
    [path] = release.release(root, tiny_homework.WEEK)
    before = path.read_bytes()
    homework(lambda notebook: cell(notebook, "double-check").metadata.nbgrader.update(points=5))
    with pytest.raises(HomeworkError, match=rf"^{NAME}: cell 'sums-double' gives 5 points, but its check gives 2$"):
        release.release(root, tiny_homework.WEEK)
    assert path.read_bytes() == before
    assert os.listdir(path.parents[1]) == [tiny_homework.WEEK]


def test_what_nbgrader_refuses_is_said(homework, root):
    homework(lambda notebook: notebook.cells.append(new_code_cell("### BEGIN SOLUTION\n1")))
    with pytest.raises(HomeworkError, match=r"nbgrader could not make week1_sums: .*[Nn]o end solution statement"):
        release.release(root, tiny_homework.WEEK)
    assert os.listdir(root / "exercises") == []


def test_the_tiny_homework_has_no_mistake(homework):
    assert list(release.find_mistakes(homework())) == []


def source(id, old, new):
    return lambda nb: cell(nb, id).update(source=cell(nb, id).source.replace(old, new))


def marks(id, **changes):
    return lambda nb: cell(nb, id).metadata.nbgrader.update(changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (marks("double-check", grade_id="sums-dubble"), "cell 'sums-dubble' is the grade cell of no question"),
        (
            marks("double-check", grade_id="sums-dubble"),
            r"question 'sums\.double' has a check, but no cell",
        ),
        (
            marks("double-check", grade_id="sums.double"),
            r"'sums\.double' has metadata that nbgrader refuses",
        ),
        (marks("double-check", points=3), "cell 'sums-double' gives 3 points, but its check gives 2"),
        (marks("double-check", locked=False), "cell 'sums-double' should be locked"),
        (marks("double-check", schema_version=2), "cell 'sums-double' has metadata that nbgrader refuses: Outdated"),
        (marks("half-answer", grade_id="sums-double-answer"), "grade_id 'sums-double-answer' is used 2 times"),
        (
            marks("half-answer", grade_id="sums-halves"),
            "'sums-half' has no answer: .* 'sums-half-answer'",
        ),
        (
            source("half-check", "half", "double"),
            r"'sums-half' should contain exactly checks\.run",
        ),
        (source("half-check", "checks", "1; checks"), "should contain exactly"),
        (
            source("half-answer", "### BEGIN SOLUTION", ""),
            "'sums-half-answer' should hold one ### BEGIN",
        ),
        (
            source("half-answer", "### END SOLUTION", ""),
            "'sums-half-answer' should hold one ### BEGIN",
        ),
        (source("half-answer", "def half", "half = 1  #"), "'sums-half-answer' has no `def` or `class` above"),
        (lambda nb: nb.cells.remove(cell(nb, "half-check")), r"question 'sums\.half' has a check, but no cell"),
        (lambda nb: cell(nb, "double-check").metadata.nbgrader.pop("points"), "refuses: .*does not have points"),
        (lambda nb: cell(nb, "why").metadata.nbgrader.update(grade=False), "refuses: Markdown solution cell"),
    ],
)
def test_every_mistake_is_named(homework, change, message):
    found = "\n".join(release.find_mistakes(homework(change)))
    assert re.search(message, found), found


def test_a_file_that_is_no_notebook_is_named(homework):
    path = homework()
    path.write_text(json.dumps({"cells": 3})[:-1])
    [mistake] = release.find_mistakes(path)
    assert "cannot be read as a notebook" in mistake


def test_a_week_is_found_by_its_beginning(root):
    assert release.find_week(root, "week1") == release.find_week(root, tiny_homework.WEEK) == tiny_homework.WEEK
    (root / "solutions/week10_more").mkdir()
    (root / "solutions/week10_more/more.ipynb").write_bytes((root / NAME).read_bytes())
    assert release.find_week(root, "week1") == tiny_homework.WEEK
    assert release.all_weeks(root) == ["week10_more", tiny_homework.WEEK]
    for week in ("week2", "week", "sums", ""):
        with pytest.raises(HomeworkError, match=f"there is no week '{week}' in solutions/; there are week10_more, "):
            release.find_week(root, week)


def test_elsewhere_it_says_where_to_go(tmp_path):
    with pytest.raises(HomeworkError, match="go to the folder of the course"):
        release.all_weeks(tmp_path)


@pytest.mark.parametrize("path", sorted(ROOT.glob("solutions/*/*.ipynb")), ids=lambda path: path.stem)
def test_the_courses_own_homework_has_no_mistake(path):
    assert list(release.find_mistakes(path)) == []


def test_exercises_are_in_step_with_solutions(tmp_path):
    """What `deepul release` would make is what is there."""
    for week in release.all_weeks(ROOT):
        release.generate(ROOT, week, into=tmp_path)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    there = ROOT / "exercises"
    assert made == {path.relative_to(there): path.read_bytes() for path in there.glob("*/*") if path.is_file()}
