"""Bounds, their order and unbiased estimates on models whose likelihoods and gradients are known."""

import numpy as np
import pytest
from scipy import special, stats

from deepul_utils.checks.bound_laws import lower_bound, rises, unbiased
from deepul_utils.checks.laws import LawBroken

X = np.array([-1.0, 0.3, 4.0])
EXACT = stats.norm.logpdf(X, 0, np.sqrt(2))  # x = z + noise, both standard normal


def log_weights(shift, scale=0.5**0.5, draws=2000, k=1):
    """log p(x, z) / q(z), (draws, k, 3), of q = N(x / 2 + shift, scale^2); it is the posterior for shift 0."""
    z = X / 2 + shift + scale * np.random.default_rng(0).normal(size=(draws, k, 3))
    return stats.norm.logpdf(z) + stats.norm.logpdf(X, z) - stats.norm.logpdf(z, X / 2 + shift, scale)


class TestLowerBound:
    def test_accepts_bounds_on_a_linear_gaussian_model(self):
        lower_bound(log_weights(0.5)[:, 0], EXACT)
        lower_bound(special.logsumexp(log_weights(0.5, k=10), axis=1) - np.log(10), EXACT)
        lower_bound(log_weights(0.0)[:, 0], EXACT, tight=True)

    def test_accepts_bounds_on_a_model_of_few_values(self):
        prior, likelihood = np.array([0.2, 0.5, 0.3]), np.array([[0.1, 0.9], [0.6, 0.4], [0.8, 0.2]])
        joint = prior[:, None] * likelihood
        exact = np.log(joint.sum(0))
        lower_bound((prior @ np.log(likelihood))[None], exact)  # q is the prior
        posterior = joint / joint.sum(0)
        lower_bound((posterior * np.log(joint / posterior)).sum(0)[None], exact, tight=True)

    @pytest.mark.parametrize("wrong", ["no log K", "log q left out", "sign of the KL"])
    def test_rejects(self, wrong):
        log_w = log_weights(0.5, k=10)
        bound = {
            "no log K": special.logsumexp(log_w, axis=1),
            "log q left out": log_w[:, 0] + 2.0,
            "sign of the KL": 2 * EXACT - log_w[:, 0],
        }[wrong]
        with pytest.raises(LawBroken, match=r"at most -.* at \[0\], but it is"):
            lower_bound(bound, EXACT)

    def test_a_gap_is_no_tight_bound(self):
        with pytest.raises(LawBroken, match=": wrong in"):
            lower_bound(log_weights(0.01)[:, 0], EXACT, tight=True)

    @pytest.mark.parametrize("bound", [np.full((1, 3), np.nan), np.zeros((1, 2)), 0.0])
    def test_rejects_what_is_no_bound(self, bound):
        with pytest.raises(LawBroken):
            lower_bound(bound, EXACT)

    def test_one_number(self):
        lower_bound([-1.0], -0.5)
        with pytest.raises(LawBroken, match=r"should be at most -0\.5, but it is 0"):
            lower_bound([0.0], -0.5)


class TestRises:
    def levels(self, *draws, size=10_000):
        """Draws of the bounds of so many weights each, (size, 3), and log p(x)."""
        bounds = [special.logsumexp(log_weights(0.5, 1.0, size, k), axis=1) - np.log(k) for k in draws]
        return [*bounds, np.tile(EXACT, (size, 1))]

    def test_accepts_bounds_of_more_and_more_draws(self):
        rises(self.levels(1, 3, 10))

    def test_accepts_bounds_of_the_same_draws(self):
        log_w = log_weights(0.5, 1.0, 10_000, 10)
        rises([special.logsumexp(log_w[:, :k], axis=1) - np.log(k) for k in (1, 2, 3, 5, 10)])

    def test_sees_a_step_of_many_errors_but_not_of_one(self):
        noise = np.random.default_rng(2).normal(size=(2, 10_000))
        rises([noise[0], noise[1] + 0.2])
        with pytest.raises(LawBroken):
            rises([noise[0], noise[1] + 0.02])

    def test_rejects_a_fall(self):
        one, three, ten, exact = self.levels(1, 3, 10)
        with pytest.raises(LawBroken, match=r"from level 1 to 2 at \[0\].*10000 draws average a step of -"):
            rises([one, ten, three, exact])
        with pytest.raises(LawBroken, match="from level 2 to 3"):
            rises([one, three, exact, ten])

    def test_rejects_a_fall_in_one_place(self):
        levels = np.array(self.levels(1, 10))
        levels[:2, :, 1] = levels[[1, 0], :, 1]
        with pytest.raises(LawBroken, match=r"from level 0 to 1 at \[1\]"):
            rises(levels)

    @pytest.mark.parametrize("wrong", ["the draws are not used", "the mean of logarithms", "tight"])
    def test_rejects_what_stays_where_it_is(self, wrong):
        levels = {
            "the draws are not used": self.levels(1, 1),
            "the mean of logarithms": [log_weights(0.5, k=k).mean(1) for k in (1, 10)],
            "tight": [log_weights(0.0, k=k).mean(1) for k in (1, 10)],
        }[wrong]
        with pytest.raises(LawBroken, match="from level 0 to 1"):
            rises(levels)

    def test_levels_without_noise(self):
        rises([[1.0, 1.0], [1.1, 1.1]])
        with pytest.raises(LawBroken, match=r"from level 0 to 1 by more .* \(1e-06\), but 2 draws .* of 0$"):
            rises([[1.0, 1.0], [1.0, 1.0]])

    @pytest.mark.parametrize("draws", [np.full((2, 3), np.nan), [["a", "b"], ["c", "d"]], [[1.0, 2.0], [3.0]]])
    def test_rejects_what_is_no_bound(self, draws):
        with pytest.raises(LawBroken):
            rises(draws)

    @pytest.mark.parametrize("levels", [[[1.0, 2.0]], [[1.0], [2.0]], [1.0, 2.0]])
    def test_one_level_or_one_draw_says_nothing(self, levels):
        with pytest.raises(ValueError, match="two levels or more, with two draws"):
            rises(levels)


class TestUnbiased:
    def draws(self, size=20_000):
        """Score-function estimates of d/dmu E[z^2] = 2 mu for z ~ N(mu, 1), mu = 1 and 2."""
        mu = np.array([1.0, 2.0])
        z = np.random.default_rng(1).normal(mu, size=(size, 2))
        return z**2 * (z - mu)

    def test_accepts(self):
        unbiased(self.draws(), [2.0, 4.0])

    def test_names_the_cause(self):
        with pytest.raises(LawBroken, match=r"should be 2 on average at \[0\].*\n.*the sign"):
            unbiased(
                -self.draws(),
                [2.0, 4.0],
                causes={"the score is left out": [2.0, 5.0], "the sign is wrong": [-2.0, -4.0]},
            )

    def test_sees_a_bias_of_a_few_errors_but_not_of_one(self):
        noise = np.random.default_rng(2).normal(size=10_000)
        unbiased(noise + 0.01, 0.0)
        with pytest.raises(LawBroken):
            unbiased(noise + 0.1, 0.0)

    def test_estimates_without_noise_must_be_right(self):
        unbiased(np.ones((5, 1)), [1.0])
        with pytest.raises(LawBroken):
            unbiased(np.ones((5, 1)), [1.0001])

    @pytest.mark.parametrize("draws", [np.full((3, 2), np.nan), np.zeros((3, 1)), 1.0])
    def test_rejects_what_is_no_estimate(self, draws):
        with pytest.raises(LawBroken):
            unbiased(draws, [0.0, 0.0])

    def test_one_draw_says_nothing(self):
        with pytest.raises(ValueError, match="two draws"):
            unbiased([[1.0]], [1.0])
