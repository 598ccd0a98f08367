"""The elements that Glow's successors brought: closed or bisected inverses, true derivatives, mass 1 in couplings."""

import numpy as np
import pytest
import torch
from torch import nn

from deepul_utils.checks import laws
from deepul_utils.models.flow import Flow
from deepul_utils.models.realnvp import RealNVP
from deepul_utils.transforms.coupling import Coupling
from deepul_utils.transforms.logistic_mixture import LogisticMixture
from deepul_utils.transforms.spline import RationalQuadraticSpline
from deepul_utils.transforms.transform import Composition

ELEMENTS = {
    "spline": lambda: RationalQuadraticSpline(bins=5, bound=3.0),
    "mixture": lambda: LogisticMixture(components=3),
}


def made(name, n=400, seed=0):
    """An element, points in and beside its box, and parameters far from where it starts."""
    generator = torch.Generator().manual_seed(seed)
    element = ELEMENTS[name]().double()
    x = 2.5 * torch.randn(n, dtype=torch.float64, generator=generator)
    params = torch.randn(n, element.num_params, dtype=torch.float64, generator=generator)
    return element, x, params


@pytest.mark.parametrize("name", ELEMENTS)
def test_the_inverse_undoes_it(name):
    element, x, params = made(name)
    z, _ = element(x, params)
    torch.testing.assert_close(element.inverse(z, params), x, atol=1e-9, rtol=0)
    torch.testing.assert_close(element(element.inverse(x, params), params)[0], x, atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", ELEMENTS)
def test_the_derivative_is_that_of_z(name):
    element, x, params = made(name)
    x.requires_grad_()
    z, log_derivative = element(x, params)
    (slope,) = torch.autograd.grad(z.sum(), x)
    torch.testing.assert_close(log_derivative, slope.log(), atol=1e-9, rtol=0)
    assert (slope > 0).all()


@pytest.mark.parametrize("name", ELEMENTS)
def test_parameters_may_have_any_shape_before_their_last_axis(name):
    element, x, params = made(name, n=24)
    flat = element(x, params)
    shaped = element(x.view(2, 3, 4), params.view(2, 3, 4, -1))
    for a, b in zip(flat, shaped, strict=True):
        assert torch.equal(a, b.flatten())


@pytest.mark.parametrize("name", ELEMENTS)
def test_couplings_obey_the_laws_of_flows(name):
    torch.manual_seed(0)
    model = RealNVP(3, couplings=4, hidden=[8], element=ELEMENTS[name]).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))

    @torch.no_grad()
    def forward(x):
        return [part.numpy() for part in model.transform(torch.from_numpy(x))]

    @torch.no_grad()
    def inverse(z):
        return model.transform.inverse(torch.from_numpy(z)).numpy()

    x = np.random.default_rng(2).normal(size=(20, 3))  # none of them at a kink of a ReLU
    laws.invertible(forward, inverse, x)
    laws.log_det(forward, x)


@pytest.mark.parametrize(("name", "side", "points"), [("spline", 12, 1400), ("mixture", 30, 600)])
def test_the_mass_is_one(name, side, points):
    torch.manual_seed(1)
    layers = []
    for k in range(2):
        element = ELEMENTS[name]()
        net = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, element.num_params))
        layers.append(Coupling(torch.tensor([k, 1 - k]), net, element))
    model = Flow((2,), Composition(*layers)).double()
    log_prob = torch.no_grad()(lambda x: model.log_prob(torch.from_numpy(x)).numpy())
    laws.mass(log_prob, [-side / 2] * 2, [side / 2] * 2, points=points)


def test_a_spline_without_parameters_is_the_identity_and_goes_over_into_it():
    spline = RationalQuadraticSpline(bins=4, bound=2.0).double()
    x = torch.linspace(-5, 5, 101, dtype=torch.float64)
    z, log_derivative = spline(x, torch.zeros(101, spline.num_params, dtype=torch.float64))
    torch.testing.assert_close(z, x)
    torch.testing.assert_close(log_derivative, torch.zeros_like(x), atol=1e-12, rtol=0)
    bent = torch.randn(spline.num_params, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    edge = torch.tensor([-2.0, 2.0], dtype=torch.float64)
    for near in (edge * (1 - 1e-9), edge * (1 + 1e-9)):
        z, log_derivative = spline(near, bent.expand(2, -1))
        torch.testing.assert_close(z, edge, atol=1e-8, rtol=0)
        torch.testing.assert_close(log_derivative, torch.zeros_like(edge), atol=1e-6, rtol=0)


def test_a_gradient_is_finite_beyond_the_box_and_far_out():
    for name in ELEMENTS:
        element, _, params = made(name, n=3)
        x = torch.tensor([-500.0, 2.9999, 500.0], dtype=torch.float64, requires_grad=True)
        params.requires_grad_()
        z, log_derivative = element(x, params)
        (z.sum() + log_derivative.sum()).backward()
        assert x.grad.isfinite().all()
        assert params.grad.isfinite().all()
        assert log_derivative.isfinite().all()


def test_one_logistic_at_zero_is_the_identity():
    """logit sigmoid(x) = x."""
    x = torch.linspace(-9, 9, 7, dtype=torch.float64)
    element = LogisticMixture(components=1).double()
    params = torch.zeros(7, element.num_params, dtype=torch.float64)
    params[:, 1] = -element.start[0]
    z, log_derivative = element(x, params)
    torch.testing.assert_close(z, x)
    torch.testing.assert_close(log_derivative, torch.zeros_like(x), atol=1e-12, rtol=0)
