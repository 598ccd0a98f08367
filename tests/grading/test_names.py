"""Students' names reach the gradebook, as text whatever they are."""

import sqlite3

import pytest
import tiny_homework
from nbgrader.api import Gradebook

from deepul_utils.grading.collect import PlatformNames, collect
from deepul_utils.grading.names import enter, enter_missing, first_and_last
from deepul_utils.grading.roster import Roster
from deepul_utils.grading.settings import load

WEEK = tiny_homework.WEEK


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("", ("", "")),
        ("Zoe\u0308 de la  Cruz", ("Zoë de la", "Cruz")),
        ("O'Neil,Ann,Jr", ("Ann,Jr", "O'Neil")),
        ("<script>x</script>, \x1b[2J\u202e&lt;\nEve", ("[2Jlt; Eve", "scriptx/script")),
    ],
)
def test_a_name_is_text(name, parts):
    assert first_and_last(name) == parts


def test_a_name_fits_the_column_of_a_database():
    assert all(len(part) <= 128 for part in first_and_last("x" * 10_000 + ", " + "y" * 10_000))


def named(url):
    with Gradebook(url) as gradebook:
        return {student.id: (student.first_name, student.last_name) for student in gradebook.students}


@pytest.fixture
def course(tmp_path):
    for student in ("doejane_123", "Ann Roe_7", "eve"):
        path = tmp_path / "source" / student / "sums.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    (tmp_path / "roster.csv").write_text('Student,ID,SIS Login ID\n"Doe, <b>Jane",123,jane\n"Nobody",9,nobody\n')
    return tmp_path


def test_collect_takes_names_from_the_roster_and_grading_the_others_from_their_folders(course):
    names_of = PlatformNames(config=load(course, course))
    collect(course, WEEK, course / "source", ["sums"], Roster.read(course / "roster.csv"), names_of)
    url = f"sqlite:///{course}/gradebook.db"
    assert named(url) == {"doejane_123": ("bJane", "Doe")}
    with Gradebook(url) as gradebook:
        for student in ("doejane_123", "Ann Roe_7", "eve"):
            enter_missing(gradebook, student)
    assert named(url) == {"doejane_123": ("bJane", "Doe"), "Ann Roe_7": ("Ann", "Roe"), "eve": ("", "eve")}
    with Gradebook(url) as gradebook:
        enter(gradebook, {"eve": "Eve"})
    assert named(url)["eve"] == ("", "Eve")


def test_without_a_roster_collect_makes_no_gradebook(course):
    collect(course, WEEK, course / "source", ["sums"], None, PlatformNames(config=load(course, course)))
    assert not (course / "gradebook.db").exists()


def test_a_locked_gradebook_keeps_nobody_from_being_collected(course, monkeypatch):
    config = load(course, course)
    with Gradebook(f"sqlite:///{course}/gradebook.db"):
        pass
    config.CourseDirectory.db_url = f"sqlite:///{course}/gradebook.db?timeout=0.1"
    roster = Roster.read(course / "roster.csv")
    with sqlite3.connect(course / "gradebook.db") as other:
        other.execute("BEGIN EXCLUSIVE")
        collected, said = collect(course, WEEK, course / "source", ["sums"], roster, PlatformNames(config=config))
    other.close()
    assert len(collected) == 3
    why = "the gradebook cannot be opened: database is locked"
    assert f"{why}, so it has no names from the roster yet: collect again" in said
