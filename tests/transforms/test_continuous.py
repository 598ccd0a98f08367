"""A continuous flow: the laws within the solver's tolerance, traces exact and estimated, linear flows."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

from deepul_utils.checks import laws
from deepul_utils.models.flow import Flow
from deepul_utils.nn.velocity import Velocity
from deepul_utils.transforms.continuous import ContinuousFlow, basis, signs, velocity_and_trace


class Linear(nn.Module):
    """v(x) = A x, whose flow is expm(A) x and whose log-determinant is tr A."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix = nn.Parameter(matrix)

    def forward(self, x, t):
        return x @ self.matrix.T


MATRIX = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
POINTS = torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_a_linear_velocity_gives_the_exponential_of_its_matrix():
    z, log_det = ContinuousFlow(Linear(MATRIX), tolerance=1e-10)(POINTS)
    torch.testing.assert_close(z, POINTS @ torch.linalg.matrix_exp(MATRIX).T, atol=1e-8, rtol=0)
    torch.testing.assert_close(log_det, MATRIX.trace().expand(20), atol=1e-8, rtol=0)


def test_the_path_passes_through_the_exponentials():
    times = torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64)
    positions, log_dets = ContinuousFlow(Linear(MATRIX), tolerance=1e-10).path(POINTS, times)
    due = torch.stack([POINTS @ torch.linalg.matrix_exp(t * MATRIX).T for t in times])
    torch.testing.assert_close(positions, due, atol=1e-8, rtol=0)
    torch.testing.assert_close(log_dets, (times * MATRIX.trace())[:, None].expand(3, 20), atol=1e-8, rtol=0)


def test_the_laws_of_flows_hold():
    torch.manual_seed(0)
    flow = ContinuousFlow(Velocity(2, hidden=[8]).double(), tolerance=1e-11)

    def forward(x):
        return [part.detach().numpy() for part in flow(torch.from_numpy(x))]

    def inverse(z):
        return flow.inverse(torch.from_numpy(z)).detach().numpy()

    x = np.random.default_rng(0).normal(size=(5, 2))
    laws.invertible(forward, inverse, x, tolerance=1e-9)
    laws.log_det(forward, x)


def test_the_mass_is_one():
    torch.manual_seed(0)
    model = Flow((2,), ContinuousFlow(Velocity(2, hidden=[8]).double(), tolerance=1e-9))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
        laws.mass(lambda x: model.log_prob(torch.from_numpy(x)).numpy(), [-9, -9], [9, 9], points=200)


def test_the_trace_is_exact_and_its_estimate_unbiased():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    value, trace = velocity_and_trace(net, POINTS, basis(POINTS))
    due = torch.stack([torch.autograd.functional.jacobian(net, row).trace() for row in POINTS])
    torch.testing.assert_close(value, net(POINTS))
    torch.testing.assert_close(trace, due)
    every = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)  # 8 equally likely e
    estimates = [velocity_and_trace(net, POINTS, e.expand(1, 20, 3))[1] for e in every]
    torch.testing.assert_close(torch.stack(estimates).mean(0), due)
    assert torch.stack(estimates).std(0).min() > 0


def test_probes_are_signs_whose_squares_sum_to_one():
    torch.manual_seed(0)
    e = signs(torch.zeros(1000, 3), 4)
    assert e.shape == (4, 1000, 3)
    torch.testing.assert_close(e.square().sum(0), torch.ones(1000, 3))
    assert abs(e.mean()) < 0.02


def test_gradients_of_the_estimate_reach_every_weight_and_none_are_kept_without_need():
    torch.manual_seed(0)
    flow = ContinuousFlow(Velocity(2, hidden=[8]), probes=1)
    flow(torch.randn(16, 2))[1].sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in flow.velocity.layers[0].parameters())
    with torch.no_grad():
        z, log_det = flow(torch.randn(16, 2))
    assert not z.requires_grad
    assert not log_det.requires_grad


def test_without_torchdiffeq_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchdiffeq", None)
    with pytest.raises(ModuleNotFoundError, match="pip install torchdiffeq"):
        ContinuousFlow(Velocity(2))
