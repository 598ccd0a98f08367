"""A flow: its mass is one, its samples follow it, and it says what does not fit."""

import math

import pytest
import torch
from scipy import stats
from torch import nn

from deepul_utils.checks import laws
from deepul_utils.distributions.base import StandardUniform
from deepul_utils.models.flow import Flow
from deepul_utils.transforms.transform import Transform


class Sinh(Transform):
    """z_i = sinh(a_i x_i), handed on as a column."""

    def __init__(self, *rates):
        super().__init__()
        self.rates = nn.Parameter(torch.tensor(rates))

    def forward(self, x):
        derivative = self.rates * torch.cosh(self.rates * x)
        return torch.sinh(self.rates * x)[..., None], derivative.log().sum(1)

    def inverse(self, z):
        assert z.shape[1:] == (len(self.rates), 1)
        return torch.asinh(z[..., 0]) / self.rates

    def latent_shape(self, shape):
        return (*shape, 1)


@pytest.fixture
def flow():
    return Flow((2,), Sinh(0.5, 2.0)).double()


@torch.no_grad()
def test_mass(flow):
    laws.mass(lambda x: flow.log_prob(torch.as_tensor(x)).numpy(), [-20, -5], [20, 5], points=500)


@torch.no_grad()
def test_mass_in_one_dimension_over_another_base():
    class Sigmoid(Transform):
        def forward(self, x):
            z = torch.sigmoid(x)
            return z, (z * (1 - z)).log().sum(1)

    flow = Flow((1,), Sigmoid(), base=StandardUniform(1))
    laws.mass(lambda x: flow.log_prob(torch.as_tensor(x)[:, None]).numpy(), -30, 30)


def test_samples_follow_the_density(flow):
    torch.manual_seed(0)
    x = flow.sample(4000)
    assert x.shape == (4000, 2)
    assert not x.requires_grad
    with torch.no_grad():
        z, _ = flow.transform(x)
    assert stats.kstest(z.flatten().numpy(), "norm").pvalue > 1e-4


def test_samples_are_the_inverse_of_the_noise(flow):
    z = torch.randn(5, 2, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(flow.transform(flow.sample(5, z))[0][..., 0], z, rtol=1e-12, atol=1e-12)


def test_the_loss_is_the_mean_in_nats_per_example(flow):
    x = torch.randn(7, 2, dtype=torch.float64)
    assert flow.log_prob(x).shape == (7,)
    assert math.isclose(flow.loss(x).item(), -flow.log_prob(x).mean().item())
    flow.loss(x).backward()
    assert flow.transform.rates.grad.abs().min() > 0


def test_what_does_not_fit(flow):
    with pytest.raises(ValueError, match=r"x must be \(B, 2\), got \(5, 3\); reshape it"):
        flow.log_prob(torch.zeros(5, 3))
    with pytest.raises(ValueError, match=r"the noise z must be \(5, 2\), got \(4, 2\)"):
        flow.sample(5, torch.zeros(4, 2))
    with pytest.raises(ValueError, match=r"the noise z must be \(5, 2\), got \(5, 3\)"):
        flow.sample(5, torch.zeros(5, 3))
