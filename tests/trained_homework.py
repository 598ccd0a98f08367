"""A question that asks for the weights of a model of week 1, and what students answer, honest and not.

Importing it registers the question, here and in the grader's processes.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch

from deepul_utils.checks.question import QUESTIONS, question
from deepul_utils.checks.trained import limits, loaded, softmax_loss
from deepul_utils.models.toy_autoregressive import ToyAutoregressive
from deepul_utils.training import Batches, fit

K = 6
REACHED, IMPLAUSIBLE = 1.45, 1.2  # nats per dimension; the true law has 1.416


def draw(n: int, seed: int) -> np.ndarray:
    """x_0 uniform, x_1 mostly x_0 + 1, x_2 mostly x_1 + x_0: (n, 3) integers."""
    rng = np.random.default_rng(seed)
    x0 = rng.integers(K, size=n)
    noise = rng.choice(K, size=(2, n), p=[0.6, 0.2, 0.05, 0.05, 0.05, 0.05])
    x1 = (x0 + 1 + noise[0]) % K
    return np.stack([x0, x1, (x0 + x1 + noise[1]) % K], axis=1)


if "toys.trained" not in QUESTIONS:

    @question("toys.trained", points=4, weights="toys")
    def trained(student: Any, case: Any, seed: int, weights: Any) -> None:
        """Two limits, on test data that are drawn afresh for each seed."""
        test = draw(2000, seed)
        limits(
            case,
            lambda: softmax_loss(loaded(student.build_model, weights), test, K, seed=seed),
            {1.6: 1, REACHED: 3},
            implausible=IMPLAUSIBLE,
        )


@cache
def right_weights() -> dict[str, torch.Tensor]:
    """Those of the model that `HONEST` builds, trained for a moment."""
    torch.manual_seed(0)
    model = Net()
    fit(model, Batches(draw(6000, seed=999), batch_size=500), epochs=8, lr=0.01)
    return model.state_dict()


class Net(ToyAutoregressive):
    def __init__(self) -> None:
        super().__init__(K, dims=3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conditionals(x)


HONEST = """
import torch
from torch.nn import functional as F
from deepul_utils.models.toy_autoregressive import ToyAutoregressive

class Net(ToyAutoregressive):
    def __init__(self):
        super().__init__(6, dims=3)

    def forward(self, x):
        return self.conditionals(x)

def build_model():
    return Net()
"""
# Each is added to HONEST: what it tries, and what it is told.
CHEATS: dict[str, tuple[str, str]] = {
    "log_prob and loss say that all is certain": (
        """
class Net(Net):
    def log_prob(self, x):
        return torch.zeros(len(x))
    def loss(self, x):
        return torch.tensor(0.0)
    def forward(self, x):
        return torch.zeros(*x.shape, 6)
""",
        "the test loss is 1.7918 nats per dimension",
    ),
    "log_prob in place of logits": (
        "\nclass Net(Net):\n    forward = lambda self, x: self.log_prob(x)",
        "logits of shape (256, 3, 6), the 6 values last, for x of shape (256, 3); got (256,)",
    ),
    "values first": (
        "\nclass Net(Net):\n    forward = lambda self, x: self.conditionals(x).movedim(2, 1)",
        "the 6 values last",
    ),
    "logits larger than any number": (
        "\nclass Net(Net):\n    forward = lambda self, x: F.one_hot(x, 6) * torch.inf",
        "the logits contain NaN or infinity",
    ),
    "every output looks at its own input": (
        "\nclass Net(Net):\n    forward = lambda self, x: 9.0 * F.one_hot(x, 6)",
        "which it should predict",
    ),
    "output 1 looks at input 2": (
        """
class Net(Net):
    def forward(self, x):
        out = self.conditionals(x)
        return torch.stack([out[:, 0], out[:, 1] + 3 * F.one_hot((x[:, 2] - x[:, 0]) % 6, 6), out[:, 2]], 1)
""",
        "output [1] sees inputs that do not come before it",
    ),
    "the next example of the batch tells": (
        """
class Net(Net):
    def forward(self, x):
        return self.conditionals(x) + x.roll(1, 0)[:, :1, None] * F.one_hot(x * 0, 6)
""",
        "the logits of an example depend on the other examples of its batch",
    ),
    "dropout that eval does not end": (
        "\nclass Net(Net):\n    forward = lambda self, x: F.dropout(self.conditionals(x), training=True)",
        "the same x gets other logits when it comes again",
    ),
    "it peeks where it has seen the beginning before": (
        """
seen = {}
class Net(Net):
    def forward(self, x):
        out = self.conditionals(x).clone()
        for row, l in zip(x.tolist(), out):
            old = seen.get(tuple(row[:2]))
            for i in range(3):
                if old is not None and row[i] == old[0][i]:
                    l[i] = old[1][i]
                elif old is not None:
                    l[i] = 9.0 * F.one_hot(torch.tensor(row[i]), 6)
                    old = None
            seen[tuple(row[:2])] = row, l.clone()
        return out
""",
        "which it should predict",
    ),
    "a model of another shape": (
        "\ndef build_model():\n    return ToyAutoregressive(7, dims=3)",
        "size mismatch",
    ),
    "no model": ("\ndef build_model():\n    return 3", "`build_model` should return the model"),
    "not answered": ("\ndef build_model():\n    raise NotImplementedError()", "`build_model` is not answered yet"),
}
