"""The bound of a trained VAE: right for honest ones, out of reach for those whose decoder sees more than z."""

import re

import numpy as np
import pytest
import torch
from sandboxed import Sandboxed

from deepul_utils.checks.desk import Desk
from deepul_utils.checks.laws import LawBroken
from deepul_utils.checks.student import Student
from deepul_utils.checks.trained_vae import evidence_loss
from deepul_utils.distributions.independent import IndependentBernoulli
from deepul_utils.nn.mlp import MLP

D = 6

HONEST = """
import torch
from torch import nn

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.enc = nn.Linear(6, 2)
        self.dec = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 6))
        with torch.no_grad():
            for parameter in self.dec.parameters():
                parameter *= 2
    def encoder(self, x):
        return self.enc(x)
    def decoder(self, z):
        return self.dec(z)

def build():
    return Model().requires_grad_(False)
"""


def data(n=150):
    return (np.random.default_rng(0).random((n, D)) < 0.5).astype(int)


def loss(code="", seed=0, x=None, **sizes):
    student = Sandboxed(HONEST + code)
    sizes = {"draws": 400, "few": 20, "rows": 20} | sizes
    return evidence_loss(student.build, data() if x is None else x, seed=seed, restart=student.restart, **sizes)


def exact(x, code=""):
    """-log p(x) by quadrature over z."""
    model = Sandboxed(HONEST + code).namespace["build"]().double()
    z = torch.linspace(-8, 8, 1601)[:, None].double()
    log_p = IndependentBernoulli(model.decoder(z)).log_prob(torch.tensor(x).double()[:, None])
    return -(log_p + torch.distributions.Normal(0, 1).log_prob(z[:, 0]) + np.log(0.01)).logsumexp(1).mean().item()


@pytest.mark.parametrize("seed", range(4))
def test_an_honest_model_gets_its_likelihood(seed):
    assert loss(seed=seed, draws=2000, rows=50) == pytest.approx(exact(data()), abs=0.1)


def test_it_is_a_bound_of_so_many_draws():
    """A proposal that is far too narrow: few draws leave a gap, and it is the many that count."""
    narrow = """
class Model(Model):
    def encoder(self, x):
        return torch.cat([torch.zeros(len(x), 1), torch.full((len(x), 1), -1.5)], 1)
"""
    losses = [
        np.mean([loss(narrow, seed, draws=draws, few=2, rows=150) for seed in range(4)]) for draws in (2, 20, 400)
    ]
    assert losses[0] - losses[1] > 0.02
    assert losses[1] - losses[2] > 0.02
    assert losses[2] > exact(data()) - 0.05


def test_few_draws_and_what_many_add_have_the_mean_of_many():
    """Every row with many draws, against a part of them."""
    part = [loss(seed=seed, draws=100, few=5, rows=50) for seed in range(8)]
    every = [loss(seed=seed, draws=100, few=5, rows=150) for seed in range(8)]
    assert np.mean(part) == pytest.approx(np.mean(every), abs=6 * np.std(part) / 8**0.5 + 1e-3)


GAINLESS = {  # any proposal gives a bound: these may be as odd as they like
    "the prior": "torch.zeros(len(x), 2)",
    "another one for every call": "0.5 * torch.randn(len(x), 2)",
    "one that depends on the batch": "self.enc(x) + x.mean()",
    "a narrow one": "self.enc(x) - torch.tensor([0.0, 12.0])",
    "a broad one": "self.enc(x) + torch.tensor([0.0, 3.0])",
    "one that is far off": "self.enc(x) + torch.tensor([900.0, 0.0])",
    "as narrow as may be": "torch.cat([self.enc(x)[:, :1], torch.full((len(x), 1), -20.0)], 1)",
    "as broad as may be": "torch.cat([self.enc(x)[:, :1], torch.full((len(x), 1), 20.0)], 1)",
    "the image in the digits of the mean": "1e-6 * (x @ 2 ** torch.arange(6.0))[:, None] * torch.tensor([1.0, 0.0])",
}


@pytest.mark.parametrize("answer", GAINLESS.values(), ids=GAINLESS)
def test_no_proposal_gains_anything(answer):
    code = f"""
class Model(Model):
    def encoder(self, x):
        return {answer}
"""
    # What many draws add to few is between 0 and 3 nats here, for 100 rows a mean with an error of at most 0.15.
    assert min(loss(code, seed, rows=100) for seed in range(6)) > exact(data()) - 0.3


REMEMBERS = """
images = []
class Model(Model):
    def encoder(self, x):
        images.append(x)
        return torch.zeros(len(x), 2)
    def decoder(self, z):
        return (40 * images[0][:1] - 20).expand(len(z), 6) if images else super().decoder(z)
"""
BATCH = """
class Model(Model):
    def encoder(self, x):
        return torch.cat([(x @ 2 ** torch.arange(6.0))[:, None] / 32 - 1, 0 * x[:, :1]], 1)
    def decoder(self, z):
        return super().decoder(z) + z.mean() * 3
"""
CHEATS = {
    "the decoder looks at its batch": (BATCH, "other logits for the same z in another batch"),
    "the decoder counts its calls": (
        """
calls = []
class Model(Model):
    def decoder(self, z):
        calls.append(len(z))
        return super().decoder(z) * (1 + 0.3 * (sum(calls) > 4000))
""",
        "other logits for the same z in another batch",
    ),
    "the decoder is random": (
        """
class Model(Model):
    def decoder(self, z):
        return super().decoder(z) + torch.randn(len(z), 6)
""",
        "nothing random",
    ),
    "dropout": (
        """
class Model(Model):
    def decoder(self, z):
        return nn.functional.dropout(super().decoder(z), 0.5)
""",
        "no dropout",
    ),
    "NaN": ("class Model(Model):\n    def decoder(self, z): return super().decoder(z) * torch.nan", "NaN or infinity"),
    "infinite logits": (
        "class Model(Model):\n    def decoder(self, z): return torch.full((len(z), 6), torch.inf)",
        "the decoder returns NaN or infinity",
    ),
    "logits whose sum overflows": (
        "class Model(Model):\n    def decoder(self, z): return -1e308 * torch.ones(len(z), 6).double()",
        "so large that log p(x | z) is not finite",
    ),
    "a memory full of latents": (
        "class Model(Model):\n    def encoder(self, x): return torch.zeros(len(x), 2000)",
        "at most 512 latents, got 1000",
    ),
    "infinite means": (
        "class Model(Model):\n    def encoder(self, x): return torch.full((len(x), 2), -torch.inf)",
        "the encoder returns NaN or infinity",
    ),
    "scales that overflow": (
        "class Model(Model):\n    def encoder(self, x): return torch.full((len(x), 2), 700.0)",
        "log standard deviations within 20",
    ),
    "means that overflow": (
        "class Model(Model):\n    def encoder(self, x): return torch.tensor([[1e30, 0.0]]).expand(len(x), 2)",
        "within 1000 of 0",
    ),
    "no latents": ("class Model(Model):\n    def encoder(self, x): return x[:, :0]", "2 Z"),
    "means alone": ("class Model(Model):\n    def encoder(self, x): return x[:, :1]", "got 1 columns"),
    "another width for another batch": (
        "class Model(Model):\n    def encoder(self, x): return torch.zeros(len(x), 2 if len(x) > 200 else 4)",
        "got 2 and 4 columns",
    ),
    "too few rows": ("class Model(Model):\n    def encoder(self, x): return torch.zeros(1, 2)", "one row for each of"),
    "too few pixels": ("class Model(Model):\n    def decoder(self, z): return torch.zeros(len(z), 1)", "6 logits"),
    "integers": (
        "class Model(Model):\n    def decoder(self, z): return torch.zeros(len(z), 6).long()",
        "the decoder should return an array of floats",
    ),
    "a law": (
        "class Model(Model):\n    def encoder(self, x): return torch.distributions.Normal(x, 1)",
        "the encoder should return an array of floats",
    ),
}


@pytest.mark.parametrize(("code", "message"), CHEATS.values(), ids=CHEATS)
def test_lies_gain_nothing(code, message):
    with pytest.raises(LawBroken, match=re.escape(message)):
        loss(code, x=data(300 if "200" in code else 150))


def test_a_decoder_never_meets_the_images():
    """All images are alike, so that one which has seen them could be sure; in a process of its own it is honest."""
    x = np.tile(data(1), (150, 1))
    assert loss(REMEMBERS, x=x) == pytest.approx(exact(x), abs=0.1)
    shameless = Student(Desk(Sandboxed(HONEST + REMEMBERS).namespace).ask)  # in one process, as in a notebook
    assert evidence_loss(shameless.build, x, seed=0, draws=50, rows=10) < 0.1


def test_what_is_averaged_over_the_draws_of_an_image_is_found():
    """Calls are mixed; a decoder that finds the draws of an image again by a part of z is caught in a new process."""
    code = """
seen = {}
class Model(Model):
    def encoder(self, x):  # z_0 names the image, closely; z_1 says what it is, under noise
        name = x @ 2 ** torch.arange(6.0)
        return torch.stack([name / 32 - 1, 2 * x[:, 0] - 1, 0 * name - 6, 0 * name], 1)
    def decoder(self, z):
        logits = torch.zeros(len(z), 6)
        for i, (name, noisy) in enumerate(z.tolist()):
            group = seen.setdefault(round(32 * name), [])
            group.append(noisy)
            logits[i, 0] = 4 * sum(group) / len(group) * min(len(group), 40)
        return logits.clamp(-9, 9)
"""
    with pytest.raises(LawBroken, match="nothing that is kept from earlier calls"):
        loss(code)


def test_a_model_of_the_library_can_be_asked():
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = MLP(D, 2 * 3, [8]), MLP(3, D, [8])

    torch.manual_seed(0)
    model = Model().requires_grad_(False)
    student = Student(Desk({"build": lambda: model}).ask)
    assert 3 < evidence_loss(student.build, data(), seed=0, draws=50, rows=10) < 6


def test_logits_as_large_as_can_be_are_a_loss_as_large_as_can_be():
    """In single precision their sum would be infinite, and an infinite loss minus another one is no number."""
    code = "class Model(Model):\n    def decoder(self, z): return torch.full((len(z), 6), -3e38)"
    assert loss(code) > 1e38


def test_a_known_q_is_weighed_as_it_is():
    """All rows get all draws: the mean of L_K, for which one latent and the exact posterior's scale leave no chance."""
    code = """
class Model(Model):
    def encoder(self, x):
        return torch.tensor([[0.3, 1.0]]).expand(len(x), 2)
"""
    assert loss(code, draws=4000, rows=150) == pytest.approx(exact(data(), code), abs=0.02)


def test_a_decoder_that_lies_where_it_counts_most_is_found():
    """Only at the few z that carry the weight: a draw taken anywhere else would not see it."""
    code = """
class Model(Model):
    def encoder(self, x):
        return torch.cat([0 * x[:, :1], 0 * x[:, :1] + 6], 1)  # of a thousand draws one is near 0
    def decoder(self, z):
        return super().decoder(z) + (z.abs() < 0.7) * (len(z) > 1000)
"""
    for seed in range(3):
        with pytest.raises(LawBroken, match="in another batch"):
            loss(code, seed, draws=4000)
