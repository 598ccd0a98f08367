"""Each law is normalised, its samples follow it, and `refit` is where the weighted likelihood is highest."""

import itertools

import numpy as np
import pytest
import torch

from deepul_utils.checks import laws
from deepul_utils.distributions.components import Bernoullis, Components, Gaussians

CUBE = torch.tensor(list(itertools.product((0.0, 1.0), repeat=3))).double()


def bernoullis(smoothing=0.1):
    torch.manual_seed(0)
    return Bernoullis(torch.rand(4, 3).double(), smoothing)


def gaussians(dims=2):
    torch.manual_seed(0)
    components = Gaussians(torch.randn(4, dims).double(), scale=0.7)
    components.log_scale.data += 0.3 * torch.randn(4, dims)
    return components


@torch.no_grad()
def test_bernoullis_sum_to_one():
    laws.normalised(bernoullis().log_prob(CUBE).T.numpy())


@torch.no_grad()
@pytest.mark.parametrize("m", range(4))
def test_gaussians_integrate_to_one(m):
    components = gaussians()
    laws.mass(lambda x: components.log_prob(torch.as_tensor(x))[:, m], [-12, -12], [12, 12], points=500)


@torch.no_grad()
def test_bernoullis_samples_follow_the_law():
    components = bernoullis()
    torch.manual_seed(1)
    z = torch.full((4000,), 2)
    drawn = (components.sample(z) @ torch.tensor([4.0, 2, 1]).double()).numpy()
    laws.matches_sampler(drawn, components.log_prob(CUBE)[:, 2].exp())


@torch.no_grad()
def test_gaussians_samples_have_their_own_mean_and_width():
    components = gaussians()
    torch.manual_seed(1)
    z = torch.arange(4).repeat(20_000)
    t = (components.sample(z) - components.loc[z]) / components.log_scale[z].exp()
    assert t.mean(0).abs().max() < 0.02
    assert (t.std(0) - 1).abs().max() < 0.02
    assert abs(np.corrcoef(t.T)[0, 1]) < 0.02


def gradient(components, x, shares):
    """Of the weighted log-likelihood, of everything in the components."""
    (shares * components.log_prob(x)).sum().backward()
    return torch.cat([parameter.grad.flatten() for parameter in components.parameters()])


def test_refitted_gaussians_are_where_the_gradient_vanishes():
    components, x, shares = gaussians(), torch.randn(30, 2).double(), torch.rand(30, 4).double()
    components.refit(x, shares)
    assert gradient(components, x, shares).abs().max() < 1e-9


def test_refitted_bernoullis_are_where_the_gradient_of_data_and_smoothing_vanishes():
    components, x, shares = bernoullis(0.3), torch.rand(30, 3).double().round(), torch.rand(30, 4).double()
    components.refit(x, shares)
    pseudo = torch.tensor([[0.0] * 3, [1.0] * 3]).double()
    both = torch.cat([x, pseudo]), torch.cat([shares, torch.full((2, 4), 0.3, dtype=torch.float64)])
    assert gradient(components, *both).abs().max() < 1e-9


def test_a_law_of_one_example_stays_finite():
    components = gaussians()
    components.refit(torch.tensor([[1.0, 2.0], [3.0, 4.0]]).double(), torch.eye(2, 4).double())
    assert components.log_prob(torch.zeros(1, 2).double()).isfinite().all()


@pytest.mark.parametrize("verb", [lambda c: c.log_prob(CUBE), lambda c: c.refit(CUBE, CUBE), lambda c: c.sample(CUBE)])
def test_each_family_says_how(verb):
    with pytest.raises(NotImplementedError):
        verb(Components())


def test_a_law_without_a_share_stays_as_it_is():
    components = gaussians()
    before = [parameter.detach().clone() for parameter in components.parameters()]
    components.refit(torch.randn(5, 2).double(), torch.tensor([1.0, 0.0, 1.0, 1.0]).double().expand(5, 4))
    for parameter, old in zip(components.parameters(), before, strict=True):
        assert torch.equal(parameter[1], old[1])
        assert not torch.isclose(parameter[0], old[0]).any()
