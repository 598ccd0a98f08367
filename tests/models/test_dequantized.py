"""P(x) is the mass of a cell: the bound lies below its logarithm, and importance sampling closes in on it."""

import numpy as np
import pytest
import torch

from deepul_utils.checks import bound_laws, laws
from deepul_utils.models.dequantized import Dequantized
from deepul_utils.models.flow import Flow
from deepul_utils.nn.mlp import MLP
from deepul_utils.transforms.coupling import Coupling
from deepul_utils.transforms.dequantize import VariationalNoise
from deepul_utils.transforms.elementwise import Logit, Scale
from deepul_utils.transforms.partition import every_second
from deepul_utils.transforms.transform import Composition

K = 3
EVERY_X = torch.cartesian_prod(torch.arange(K), torch.arange(K))  # (9, 2)


pytestmark = pytest.mark.usefixtures("float64")


def pairs(seed=0, variational=True):
    """A law over pairs whose flow and noise are started at random."""
    torch.manual_seed(seed)

    def couplings(inputs):
        return [Coupling(every_second([2], k), MLP(inputs, 2, [8])) for k in range(2)]

    flow = Flow((2,), Composition(Scale(1 / K), Logit(), *couplings(1)))
    return Dequantized(flow, K, VariationalNoise(*couplings(3), num_values=K) if variational else None).double()


@torch.no_grad()
def cells(model, points=120):
    """log P of every x, and the exact bound with uniform noise, by the midpoint rule on every cell."""
    side = (torch.arange(points) + 0.5) / points
    u = torch.cartesian_prod(side, side)
    log_p = torch.stack([model.flow.log_prob(x + u) for x in EVERY_X])  # (9, points^2)
    return log_p.logsumexp(1) - 2 * np.log(points), log_p.mean(1)


def test_the_cells_hold_all_of_the_mass():
    laws.normalised(cells(pairs(), points=400)[0], what="the masses of the cells", tolerance=1e-4)


@torch.no_grad()
def test_the_mean_weight_under_q_is_the_mass_of_the_cell(monkeypatch):
    """E_q[p(x + u) / q(u | x)] = P(x), by the midpoint rule over eps; with another sign of log q it is far off."""
    model = pairs()
    side = -8 + 16 * (torch.arange(400) + 0.5) / 400
    eps = torch.cartesian_prod(side, side)
    log_normal = -0.5 * (eps**2).sum(1) - np.log(2 * np.pi) + 2 * np.log(16 / 400)
    monkeypatch.setattr(torch, "randn_like", lambda like: eps)
    log_p = torch.stack([(model.log_weights(x.expand(len(eps), 2), 1)[0] + log_normal).logsumexp(0) for x in EVERY_X])
    assert torch.allclose(log_p, cells(model, points=400)[0], atol=2e-3)


@torch.no_grad()
def test_the_uniform_bound_is_the_mean_log_density():
    model = pairs(variational=False)
    exact, bound = cells(model)
    assert (bound < exact).all()
    draws = model.log_weights(EVERY_X.repeat(1000, 1), 4).view(-1, 9)
    assert ((draws.mean(0) - bound).abs() < 5 * draws.std(0) / 4000**0.5 + 1e-3).all()


@pytest.mark.parametrize("variational", [False, True])
@torch.no_grad()
def test_bound_and_estimates_are_in_order(variational):
    """E log w < E log of a mean of more and more weights < log P."""
    model = pairs(variational=variational)
    exact = cells(model)[0]
    x = EVERY_X.repeat(60_000, 1)  # many estimates of each
    levels = [model.log_prob(x, samples=n).view(60_000, 9) for n in (1, 4)]
    bound_laws.rises(torch.stack([*levels, exact.expand(60_000, 9)]).numpy())


def test_loss_is_minus_the_mean_bound():
    model = pairs()
    torch.manual_seed(3)
    loss = model.loss(EVERY_X)
    torch.manual_seed(3)
    assert torch.equal(loss, -model.bound(EVERY_X).mean())
    torch.manual_seed(4)
    mean = model.bound(EVERY_X, samples=50).detach()
    torch.manual_seed(4)
    assert torch.allclose(mean, model.log_weights(EVERY_X, 50).mean(0).detach())


@torch.no_grad()
def test_samples_follow_the_masses():
    model = pairs()
    torch.manual_seed(0)
    x = model.sample(20_000)
    assert x.dtype == torch.int64
    laws.matches_sampler(K * x[:, 0] + x[:, 1], cells(model)[0].exp())


def test_training_the_noise_narrows_the_gap():
    """The flow stays as it is, and with it log P; a trained q lies closer to p(u | x), so that the bound rises."""
    model = pairs()
    exact, uniform = cells(model)
    x = EVERY_X.repeat(20, 1)
    optimiser = torch.optim.Adam(model.noise.parameters(), lr=2e-2)
    for _ in range(150):
        optimiser.zero_grad()
        model.loss(x).backward()
        optimiser.step()
    with torch.no_grad():
        gap = exact - model.bound(EVERY_X.repeat(500, 1)).view(500, 9).mean(0)
    assert 0 < gap.mean() < 0.3 * (exact - uniform).mean()
