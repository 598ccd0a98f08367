"""The bound lies below log p(x), which is summed over every map of codes; each term moves what it should."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from deepul_utils.checks import bound_laws
from deepul_utils.distributions.independent import IndependentBernoulli
from deepul_utils.models.autoregressive import Autoregressive
from deepul_utils.models.pixelcnn import PixelCNN
from deepul_utils.models.quantiser import Quantiser
from deepul_utils.models.vqvae import VQVAE
from deepul_utils.training import Batches, fit

pytestmark = pytest.mark.usefixtures("float64")


class Uniform(Autoregressive):
    def forward(self, x, y=None):
        return torch.zeros(*x.shape, self.num_values)


def vqvae(prior=None, beta=0.25, K=3):
    """Images of 4 x 4 pixels, a map of 2 x 2 codes of two numbers."""
    encoder, decoder = nn.Conv2d(1, 2, 2, stride=2), nn.ConvTranspose2d(2, 1, 2, stride=2)
    prior = PixelCNN((2, 2), K, width=8, layers=1, kernel_size=3) if prior is None else prior
    return VQVAE(encoder, decoder, IndependentBernoulli, Quantiser(K, 2), prior=prior, beta=beta)


def images(n):
    return torch.bernoulli(torch.full((n, 1, 4, 4), 0.5))


def exact(model, x):
    """log sum_k P(k) p(x | k), over all maps."""
    K = model.prior.num_values
    every = torch.cartesian_prod(*[torch.arange(K)] * 4).view(-1, 2, 2)
    log_p = torch.stack([model.decode(every).log_prob(one) for one in x])  # (B, K^4)
    return (log_p + model.prior.log_prob(every)).logsumexp(1)


def test_the_bound_is_below_log_p_and_misses_the_posterior_of_its_codes():
    model, x = vqvae().eval(), images(6)
    with torch.no_grad():
        bound, log_p = model.bound(x), exact(model, x)
        bound_laws.lower_bound(bound[None], log_p)
        assert (bound < log_p - 0.01).all()
        k = model.encode(x)
        joint = model.decode(k).log_prob(x) + model.prior.log_prob(k)
        assert torch.allclose(log_p - bound, -(joint - log_p))  # -log p(k | x)


def test_the_bound_is_tight_where_one_map_explains_all():
    """With codes that decode to certainty, the posterior has a single map."""
    model = vqvae(Uniform((2, 2), 2), K=2).eval()
    with torch.no_grad():
        model.encoder.weight.fill_(1.0), model.encoder.bias.fill_(-2.0)  # black quarters to +, white ones to -
        model.quantiser.codes.copy_(torch.tensor([[-2.0, -2.0], [2.0, 2.0]]))
        model.decoder.weight.fill_(20.0), model.decoder.bias.zero_()
        x = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).kron(torch.ones(2, 2))[None, None]
        assert model.encode(x).tolist() == [[[1, 0], [0, 1]]]
        bound_laws.lower_bound(model.bound(x)[None], exact(model, x), tight=True)
        assert model.bound(x).item() == pytest.approx(-4 * math.log(2))  # four codes of one bit


def test_the_mass_of_all_images_is_one():
    model = vqvae().eval()
    every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 16).view(-1, 1, 4, 4)
    with torch.no_grad():
        maps = torch.cartesian_prod(*[torch.arange(3)] * 4).view(-1, 2, 2)
        logits = model.decode(maps).base_dist.logits.flatten(1)  # (81, 16)
        log_p = every.flatten(1) @ logits.T - nn.functional.softplus(logits).sum(1) + model.prior.log_prob(maps)
        assert log_p.logsumexp((0, 1)).exp().item() == pytest.approx(1, abs=1e-9)
        assert torch.allclose(log_p[:5].logsumexp(1), exact(model, every[:5]))
        assert model.bound(every).exp().sum() < 1


def test_loss_in_training_and_in_evaluation():
    model, x = vqvae(Uniform((2, 2), 3), beta=0.4), images(7)
    parts = model.train().loss(x)
    parts = model.loss(x)
    assert torch.allclose(parts.code, torch.tensor(4 * math.log(3)))
    assert torch.allclose(parts.loss, parts.reconstruction + parts.code + parts.codebook + 0.4 * parts.commitment)
    parts = model.eval().loss(x)
    assert torch.allclose(parts.loss, -model.bound(x).mean())
    assert parts.codebook > 0


def test_which_term_moves_what():
    model, x = vqvae(), images(20)
    model.loss(x)  # so that codes are at home, and
    model.quantiser.codes.data += 0.1 * torch.randn(3, 2)  # at no vector
    parts = model.loss(x)
    moved = {"reconstruction": "encoder decoder", "code": "prior", "codebook": "quantiser", "commitment": "encoder"}
    for term, whose in moved.items():
        for name in ("encoder", "quantiser", "decoder", "prior"):
            parameters = list(getattr(model, name).parameters())
            grads = torch.autograd.grad(getattr(parts, term), parameters, retain_graph=True, allow_unused=True)
            assert any(g is not None and g.abs().sum() > 0 for g in grads) == (name in whose), (term, name)


def test_trains_and_samples_what_it_saw():
    torch.set_default_dtype(torch.float32)
    rng = np.random.default_rng(0)
    quarters = rng.integers(0, 2, (400, 1, 2, 2))
    quarters[:, 0, 1] = quarters[:, 0, 0]  # the lower half repeats the upper one: two bits an image
    x = np.kron(quarters, np.ones((2, 2))).astype(np.float32)
    model = vqvae(K=4)
    history = fit(model, Batches(x, batch_size=50), epochs=40, lr=2e-2, test=x)
    assert history.test[-1] < 2 * math.log(2) + 0.25
    drawn = model.sample(200)
    assert drawn.shape == (200, 1, 4, 4)
    assert (drawn[:, :, :2] == drawn[:, :, 2:]).float().mean() > 0.95


def test_looking_changes_nothing_also_in_training():
    model, x = vqvae().train(), images(5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.encode(x)
    model.bound(x)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
