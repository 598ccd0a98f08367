"""Scores reach the platform's CSV, each at its student; no cell is a formula, and no template makes wrong ones."""

import csv

import pytest
import tiny_homework
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from deepul_utils.cli import app
from deepul_utils.course.release import generate
from deepul_utils.grading import names
from deepul_utils.grading.export import ExportError, export, harmless
from deepul_utils.grading.roster import RosterError

WEEK = tiny_homework.WEEK

CANVAS = [
    ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Week 1 (91)", "Week 12 (92)", "Final Score"],
    ["    Points Possible", "", "", "", "", "6.00", "10", "(read only)"],
    ["Doe, Jane", "123", "s1", "jdoe", "A, B", "", "9", "50"],
    ["=cmd|' /C calc'!A0", "124", "s2", "+evil", "@A", "3", "", ""],
    ["Roe, Ann", "7", "s3", "aroe", "A", "", "", ""],
    ["Student, Test", "", "", "", "A", "", "", ""],
]
MOODLE = [
    ["Identifier", "Full name", "Email address", "Status", "Grade", "Maximum Grade", "Feedback comments"],
    ["Participant 123", "Jane Doe", "jane@example.org", "Submitted", "", "6,00", ""],
    ["Participant 124", "-Bob", "bob@example.org", "Submitted", "", "6,00", "\t=1"],
    ["Participant 7", "Ann Roe", "ann@example.org", "No submission", "", "6,00", ""],
]


@pytest.fixture(scope="module")
def graded(shared_course, tmp_path_factory):
    """A course whose gradebook has Jane (late, all points but the written ones, which wait), and x_124 with 2."""
    url = f"sqlite:///{shared_course.root}/gradebook.db"
    generate(shared_course.root, WEEK, into=tmp_path_factory.mktemp("unused"), db_url=url)
    with Gradebook(url) as gradebook:
        names.enter(gradebook, {"doejane_123": "Doe, Jane", "x_124": "=cmd X"})
        for student, points, penalty, waits in (
            ("doejane_123", (2, 3, 0), 1.5, True),
            ("x_124", (2, 0, 0), 0, False),
            ("zed_9", (1, 0, 0), 5, False),
        ):
            gradebook.update_or_create_student(student)
            [notebook] = gradebook.update_or_create_submission(WEEK, student).notebooks
            notebook.late_submission_penalty = penalty
            for grade in notebook.grades:
                at = ["sums-double", "sums-half", "sums-why"].index(grade.name)
                grade.auto_score, grade.needs_manual_grade = points[at], waits and at == 2
        gradebook.db.commit()
    return shared_course.root


@pytest.fixture
def run(graded, tmp_path):
    """Export with a template of these lines: the CSV's lines, and what was said."""

    def run(format, lines=None, delimiter=","):
        template = None
        if lines:
            template = tmp_path / "template.csv"
            with template.open("w", newline="", encoding="utf-8-sig") as file:
                csv.writer(file, delimiter=delimiter).writerows(lines)
        into = tmp_path / "grades.csv"
        said = export(graded, graded, WEEK, format, template, into)
        with into.open(newline="", encoding="utf-8") as file:
            return list(csv.reader(file, delimiter=delimiter)), said

    return run


def test_csv_has_scores_after_penalties(run):
    lines, said = run("csv")
    assert lines == [
        ["student", "name", "score", "points", "late_penalty", "waiting"],
        ["doejane_123", "Jane Doe", "3.5", "6", "1.5", "1"],
        ["x_124", "'=cmd X", "2", "6", "0", "0"],
        ["zed_9", "", "0", "6", "5", "0"],
    ]
    assert said == ["answers wait for a person, so these scores will change: doejane_123"]


def test_canvas(run):
    lines, said = run("canvas", CANVAS)
    assert lines == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Week 1 (91)"],
        ["    Points Possible", "", "", "", "", "6.00"],
        ["Doe, Jane", "123", "s1", "jdoe", "A, B", "3.5"],
        ["'=cmd|' /C calc'!A0", "124", "s2", "'+evil", "'@A", "2"],
        ["Roe, Ann", "7", "s3", "aroe", "A", ""],
        ["Student, Test", "", "", "", "A", ""],
    ]
    assert said == [
        "no score, so an empty cell: Roe, Ann",
        "graded, but not in the template, so left out: zed_9",
        "answers wait for a person, so these scores will change: doejane_123",
    ]


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_moodle(run, delimiter):
    lines, said = run("moodle", MOODLE, delimiter)
    assert lines[0] == MOODLE[0]
    assert [line[4] for line in lines[1:]] == ["3.5", "2", ""]
    assert (lines[2][1], lines[2][6]) == ("'-Bob", "'\t=1")
    assert said[0] == "no score, so an empty cell: Ann Roe"


def test_moodle_by_name_or_address_where_the_folder_has_it(run):
    lines = [MOODLE[0], ["Participant 800", "x_124", "zed_9", "", "", "", ""]]
    _, said = run("moodle", lines)
    assert said[0] == "x_124 in the CSV may be x_124 or zed_9, or may not: rename that folder"
    lines = [MOODLE[0], ["Participant 800", "X", "ZED_9", "", "", "", ""]]
    assert run("moodle", lines)[0][1][4] == "0"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "＝", "\ufeff="])
def test_a_cell_that_a_spreadsheet_would_run_is_text(start):
    assert harmless(f"{start}1") == f"'{start}1"


@pytest.mark.parametrize("cell", ["", "Ada", "3.5", "    Points Possible", "a=b", "Zoë"])
def test_other_cells_stay_as_they_are(cell):
    assert harmless(cell) == cell


@pytest.mark.parametrize(
    ("format", "lines", "complaint"),
    [
        ("canvas", None, "give its gradebook, exported as CSV, with --template FILE"),
        ("moodle", None, "give its grading worksheet, with --template FILE"),
        ("canvas", MOODLE, "no gradebook of Canvas"),
        ("moodle", CANVAS, "no grading worksheet of Moodle"),
        ("canvas", [[*CANVAS[0], "week1 again (93)"], CANVAS[2]], "it has Week 1 .91., Week 12 .92., week1"),
        (
            "canvas",
            [[name.replace("1", "3") for name in CANVAS[0]], CANVAS[2]],
            "should have one assignment with .week1. in its name",
        ),
        ("canvas", [CANVAS[0], [*CANVAS[1][:5], "100", "", ""], CANVAS[2]], "has 100 points and week1_sums has 6"),
        ("moodle", [MOODLE[0], [*MOODLE[1][:5], "100.00", ""]], "has 100.00 points and week1_sums has 6"),
    ],
)
def test_a_template_that_does_not_fit_is_refused(run, tmp_path, format, lines, complaint):
    with pytest.raises(ExportError, match=complaint):
        run(format, lines)
    assert not (tmp_path / "grades.csv").exists()


def test_nothing_graded_is_said_and_makes_no_gradebook(course, tmp_path):
    with pytest.raises(ExportError, match="type deepul grade week1_sums first"):
        export(course.root, course.root, WEEK, "csv", None, tmp_path / "grades.csv")
    assert not (course.root / "gradebook.db").exists()


def test_the_command(graded, monkeypatch, tmp_path):
    monkeypatch.chdir(graded)
    result = CliRunner().invoke(app, ["export", "week1"])
    assert result.exit_code == 0, result.output
    assert "answers wait for a person, so these scores will change: doejane_123" in result.output
    assert (graded / f"{WEEK}_csv.csv").read_text().count("\n") == 4
    result = CliRunner().invoke(app, ["export", "week1", "--format", "canvas", "--template", str(tmp_path / "none")])
    assert (result.exit_code, result.stderr) == (1, f"{tmp_path / 'none'} cannot be read: No such file or directory\n")
    with pytest.raises(RosterError):
        export(graded, graded, WEEK, "moodle", tmp_path, tmp_path / "grades.csv")
