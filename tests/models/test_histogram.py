"""The histogram: its law, its closed form, its gradient."""

import math

import numpy as np
import pytest
import torch

from deepul_utils.checks import laws
from deepul_utils.models.histogram import Histogram, empirical


@pytest.fixture
def values():
    return np.random.default_rng(0).integers(0, 7, 200)


def test_empirical_counts_every_value_that_can_occur():
    assert empirical([2, 0, 2, 2], 5).tolist() == [0.25, 0, 0.75, 0, 0]


@pytest.mark.parametrize("smoothing", [0.5, 1, 3])
def test_smoothing_is_that_many_more_observations_of_each_value(smoothing):
    expected = [(seen + smoothing) / (3 + 3 * smoothing) for seen in (2, 1, 0)]
    assert empirical([0, 0, 1], 3, smoothing).tolist() == pytest.approx(expected, rel=1e-14)


def test_smoothing_alone_is_uniform():
    assert empirical([], 4, 1).tolist() == [0.25] * 4


@pytest.mark.parametrize("x", [[0, 3], [-1, 0], [0.5, 1.0], torch.tensor([0, 9])])
def test_empirical_refuses_values_outside_the_support(x):
    with pytest.raises(ValueError, match="integers from 0 to 2"):
        empirical(x, 3)


def test_empirical_refuses_nothing_to_count_and_negative_smoothing():
    with pytest.raises(ValueError, match="nothing to count"):
        empirical([], 3)
    with pytest.raises(ValueError, match="at least 0"):
        empirical([1], 3, -1)


def test_empirical_is_the_law_of_highest_likelihood(values):
    best = empirical(values, 7)
    rng = np.random.default_rng(1)
    for _ in range(100):
        moved = best * torch.from_numpy(rng.uniform(0.8, 1.25, 7))
        moved /= moved.sum()
        assert moved.log()[values].mean() < best.log()[values].mean()


def test_log_prob_is_the_log_of_a_law():
    torch.manual_seed(0)
    model = Histogram(9).double()
    torch.nn.init.normal_(model.logits, std=30)
    log_prob = model.log_prob(torch.arange(9))
    laws.normalised(log_prob.detach(), tolerance=1e-12)
    assert torch.allclose(log_prob, model.logits - model.logits.logsumexp(0), atol=1e-12)


def test_a_new_histogram_is_uniform():
    assert Histogram(20).loss(torch.arange(20)).item() == pytest.approx(math.log(20), abs=1e-6)


def test_counted_model_gives_the_empirical_law_and_knows_what_it_never_saw():
    model = Histogram.counted([0, 0, 0, 1], 3)
    assert model.log_prob(torch.arange(3)).tolist() == pytest.approx([math.log(0.75), math.log(0.25), -math.inf])
    assert model.loss(torch.tensor([0, 2])).item() == math.inf


def test_gradient_is_model_minus_data_and_vanishes_at_the_counts(values):
    model = Histogram(7).double()
    torch.nn.init.normal_(model.logits)
    model.loss(torch.from_numpy(values)).backward()
    assert torch.allclose(model.logits.grad, model.logits.detach().softmax(0) - empirical(values, 7), atol=1e-12)
    counted = Histogram.counted(values, 7)
    counted.loss(torch.from_numpy(values)).backward()
    assert counted.logits.grad.abs().max() < 1e-6


def test_samples_follow_the_law():
    torch.manual_seed(0)
    model = Histogram.counted([0, 0, 1, 3, 3, 3], 5)
    laws.matches_sampler(model.sample(20_000), empirical([0, 0, 1, 3, 3, 3], 5))


def test_log_prob_refuses_values_outside_the_support():
    with pytest.raises(ValueError, match="support"):
        Histogram(3).log_prob(torch.tensor([3]))
