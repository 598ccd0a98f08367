"""Questions: cases, weights, scores, the card, and that no check can be thrown off its course."""

import json
import sys
import warnings

import pytest

from deepul_utils import checks
from deepul_utils.checks import laws
from deepul_utils.checks.card import Row, card
from deepul_utils.checks.question import OUTCOME_MIME, QUESTIONS, CaseResult, Outcome, Question, question
from deepul_utils.checks.student import NotebookStudent
from deepul_utils.data.mnist import DataUnavailable


@pytest.fixture
def double(monkeypatch):
    monkeypatch.setattr("deepul_utils.checks.question.QUESTIONS", registered := {})

    @question("sums.double", points=4)
    def double(student, case, seed):
        for x, weight in [(0, 1), (3, 2), (seed, 1)]:
            with case(f"twice {x}", weight):
                laws.matches(student.double(x), 2 * x)

    assert registered == {"sums.double": double}
    return double


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        (lambda x: 2 * x, 4),
        (lambda x: x + 3, 2),  # right at 3, which weighs half
        (lambda x: 0, 1),
        (lambda x: 7, 0),
        (lambda x: [2 * x] if x == 0 else 2 * x, 3),
        (lambda x: 1 / 0, 0),
        (lambda x: None, 0),
        (lambda x: "2" * x, 0),
    ],
)
def test_points_follow_the_weights(double, answer, score):
    assert double.judge(NotebookStudent({"double": answer}), seed=5).score == score


def test_a_third_of_a_point_is_rounded(double):
    outcome = Outcome("q", 1, (CaseResult("a", 1, True), CaseResult("b", 2, False)))
    assert outcome.score == 0.33
    assert Outcome("q", 1, (CaseResult("a", 1, True), CaseResult("b", 2, True))).score == 1


def test_cases_are_the_same_whatever_the_answer(double):
    right, missing = (double.judge(NotebookStudent(n), seed=5) for n in ({"double": lambda x: 2 * x}, {}))
    assert [c.name for c in right.cases] == [c.name for c in missing.cases] == ["twice 0", "twice 3", "twice 5"]
    assert not any(c.passed for c in missing.cases)
    assert all("the notebook has no `double`" in c.message for c in missing.cases)


def test_an_answer_that_the_check_cannot_digest_is_a_failed_case(monkeypatch):
    monkeypatch.setattr("deepul_utils.checks.question.QUESTIONS", {})

    @question("sums.pair", points=1)
    def pair(student, case, seed):
        with case("both"):
            first, second = student.pair()
            laws.matches(first + second, 3)
        with case("again"):
            laws.matches(student.pair(), [1, 2])

    assert pair.judge(NotebookStudent({"pair": lambda: (1, 2)})).score == 1
    outcome = pair.judge(NotebookStudent({"pair": lambda: (1, 2, 3)}))
    assert outcome.score == 0
    assert "not of the kind that the question asks for" in outcome.cases[0].message
    assert "too many values to unpack" in outcome.cases[0].message


def test_a_check_without_cases_is_a_mistake(monkeypatch):
    monkeypatch.setattr("deepul_utils.checks.question.QUESTIONS", {})
    empty = question("sums.empty", points=1)(lambda student, case, seed: None)
    with pytest.raises(ValueError, match=r"sums\.empty opens no case"):
        empty.judge(NotebookStudent({}))


def test_names_are_taken_once(double):
    with pytest.raises(ValueError, match=r"two checks are called 'sums\.double'"):
        question("sums.double", points=1)(lambda student, case, seed: None)


def test_run_names_the_questions_there_are(double):
    with pytest.raises(ValueError, match=r"there is no question 'sums.dubble'; there are sums\.double"):
        checks.run("sums.dubble", {})


def test_run_keeps_stderr_clean(double, capsys):
    """nbgrader takes anything on stderr for an error."""

    def noisy(x):
        warnings.warn("careful", stacklevel=1)
        print("on the way", file=sys.stderr)
        return 2 * x

    assert checks.run("sums.double", {"double": noisy}).score == 4
    out, err = capsys.readouterr()
    assert err == ""
    assert "on the way" in out


def test_plain_text_is_the_score_alone(double):
    bundle = checks.run("sums.double", {"double": lambda x: 0})._repr_mimebundle_()
    assert float(bundle["text/plain"]) == 2  # 2 * 0 twice, as run's seed is 0
    assert json.loads(json.dumps(bundle[OUTCOME_MIME]))["cases"][1] == {
        "name": "twice 3",
        "weight": 2,
        "passed": False,
        "message": "the answer should be 6, got 0",
        "picture": "",
    }


def test_the_card_escapes_what_students_write():
    shown = card("<b>", 0, 1, [Row(False, "<script>", "<img src=x>")], "<i>")
    assert "<script>" not in shown
    assert "<img" not in shown
    assert "&lt;img src=x&gt;" in shown
    assert "&lt;i&gt;" in shown


def test_the_card_keeps_the_columns_of_arrays():
    rows = [Row(False, "a", "expected 1, got 2"), Row(False, "b", "wrong <\nexpected [1]\ngot      [2]")]
    shown = card("q", 0, 1, rows)
    assert 'wrong &lt;\n<span style="font-family:ui-monospace,monospace">expected [1]\ngot      [2]</span>' in shown
    assert shown.count("monospace,") == 1


def test_the_card_says_a_message_once_in_a_row():
    rows = [Row(False, "a", "same"), Row(False, "b", "same"), Row(True, "c"), Row(False, "d", "same")]
    shown = card("q", 0, 1, rows)
    assert shown.count("same") == 2
    assert shown.count("✗") == 3
    assert shown.count("✓") == 1


@pytest.mark.parametrize("asked", QUESTIONS.values(), ids=QUESTIONS)
def test_every_question_gives_nothing_for_nothing(asked):
    """An untouched notebook gets a failed case everywhere, and points are earned in full by weights that add up."""
    for seed in range(3):
        outcome = asked.judge(NotebookStudent({}), seed)
        assert outcome.score == 0
        assert not any(case.passed for case in outcome.cases)
        missing = ".safetensors" if asked.weights else "the notebook has no `"
        assert all(missing in case.message for case in outcome.cases), outcome
        assert len({case.name for case in outcome.cases}) == len(outcome.cases)
        assert all(case.weight > 0 for case in outcome.cases)


def test_data_that_cannot_be_had_cost_nobody_points():
    def body(student, case, seed):
        with case("on MNIST"):
            raise DataUnavailable("no connection")

    with pytest.raises(DataUnavailable, match="no connection"):
        Question("doctest.data", 1, (), body).judge(None)
