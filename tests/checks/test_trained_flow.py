"""Bits per dimension of a trained flow: right for honest ones, out of reach for those that lie about z or log_det."""

import contextlib
import math

import numpy as np
import pytest
import torch
from sandboxed import Sandboxed

from deepul_utils.checks.desk import Desk
from deepul_utils.checks.laws import LawBroken
from deepul_utils.checks.question import Question
from deepul_utils.checks.student import Student
from deepul_utils.checks.trained import limits
from deepul_utils.checks.trained_flow import flow_loss
from deepul_utils.distributions.bits import bits_per_dim
from deepul_utils.models.flow import Flow
from deepul_utils.models.realnvp import ImageRealNVP
from deepul_utils.transforms.elementwise import Logit, Scale
from deepul_utils.transforms.transform import Composition

K, SHAPE, D = 8, (2, 3), 6

HONEST = """
import math
import torch
from torch import nn

class Flow(nn.Module):
    '''A logit, then a matrix.'''
    def __init__(self):
        super().__init__()
        self.A = nn.Parameter(WHITENING.clone())
    def forward(self, x):
        y = 0.05 + 0.9 * x.flatten(1) / 8
        log_det = (math.log(0.9 / 8) - y.log() - (1 - y).log()).sum(1) + torch.linalg.slogdet(self.A)[1]
        return torch.logit(y) @ self.A.T, log_det
    def inverse(self, z):
        y = torch.sigmoid(torch.linalg.solve(self.A, z.T).T)
        return (8 * (y - 0.05) / 0.9).view(-1, 2, 3)

def build():
    return Flow()
"""


def whitening():
    """The matrix that makes the logits of the data uncorrelated."""
    z = torch.logit(torch.from_numpy(0.05 + 0.9 * (data(5000, seed=9).reshape(-1, D) + 0.5) / K))
    return torch.linalg.inv(torch.linalg.cholesky(torch.cov(z.T))).float()


def data(n=150, seed=0):
    rng = np.random.default_rng(seed)
    return np.clip(rng.integers(K, size=(n, 1, 1)) + rng.integers(-1, 2, size=(n, *SHAPE)), 0, K - 1)


def loss(code="", seed=0):
    student = Sandboxed(HONEST + code, WHITENING=whitening())
    return flow_loss(student.build, data(), K, seed=seed, restart=student.restart)


def honest_loss(model, x, seed=0):
    """What the library says, of noise of its own."""
    noise = torch.from_numpy(np.random.default_rng(seed).random((200, *x.shape)))
    with torch.no_grad():
        return bits_per_dim(-torch.stack([model.log_prob(torch.from_numpy(x) + u).mean() for u in noise]).mean(), D)


def test_an_honest_flow_gets_its_bits():
    torch.manual_seed(0)
    model = ImageRealNVP(
        (1, *SHAPE), scales=1, couplings=2, width=4, blocks=1, before=Composition(Scale(1 / K), Logit(0.05))
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    model = Flow((1, *SHAPE), model.transform).double().eval().requires_grad_(False)
    x = data()[:, None]
    student = Student(Desk({"build": lambda: model.transform}).ask)
    got = [flow_loss(student.build, x, K, seed=seed) for seed in range(8)]
    assert np.mean(got) == pytest.approx(honest_loss(model, x).item(), rel=0.02)


@pytest.mark.parametrize("seed", range(6))
def test_the_seed_changes_noise_alone(seed):
    assert loss(seed=seed) == pytest.approx(loss(seed=100), abs=0.05)
    assert loss(seed=seed) < math.log2(K)


CHEATS = {
    "log_det is larger": (
        """
class Flow(Flow):
    def forward(self, x):
        z, log_det = super().forward(x)
        return z, log_det + 1
""",
        "log_det of a test image should be",
    ),
    "the pixels' scale is forgotten": (
        """
class Flow(Flow):
    def forward(self, x):
        z, log_det = super().forward(x)
        return z, log_det + 6 * math.log(8)
""",
        "log_det of a test image should be",
    ),
    "log_det is larger where few rows come, that is no Jacobian": (
        """
seen = {}
class Flow(Flow):
    def forward(self, x):
        z, log_det = super().forward(x)
        for i, row in enumerate(x.flatten(1).tolist()):
            key = tuple(round(v, 2) for v in row)
            log_det[i] += seen.setdefault(key, 1 if len(seen) < 150 else 0)
        return z, log_det
""",
        "log_det",
    ),
    "near copies of a row are spread": (
        """
known = []
class Flow(Flow):
    def forward(self, x):
        z, log_det = super().forward(x)
        for i, row in enumerate(x.flatten(1)):
            near = [(r, at) for r, at in known if (r - row).abs().max() < 1e-3]
            if near:
                z[i] = near[0][1] + 1.2 * (z[i] - near[0][1])
            else:
                known.append((row.clone(), z[i].clone()))
        return z, log_det + 6 * math.log(1.2)
""",
        "z moved a little, and put through `inverse`",
    ),
    "the pixel is left out of z": (
        """
class Flow(nn.Module):
    def forward(self, x):
        u = x.flatten(1) % 1
        return torch.logit(u), -(u * (1 - u)).log().sum(1)
    def inverse(self, z):
        return torch.sigmoid(z).view(-1, 2, 3)
""",
        "inverse(z) should give back",
    ),
    "the pixel is remembered": (
        """
known = []
class Flow(nn.Module):
    def forward(self, x):
        u = x.flatten(1) % 1
        z = torch.logit(u)
        known.extend(zip(z, x))
        return z, -(u * (1 - u)).log().sum(1)
    def inverse(self, z):
        def back(row):
            for old, x in known:
                if (old - row).abs().max() < 1e-3:
                    return x.floor() + torch.sigmoid(row).view(2, 3)
            return torch.sigmoid(row).view(2, 3)
        return torch.stack([back(row) for row in z])
""",
        "inverse(z) should give back",
    ),
    "the pixel hides in the last digits of z": (
        """
class Flow(nn.Module):
    def forward(self, x):
        x = x.flatten(1)
        u = x % 1
        z = torch.logit(u)
        z = (z * 2 ** 36).floor() / 2 ** 36 + x.floor() / 2 ** 40
        return z, -(u * (1 - u)).log().sum(1)
    def inverse(self, z):
        cells = ((z * 2 ** 36) % 1 * 16).round()
        z = (z * 2 ** 36).floor() / 2 ** 36
        return (cells + torch.sigmoid(z)).view(-1, 2, 3)
""",
        "z moved a little, and put through `inverse`",
    ),
    "noise": (
        """
class Flow(Flow):
    def forward(self, x):
        z, log_det = super().forward(x)
        return z + 0.1 * torch.randn_like(z), log_det
""",
        "inverse(z) should give back",
    ),
    "the other rows of the batch tell": (
        """
class Flow(Flow):
    def forward(self, x):
        z, log_det = super().forward(x)
        return z, log_det + x.mean()
""",
        "in another batch",
    ),
    "no inverse": (
        "\nclass Flow(Flow):\n    inverse = None",
        "`Flow.inverse` returned None",
    ),
    "wrong inverse": (
        "\nclass Flow(Flow):\n    inverse = lambda self, z: z.view(-1, 2, 3)",
        "inverse(z) should give back",
    ),
    "z alone": (
        "\nclass Flow(Flow):\n    forward = lambda self, x: x",
        "the model should return z and log_det",
    ),
    "a mean log_det": (
        "\nclass Flow(Flow):\n    forward = lambda self, x: (x, x.mean())",
        "log_det should be a number for each of",
    ),
    "log_det without bounds": (
        "\nclass Flow(Flow):\n    forward = lambda self, x: (x, x.mean((1, 2)) / 0)",
        "log_det contains NaN or infinity",
    ),
    "fewer latents": (
        "\nclass Flow(Flow):\n    forward = lambda self, x: (x[:, 0], x.mean((1, 2)))",
        "z should hold 6 floats for each of",
    ),
    "single precision": (
        """
class Flow(Flow):
    def forward(self, x):
        z, log_det = super().forward(x)
        return z.float(), log_det
""",
        "should have the precision of its argument, float64",
    ),
}


@pytest.mark.parametrize("name", CHEATS)
@pytest.mark.parametrize("seed", range(3))
def test_a_cheat_and_a_mistake_gain_nothing_and_are_told_why(name, seed):
    code, said = CHEATS[name]
    body = lambda student, case, seed: limits(  # noqa: E731
        case,
        lambda: flow_loss(student.build, data(), K, seed=seed, restart=student.restart),
        {9.0: 1},
        implausible=0,
        unit="bits per dimension",
    )
    outcome = Question("toys.flow", 1, (), body).judge(Sandboxed(HONEST + code, WHITENING=whitening()), seed)
    assert outcome.score == 0
    assert said in outcome.cases[0].message


class Saturating(torch.nn.Module):
    """A logit of 30 pixels; the inverse of z beyond 2.2, where no data are, cannot go forward again."""

    broken = False

    def forward(self, x):
        y = 0.1 + 0.8 * x / K
        z = torch.where(x == -7, torch.nan, torch.logit(y))
        return z, (math.log(0.8 / K) - y.log() - (1 - y).log()).sum(1).nan_to_num(0.0)

    def inverse(self, z):
        far = z[:, :1].abs() > 2.2
        type(self).broken |= bool(far.any())
        return (K * (torch.sigmoid(z) - 0.1) / 0.8).where(~far | (torch.arange(30) > 0), -7.0)


def test_a_draw_that_cannot_go_forward_costs_nothing():
    x = np.random.default_rng(0).integers(K, size=(40, 30))
    student = Student(Desk({"build": Saturating}).ask)
    bits = [flow_loss(student.build, x, K, seed=seed) for seed in range(8)]
    assert Saturating.broken
    assert np.isfinite(bits).all()


def test_a_lie_about_few_rows_is_worth_little():
    """Where it is not found, the mean hardly changes."""
    lie = """
class Flow(Flow):
    def forward(self, x):
        z, log_det = super().forward(x)
        return z, log_det + 1e9 * (x[:, 0, 0] % 1 > 0.98)
"""
    found = []
    for seed in range(20):
        with contextlib.suppress(LawBroken):
            found.append(loss(lie, seed) - loss(seed=seed))
    assert 0 < len(found) < 20
    assert min(found) > -0.15


def test_the_cost_is_a_jacobian_for_each_audited_row():
    calls = []

    class Counted(Sandboxed):
        def begin(self):
            super().begin()
            ask = self.desk.ask
            self.desk.ask = lambda *request: (calls.append(sum(len(a) for a in request[2] or [])), ask(*request))[1]

    student = Counted(HONEST, WHITENING=whitening())
    flow_loss(student.build, data(), K, seed=0, restart=student.restart)
    assert sum(calls) <= 150 + 34 + 2 * D + 34


def test_a_flow_that_throws_rows_away_gets_no_number():
    """Where half of the rows go far out, a median of infinities would be no number, and no limit would hold."""
    code = """
class Flow(Flow):
    def forward(self, x):
        z, log_det = super().forward(x)
        return torch.where(x[:, :1, 0] % 1 < 0.55, 1e200 * (1 + z), z), log_det
"""
    for seed in range(4):
        with pytest.raises(LawBroken, match="z is too large for its density"):
            loss(code, seed)
