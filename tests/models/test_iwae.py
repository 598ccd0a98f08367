"""The bound of K draws: in order, below log p(x), met where q is exact; its gradient, and its evaluation in chunks."""

import math

import pytest
import torch
from torch import nn

from deepul_utils.checks import bound_laws
from deepul_utils.distributions.base import StandardNormal
from deepul_utils.distributions.independent import DiagonalNormal, IndependentBernoulli
from deepul_utils.models.iwae import IWAE, log_evidence
from deepul_utils.models.vae import VAE
from deepul_utils.nn.mlp import MLP
from deepul_utils.training import Batches, fit

pytestmark = pytest.mark.usefixtures("float64")


class Line(nn.Module):
    """x -> (a x + b, log_scale), for either network of z ~ N(0, 1), x ~ N(2 z, 1)."""

    def __init__(self, slope, log_scale, shift=0.0):
        super().__init__()
        self.slope, self.log_scale = nn.Parameter(torch.tensor(slope)), nn.Parameter(torch.tensor(log_scale))
        self.shift = nn.Parameter(torch.tensor(shift))

    def forward(self, x):
        return torch.cat([self.slope * x + self.shift, self.log_scale.expand(len(x), 1)], 1)


X = torch.tensor([[2.0], [-1.0], [0.5]]).double()
EXACT = torch.distributions.Normal(0.0, torch.tensor(5.0).double().sqrt()).log_prob(X[:, 0])


def line(scale=1.0, shift=0.0):
    """The posterior is N(0.4 x, 0.2): here q is `scale` times as broad, and off by `shift`."""
    encoder = Line(0.4, 0.5 * math.log(0.2) + math.log(scale), shift)
    return VAE(encoder, Line(2.0, 0.0), DiagonalNormal, prior=StandardNormal(1))


@torch.no_grad()
def test_every_bound_is_exact_where_q_is_the_posterior():
    model = line()
    for draws in (1, 5, 20):
        assert torch.allclose(IWAE(model, draws).loss(X), -EXACT.mean())
    bound_laws.lower_bound(log_evidence(model, X, 30, chunk=7)[None], EXACT, tight=True)


@torch.no_grad()
def test_bounds_rise_with_the_draws_and_stay_below():
    model, many = line(scale=1.5, shift=0.3), X.repeat(20_000, 1)
    levels = [model.bound(many, draws).view(20_000, 3) for draws in (1, 3, 10)]
    bound_laws.rises(torch.stack([*levels, EXACT.expand(20_000, 3)]))


@torch.no_grad()
def test_a_subset_of_the_draws_has_a_lower_mean():
    """The proof, draw by draw: the mean over subsets of log of their mean is below log of the mean of all."""
    log_w = line(scale=1.5).log_weights(X, 5)  # (5, 3)
    pairs = torch.combinations(torch.arange(5), 2)
    below = (log_w[pairs].logsumexp(1) - math.log(2)).mean(0)
    assert (log_w.mean(0) < below).all()
    assert (below < log_w.logsumexp(0) - math.log(5)).all()


@torch.no_grad()
def test_the_gap_falls_as_one_over_the_draws():
    """In proportion to the relative variance of a weight, which is known: q is N(0.4 x, 0.2 * 1.5^2)."""
    model = line(scale=1.5)
    ratio = 1.5**2  # of variances; E[w^2] / p^2 = ratio / sqrt(2 ratio - 1)
    variance = ratio / math.sqrt(2 * ratio - 1) - 1
    for draws in (20, 40):
        many = X[:1].repeat(100_000 // draws, 1)
        r = (model.bound(many, draws) - EXACT[0]).exp()
        gap = r - 1 - r.log()  # its mean is the gap, with less noise
        slack = 6 * gap.std() / len(many) ** 0.5
        assert gap.mean() == pytest.approx(variance / (2 * draws), abs=float(slack) + 0.1 * variance / draws)


def gradient_of(loss, parameters):
    return torch.cat([part.flatten() for part in torch.autograd.grad(loss, parameters)])


def test_the_gradient_is_that_of_log_weights_held_fixed():
    model = line(scale=1.5, shift=0.3)
    parameters = list(model.parameters())
    torch.manual_seed(1)
    got = gradient_of(IWAE(model, 8).loss(X), parameters)
    torch.manual_seed(1)
    log_w = model.log_weights(X, 8)
    held = gradient_of(-(log_w.softmax(0).detach() * log_w).sum(0).mean(), parameters)
    assert torch.allclose(got, held)
    torch.manual_seed(1)
    log_w = model.log_weights(X, 8)
    attached = gradient_of(-(log_w.softmax(0) * log_w).sum(0).mean(), parameters)
    assert not torch.allclose(got, attached, rtol=0.05)


def test_the_gradient_is_unbiased_for_two_draws():
    """Against quadrature over both noises: the gradient of L_2."""
    model = line(scale=1.5, shift=0.3)
    parameters = list(model.parameters())
    x = X[:1]
    eps = torch.linspace(-7, 7, 281)
    density = torch.exp(-eps.square() / 2) / math.sqrt(2 * math.pi) * (eps[1] - eps[0])
    q = model.encode(x)
    z = q.loc[0] + q.log_scale[0].exp() * eps[:, None]
    log_w = model.decode(z).log_prob(x.expand(len(z), 1)) + model.prior.log_prob(z)
    log_w = log_w + eps.square() / 2 + q.log_scale[0] + math.log(2 * math.pi) / 2
    both = torch.logaddexp(log_w[:, None], log_w) - math.log(2)
    exact = gradient_of(-(density[:, None] * density * both).sum(), parameters)
    loss = IWAE(model, 2)
    draws = torch.stack([gradient_of(loss.loss(x), parameters) for _ in range(2000)])
    bound_laws.unbiased(draws, exact)


def test_chunks_add_up_to_all_draws():
    model = line(scale=1.5)
    torch.manual_seed(2)
    got = log_evidence(model, X, draws=10, chunk=4)
    torch.manual_seed(2)
    log_w = torch.cat([model.log_weights(X, size) for size in (4, 4, 2)])
    assert torch.allclose(got, log_w.logsumexp(0) - math.log(10))
    assert not got.requires_grad


def test_evaluation_stays_in_log_space():
    """Ten thousand pixels, whose probabilities round to 0."""
    model = VAE(MLP(10_000, 2, [4]), MLP(1, 10_000, [4]), IndependentBernoulli, prior=StandardNormal(1))
    x = torch.bernoulli(torch.full((2, 10_000), 0.5))
    got = log_evidence(model, x, draws=6, chunk=4)
    assert got.isfinite().all()
    assert (got < -5000).all()


def test_draws_must_be_positive():
    with pytest.raises(ValueError, match="draws must be at least 1, got 0"):
        IWAE(line(), 0)


def test_it_trains_the_vae_that_was_given():
    torch.set_default_dtype(torch.float32)
    model = VAE(MLP(1, 2, [8]), MLP(1, 2, [8]), DiagonalNormal, prior=StandardNormal(1))
    x = 2 * torch.randn(500, 1) + torch.randn(500, 1)
    before = log_evidence(model, x, 200).mean()
    history = fit(IWAE(model, 5), Batches(x), epochs=20, lr=1e-2, test=x)
    after = log_evidence(model, x, 200).mean()
    assert history.test[0] - history.test[-1] > 0.1
    assert after > before + 0.1
    assert -after < math.log(2 * math.pi * math.e * 5) / 2 + 0.2  # the entropy of x, and a little


@pytest.mark.parametrize("sizes", [{"draws": 0}, {"chunk": 0}])
def test_evaluation_needs_draws(sizes):
    with pytest.raises(ValueError, match="at least 1"):
        log_evidence(None, torch.zeros(1, 1), **sizes)
