"""What went wrong, in sentences that a person reads at a glance."""

import io

from nbformat.v4 import new_code_cell, new_notebook, new_output
from rich.console import Console

from deepul_utils.checks.question import CaseResult, Outcome
from deepul_utils.grading.judge import _verdict, failed
from deepul_utils.grading.report import Graded, class_table, problems, questions_table


def answer(name, *outputs):
    return new_code_cell("...", outputs=list(outputs), metadata={"nbgrader": {"grade_id": f"sums-{name}-answer"}})


def judged(outcome):
    marks = {"grade_id": outcome.question.replace(".", "-"), "grade": True, "points": outcome.points}
    return new_code_cell("...", outputs=[_verdict(outcome, outcome.points)], metadata={"nbgrader": marks})


def outcome(name, *messages):
    cases = tuple(CaseResult(f"case {n}", 1, not message, message) for n, message in enumerate(messages))
    return Outcome(f"sums.{name}", 2, cases)


def error(ename, evalue):
    return new_output("error", ename=ename, evalue=evalue, traceback=[])


def said(*cells, notes=()):
    return problems(new_notebook(cells=list(cells)), notes)


def test_nothing_that_is_said_commands_a_terminal():
    """A terminal would put a text of the student's on the clipboard, clear itself, or show a text backwards."""
    evil = "oh\x1b]52;c;ZXZpbA==\x07 no \x9b2J, \u202eoh"
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    console.print(class_table([Graded(evil, 1, 2, 0, (evil,))]))
    console.print(questions_table([outcome("double", evil)]))
    assert not set(console.file.getvalue()) & set("\x1b\x07\x9b\u202e")
    assert "no \ufffd2J" in console.file.getvalue()


def test_nothing_is_said_where_nothing_is_wrong():
    assert said(answer("double"), judged(outcome("double", ""))) == []


def test_the_first_failed_case_and_its_usual_cause():
    failing = outcome("double", "", "should be 6, got 5\nUsual cause: Add nothing\nexpected 6", "other")
    assert said(answer("double"), judged(failing)) == ["sums.double: case 1: Add nothing"]


def test_a_syntax_error_explains_its_question():
    broken = answer("double", error("SyntaxError", "invalid syntax (3141592653.py, line 3)"))
    cells = (broken, judged(outcome("double", "the notebook has no `double`")))
    assert said(*cells) == ["sums.double: SyntaxError: invalid syntax in line 3"]


def test_unanswered_questions_are_said_together():
    cells = [judged(outcome(name, f"`{name}` is not answered yet")) for name in ("double", "half")]
    assert said(answer("double"), *cells) == ["not answered: sums.double, sums.half"]


def test_free_cells_may_fail_unless_they_never_end():
    assert said(new_code_cell("...", outputs=[error("NameError", "no x")]), answer("double")) == []
    stopped = error("Stopped", "a cell took longer than 5 seconds")
    assert said(new_code_cell("...", outputs=[stopped])) == ["a cell took longer than 5 seconds"]
    assert said(answer("double", stopped)) == ["sums.double: its cell took longer than 5 seconds"]


def test_a_question_that_could_not_be_judged():
    cell = judged(failed("sums.double", 2, "it took longer than 5 seconds"))
    assert said(answer("double"), cell) == ["sums.double: it took longer than 5 seconds"]


def test_where_nothing_is_the_students_the_notes_say_it_all():
    assert said(judged(outcome("double", "the notebook has no `double`")), notes=["it is empty"]) == ["it is empty"]


def text(table, width=100):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_tables_show_scores_and_take_markup_as_text():
    graded = [
        Graded("ada [bold]", 5.5, 6, 1, ()),
        Graded("ben", None, 0, 0, ("nbgrader could not [red]grade[/] it",)),
    ]
    shown = text(class_table(graded))
    for part in ("ada [bold]", "5.5 of 6", "+ 1 to read", "not graded", "could not [red]grade[/] it"):
        assert part in shown


def test_a_message_is_shown_once_in_a_row():
    shown = text(questions_table([outcome("double", "same [b]", "same [b]", "", "same [b]")]))
    assert shown.count("same [b]") == 2
    assert shown.count("✗") == 3
