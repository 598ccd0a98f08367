"""The bound lies below log p(x) where that is known, and meets it where q is the posterior."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from deepul_utils.checks import bound_laws, laws
from deepul_utils.distributions.base import StandardNormal
from deepul_utils.distributions.independent import DiagonalNormal, IndependentBernoulli
from deepul_utils.models.flow import Flow
from deepul_utils.models.vae import VAE
from deepul_utils.nn.mlp import MLP
from deepul_utils.training import Batches, fit
from deepul_utils.transforms.elementwise import Scale

pytestmark = pytest.mark.usefixtures("float64")


W = torch.tensor([[1.5, 0.0], [-0.5, 0.8], [0.3, 0.6]]).double()  # (3, 2)
NOISE = torch.tensor([0.5, 1.0, 0.7]).double()  # standard deviations
POINTS = torch.tensor([[0.0, 0.0, 0.0], [1.0, -2.0, 0.5], [-3.0, 1.0, 2.0]]).double()


class Affine(nn.Module):
    """x -> (weight x, log_scale), for either network of a linear-Gaussian model."""

    def __init__(self, weight, log_scale):
        super().__init__()
        self.weight, self.log_scale = weight, log_scale

    def forward(self, x):
        return torch.cat([x @ self.weight.T, self.log_scale.expand(len(x), -1)], dim=1)


def linear_gaussian(shift=0.0):
    """z ~ N(0, I), x = W z + noise. With the posterior's W turned until its covariance is diagonal, q is exact."""
    precision = W.T @ (W / NOISE[:, None].square())
    values, turn = torch.linalg.eigh(precision)
    weight = W @ turn  # the same p(x), since the prior is round
    variance = 1 / (1 + values)
    encoder = Affine(variance[:, None] * (weight / NOISE[:, None].square()).T, variance.log() / 2 + shift)
    model = VAE(encoder, Affine(weight, NOISE.log()), DiagonalNormal, prior=StandardNormal(2))
    covariance = W @ W.T + torch.diag(NOISE.square())
    exact = torch.distributions.MultivariateNormal(torch.zeros(3), covariance).log_prob(POINTS)
    return model, exact


def test_the_bound_meets_log_p_where_q_is_the_posterior():
    model, exact = linear_gaussian()
    bound_laws.lower_bound(model.log_weights(POINTS, 50), exact, tight=True)
    bound_laws.lower_bound(model.bound(POINTS, k=7)[None], exact, tight=True)


def test_the_bounds_are_in_order():
    model, exact = linear_gaussian(shift=0.5)
    many = POINTS.repeat(8000, 1)
    levels = [model.bound(many, k).view(8000, 3) for k in (1, 2, 10)]
    bound_laws.rises(torch.stack([*levels, exact.expand(8000, 3)]))


def test_the_mean_weight_is_p():
    model, exact = linear_gaussian(shift=0.3)  # q broader than the posterior, so that weights are bounded
    bound_laws.unbiased(model.log_weights(POINTS, 20_000).exp(), exact.exp())


def test_loss_is_minus_the_bound_with_the_kl_in_closed_form():
    model, _ = linear_gaussian(shift=0.5)
    many = POINTS.repeat(20_000, 1)
    parts = model.loss(many)
    assert parts.loss == parts.reconstruction + parts.kl
    q = model.encode(POINTS)
    standard = torch.distributions.Normal(torch.zeros(2), torch.ones(2))
    assert torch.allclose(parts.kl, torch.distributions.kl_divergence(q.base_dist, standard).sum(1).mean())
    draws = -model.bound(many)
    bound_laws.unbiased(draws, parts.loss.item(), tolerance=6 * draws.std().item() / len(many) ** 0.5)


class Values(nn.Module):
    """p(z) over few whole numbers, and a posterior over them: z (B, 1)."""

    def __init__(self, probs):
        super().__init__()
        self.log_probs = probs.log()  # (M,) or (B, M)

    def log_prob(self, z):
        if self.log_probs.dim() == 1:
            return self.log_probs[z[:, 0].long()]
        return self.log_probs.expand(*z.shape[:-1], -1).gather(-1, z.long())[..., 0]

    def rsample(self, shape=()):
        return torch.distributions.Categorical(logits=self.log_probs).sample(shape)[..., None].double()


@pytest.mark.parametrize("exact_posterior", [True, False])
def test_on_a_model_of_few_values(exact_posterior):
    """Any prior and posterior: here z is one of three, so that log p(x) is a sum; the KL comes from the draw."""
    prior = torch.tensor([0.2, 0.5, 0.3])
    table = torch.tensor([[2.0, -1.0], [0.0, 1.0], [-2.0, -0.5]])  # logits of two bits
    x = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 2)  # (4, 2)
    log_joint = prior.log() + IndependentBernoulli(table).log_prob(x[:, None])  # (4, 3)
    exact = log_joint.logsumexp(1)
    laws.normalised(exact, what="p(x)")
    encoder = nn.Identity()
    posterior = log_joint.softmax(1) if exact_posterior else torch.full((4, 3), 1 / 3)

    class Lookup(nn.Module):
        def forward(self, z):
            return table[z[:, 0].long()]

    model = VAE(encoder, Lookup(), IndependentBernoulli, prior=Values(prior), posterior=lambda _: Values(posterior))
    bound_laws.lower_bound(model.log_weights(x, 4000), exact, tight=exact_posterior)
    if exact_posterior:
        assert torch.allclose(model.loss(x).loss, -exact.mean())
    else:
        bound_laws.unbiased(model.log_weights(x, 20_000).exp(), exact.exp())


def test_bits_against_quadrature():
    """p(x) over three bits and one z: it sums to 1 and lies above every bound."""
    model = VAE(MLP(3, 2, [8]), MLP(1, 3, [8]), IndependentBernoulli, prior=StandardNormal(1))
    x = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)
    z = torch.linspace(-10, 10, 2001)[:, None]
    with torch.no_grad():
        log_p = IndependentBernoulli(model.decoder(z)).log_prob(x[:, None]) + model.prior.log_prob(z) + math.log(0.01)
        exact = log_p.logsumexp(1)
        laws.normalised(exact, what="p(x)")
        bound_laws.lower_bound(model.log_weights(x, 5000), exact)
        assert torch.allclose(model.bound(x, k=200_000), exact, atol=0.02)


def test_gradients_are_those_of_the_expected_bound():
    """Against the gradient by quadrature over eps, which is exact."""
    model = VAE(MLP(2, 2, [4]), MLP(1, 2, [4]), IndependentBernoulli, prior=StandardNormal(1))
    x = torch.tensor([[1.0, 0.0]])
    eps = torch.linspace(-9, 9, 4001)[:, None]
    weight = torch.exp(-eps[:, 0].square() / 2) / math.sqrt(2 * math.pi) * (eps[1, 0] - eps[0, 0])
    q = model.encode(x)
    log_p = model.decode(q.loc + q.log_scale.exp() * eps).log_prob(x.expand(len(eps), -1))
    first = list(model.encoder.parameters())[-1]  # the bias of mean and log standard deviation
    exact = torch.autograd.grad(-(weight * log_p).sum() + q.kl_to_standard().sum(), first)[0]
    draws = torch.stack([torch.autograd.grad(model.loss(x).loss, first)[0] for _ in range(2000)])
    bound_laws.unbiased(draws, exact)


def test_samples_follow_the_model():
    model, _ = linear_gaussian()
    x = model.sample(40_000)
    assert torch.allclose(torch.cov(x.T), W @ W.T + torch.diag(NOISE.square()), atol=0.08)


def test_free_bits_press_no_latent_below_the_floor_in_training_only():
    model, _ = linear_gaussian()
    model.free_bits = floor = 0.6
    by_latent = model.kl(model.encode(POINTS), POINTS[:, :2]).mean(0)
    assert (by_latent > floor).sum() == 1  # one above, one below
    model.train()
    parts = model.loss(POINTS)
    assert torch.allclose(parts.loss - parts.reconstruction, by_latent.clamp(min=floor).sum())
    assert torch.allclose(parts.kl, by_latent.sum())
    model.eval()
    parts = model.loss(POINTS)
    assert parts.loss == parts.reconstruction + parts.kl


def test_a_flow_as_prior_gives_the_same_bound_from_draws():
    """N(0, I) as a flow: the KL is sampled, and the bound's mean stays."""
    model, exact = linear_gaussian(shift=0.4)
    sampled = VAE(model.encoder, model.decoder, DiagonalNormal, prior=Flow((2,), Scale(1.0)))
    many = POINTS.repeat(20_000, 1)
    assert sampled.kl(model.encode(POINTS), POINTS[:, :2]).shape == (3, 1)
    assert sampled.loss(many).loss.item() == pytest.approx(model.loss(many).loss.item(), abs=0.02)
    bound_laws.lower_bound(sampled.log_weights(POINTS, 2000), exact)


def test_trains_and_shapes_of_images():
    torch.set_default_dtype(torch.float32)
    images = (np.random.default_rng(0).random((256, 1, 4, 4)) < 0.8).astype(np.float32)
    images[:128] = 1 - images[:128]
    encoder = nn.Sequential(nn.Flatten(), MLP(16, 4, [32]))
    decoder = nn.Sequential(MLP(2, 16, [32]), nn.Unflatten(1, (1, 4, 4)))
    model = VAE(encoder, decoder, IndependentBernoulli, prior=StandardNormal(2))
    history = fit(model, Batches(images), epochs=60, lr=1e-2, test=images)
    two_kinds = 16 * (-0.8 * math.log(0.8) - 0.2 * math.log(0.2)) + math.log(2)
    assert history.test[0] > 11 > history.test[-1]
    assert history.test[-1] < two_kinds + 0.6
    assert model.sample(3).shape == (3, 1, 4, 4)
    assert model.bound(torch.tensor(images[:5]), k=3).shape == (5,)
