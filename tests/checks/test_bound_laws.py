"""Bounds and unbiased estimates on models whose likelihoods and gradients are known."""

import numpy as np
import pytest
from scipy import special, stats

from deepul_utils.checks.bound_laws import lower_bound, unbiased
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
