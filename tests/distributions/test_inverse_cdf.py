import numpy as np
import pytest
import torch

from deepul_utils.checks import laws
from deepul_utils.distributions.inverse_cdf import inverse_cdf


def test_it_is_the_first_value_whose_cumulative_probability_exceeds_u():
    probs = torch.tensor([0.25, 0.5, 0.25], dtype=torch.float64)
    u = torch.tensor([0.0, 0.2499, 0.25, 0.7499, 0.75, 0.9999], dtype=torch.float64)
    assert inverse_cdf(probs.log().expand(6, 3), u).tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("impossible", [0, 1, 2])
def test_an_impossible_value_is_never_drawn(impossible):
    probs = torch.full((3,), 0.5, dtype=torch.float64)
    probs[impossible] = 0
    u = torch.arange(0, 1, 1 / 1024, dtype=torch.float64)
    drawn = inverse_cdf(probs.log().expand(len(u), 3), u)
    assert drawn.unique().tolist() == [k for k in range(3) if k != impossible]


def test_rounding_never_leads_outside_the_values():
    below_one = torch.nextafter(torch.tensor(1.0), torch.tensor(0.0))
    logits = torch.randn(1000, 256, generator=torch.Generator().manual_seed(0))
    drawn = inverse_cdf(logits, below_one.expand(1000))
    assert drawn.max() <= 255
    assert inverse_cdf(logits, torch.zeros(1000)).tolist() == [0] * 1000


def test_uniform_noise_gives_the_law():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, generator=generator)
    drawn = inverse_cdf(logits.expand(20_000, 6), torch.rand(20_000, generator=generator))
    laws.matches_sampler(drawn.numpy(), logits.softmax(-1).numpy())


def test_each_number_is_drawn_from_its_own_law():
    logits, u = torch.randn(2, 3, 5), torch.rand(2, 3)
    drawn = inverse_cdf(logits, u)
    assert drawn.shape == (2, 3)
    for i in np.ndindex(2, 3):
        assert drawn[i] == inverse_cdf(logits[i], u[i])
