"""A gradebook in a PostgreSQL server, so that several people can grade by hand at once."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import tiny_homework
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from deepul_utils.cli import app
from deepul_utils.grading import engine, settings

pytestmark = [pytest.mark.xdist_group("postgresql"), pytest.mark.timeout(600)]

WEEK = tiny_homework.WEEK
NOBODY = 65534  # PostgreSQL refuses to be root


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A server's socket folder; its only database is empty."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    initdb = shutil.which("initdb", path=os.pathsep.join([os.environ["PATH"], *map(str, versions[-1:])]))
    if initdb is None:
        pytest.fail(
            "these tests start PostgreSQL: run `make test`, or install it (on Debian: apt-get install postgresql)",
            pytrace=False,
        )
    ordinary = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as folder:  # a socket's path has at most 107 bytes
        if ordinary:
            os.chown(folder, NOBODY, NOBODY)

        def run(program: str, *words: str) -> None:
            command = [Path(initdb).with_name(program), "--pgdata", f"{folder}/data", *words]
            # The server keeps what it is given as its output, so no pipe.
            with open(os.devnull, "w") as nothing:
                subprocess.run(command, cwd=folder, check=True, stdout=nothing, **ordinary)

        run("initdb", "--username", "grader", "--auth", "trust", "--no-sync", "--encoding", "UTF8", "--locale", "C")
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "--wait", "--log", f"{folder}/log", "--options", options, "start")
        try:
            yield folder
        finally:
            run("pg_ctl", "--mode", "immediate", "stop")


@pytest.fixture(scope="module")
def graded(database: str, shared_course):
    """A course whose gradebook is in the server, with ada and bob graded."""
    course = shared_course
    url = f"postgresql+psycopg://grader@/postgres?host={database}"
    config = (Path(__file__).parents[2] / settings.FILE).read_text()
    (course.root / settings.FILE).write_text(f"{config}c.CourseDirectory.db_url = {url!r}\n")
    course.submit("ada", course.answered())
    course.submit("bob", course.answered(half="    return x"))
    # Before there is anything else in the database.
    due = [
        Path(sys.executable).with_name("nbgrader"),
        "db",
        "assignment",
        "add",
        WEEK,
        "--duedate",
        "2200-01-01 12:00:00 UTC",
    ]
    subprocess.run(due, cwd=course.root, check=True)
    return course, url, grade(course)


def grade(course) -> dict[str, tuple[float | None, float, int]]:
    results = engine.grade(course.root, WEEK, ["ada", "bob"], course=course.root, jobs=1, force=True)
    return {one.student: (one.score, one.points, one.waiting) for one in results}


def test_a_class_is_graded_into_the_server(graded, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    course, _, results = graded
    assert results == {"ada": (5, 6, 1), "bob": (2, 6, 1)}
    assert not (course.root / "gradebook.db").exists()
    with psycopg.connect(f"host={database} user=grader dbname=postgres") as connection:
        scores = connection.execute("SELECT sum(auto_score) FROM grade").fetchone()
    assert scores == (7,)
    monkeypatch.chdir(course.root)
    exported = CliRunner().invoke(app, ["export", WEEK])
    assert exported.exit_code == 0, exported.output
    assert [line.split(",")[0] for line in (course.root / f"{WEEK}_csv.csv").read_text().splitlines()[1:]] == [
        "ada",
        "bob",
    ]


# As formgrader does for somebody who types a score.
WRITES_SCORES = f"""
import sys
from nbgrader.api import Gradebook
url, student, last = sys.argv[1], sys.argv[2], float(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for score in [*(number / 100 for number in range(40)), last]:
    with Gradebook(url) as gradebook:
        grade = gradebook.find_grade("sums-why", "sums", "{WEEK}", student)
        grade.manual_score, grade.needs_manual_grade = score, False
        gradebook.find_comment("sums-why", "sums", "{WEEK}", student).manual_comment = f"{{student}}: {{score}}"
        gradebook.db.commit()
"""


def test_two_people_and_the_grader_write_at_once(graded) -> None:
    course, url, _ = graded
    last = {"ada": 0.75, "bob": 0.25}
    people = [
        subprocess.Popen(
            [sys.executable, "-c", WRITES_SCORES, url, student, str(score)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for student, score in last.items()
    ]
    for person in people:
        assert person.stdout.readline() == "ready\n"
    for person in people:
        person.stdin.write("go\n")
        person.stdin.flush()
    grade(course)
    for person in people:
        person.communicate()
        assert person.returncode == 0
    with Gradebook(url) as gradebook:
        for student, score in last.items():
            assert gradebook.find_grade("sums-why", "sums", WEEK, student).manual_score == score
            assert gradebook.find_comment("sums-why", "sums", WEEK, student).comment == f"{student}: {score}"
    assert {name: score for name, (score, _, _) in grade(course).items()} == {"ada": 5.75, "bob": 2.25}


def test_a_server_that_is_not_there_is_named(course, monkeypatch: pytest.MonkeyPatch) -> None:
    config = (Path(__file__).parents[2] / settings.FILE).read_text()
    url = f"postgresql+psycopg://grader@/postgres?host={course.root}"
    (course.root / settings.FILE).write_text(f"{config}c.CourseDirectory.db_url = {url!r}\n")
    course.submit("ada", course.answered())
    monkeypatch.chdir(course.root)
    for command in (["grade", WEEK], ["export", WEEK], ["report", WEEK]):
        said = CliRunner().invoke(app, command)
        assert said.exit_code == 1
        [sentence] = said.output.strip().splitlines()
        assert sentence.startswith("the gradebook cannot be opened: ")
        assert f'"{course.root}/.s.PGSQL.5432" failed: No such file' in sentence
