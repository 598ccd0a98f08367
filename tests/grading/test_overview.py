"""The page and the table of a graded week: right numbers, what needs a person, and nothing that runs or loads."""

import contextlib
import csv
import re
from queue import Empty
from types import SimpleNamespace

import nbformat
import numpy as np
import psutil
import pytest
import tiny_homework
import torch
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from deepul_utils.checks import trained
from deepul_utils.checks.laws import LawBroken
from deepul_utils.checks.question import CaseResult, Outcome
from deepul_utils.checks.student import NotebookStudent, StudentFailed
from deepul_utils.cli import app
from deepul_utils.course.release import generate
from deepul_utils.grading import kernel, names, overview
from deepul_utils.grading.export import ExportError
from deepul_utils.grading.judge import _stopped, _unknown, _verdict
from deepul_utils.grading.record import NOTES, read
from deepul_utils.grading.report import outcome_of, problems
from deepul_utils.grading.sandbox import Limits
from deepul_utils.grading.warm_start import SandboxedProcess

WEEK = tiny_homework.WEEK
EVIL = "=HYPERLINK(1)<img src=x onerror=steal()>"
CASES = {"double": ("twice 0", "twice 3"), "half": ("half of 4", "half of 5")}


def judged(name, points, seconds, *messages):
    cases = zip(CASES[name], messages, strict=True)
    outcome = Outcome(f"sums.{name}", points, tuple(CaseResult(case, 1, not text, text) for case, text in cases))
    return new_code_cell(
        "checks.run(...)",
        outputs=[_verdict(outcome, points, seconds)],
        metadata={"nbgrader": {"grade_id": f"sums-{name}", "grade": True, "points": points}},
    )


def notebook(double, half, *, notes=(), seconds=(1.0, 0.5), cells=()):
    judged_cells = [judged("double", 2, seconds[0], *double), judged("half", 3, seconds[1], *half)]
    return new_notebook(cells=[new_code_cell("..."), *cells, *judged_cells], metadata={NOTES: list(notes)})


MISSING = "`double` is not answered yet"
ENDLESS = new_code_cell("...", outputs=[_stopped("a cell took longer than 8 seconds")])
CHANGED, COPIED = "sums-half was changed: its own text is back", "sums-half is there 2 times: the last one counts"
# By student: the score, what lateness takes off, whether the written answer waits, and the graded notebook.
CLASS = {
    "ada": (5.0, 0, True, notebook(("", ""), ("", ""))),
    "bob": (3.0, 0.5, False, notebook((MISSING, MISSING), ("", ""), notes=[CHANGED])),
    "cas": (2.5, 0, False, notebook(("be 0", "be 6"), ("", "be 2.5"), seconds=(40, 1), cells=[ENDLESS])),
    EVIL: (0.0, 0, False, notebook(("be 0", EVIL), (EVIL, "be 2.5"), notes=[COPIED])),
}


@pytest.fixture(scope="module")
def course(shared_course, tmp_path_factory):
    root = shared_course.root
    url = f"sqlite:///{root}/gradebook.db"
    generate(root, WEEK, into=tmp_path_factory.mktemp("unused"), db_url=url)
    with Gradebook(url) as gradebook:
        for student, (score, penalty, waits, graded) in CLASS.items():
            names.enter(gradebook, {student: {"ada": "Lovelace, Ada", "bob": f"{EVIL} Bob"}.get(student, "")})
            [record] = gradebook.update_or_create_submission(WEEK, student).notebooks
            record.late_submission_penalty = penalty
            for grade in record.grades:
                grade.auto_score = score if grade.name == "sums-half" else 0
                grade.needs_manual_grade = waits and grade.name == "sums-why"
            for step, suffix in (("submitted", "ipynb"), ("autograded", "ipynb"), ("feedback", "html")):
                path = root / step / student / WEEK / f"sums.{suffix}"
                path.parent.mkdir(parents=True)
                path.write_text(nbformat.writes(graded), encoding="utf-8")
        gradebook.db.commit()
    (root / "submitted" / "eve" / WEEK).mkdir(parents=True)
    return root


@pytest.fixture(scope="module")
def gathered(course):
    submissions, points = overview.gather(course, course, WEEK)
    assert points == 6
    return {one.student: one for one in submissions}


def test_what_each_student_did(gathered):
    assert list(gathered) == sorted([*CLASS, "eve"])
    ada, bob, cas = (gathered[name] for name in ("ada", "bob", "cas"))
    assert (ada.score, ada.waiting, ada.problems, ada.seconds) == (5, ["sums-why"], [], 1.5)
    assert (bob.score, bob.penalty) == (2.5, 0.5)
    assert bob.problems == [CHANGED, "not answered: sums.double"]
    assert ada.pages == {"sums": f"feedback/ada/{WEEK}/sums.html"}
    assert gathered["eve"].score is None
    assert cas.seconds == 41


def test_how_each_case_went(gathered):
    found = overview.cases(gathered.values())
    double, half = found["sums.double"], found["sums.half"]
    assert [(case.name, case.judged, case.wrong, case.unanswered) for case in double + half] == [
        ("twice 0", 4, 2, 1),
        ("twice 3", 4, 2, 1),
        ("half of 4", 4, 1, 0),
        ("half of 5", 4, 2, 0),
    ]
    assert half[1].examples == [("be 2.5", 2)]


def test_what_needs_a_person(gathered):
    found = overview.to_look_at(gathered.values())
    told = {kind: [(one.student, sentence) for one, sentence in sentences] for kind, sentences in found.items()}
    assert told == {
        "Not graded": [("eve", "it was handed in, and is not graded")],
        "Time, memory, or Python that ended": [("cas", "a cell took longer than 8 seconds")],
        "Odd cells: changed tests, copies, missing ones": [
            (EVIL, COPIED),
            ("bob", CHANGED),
        ],
        "Much slower than the usual 2 s": [("cas", "41 s")],
        "Written answers to read": [("ada", "sums-why")],
    }


def look(messages=("", ""), **options):
    """What there is to look at, by kind, where the cases of `double` said these."""
    marked = notebook(messages, ("", ""), **options)
    cells = [outcome for outcome in map(outcome_of, marked.cells) if outcome]
    one = overview.Submission("ada", score=1.0, outcomes={outcome["question"]: outcome for outcome in cells})
    one.problems = problems(marked, marked.metadata[NOTES])
    return {kind: [text for _, text in sentences] for kind, sentences in overview.to_look_at([one]).items()}


class Kernel(kernel.Kernel):
    """One whose process has `ended`, or used too much, and whose sockets brought this `reply`, or none."""

    def __init__(self, ended=False, reply=None, excess=""):
        self._reply, self.computed = lambda request: reply, 0.0
        self._process = SimpleNamespace(
            processes=lambda: [] if ended else [psutil.Process()],
            interrupt=lambda: None,
            end=lambda: None,
            excess=lambda: excess,
        )
        silent = ended or excess
        self._client = SimpleNamespace(get_iopub_msg=lambda timeout: self._idle(silent or not timeout))

    def _idle(self, silent):
        if silent:
            raise Empty
        return {"parent_header": {"msg_id": "1"}, "content": {"execution_state": "idle"}, "msg_type": "status"}

    def _execute(self, code, **options):
        return "1"


def called(timeout=1.0, **kernel):
    """What the check is told where a kernel like this is asked for `double`."""
    with pytest.raises(StudentFailed) as said:
        Kernel(**kernel).ask(None, "double", (0,), {}, timeout)
    return str(said.value)


def raised(allocates):
    """What it is told where `double` takes more memory than there is."""
    with pytest.raises(StudentFailed) as said:
        NotebookStudent({"double": allocates}).double(1 << 55)
    return str(said.value)


def excess(**limits):
    """What a sandbox finds to be too much in this very process."""
    process = object.__new__(SandboxedProcess)
    process._sandbox = SimpleNamespace(limits=Limits(**limits), kernel_processes=lambda: [psutil.Process()])
    return process.excess()


BROKEN, ENDED = "Broken Python, or answers that could not be read", "Time, memory, or Python that ended"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (BROKEN, lambda: called(reply=None)),
        (BROKEN, lambda: called(reply={"user_expressions": {"answer": {"data": {"text/plain": "[["}}}})),
        (BROKEN, lambda: f"`double` {Kernel(reply=None).run('', 1.0).stopped}"),
        (ENDED, lambda: called(ended=True)),
        (ENDED, lambda: called(timeout=0.0)),
        (ENDED, lambda: called(excess=excess(memory=1 << 20))),
        (ENDED, lambda: called(excess=excess(processes=0))),
        (ENDED, lambda: raised(bytearray)),
        (ENDED, lambda: raised(np.zeros)),
        (ENDED, lambda: raised(torch.zeros)),
    ],
)
def test_a_case_that_broke_or_ended_python_reaches_a_person(monkeypatch, kind, message):
    """By the sentences that the grader says itself, also where the question's first case failed otherwise."""
    monkeypatch.setattr(kernel, "GRACE", -1.0)
    said = message()
    assert look((said, said)) == {kind: [f"sums.double: twice 0: {said}"]}
    assert look(("be 0", said)) == {kind: [f"sums.double: twice 3: {said}"]}
    assert look(("be 0", "be 6")) == {}


def test_a_cell_that_broke_python_reaches_a_person():
    broken = new_code_cell("...", outputs=[_stopped(f"a cell {Kernel(reply=None).run('', 1.0).stopped}")])
    assert look(cells=[broken]) == {BROKEN: ["a cell broke the Python that ran it"]}


def test_what_could_not_be_graded_reaches_a_person(tmp_path):
    path = tmp_path / "sums.ipynb"
    path.write_text('{"cells": [')
    [note] = read(path).metadata[NOTES]
    assert look(notes=[note]) == {"Could not be graded": [note]}
    why = _unknown(NotebookNode(grade_id="sums-dubble", points=2)).cases[0].message
    assert look((why, why)) == {"Could not be graded": [f"sums.double: twice 0: {why}"]}


def test_odd_models_reach_a_person():
    def loss_of(loss):
        results = []

        @contextlib.contextmanager
        def case(name, weight):
            with pytest.raises(LawBroken) as said:
                yield
            results.append(str(said.value))

        trained.limits(case, lambda: loss, {2.0: 1.0}, implausible=1.0)
        return results[0]

    assert look(("be 0", said := loss_of(0.5))) == {"Odd models": [f"sums.double: twice 3: {said}"]}
    assert look(("be 0", loss_of(3.0))) == {}


def test_files_that_are_no_notebook_of_the_week_reach_a_person(course):
    found = overview.gather(course, course, WEEK)[0]
    path = course / "submitted" / "ada" / WEEK / "sums (1).ipynb"
    path.write_text("{}")
    try:
        again = overview.gather(course, course, WEEK)[0]
    finally:
        path.unlink()
    kind = "Files that are no notebook of the week"
    assert kind not in overview.to_look_at(found)
    [(one, said)] = overview.to_look_at(again)[kind]
    assert (one.student, said.split(" is no notebook")[0]) == ("ada", "sums (1).ipynb")


def test_scores_fall_into_tenths(gathered):
    assert overview.bins(gathered.values(), 6) == [1, 0, 0, 0, 2, 0, 0, 0, 1, 0]
    assert overview.bins([overview.Submission("full", score=6.0)], 6)[-1] == 1


def test_the_table_has_no_formula(course):
    overview.write(course, course, WEEK)
    with (course / f"{WEEK}_report.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert lines[0]["student"].startswith("'=HYPERLINK")
    ada = next(line for line in lines if line["student"] == "ada")
    assert ada == {
        "student": "ada", "name": "Ada Lovelace", "score": "5", "points": "6", "late_penalty": "0", "waiting": "1",
        "seconds": "1.5", "sums.double": "2", "sums.half": "3", "problems": "",
    }  # fmt: skip


def test_the_command_says_what_it_wrote(course, monkeypatch):
    monkeypatch.chdir(course)
    result = CliRunner().invoke(app, ["report", "week1"])
    assert result.output.splitlines() == [f"✓ {WEEK}_report.html", f"✓ {WEEK}_report.csv"]
    assert not list(course.glob(".*part"))


def test_without_grades_it_says_what_to_do(shared_course, tmp_path):
    with pytest.raises(ExportError, match=f"nothing of {WEEK} was graded in .*: type deepul grade"):
        overview.write(shared_course.root, tmp_path, WEEK)


def test_the_page_in_a_browser(course, browser):
    """It runs and loads nothing, fits a phone, and shows what students wrote as text."""
    page_file, _ = overview.write(course, course, WEEK)
    text = page_file.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "<img" not in text
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)
    page = browser.new_page(viewport={"width": 390, "height": 800})
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: errors.append(message.text))
    page.goto(page_file.as_uri())
    assert asked == [page_file.as_uri()]
    assert errors == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert EVIL in page.inner_text("body")
    assert "ada\nAda Lovelace\n" in page.inner_text(".students")
    assert page.locator(".scores div").count() == overview.BINS
    links = page.locator(".students a").evaluate_all("all => all.map(a => a.href)")
    assert [link for link in links if link.endswith("ada/week1_sums/sums.html")]
    page.close()
