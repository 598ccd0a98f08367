"""The test loss of a trained model: right to the last digit for honest models, out of reach for the others."""

import re

import numpy as np
import pytest
import torch
import trained_homework
from safetensors.torch import save
from torch.nn import functional as F

from deepul_utils import checks
from deepul_utils.checks.laws import LawBroken
from deepul_utils.checks.question import QUESTIONS, Question
from deepul_utils.checks.student import NotebookStudent
from deepul_utils.checks.trained import limits, softmax_loss
from deepul_utils.models.made import MADE
from deepul_utils.models.pixelcnn import PixelCNN


@pytest.fixture
def question():
    return QUESTIONS["toys.trained"]


@pytest.fixture
def files():
    return {"toys.safetensors": save(trained_homework.right_weights())}


def notebook(code):
    namespace = {"__name__": "__main__"}
    exec(trained_homework.HONEST + code, namespace)
    return namespace


@pytest.mark.parametrize("seed", range(4))
def test_right_weights_pass_on_any_test_data(question, files, seed):
    outcome = question.judge(NotebookStudent(notebook("")), seed, files)
    assert [case.message for case in outcome.cases] == ["", ""]
    assert outcome.score == 4


def test_a_model_of_ones_own_passes(question):
    """Another architecture under other names, which answers in float64, and whose build draws random numbers."""
    code = """
class Tables(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Parameter(torch.randn(6, dtype=torch.float64))
        self.b = torch.nn.Parameter(torch.randn(6, 6, dtype=torch.float64))
        self.c = torch.nn.Parameter(torch.randn(6, 6, 6, dtype=torch.float64))
    def forward(self, x):
        return torch.stack([self.a.expand(len(x), 6), self.b[x[:, 0]], self.c[x[:, 0], x[:, 1]]], 1)

def build_model():
    torch.nn.Dropout(0.5)
    return Tables()
"""
    x, counts = trained_homework.draw(20_000, seed=1), np.full((6, 6, 6), 0.01)
    np.add.at(counts, tuple(x.T), 1)
    logs = {"a": np.log(counts.sum((1, 2))), "b": np.log(counts.sum(2)), "c": np.log(counts)}
    weights = save({name: torch.tensor(table) for name, table in logs.items()})
    outcome = question.judge(NotebookStudent(notebook(code)), 3, {"toys.safetensors": weights})
    assert [case.message for case in outcome.cases] == ["", ""]


@pytest.mark.parametrize("name", trained_homework.CHEATS)
def test_a_cheat_and_a_mistake_gain_nothing_and_are_told_why(question, files, name):
    code, said = trained_homework.CHEATS[name]
    outcome = question.judge(NotebookStudent(notebook(code)), 0, files)
    assert outcome.score == 0
    assert all(said in case.message for case in outcome.cases)


def test_a_weaker_model_earns_a_part(question, files):
    flat = "\nclass Net(Net):\n    forward = lambda self, x: 0.6 * self.conditionals(x)"
    outcome = question.judge(NotebookStudent(notebook(flat)), 0, files)
    assert [case.passed for case in outcome.cases] == [True, False]
    assert outcome.score == 1
    assert re.fullmatch(
        r"the test loss is 1\.4\d+ nats per dimension; train longer, or a larger model", outcome.cases[1].message
    )


def test_a_loss_that_no_model_reaches_earns_nothing():
    calls = []

    def loss():
        calls.append(1)
        return 0.3

    body = lambda student, case, seed: limits(case, loss, {0.6: 1, 0.5: 1}, implausible=0.31)  # noqa: E731
    outcome = Question("toys.implausible", 2, (), body).judge(None)
    assert outcome.score == 0
    assert all("below what a model can reach that was not trained on the test data" in c.message for c in outcome.cases)
    assert len(calls) == 1


def test_in_the_notebook_the_file_lies_beside_it(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    missing = checks.run("toys.trained", notebook(""))
    assert missing.score == 0
    assert missing.cases[0].message.startswith("there is no toys.safetensors beside the notebook")
    (tmp_path / "toys.safetensors").write_bytes(files["toys.safetensors"])
    assert checks.run("toys.trained", notebook("")).score == 4


def exact(model, x):
    with torch.no_grad():
        return -model.log_prob(torch.tensor(x)).double().mean().item() / x[0].size


def test_the_loss_is_that_of_the_librarys_models():
    """In another ordering, as images, and with colours; all values hidden, or only some."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    order = [2, 0, 3, 1]
    made = MADE(dims=4, hidden=[32], num_values=3, orders=[order])
    x = rng.integers(3, size=(150, 4))
    for hidden in (50, 200, 600):
        got = softmax_loss(lambda x: made(x), x, 3, seed=hidden, order=order, hidden=hidden)
        assert got == pytest.approx(exact(made, x), abs=1e-6)
    with pytest.raises(LawBroken, match="do not come before it"):
        softmax_loss(lambda x: made(x), x, 3, seed=0)  # in the ordering 0, 1, 2, 3
    cnn = PixelCNN((5, 5), num_values=2).eval()
    x = rng.integers(2, size=(40, 5, 5))
    assert softmax_loss(lambda x: cnn(x), x, 2, seed=0) == pytest.approx(exact(cnn, x), abs=1e-5)


class Remembers:
    """Gives honest logits for each beginning that it sees for the first time, and repeats them; else it peeks.

    So every logit stays as it was once a value was hidden, and no law of single calls catches it.
    """

    def __init__(self, hidden_rows):
        self.known, self.left = {}, hidden_rows

    def __call__(self, x):
        logits = torch.zeros(*x.shape, 2)
        for row, out in zip(x.tolist(), logits, strict=True):
            for i, value in enumerate(row):
                if self.left > 0:
                    self.known[tuple(row[:i])] = True
                elif tuple(row[:i]) not in self.known:
                    out[i] = 4.0 * F.one_hot(torch.tensor(value), 2)
            self.left -= 1
        return logits


def test_a_model_that_remembers_all_calls_gains_nothing():
    x = np.random.default_rng(0).integers(2, size=(500, 40))
    said = r"the test loss would be 0\.\d+ nats per dimension, but it is 0\.6931 where each value is hidden"
    with pytest.raises(LawBroken, match=said):
        softmax_loss(Remembers(500), x, 2, seed=0, hidden=500)


def test_chance_alarms_nobody():
    """A few hidden values, of a law with rare and costly surprises, under many seeds."""
    x = (np.random.default_rng(1).random((300, 30)) < 0.03).astype(int)
    logits = torch.log(torch.tensor([0.97, 0.03]))
    losses = [softmax_loss(lambda x: logits.expand(*x.shape, 2), x, 2, seed=s, hidden=300) for s in range(200)]
    assert np.ptp(losses) < 1e-12


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_no_number_keeps_no_limit(value):
    body = lambda student, case, seed: limits(case, lambda: value, {9.0: 1, 5.0: 2}, implausible=0.5)  # noqa: E731
    assert Question("toys.number", 1, (), body).judge(None, 0).score == 0
