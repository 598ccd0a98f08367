"""What the tests of each homework's checks share: right answers, however written, and wrong ones, told their cause."""

from deepul_utils.checks import laws
from deepul_utils.checks.question import QUESTIONS
from deepul_utils.checks.student import NotebookStudent


class Answers:
    """Subclass it as `TestAnswers` in the test of a file of checks, say `test_made.py` for `made.py`; list the answers.

    Attributes:
        notebook: the homework.
        right: (question, name that the student gives, answer), two or more for each question of that file, except for
            those that ask for weights.
        wrong: (question, answer, words of the message that names the cause).
        seeds: of the checks.
    """

    notebook = ""
    right = ()
    wrong = ()
    seeds = range(4)

    def pytest_generate_tests(self, metafunc):
        wanted = set(metafunc.fixturenames)
        if "cause" in wanted:
            ids = [f"{question}: {cause}" for question, _, cause in self.wrong]
            metafunc.parametrize(("question", "answer", "cause"), self.wrong, ids=ids)
        elif "answer" in wanted:
            metafunc.parametrize(("question", "answer"), [(question, answer) for question, _, answer in self.right])
        elif "question" in wanted:
            metafunc.parametrize("question", self.asked())
        if "seed" in wanted:
            metafunc.parametrize("seed", self.seeds)

    @classmethod
    def asked(cls):
        """The questions of the file of checks that this one tests, without those whose right answers are weights."""
        file = cls.__module__.rsplit("test_", 1)[-1]
        mine = [q for q in QUESTIONS.values() if q.body.__module__.split(".")[-1] == file and not q.weights]
        assert {q.id.split(".")[0] for q in mine} == {cls.notebook}
        return [q.id.split(".")[1] for q in mine]

    @classmethod
    def names(cls):
        return {question: name for question, name, _ in cls.right}

    @classmethod
    def judge(cls, question, answer, seed=0, name=None):
        """The outcome where the student's only name is that of `answer`."""
        student = NotebookStudent({name or cls.names()[question]: answer})
        return QUESTIONS[f"{cls.notebook}.{question}"].judge(student, seed)

    def test_right_answers_get_every_point(self, question, answer, seed):
        outcome = self.judge(question, answer, seed)
        assert [case.message for case in outcome.cases if not case.passed] == []
        assert outcome.score == outcome.points

    def test_each_question_has_two_right_answers(self, question):
        assert sum(asked == question for asked, _, _ in self.right) >= 2

    def test_wrong_answers_are_told_the_cause(self, question, answer, cause, seed):
        outcome = self.judge(question, answer, seed)
        assert outcome.score < outcome.points
        assert cause in "\n".join(case.message for case in outcome.cases)

    def test_each_cause_is_told_to_a_wrong_answer(self, question, monkeypatch):
        """Of those that the check hands to `laws.matches`."""
        known, told, matches = set(), set(), laws.matches

        def noted(*args, causes=None, **options):
            known.update(causes or {})
            matches(*args, causes=causes, **options)

        monkeypatch.setattr(laws, "matches", noted)
        # A right answer comes to every comparison, a wrong one only to the first that it fails in each case.
        self.judge(question, next(answer for asked, _, answer in self.right if asked == question))
        for answer in [answer for asked, answer, _ in self.wrong if asked == question]:
            if known <= told:
                break
            lines = [line for case in self.judge(question, answer).cases for line in case.message.splitlines()]
            told.update(line.removeprefix(laws.CAUSE) for line in lines if line.startswith(laws.CAUSE))
        assert known - told == set()

    def test_no_answer_gets_no_point(self, question):
        def unanswered(*args):
            raise NotImplementedError

        assert self.judge(question, unanswered).score == 0
        assert self.judge(question, unanswered, name="another_name").score == 0
