"""The mixture's distribution function and density are SciPy's, in the tails too, and bisection undoes them."""

import numpy as np
import pytest
import torch
from scipy import special, stats

from deepul_utils.checks import laws
from deepul_utils.distributions.base import StandardUniform
from deepul_utils.models.flow import Flow
from deepul_utils.transforms.bisection import bisect
from deepul_utils.transforms.elementwise import Elementwise
from deepul_utils.transforms.mixture_cdf import MixtureCDF

MIXTURE = MixtureCDF(3).double()
PARAMS = torch.randn(9, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) / 2
LOGITS, LOC, LOG_SCALE = (part.numpy() for part in PARAMS.chunk(3))
LOC = LOC + np.array([-2, 0, 2])


def run(x):
    x = torch.as_tensor(x)
    return [part.numpy() for part in MIXTURE(x, PARAMS.expand(*x.shape, 9))]


def test_is_the_mixture_of_scipy():
    x = np.linspace(-10, 10, 101)
    weights = special.softmax(LOGITS)
    u, log_density = run(x)
    normal = stats.norm(LOC, np.exp(LOG_SCALE))
    np.testing.assert_allclose(u, normal.cdf(x[:, None]) @ weights, rtol=1e-12)
    np.testing.assert_allclose(log_density, np.log(normal.pdf(x[:, None]) @ weights), rtol=1e-12)


@pytest.mark.parametrize("x", [-200.0, 200.0])
def test_the_log_density_survives_far_out(x):
    expected = special.logsumexp(stats.norm.logpdf(x, LOC, np.exp(LOG_SCALE)), b=special.softmax(LOGITS))
    assert expected < -1000
    assert run([x])[1] == pytest.approx([expected], rel=1e-12)


def test_gradients_survive_far_out():
    x = torch.tensor([-200.0, 200.0], dtype=torch.float64)
    params = PARAMS.clone().requires_grad_()
    MIXTURE(x, params.expand(2, 9))[1].sum().backward()
    assert torch.isfinite(params.grad).all()
    assert params.grad[6:].abs().max() > 1e4  # the widest component's: it would have to be wider by far


def test_bisection_finds_what_forward_gave():
    x = torch.linspace(-6, 5, 40, dtype=torch.float64)
    params = PARAMS.expand(40, 9)
    torch.testing.assert_close(MIXTURE.inverse(MIXTURE(x, params)[0], params), x, rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_ends_have_finite_quantiles(dtype):
    mixture, u = MixtureCDF(3).to(dtype), torch.tensor([0.0, 1.0], dtype=dtype)
    low, high = mixture.inverse(u, PARAMS.to(dtype).expand(2, 9))
    assert torch.isfinite(torch.stack([low, high])).all()
    assert low < -5 < 5 < high


@torch.no_grad()
def test_mass_and_samples():
    flow = Flow((1,), Elementwise(MixtureCDF(3), (1,)), base=StandardUniform(1)).double()
    flow.transform.params.copy_(PARAMS)
    laws.mass(lambda x: flow.log_prob(torch.as_tensor(x)[:, None]).numpy(), -30, 30, tolerance=1e-9)
    torch.manual_seed(0)
    u, _ = flow.transform(flow.sample(4000))
    assert stats.kstest(u.flatten().numpy(), "uniform").pvalue > 1e-4


def test_components_start_apart():
    params = torch.zeros(1, 6, dtype=torch.float64, requires_grad=True)
    MixtureCDF(2).double()(torch.ones(1, dtype=torch.float64), params)[1].sum().backward()
    assert params.grad[0, 2] != params.grad[0, 3]


def test_needs_a_component():
    with pytest.raises(ValueError, match="components must be at least 1, got 0"):
        MixtureCDF(0)


class TestBisection:
    @pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
    def test_to_the_precision_of_the_numbers(self, dtype, tolerance):
        x = torch.linspace(-3, 3, 50, dtype=dtype)
        found = bisect(lambda x: x**3 + x, x**3 + x, torch.full_like(x, -10), torch.full_like(x, 10))
        torch.testing.assert_close(found, x, rtol=tolerance, atol=tolerance)

    def test_ends_of_the_interval_are_found(self):
        ends = torch.tensor([-1.0, 1.0], dtype=torch.float64)
        found = bisect(torch.sinh, torch.sinh(ends), torch.full_like(ends, -1), torch.full_like(ends, 1))
        torch.testing.assert_close(found, ends, rtol=0, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nothing_lies_beyond_1(dtype):
    """The weights of a softmax add up to a little more than 1 as often as to a little less."""
    torch.manual_seed(0)
    element = MixtureCDF(5).to(dtype)
    u, _ = element(torch.full((1000,), 30, dtype=dtype), torch.randn(1000, 15, dtype=dtype))
    assert (u <= 1).all()
