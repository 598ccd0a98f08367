"""The explorable shows the same probabilities as the library, and its handles, sliders and switch move them."""

import re

import numpy as np
import pytest
import torch
from scipy import stats

from deepul_utils.distributions.discretized_logistic import DiscretizedLogistic
from deepul_utils.explorables.discretized_logistic import LogisticBins


def told(page):
    """Mean, scale and the sum of the probabilities, as the page tells them."""
    text = page.locator("[role=status]").inner_text().replace("−", "-")
    numbers = re.search(r"μ = (\S+), s = (\S+): the 8 probabilities sum to (\d\.\d{6})\.", text).groups()
    return tuple(float(number) for number in numbers)


def bars(page):
    """The number above each bar."""
    svg = page.get_by_role("figure", name="The probability of each value")
    return [float(text) for text in svg.locator("g:not([aria-hidden]) text").all_text_contents()]


def width_of_a_value(page):
    """Pixels from one value to the next."""
    ticks = page.get_by_role("figure", name="The logistic's density").locator("g[aria-hidden] text")
    zero, one = (ticks.get_by_text(label, exact=True).first.bounding_box() for label in ("0", "1"))
    return one["x"] - zero["x"]


@pytest.mark.parametrize(("loc", "scale"), [(2.5, 1.0), (-1.0, 2.0), (8.0, 0.5), (0.3, 0.7)])
def test_shows_the_probabilities_of_the_library(show, loc, scale):
    page = show(LogisticBins(loc=loc, scale=scale))
    law = DiscretizedLogistic(torch.tensor(loc), torch.tensor(scale).log(), 8).log_prob(torch.arange(8)).exp()
    assert bars(page) == pytest.approx(law.tolist(), abs=0.00501)
    assert told(page) == pytest.approx((loc, scale, 1), abs=1e-9)


@pytest.mark.parametrize(("loc", "scale"), [(2.5, 1.0), (-1.0, 2.0)])
def test_without_the_tails_the_sum_lacks_them(show, loc, scale):
    page = show(LogisticBins(loc=loc, scale=scale))
    page.get_by_role("checkbox", name="0 and 7 take the tails").press("Space")
    inside = np.diff(stats.logistic.cdf(np.arange(9) - 0.5, loc, scale))
    assert bars(page) == pytest.approx(inside, abs=0.00501)
    assert told(page)[2] == pytest.approx(inside.sum(), abs=5.01e-7)
    assert f"missing {1 - inside.sum():.6f}" in page.locator("[role=status]").inner_text()
    page.get_by_role("checkbox").press("Space")
    assert told(page)[2] == 1


def test_handles_are_dragged_along_the_curve(show, drag):
    page = show(LogisticBins(loc=2.5, scale=1.0))
    value = width_of_a_value(page)
    mean, scale = (page.get_by_role("slider", name=name, exact=True) for name in ("mean", "scale"))
    drag(mean, 2 * value)
    assert told(page)[0] == pytest.approx(4.5, abs=0.051)
    drag(scale, 0.5 * np.log(3) * value)
    assert told(page)[1] == pytest.approx(1.5, abs=0.0251)
    drag(scale, -20 * value)
    assert told(page)[1] == 0.5


def test_keys_move_mean_and_scale(show):
    page = show(LogisticBins(loc=2.5, scale=1.0))
    for name, key, expected in [
        ("mean", "ArrowLeft", (2.4, 1)),
        ("mean", "Home", (-1, 1)),
        ("scale", "PageUp", (-1, 1.5)),
        ("mean μ", "ArrowRight", (-0.9, 1.5)),
        ("scale s", "End", (-0.9, 2)),
    ]:
        page.get_by_role("slider", name=name, exact=True).press(key)
        assert told(page)[:2] == pytest.approx(expected)
    handle = page.get_by_role("slider", name="mean", exact=True)
    assert float(handle.get_attribute("aria-valuenow")) == pytest.approx(-0.9)


def test_fits_a_phone(show):
    page = show(LogisticBins(), width=350)
    assert page.evaluate("document.documentElement.scrollWidth") <= 350
