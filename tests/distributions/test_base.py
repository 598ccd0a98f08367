"""The base laws are torch's own, and their samples follow them."""

import pytest
import torch
from scipy import stats
from torch.distributions import Independent, Normal, Uniform

from deepul_utils.distributions.base import StandardNormal, StandardUniform


@pytest.mark.parametrize(
    ("base", "law"),
    [
        (StandardNormal(3), Normal(torch.zeros(3, dtype=torch.float64), 1)),
        (StandardUniform(3), Uniform(torch.zeros(3, dtype=torch.float64), 1)),
    ],
)
def test_log_prob_and_samples(base, law):
    torch.manual_seed(0)
    z = base.double().sample(2000)
    assert z.shape == (2000, 3)
    assert z.dtype == torch.float64
    torch.testing.assert_close(base.log_prob(z), Independent(law, 1).log_prob(z), rtol=1e-12, atol=1e-12)
    assert stats.kstest(law.cdf(z).flatten().numpy(), "uniform").pvalue > 1e-4


def test_the_cube_has_an_outside():
    outside = torch.tensor([[0.5, -1e-6], [1 + 1e-6, 0.5]], dtype=torch.float64)
    assert torch.equal(StandardUniform(2).log_prob(outside), torch.full((2,), -torch.inf, dtype=torch.float64))


@pytest.mark.parametrize("base", [StandardNormal, StandardUniform])
def test_needs_a_dimension(base):
    with pytest.raises(ValueError, match="dims must be at least 1, got 0"):
        base(0)


@pytest.mark.parametrize("base", [StandardNormal, StandardUniform])
def test_z_has_as_many_dimensions(base):
    with pytest.raises(ValueError, match=r"z must be \(B, 4\), got \(3, 5\)"):
        base(4).log_prob(torch.zeros(3, 5))
