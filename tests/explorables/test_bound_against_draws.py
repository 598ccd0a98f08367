"""The explorable agrees with NumPy on the bound of K draws, from the same noise; its controls move it."""

import math
import re

import numpy as np
import pytest

from deepul_utils.explorables.bound_against_draws import BoundAgainstDraws

EXACT = -math.log(2 * math.pi * 5) / 2 - 4 / 10


def mulberry(seed):
    """The kit's `random`, number by number."""
    state = seed
    while True:
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        t = ((state ^ (state >> 15)) * (state | 1)) & 0xFFFFFFFF
        t ^= (t + ((t ^ (t >> 7)) * (t | 61) & 0xFFFFFFFF)) & 0xFFFFFFFF
        yield ((t ^ (t >> 14)) & 0xFFFFFFFF) / 2**32


def noise(seed=0, count=200 * 512):
    uniform = mulberry(seed)
    pairs = np.array([next(uniform) for _ in range(count)]).reshape(-1, 2)
    radius, angle = np.sqrt(-2 * np.log(1 - pairs[:, 0])), 2 * np.pi * pairs[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(200, 512)


def by_numpy(loc=0.0, scale=1.0, log2_draws=2, seed=0):
    """K, the number of estimates, their mean, log p(x), and their tenth smallest and largest parts."""
    e = noise(seed)[:, : 2**log2_draws]
    z = loc + scale * e
    weights = np.exp((e**2 - z**2 - (2 - 2 * z) ** 2) / 2) * scale / math.sqrt(2 * math.pi)
    values = np.sort(np.log(weights.mean(1)))
    return [2**log2_draws, 200, values.mean(), EXACT, values[20], values[180]]


def told(page):
    """The numbers of the status line."""
    text = page.locator("[role=status]").inner_text().replace("−", "-").replace("log p(x)", "")
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)]


def close(expected):
    return pytest.approx(expected, abs=0.00501)


@pytest.mark.parametrize(
    "setting", [{}, {"loc": 1.2, "scale": 0.3, "log2_draws": 0}, {"loc": -1.0, "scale": 0.4, "log2_draws": 9}]
)
def test_numbers_are_numpys(show, setting):
    assert told(show(BoundAgainstDraws(**setting))) == close(by_numpy(**setting))


def test_the_posterior_is_exact_for_every_k(show):
    page = show(BoundAgainstDraws(log2_draws=0))
    page.get_by_role("button", name="From the posterior").click()
    assert told(page)[2:] == close([EXACT] * 4)
    page.get_by_role("slider", name="draws K").press("End")
    assert told(page) == close([512, 200, *[EXACT] * 4])


def test_keys_sliders_and_buttons(show):
    page = show(BoundAgainstDraws())
    page.get_by_role("slider", name="mean of the proposal").press("ArrowRight")
    page.get_by_role("slider", name="standard deviation of the proposal").press("ArrowLeft")
    page.get_by_role("slider", name="draws K").press("ArrowRight")
    assert told(page) == close(by_numpy(0.05, 0.95, 3))
    page.get_by_role("button", name="New draws").click()
    assert told(page) == close(by_numpy(0.05, 0.95, 3, seed=1))
    page.get_by_role("button", name="Propose from the prior").press("Enter")
    assert told(page) == close(by_numpy(log2_draws=3, seed=1))


def test_the_proposal_is_dragged(show, drag):
    page = show(BoundAgainstDraws(scale=0.4))
    handle = page.get_by_role("slider", name="mean of the proposal")
    drag(handle, 80)
    loc = float(handle.get_attribute("aria-valuenow"))
    assert loc > 0.3
    assert told(page) == close(by_numpy(loc=loc, scale=0.4))


def test_fits_a_phone(show):
    page = show(BoundAgainstDraws(), width=350)
    assert page.evaluate("document.documentElement.scrollWidth") <= 350
