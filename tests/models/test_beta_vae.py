"""The weight beta acts in training only, and its best q is the posterior of a likelihood to the power 1 / beta."""

import pytest
import torch
from torch import nn

from deepul_utils.checks import bound_laws
from deepul_utils.distributions.base import StandardNormal
from deepul_utils.distributions.independent import DiagonalNormal, IndependentBernoulli
from deepul_utils.models.beta_vae import BetaVAE
from deepul_utils.models.vae import VAE
from deepul_utils.nn.mlp import MLP

X = (torch.arange(12).reshape(4, 3) % 2).double()


pytestmark = pytest.mark.usefixtures("float64")


def model(cls=BetaVAE, **kwargs):
    torch.manual_seed(0)
    return cls(MLP(3, 4, [8]), MLP(2, 3, [8]), IndependentBernoulli, prior=StandardNormal(2), **kwargs)


def parts(of, x=X):
    torch.manual_seed(1)
    return of.loss(x)


def test_beta_weighs_the_rate_in_training_only():
    plain = parts(model(VAE))
    for beta in (0.0, 0.25, 1.0, 6.0):
        weighted = model(beta=beta)
        training, honest = parts(weighted.train()), parts(weighted.eval())
        assert torch.equal(torch.stack(honest), torch.stack(plain))
        assert torch.equal(torch.stack(training[1:]), torch.stack(plain[1:]))
        assert training.loss.item() == pytest.approx((plain.reconstruction + beta * plain.kl).item(), rel=1e-12)


def test_free_bits_are_weighted_too():
    weighted = model(beta=3.0, free_bits=0.5).train()
    weighing, kl = parts(weighted), weighted.kl(weighted.encode(X), X[:, :2]).mean(0)
    assert (kl < 0.5).any()
    assert torch.allclose(weighing.loss, weighing.reconstruction + 3 * kl.clamp(min=0.5).sum())


class Affine(nn.Module):
    def __init__(self, weight, log_scale):
        super().__init__()
        self.weight, self.log_scale = nn.Parameter(torch.tensor([weight])), nn.Parameter(torch.tensor([log_scale]))

    def forward(self, x):
        return torch.cat([self.weight * x, self.log_scale.expand(len(x), 1)], 1)


@pytest.mark.parametrize("beta", [0.5, 1.0, 4.0])
def test_at_the_tempered_posterior_the_encoder_rests(beta):
    """x = 2 z + noise of variance 1/4: with beta the noise counts as beta / 4, so q has precision 1 + 16 / beta."""
    variance = 1 / (1 + 16 / beta)
    encoder = Affine(variance * 8 / beta, torch.tensor(variance).log().item() / 2)
    decoder = Affine(2.0, torch.tensor(0.5).log().item())
    resting = BetaVAE(encoder, decoder, DiagonalNormal, prior=StandardNormal(1), beta=beta).train()
    x = torch.tensor([[-1.0], [0.5], [2.0]]).repeat(20, 1)

    def gradients(of):
        torch.manual_seed(0)
        draws = [torch.autograd.grad(of.loss(x).loss, list(encoder.parameters())) for _ in range(500)]
        return torch.stack([torch.cat(one) for one in draws])

    bound_laws.unbiased(gradients(resting), torch.zeros(2))
    resting.beta = 2 * beta
    mean = gradients(resting).mean(0)
    assert mean.abs().min() > 0.3  # with another price it would move


def test_a_negative_price_is_refused():
    with pytest.raises(ValueError, match="beta must be at least 0, got -1"):
        model(beta=-1)
