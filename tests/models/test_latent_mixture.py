"""The mixture sums to 1, samples follow it, EM never loses, and its gradient is the posterior's mean."""

import itertools

import pytest
import torch

from deepul_utils.checks import laws
from deepul_utils.checks.bound_laws import lower_bound
from deepul_utils.distributions.components import Bernoullis, Gaussians
from deepul_utils.models.latent_mixture import LatentMixture

CUBE = torch.tensor(list(itertools.product((0.0, 1.0), repeat=4))).double()


def of_bernoullis(components=3, smoothing=0.1):
    torch.manual_seed(0)
    model = LatentMixture(Bernoullis(torch.rand(components, 4).double(), smoothing))
    model.logits.data = torch.randn(components).double()
    return model


def of_gaussians(components=3):
    torch.manual_seed(0)
    model = LatentMixture(Gaussians(torch.randn(components, 2).double()))
    model.logits.data = torch.randn(components).double()
    return model


@torch.no_grad()
def test_sums_and_integrates_to_one():
    laws.normalised(of_bernoullis().log_prob(CUBE).numpy())
    model = of_gaussians()
    laws.mass(lambda x: model.log_prob(torch.as_tensor(x)), [-10, -10], [10, 10], points=400)


def test_samples_follow_the_law():
    model = of_bernoullis()
    torch.manual_seed(1)
    drawn = model.sample(5000)
    assert drawn.shape == (5000, 4)
    assert not drawn.requires_grad
    places = (drawn @ torch.tensor([8.0, 4, 2, 1]).double()).numpy()
    laws.matches_sampler(places, model.log_prob(CUBE).exp().detach())


@torch.no_grad()
def test_responsibilities_are_bayes_rule():
    model = of_bernoullis()
    right = (model.log_joint(CUBE) - model.log_prob(CUBE)[:, None]).exp()
    laws.matches(model.responsibilities(CUBE), right, tolerance=1e-12)
    laws.normalised(model.responsibilities(CUBE).log())


@torch.no_grad()
def test_far_from_every_component_nothing_rounds_away():
    model, far = of_gaussians(), torch.tensor([[1e4, -1e4]]).double()
    assert model.log_prob(far).isfinite().all()
    assert model.responsibilities(far).sum() == pytest.approx(1)


def test_the_gradient_is_the_mean_of_the_joint_s_over_the_posterior():
    model, x = of_gaussians(), torch.randn(20, 2).double()
    parameters = list(model.parameters())
    direct = torch.autograd.grad(model.log_prob(x).sum(), parameters)
    shares = model.responsibilities(x).detach()
    fisher = torch.autograd.grad((shares * model.log_joint(x)).sum(), parameters)
    for ours, theirs in zip(direct, fisher, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@torch.no_grad()
@pytest.mark.parametrize("power", [1.0, 0.5, 0.0])
def test_the_bound_of_em_lies_below_and_touches_at_the_posterior(power):
    model, x = of_gaussians(), torch.randn(20, 2).double()
    q = (power * model.log_joint(x)).softmax(1)
    bound = (q * (model.log_joint(x) - q.log())).sum(1)
    lower_bound(bound[None], model.log_prob(x), tight=power == 1, tolerance=1e-12)


@torch.no_grad()
def test_em_never_loses():
    model = of_gaussians(5)
    x = torch.randn(200, 2).double().cumsum(0) / 5
    losses = [model.loss(x)]
    for _ in range(30):
        model.em_step(x)
        losses.append(model.loss(x))
    steps = torch.stack(losses).diff()
    assert (steps <= 1e-12).all()
    assert steps[0] < -0.1


@torch.no_grad()
def test_em_never_loses_where_counts_are_smoothed():
    model, x = of_bernoullis(3, smoothing=0.3), torch.rand(100, 4).double().pow(2).round()

    def penalised():
        p = model.components.logits.sigmoid()
        return len(x) * model.loss(x) - 0.3 * (p.log() + (1 - p).log()).sum()

    losses = [penalised()]
    for _ in range(30):
        model.em_step(x)
        losses.append(penalised())
    assert (torch.stack(losses).diff() <= 1e-10).all()


def test_at_the_end_of_em_the_gradient_vanishes():
    torch.manual_seed(2)
    centres = torch.tensor([[-3.0, 0.0], [3.0, 1.0]]).double()
    x = centres.repeat(100, 1) + torch.randn(200, 2)
    model = LatentMixture(Gaussians(torch.tensor([[-1.0, 0.0], [1.0, 0.0]]))).double()
    for _ in range(100):
        model.em_step(x)
    model.loss(x).backward()
    for parameter in model.parameters():
        assert parameter.grad.abs().max() < 1e-9
    assert (model.components.loc - centres).abs().max() < 0.3
