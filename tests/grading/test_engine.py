"""A class is graded, the same by `deepul grade` and by nbgrader's own command; one's failure touches nobody else."""

import contextlib
import dataclasses
import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import nbformat
import pytest
import tiny_homework
from nbconvert.writers import FilesWriter
from nbgrader.api import Gradebook
from sqlalchemy import Engine, event
from typer.testing import CliRunner

from deepul_utils.checks.question import QUESTIONS, CaseResult, Outcome
from deepul_utils.cli import app
from deepul_utils.course.release import HomeworkError, generate, release
from deepul_utils.grading import engine, sandbox, settings
from deepul_utils.grading.cache import Cache
from deepul_utils.grading.engine import GradingError
from deepul_utils.grading.judge import _verdict
from deepul_utils.grading.pool import Pool
from deepul_utils.grading.record import handed_in_at, seed_of

# One worker grades the class for all of these tests.
pytestmark = [pytest.mark.xdist_group("engine"), pytest.mark.timeout(900)]

WEEK = tiny_homework.WEEK
MANUAL = ("sums-why", "sums", WEEK)


def scores(course):
    """Student by student, what the gradebook says: automatic points by question, and what waits for a person."""
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        return {
            submission.student.id: {
                grade.name: "waits" if grade.needs_manual_grade else grade.auto_score
                for notebook in submission.notebooks
                for grade in notebook.grades
            }
            for submission in gradebook.assignment_submissions(WEEK)
        }


EXPECTED = {
    "ada": {"sums-double": 2, "sums-half": 3, "sums-why": "waits"},
    "ben b.": {"sums-double": 1, "sums-half": 2, "sums-why": 0},
    "cora": {"sums-double": 0, "sums-half": 0, "sums-why": 0},
    "dan": {"sums-double": 0, "sums-half": 0, "sums-why": 0},
}


@pytest.fixture(scope="module")
def graded(shared_course):
    """The class, graded: ada is right, ben in part, cora's file is damaged, dan handed in something else."""
    course = shared_course
    course.submit("ada", course.answered(half="    import sys; print('!', file=sys.stderr)\n    return x / 2"))
    course.submit(
        "ben b.", course.answered("    return 0 * x", "    return x // 2", why=course.released.cells[-2].source)
    )
    course.submit("cora", '{"cells": [')
    course.submit("dan", course.answered(), name="sums (1).ipynb")
    students = engine.submissions(course.root, WEEK)
    assert students == list(EXPECTED)
    results = list(engine.grade(course.root, WEEK, students, course=course.root, timeout=60))
    assert "NBGRADER_EXECUTION" not in os.environ
    return {result.student: result for result in results}


def test_scores_reach_the_gradebook(graded, shared_course):
    assert scores(shared_course.root) == EXPECTED


def test_results_say_score_and_what_went_wrong(graded):
    assert (graded["ada"].score, graded["ada"].points, graded["ada"].waiting) == (5, 6, 1)
    assert graded["ada"].problems == ()
    assert (graded["ben b."].score, graded["ben b."].waiting) == (3, 0)
    assert graded["ben b."].problems == (
        "sums.double: twice 3: the answer should be 6, got 0",
        "sums.half: half of 5: // drops the rest",
    )
    assert graded["cora"].score == 0
    [problem] = graded["cora"].problems
    assert problem.startswith("sums.ipynb is damaged: it is no valid JSON from line 1 on")


def test_a_student_without_a_notebook_of_the_week_gets_nothing_and_is_told(graded):
    assert graded["dan"].score == 0
    assert graded["dan"].problems == (
        "sums.ipynb was not handed in",
        f"sums (1).ipynb is no notebook of {WEEK}: give it the name of one to have it graded",
    )


def test_feedback_is_written(graded, shared_course):
    page = shared_course.root / "feedback" / "ben b." / WEEK / "sums.html"
    assert "the answer should be 2.5, got 2" in page.read_text()
    assert "From the grader" in (shared_course.root / "feedback/cora" / WEEK / "sums.html").read_text()


def test_manual_scores_stay_when_graded_again(graded, shared_course):
    course = shared_course
    with Gradebook(f"sqlite:///{course.root}/gradebook.db") as gradebook:
        grade = gradebook.find_grade(*MANUAL, "ada")
        grade.manual_score, grade.needs_manual_grade = 0.5, False
        gradebook.db.commit()
    [again] = engine.grade(course.root, WEEK, ["ada"], course=course.root)
    assert again.score == 5.5


@pytest.fixture
def generous(monkeypatch):
    """Nothing runs, and every question gets all its points: for tests of what becomes of outcomes."""

    def judge(job):
        marks = [marks or {} for _, marks in json.loads(job.cells)]
        return json.dumps([[judged(one)] if one.get("grade") else [] for one in marks])

    def judged(marks):
        return _verdict(Outcome(marks["grade_id"], marks["points"], (CaseResult("all", 1, True),)), marks["points"])

    @contextlib.contextmanager
    def local(size):
        with ThreadPoolExecutor(1) as executor:
            yield Pool(executor, 1, judge)

    monkeypatch.setattr(engine, "local", local)


def test_nobody_is_asked_to_read_again_what_has_not_changed(course, generous):
    """A person has scored the written answer, and one that a check had judged."""
    course.submit("ada", course.answered())
    root = course.root

    def grade():
        [result] = engine.grade(root, WEEK, ["ada"], course=root, sandbox="none", force=True)
        return result.score, {name for name, score in scores(root)["ada"].items() if score == "waits"}

    assert grade() == (5, {"sums-why"})
    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        for name, score in (("sums-why", 0.5), ("sums-half", 2)):
            found = gradebook.find_grade(name, "sums", WEEK, "ada")
            found.manual_score, found.needs_manual_grade = score, False
        gradebook.db.commit()
    assert grade() == (4.5, set())
    course.submit("ada", course.answered("    return x + x"))
    assert grade() == (4.5, {"sums-half"})
    course.submit("ada", course.answered("    return x + x", why="Other words."))
    assert grade() == (4.5, {"sums-half", "sums-why"})
    assert grade() == (4.5, {"sums-half", "sums-why"})  # for nobody has looked


@pytest.mark.parametrize("garbage", ["yesterday, honest", "", "9" * 19, "\x00\xff", "2026-03-01 10:00:00 " * 50])
def test_a_timestamp_that_is_none_is_said_and_the_files_own_time_counts(tmp_path, garbage):
    (tmp_path / "timestamp.txt").write_text(garbage)
    (tmp_path / "sums.ipynb").write_text("{}")
    for name, when in (("sums.ipynb", 1_772_359_200), ("timestamp.txt", 1_772_000_000)):
        os.utime(tmp_path / name, (when, when))
    when, why = handed_in_at(tmp_path)
    assert when == datetime(2026, 3, 1, 10)
    assert why == "timestamp.txt holds no time, so that of the files counts: 2026-03-01 10:00:00 UTC"
    (tmp_path / "timestamp.txt").write_text("2026-03-01 12:00:00 UTC\n")
    assert handed_in_at(tmp_path) == (datetime(2026, 3, 1, 12), "")
    (tmp_path / "timestamp.txt").unlink()
    assert handed_in_at(tmp_path) == (None, "")


def test_a_student_with_a_broken_timestamp_is_graded_and_told(course, generous):
    path = course.submit("ada", course.answered())
    for name in ("sums.ipynb", "timestamp.txt"):
        if name == "timestamp.txt":
            path.with_name(name).write_text("soon")
        os.utime(path.with_name(name), (1_772_359_200, 1_772_359_200))
    [result] = engine.grade(course.root, WEEK, ["ada"], course=course.root, sandbox="none")
    assert result.score == 5
    assert result.problems == ("timestamp.txt holds no time, so that of the files counts: 2026-03-01 10:00:00 UTC",)
    with Gradebook(f"sqlite:///{course.root}/gradebook.db") as gradebook:
        assert gradebook.find_submission(WEEK, "ada").timestamp == datetime(2026, 3, 1, 10)


NOTHING = 'c.LateSubmissionPlugin.penalty_method = "zero"'
HALF_A_POINT_A_DAY = """
from nbgrader.plugins import BasePlugin
class HalfAPointADay(BasePlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return total_seconds_late / 86400 / 2
c.AssignLatePenalties.plugin_class = HalfAPointADay
"""
NOON, DAY = 1_772_366_400, 86_400  # 2026-03-01 12:00:00 UTC


@pytest.mark.parametrize(
    ("rule", "penalties"),
    [
        ("", {"early": 0, "late": 0, "broken": 0, "timeless": 0}),
        (NOTHING, {"early": 0, "late": 5, "broken": 5, "timeless": 0}),
        (HALF_A_POINT_A_DAY, {"early": 0, "late": 1, "broken": 1.5, "timeless": 0}),
    ],
    ids=["no rule", "nothing for late work", "half a point a day"],
)
def test_lateness_costs_what_the_configuration_says(course, generous, rule, penalties):
    """One was in time, one late by two days; one's timestamp is no time, and the files are three days late."""
    root, url = course.root, f"sqlite:///{course.root}/gradebook.db"
    times = {"early": "2026-03-01 11:59:59 UTC", "late": "2026-03-03 12:00:00 UTC", "broken": "at noon, of course"}
    for student in penalties:
        path = course.submit(student, course.answered())
        if student in times:
            path.with_name("timestamp.txt").write_text(times[student])
        for name in path.parent.iterdir():
            os.utime(name, (NOON + 3 * DAY, NOON + 3 * DAY))
    (root / settings.FILE).write_text(f"c = get_config()\n{rule}")

    def grade():
        results = engine.grade(root, WEEK, list(penalties), course=root, sandbox="none")
        result = {one.student: one.score for one in results}
        with Gradebook(url) as gradebook:
            taken = {one.student.id: one.late_submission_penalty for one in gradebook.assignment_submissions(WEEK)}
        assert result == {student: 5 - penalty for student, penalty in taken.items()}
        return taken

    assert set(grade().values()) == {0}  # no day is named yet
    with Gradebook(url) as gradebook:
        gradebook.update_or_create_assignment(WEEK, duedate="2026-03-01 12:00:00 UTC")
    assert grade() == penalties
    with Gradebook(url) as gradebook:
        gradebook.grant_extension(WEEK, "late", days=2)
    assert grade() == penalties | {"late": 0}


def kept(course):
    """The names of what is kept of judging and recording."""
    return {path.name for path in (course.root / "judged" / WEEK).glob("*.json")}


def test_what_no_run_asks_for_again_is_forgotten(course, generous):
    def grade(*names):
        results = engine.grade(course.root, WEEK, list(names), course=course.root, sandbox="none")
        assert [result.score for result in results] == [5] * len(names)
        return kept(course)

    course.submit("ada", course.answered())
    course.submit("ben", course.answered("    return x + x"))
    both = grade("ada", "ben")
    assert len(both) == 4  # an outcome and a record each
    course.submit("ada", course.answered("    return 2.0 * x"))
    assert grade("ada") > both  # not the whole class: what others have stays
    assert len(kept(course)) == 5
    with Cache(course.root / "judged" / WEEK).in_use():  # as another run does
        assert len(grade("ada", "ben")) == 5
    (course.root / "judged" / WEEK / "killed.part").touch()
    now = grade("ada", "ben")
    assert len(now) == 4
    assert len(now & both) == 3
    assert not (course.root / "judged" / WEEK / "killed.part").exists()


def test_a_run_that_was_stopped_forgets_nothing(course, generous):
    for name in ("ada", "ben"):
        course.submit(name, course.answered())
    Cache(course.root / "judged" / WEEK).put("old", "[]")
    running = engine.grade(course.root, WEEK, ["ada", "ben"], course=course.root, sandbox="none")
    with contextlib.closing(running):
        next(running)
    assert "old.json" in kept(course)


@pytest.fixture
def judged(monkeypatch):
    """The jobs that were sent to be judged."""
    jobs, submit = [], Pool.submit
    monkeypatch.setattr(Pool, "submit", lambda self, job: jobs.append(job) or submit(self, job))
    return jobs


@pytest.mark.parametrize(("name", "points"), [("sums.ipynb", 5), ("sums (1).ipynb", 0)])
def test_a_disk_too_full_for_the_gradebook_is_said_and_nothing_is_lost(course, generous, judged, name, points):
    """Also where it is met in recording that nothing of the week was handed in."""
    root = course.root
    course.submit("ada", course.answered())
    course.submit("ben", course.answered("    return x + x"), name)

    def grade(*students):
        return [one.score for one in engine.grade(root, WEEK, list(students), course=root, sandbox="none")]

    assert grade("ada") == [5]
    with contextlib.closing(sqlite3.connect(root / "gradebook.db")) as gradebook:
        gradebook.execute("PRAGMA page_size = 512")  # so that little fits into what there is
        gradebook.execute("VACUUM")

    def full(connection, record):
        connection.execute("PRAGMA max_page_count = 1")  # no more than there are

    event.listen(Engine, "connect", full)
    try:
        with pytest.raises(GradingError, match=r"cannot be used \(database or disk is full\); what was judged is kept"):
            grade("ada", "ben")
    finally:
        event.remove(Engine, "connect", full)
    assert sorted(grade("ada", "ben")) == sorted([5, points])
    assert scores(root) == {"ada": EXPECTED["ada"], "ben": EXPECTED["ada" if points else "dan"]}
    assert len(judged) == (2 if points else 1)


def test_a_disk_too_full_for_feedback_is_said_and_nothing_is_lost(course, generous, judged, monkeypatch):
    course.submit("ada", course.answered())
    root, write = course.root, FilesWriter.write

    def full(self, output, resources, **options):
        if "feedback" in self.build_directory:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, output, resources, **options)

    with monkeypatch.context() as patch:
        patch.setattr(FilesWriter, "write", full)
        [result] = engine.grade(root, WEEK, ["ada"], course=root, sandbox="none")
    assert result.score is None
    assert result.problems == ("nbgrader could not grade it: OSError: [Errno 28] No space left on device",)
    [result] = engine.grade(root, WEEK, ["ada"], course=root, sandbox="none")
    assert result.score == 5
    assert (root / "feedback" / "ada" / WEEK / "sums.html").is_file()
    assert len(judged) == 1


def test_whoever_hands_in_again_is_judged_on_other_data(tmp_path):
    """For feedback has named numbers of the cases that failed."""
    folder, earlier = tmp_path / "submitted/ada/week1", tmp_path / "submitted_earlier/ada/week1"
    first = seed_of(tmp_path, folder, "made")
    earlier.mkdir(parents=True)
    for name in ("made_x_0123abcd.ipynb", "made_0123abcd.safetensors", "mad_0123abcd.ipynb"):
        (earlier / name).touch()
    assert seed_of(tmp_path, folder, "made") == first == seed_of(tmp_path, tmp_path / "submitted/ben/week1", "made")
    seeds = [first]
    for name in ("made_0123abcd.ipynb", "made_0123abce.ipynb"):
        (earlier / name).touch()
        seeds.append(seed_of(tmp_path, folder, "made"))
        assert seeds[-1] == seed_of(tmp_path, tmp_path / "autograded/ada/week1", "made")
    assert len(set(seeds)) == 3


def written(*folders):
    """When each file in them was written."""
    return {path: path.stat().st_mtime_ns for folder in folders for path in folder.rglob("*")}


def test_a_second_run_judges_and_records_nothing_again(graded, shared_course, monkeypatch):
    root = shared_course.root
    before = written(root / "autograded", root / "feedback")
    monkeypatch.setattr(Pool, "submit", lambda self, job: pytest.fail("judged again"))
    results = engine.grade(root, WEEK, ["ben b.", "cora", "dan"], course=root, timeout=60)
    again = {result.student: result for result in results}
    assert again == {name: graded[name] for name in again}
    assert written(root / "autograded", root / "feedback") == before


def test_a_score_by_hand_reaches_the_feedback_and_nothing_else(graded, shared_course, monkeypatch):
    root, page = shared_course.root, shared_course.root / "feedback/ben b." / WEEK / "sums.html"
    before = written(root / "autograded")
    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        gradebook.find_comment("sums-double-answer", "sums", WEEK, "ben b.").manual_comment = "Look at zero again."
        gradebook.db.commit()
    monkeypatch.setattr(Pool, "submit", lambda self, job: pytest.fail("judged again"))
    [again] = engine.grade(root, WEEK, ["ben b."], course=root, timeout=60)
    assert again == graded["ben b."]
    assert "Look at zero again." in page.read_text()
    assert written(root / "autograded") == before


def test_force_judges_again_and_what_has_changed_is_judged_once_for_all(graded, shared_course, monkeypatch):
    root, judged, submit = shared_course.root, [], Pool.submit
    monkeypatch.setattr(Pool, "submit", lambda self, job: judged.append(job.cells) or submit(self, job))
    shared_course.submit("eve", shared_course.answered("    return x + x"))
    shared_course.submit("fay", shared_course.answered("    return x + x"))
    try:
        results = list(engine.grade(root, WEEK, ["cora", "eve", "fay"], course=root, force=True, jobs=1))
    finally:
        shutil.rmtree(root / "submitted/eve")
        shutil.rmtree(root / "submitted/fay")
    assert sorted((result.student, result.score) for result in results) == [("cora", 0), ("eve", 5), ("fay", 5)]
    assert len(judged) == len(set(judged)) == 2


def test_only_those_named_are_graded(graded, shared_course):
    assert engine.submissions(shared_course.root, WEEK, ["a*", "cora"]) == ["ada", "cora"]
    with pytest.raises(GradingError, match=r"no folder .*zed"):
        engine.submissions(shared_course.root, WEEK, ["a*", "zed"])


def test_nbgraders_own_command_gives_the_same_scores(graded, shared_course, tmp_path):
    root = tmp_path / "elsewhere"
    for name in ("solutions", "submitted"):
        shutil.copytree(shared_course.root / name, root / name)
    shutil.rmtree(root / "submitted/dan")  # whom nbgrader leaves out, with an exit code of 1
    config = (Path(__file__).parents[2] / settings.FILE).read_text()
    (root / settings.FILE).write_text(f"import tiny_homework\n{config}")  # its questions are not the course's own
    generate(root, WEEK, into=tmp_path / "unused", db_url=f"sqlite:///{root}/gradebook.db")
    command = [str(Path(sys.executable).with_name("nbgrader")), "autograde", WEEK]
    bare = {key: value for key, value in os.environ.items() if key != "PATH"} | {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=root, env=bare, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert scores(root) == {name: EXPECTED[name] for name in ("ada", "ben b.", "cora")}
    assert len(list((root / "judged" / WEEK).glob("*.json"))) == 3  # what it judged is kept


def test_changed_questions_are_refused_once_graded(graded, shared_course, tmp_path, monkeypatch):
    notebook = tiny_homework.solution()
    notebook.cells = [cell for cell in notebook.cells if not cell.id.startswith("half")]
    changed = tmp_path / "solutions" / WEEK / "sums.ipynb"
    changed.parent.mkdir(parents=True)
    nbformat.write(notebook, changed)
    shutil.copy(shared_course.root / "gradebook.db", tmp_path)
    with pytest.raises(HomeworkError, match=r"not those that gradebook\.db has scores for; move that file away"):
        next(engine.grade(tmp_path, WEEK, ["ada"], course=tmp_path))


def test_changed_points_count_for_whoever_is_graded_again(course, monkeypatch):
    root = course.root
    course.submit("ada", course.answered())
    course.submit("ben", course.answered(half="    return x // 2"))  # two thirds of it

    def grade():
        results = engine.grade(root, WEEK, ["ada", "ben"], course=root, jobs=1)
        return {result.student: (result.score, result.points) for result in results}

    assert grade() == {"ada": (5, 6), "ben": (4, 6)}
    notebook = tiny_homework.solution()
    [half] = [cell for cell in notebook.cells if cell.id == "half-check"]
    half.metadata.nbgrader.points = 6
    nbformat.write(notebook, root / "solutions" / WEEK / "sums.ipynb")
    with pytest.raises(HomeworkError, match="gives 6 points, but its check gives 3"):
        release(root, WEEK)
    monkeypatch.setitem(QUESTIONS, "sums.half", dataclasses.replace(QUESTIONS["sums.half"], points=6))
    release(root, WEEK)
    assert grade() == {"ada": (8, 9), "ben": (6, 9)}
    assert scores(root) == {
        "ada": {"sums-double": 2, "sums-half": 6, "sums-why": "waits"},
        "ben": {"sums-double": 2, "sums-half": 4, "sums-why": "waits"},
    }


def test_without_bubblewrap_the_command_refuses_and_runs_nothing(course, monkeypatch):
    course.submit("ada", course.answered())
    before = written(course.root)
    monkeypatch.chdir(course.root)
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    monkeypatch.setattr(Pool, "submit", lambda self, job: pytest.fail("it was judged"))
    result = CliRunner().invoke(app, ["grade", "week1"])
    assert result.exit_code == 1, result.output
    assert "bubblewrap is missing" in result.stderr
    assert "--sandbox docker" in result.stderr
    assert "podman" in result.stderr
    assert "--unsafe-no-sandbox" in result.stderr
    assert written(course.root) == before


def test_a_name_that_nbgrader_cannot_use_is_said(shared_course, tmp_path):
    [result] = engine.grade(shared_course.root, WEEK, ["ben [2]"], course=tmp_path)
    assert result.score is None
    assert result.problems == ("nbgrader cannot use this name: take [, ], * and ? out of the folder's",)


def test_nothing_to_grade_is_said(tmp_path):
    with pytest.raises(GradingError, match=r"there is nothing to grade: no folder .*submitted/\*/week1_sums"):
        engine.submissions(tmp_path, WEEK)


@pytest.mark.parametrize("command", ["grade week1", "release"])
def test_without_nbgrader_the_command_says_what_to_install(command):
    source = "import sys; sys.modules['nbgrader'] = None; from deepul_utils.cli import app; app(sys.argv[1:])"
    done = subprocess.run([sys.executable, "-c", source, *command.split()], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("nbgrader")
    assert done.stderr.endswith("is missing here; try: pip install 'deepul_utils[instructor]'\n")


def test_configuration_of_the_repository_and_then_of_the_class_counts(tmp_path):
    root, course = tmp_path / "root", tmp_path / "class"
    for folder, text in (
        (root, "c.JudgeCells.timeout = 3\nc.CourseDirectory.root = 'elsewhere'\nc.LimitOutput.max_lines = 7"),
        (course, "c.JudgeCells.timeout = 4"),
    ):
        folder.mkdir()
        (folder / settings.FILE).write_text(f"c = get_config()\n{text}\n")
    config = settings.load(root, course)
    assert (config.JudgeCells.timeout, config.LimitOutput.max_lines) == (4, 7)
    assert config.CourseDirectory.root == str(course)
    assert config.CourseDirectory.source_directory == "../root/solutions"
    assert settings.load(root, root).JudgeCells.timeout == 3


def test_the_command_prints_the_class(shared_course, monkeypatch):
    """A class whose only student's file is damaged, from the folder of the course, with a folder of its own."""
    course = shared_course.root.parent / "class"
    path = course / "submitted/eve" / WEEK / "sums.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text("")
    monkeypatch.chdir(shared_course.root)
    result = CliRunner().invoke(app, ["grade", "week1", "--course", str(course)], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert "0 of 6" in result.output
    assert "sums.ipynb is empty, so nothing in it could be graded" in result.output
    assert (course / "gradebook.db").is_file()
    assert (course / "feedback/eve" / WEEK / "sums.html").is_file()
    result = CliRunner().invoke(app, ["grade", "week2", "--course", str(course)])
    assert (result.exit_code, result.stderr) == (1, "there is no week 'week2' in solutions/; there are week1_sums\n")
