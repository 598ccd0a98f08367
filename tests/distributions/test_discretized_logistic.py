from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import Categorical, MixtureSameFamily

from deepul_utils.checks import laws
from deepul_utils.distributions.discretized_logistic import DiscretizedLogistic

EXTREME_LOCS = [-1e6, -40.0, -0.5, 0.0, 3.2, 7.5, 16.0, 16.5, 60.0, 1e6]
EXTREME_LOG_SCALES = {torch.float32: [-60.0, -5.0, 0.0, 5.0, 60.0], torch.float64: [-300.0, -40.0, 0.0, 2.0, 300.0]}


def float64(number: float) -> torch.Tensor:
    return torch.tensor(number, dtype=torch.float64)


def all_log_probs(loc: torch.Tensor, log_scale: torch.Tensor, num_values: int = 17) -> torch.Tensor:
    values = torch.arange(num_values)
    return DiscretizedLogistic(loc[..., None], log_scale[..., None], num_values).log_prob(values)


@pytest.mark.parametrize("num_values", [1, 2, 17, 256])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_masses_sum_to_one_for_any_mean_and_scale(num_values: int, dtype: torch.dtype, tolerance: float) -> None:
    loc = torch.tensor(EXTREME_LOCS, dtype=dtype)[:, None]
    log_scale = torch.tensor(EXTREME_LOG_SCALES[dtype], dtype=dtype)
    log_prob = all_log_probs(*torch.broadcast_tensors(loc, log_scale), num_values)
    assert log_prob.dtype == dtype
    laws.normalised(log_prob.numpy(), tolerance=tolerance)


@pytest.mark.parametrize("loc", [-3.0, 0.2, 7.5, 20.0])
@pytest.mark.parametrize("scale", [0.3, 1.0, 6.0])
def test_mass_is_that_of_a_logistic_rounded_and_clipped(loc: float, scale: float) -> None:
    edges = np.concatenate([[-np.inf], np.arange(16) + 0.5, [np.inf]])
    expected = np.diff(stats.logistic.cdf(edges, loc, scale))
    got = all_log_probs(float64(loc), float64(np.log(scale))).exp()
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-15)


def test_far_from_the_mean_the_log_stays_finite_and_exact() -> None:
    # Every sigmoid here rounds to 0 or to 1; the mass is exp(-(distance - 1/2) / s), less a part exp(-1/s).
    scale = 0.1
    for loc, k in [(0.0, 90), (100.0, 10)]:
        got = DiscretizedLogistic(float64(loc), float64(scale).log(), 101).log_prob(torch.tensor(k))
        expected = -(90 - 0.5) / scale + np.log1p(-np.exp(-1 / scale))
        assert got.item() == pytest.approx(expected, rel=1e-12)


def test_edge_values_take_the_tails() -> None:
    loc, log_scale = float64(2.0), float64(1.0)
    dist = DiscretizedLogistic(loc, log_scale, 5)
    latent = stats.logistic(2.0, np.e)
    assert dist.log_prob(torch.tensor(0)).item() == pytest.approx(latent.logcdf(0.5), rel=1e-12)
    assert dist.log_prob(torch.tensor(4)).item() == pytest.approx(latent.logsf(3.5), rel=1e-12)


@pytest.mark.parametrize("value", [0, 3, 16])
def test_gradient_is_that_of_finite_differences(value: int) -> None:
    loc = torch.tensor([-20.0, 0.1, 2.9, 16.2, 40.0], dtype=torch.float64, requires_grad=True)
    log_scale = torch.tensor([0.5, -1.5, 0.0, 3.0, 1.0], dtype=torch.float64, requires_grad=True)

    def log_prob(loc: torch.Tensor, log_scale: torch.Tensor) -> torch.Tensor:
        return DiscretizedLogistic(loc, log_scale, 17).log_prob(torch.tensor(value))

    assert torch.autograd.gradcheck(log_prob, (loc, log_scale), eps=1e-6, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradient_is_finite_at_extremes(dtype: torch.dtype) -> None:
    for log_scale in EXTREME_LOG_SCALES[dtype]:
        loc = torch.tensor(EXTREME_LOCS, dtype=dtype, requires_grad=True)
        scale = torch.full_like(loc, log_scale).requires_grad_()
        all_log_probs(loc, scale).sum().backward()
        assert loc.grad is not None
        assert scale.grad is not None
        assert loc.grad.isfinite().all()
        assert scale.grad.isfinite().all()


@pytest.mark.parametrize(("loc", "scale"), [(8.0, 1.5), (-2.0, 3.0), (16.4, 0.4), (5.5, 40.0)])
def test_sampler_matches_the_masses(loc: float, scale: float) -> None:
    torch.manual_seed(0)
    dist = DiscretizedLogistic(float64(loc), float64(np.log(scale)), 17)
    samples = dist.sample((50_000,))
    assert samples.dtype == torch.int64
    laws.matches_sampler(samples.numpy(), dist.log_prob(torch.arange(17)).exp().numpy())


def test_shapes_broadcast() -> None:
    dist = DiscretizedLogistic(torch.zeros(3, 1), torch.zeros(4), 17)
    assert dist.batch_shape == (3, 4)
    assert dist.sample((2,)).shape == (2, 3, 4)
    assert dist.log_prob(torch.ones(2, 1, 1)).shape == (2, 3, 4)


def test_inside_a_torch_mixture() -> None:
    torch.manual_seed(0)
    weights = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    loc, log_scale = torch.randn(3, dtype=torch.float64) * 8 + 8, torch.randn(3, dtype=torch.float64)
    mixture = MixtureSameFamily(Categorical(weights), DiscretizedLogistic(loc, log_scale, 17))
    got = mixture.log_prob(torch.arange(17)).exp()
    torch.testing.assert_close(got, weights @ all_log_probs(loc, log_scale).exp(), rtol=1e-12, atol=1e-15)
    laws.matches_sampler(mixture.sample((50_000,)).numpy(), got.numpy())


@pytest.mark.parametrize("value", [-1.0, 17.0, 2.5])
def test_a_value_outside_the_support_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="support"):
        DiscretizedLogistic(float64(0.0), float64(0.0), 17).log_prob(torch.tensor(value))


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="num_values must be at least 1"):
        DiscretizedLogistic(float64(0.0), float64(0.0), 0)
    with pytest.raises(ValueError, match="log_scale"):
        DiscretizedLogistic(float64(0.0), float64(np.nan), 17)
