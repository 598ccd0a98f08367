"""Closed forms against quadrature and sums."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from deepul_utils.distributions.independent import DiagonalNormal, IndependentBernoulli


@pytest.mark.parametrize(("loc", "scale"), [(0.0, 1.0), (1.5, 1.0), (0.0, 0.3), (-2.0, 2.5)])
def test_kl_against_quadrature(loc, scale):
    q, p = stats.norm(loc, scale), stats.norm()
    exact, _ = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), loc - 12 * scale, loc + 12 * scale)
    law = DiagonalNormal(torch.tensor([[loc, 0.0, np.log(scale), 0.0]], dtype=torch.float64))
    assert torch.allclose(law.kl_to_standard(), torch.tensor([[exact, 0.0]], dtype=torch.float64), atol=1e-9)


def test_log_density_and_draws_of_the_normal():
    torch.manual_seed(0)
    params = torch.randn(3, 4, dtype=torch.float64)
    law, x = DiagonalNormal(params), torch.randn(3, 2, dtype=torch.float64)
    right = stats.norm.logpdf(x, params[:, :2], params[:, 2:].exp()).sum(1)
    assert np.allclose(law.log_prob(x), right, atol=1e-12)
    draws = law.rsample((40_000,))
    assert torch.allclose(draws.mean(0), params[:, :2], atol=0.1)
    assert torch.allclose(draws.std(0).log(), params[:, 2:], atol=0.02)


def test_gradients_pass_through_the_draw():
    params = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    z = DiagonalNormal(params).rsample()
    z.sum().backward()
    assert torch.allclose(params.grad, torch.stack([torch.ones(()).double(), z[0, 0].detach()])[None])  # 1 and eps


def test_the_bernoulli_sums_to_one_over_images():
    torch.manual_seed(0)
    law = IndependentBernoulli(torch.randn(1, 2, 2, dtype=torch.float64))
    every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4).reshape(16, 2, 2).double()
    assert law.log_prob(every).exp().sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("shape", [(2, 3), (4,)])
def test_an_odd_number_of_parameters_is_named(shape):
    with pytest.raises(ValueError, match="a mean and a log standard deviation"):
        DiagonalNormal(torch.zeros(shape))
