from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from deepul_utils.checks import laws
from deepul_utils.models.mixture_of_logistics import MixtureOfLogistics


def random_model(seed: int, num_values: int = 17, components: int = 3) -> MixtureOfLogistics:
    torch.manual_seed(seed)
    model = MixtureOfLogistics(num_values, components).double()
    for parameter in model.parameters():
        parameter.data += torch.randn_like(parameter)
    return model


@pytest.mark.parametrize("seed", range(5))
def test_is_a_distribution_over_its_values(seed: int) -> None:
    model = random_model(seed)
    laws.normalised(model.log_prob(torch.arange(17)).detach().numpy(), tolerance=1e-12)


def test_is_the_weighted_sum_of_its_logistics() -> None:
    model = random_model(0)
    edges = np.concatenate([[-np.inf], np.arange(16) + 0.5, [np.inf]])
    expected = sum(
        weight * np.diff(stats.logistic.cdf(edges, loc, scale))
        for weight, loc, scale in zip(
            model.logits.softmax(0).tolist(), model.loc.tolist(), model.log_scale.exp().tolist(), strict=True
        )
    )
    np.testing.assert_allclose(model.log_prob(torch.arange(17)).exp().detach(), expected, rtol=1e-9)


def test_loss_is_the_mean_negative_log_likelihood() -> None:
    model, x = random_model(1), torch.tensor([0, 3, 3, 16])
    expected = -(model.log_prob(x[:1]) + 2 * model.log_prob(x[1:2]) + model.log_prob(x[3:])) / 4
    torch.testing.assert_close(model.loss(x), expected.squeeze())
    assert model.loss(x.to(torch.uint8)) == model.loss(x)


def test_sampler_matches() -> None:
    model = random_model(2)
    samples = model.sample(50_000)
    assert samples.shape == (50_000,)
    laws.matches_sampler(samples.numpy(), model.log_prob(torch.arange(17)).exp().detach().numpy())


@pytest.mark.parametrize(("num_values", "components"), [(2, 1), (17, 4), (100, 4), (256, 10)])
def test_starts_spread_over_the_range(num_values: int, components: int) -> None:
    model = MixtureOfLogistics(num_values, components)
    loc = model.loc.detach().double()
    assert loc.mean().item() == pytest.approx((num_values - 1) / 2)
    np.testing.assert_allclose(loc.diff(), num_values / components, rtol=1e-6)
    # Nearly flat, so that every value's gradient moves some component: at most 5 times rarer than the uniform.
    assert model.log_prob(torch.arange(num_values)).min() > -math.log(5 * num_values)


def test_gradient_reaches_every_parameter() -> None:
    model = MixtureOfLogistics(17)
    model.loss(torch.arange(17)[3:9]).backward()
    assert all((parameter.grad != 0).all() for parameter in model.parameters())


def test_recovers_the_law_of_its_data() -> None:
    truth = random_model(3, components=2)
    probs = truth.log_prob(torch.arange(17)).exp().detach()
    model = MixtureOfLogistics(17, components=2).double()
    optimiser = torch.optim.LBFGS(model.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def cross_entropy() -> torch.Tensor:
        optimiser.zero_grad()
        loss = -(probs * model.log_prob(torch.arange(17))).sum()
        loss.backward()
        return loss

    optimiser.step(cross_entropy)  # type: ignore[arg-type]
    entropy = torch.special.entr(probs).sum()
    assert cross_entropy().item() == pytest.approx(entropy.item(), abs=1e-5)


@pytest.mark.parametrize("sizes", [(0, 4), (17, 0)])
def test_sizes_must_be_positive(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        MixtureOfLogistics(*sizes)
