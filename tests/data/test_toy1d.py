import math

import numpy as np
import pytest

from deepul_utils.data.toy1d import (
    ONE_BUMP_VALUES,
    TWO_BUMPS_VALUES,
    one_bump,
    one_bump_law,
    two_bumps,
    two_bumps_law,
)

SETS = [(one_bump, one_bump_law, ONE_BUMP_VALUES), (two_bumps, two_bumps_law, TWO_BUMPS_VALUES)]


def phi(t):
    return math.erfc(-t / math.sqrt(2)) / 2


def test_one_bump_is_the_published_set():
    t = 0.4 + 0.1 * np.random.RandomState(0).randn(1000)
    x = np.digitize(t, np.linspace(0, 1, 20))
    train, test = one_bump()
    assert np.array_equal(np.concatenate([train, test]), x)
    assert (len(train), len(test)) == (800, 200)


def test_two_bumps_is_the_published_set():
    rng = np.random.RandomState(0)
    a, b = 0.3 + 0.1 * rng.randn(10_000), 0.8 + 0.05 * rng.randn(10_000)
    mask = rng.rand(10_000) < 0.5
    x = np.digitize(np.clip(a * mask + b * (1 - mask), 0, 1), np.linspace(0, 1, 100))
    train, test = two_bumps()
    assert np.array_equal(np.concatenate([train, test]), x)
    assert (len(train), len(test)) == (8000, 2000)


@pytest.mark.parametrize(
    ("draw", "law", "values", "mle", "floor"),
    [(*SETS[0], 2.0510, 2.0431), (*SETS[1], 4.0323, 4.0315)],
)
def test_counting_and_the_true_law_reach_the_reference_losses(draw, law, values, mle, floor):
    train, test = draw()
    counted = np.bincount(train, minlength=values) / len(train)
    assert round(-np.log(counted[test]).mean(), 4) == mle
    assert round(-np.log(law()[test]).mean(), 4) == floor


@pytest.mark.parametrize(("draw", "law", "values"), SETS)
def test_the_end_values_never_come(draw, law, values):
    x = np.concatenate(draw())
    assert x.min() > 0
    assert x.max() < values - 1


@pytest.mark.parametrize(("draw", "law", "values"), SETS)
def test_the_law_is_the_one_drawn_from(draw, law, values):
    p = law()
    assert p.shape == (values,)
    assert abs(p.sum() - 1) < 1e-12
    counts = sum(np.bincount(np.concatenate(draw(seed)), minlength=values) for seed in range(100))
    assert not counts[p == 0].any()
    # A binomial count strays 5 standard deviations from its mean in fewer than 1 of 10^6 draws; these are fixed.
    spread = np.sqrt(counts.sum() * p * (1 - p)) + 1
    assert (np.abs(counts - counts.sum() * p) < 5 * spread).all()


def test_one_bump_keeps_its_tails_in_the_end_values():
    p = one_bump_law()
    assert p[0] == pytest.approx(phi(-4), rel=1e-9)  # t < 0
    assert p[1] == pytest.approx(phi((1 / 19 - 0.4) / 0.1) - phi(-4), rel=1e-9)
    assert p[19] == pytest.approx(1 - phi((18 / 19 - 0.4) / 0.1), rel=1e-6)  # t = 1 and above included


def test_two_bumps_is_clipped_before_it_is_cut():
    p = two_bumps_law()
    assert p[0] == 0
    assert p[1] == pytest.approx((phi((1 / 99 - 0.3) / 0.1) + phi((1 / 99 - 0.8) / 0.05)) / 2, rel=1e-9)
    assert p[99] == pytest.approx(1 - (phi((98 / 99 - 0.3) / 0.1) + phi((98 / 99 - 0.8) / 0.05)) / 2, rel=1e-6)


def test_a_draw_of_exactly_1_gets_the_last_value():
    x = np.stack([np.concatenate(two_bumps(seed)) for seed in range(50)])
    assert (x.min(), x.max()) == (1, 99)


@pytest.mark.parametrize("draw", [one_bump, two_bumps])
def test_seeds_differ_and_repeat(draw):
    assert np.array_equal(draw(3)[0], draw(3)[0])
    assert not np.array_equal(draw(3)[0], draw(4)[0])
