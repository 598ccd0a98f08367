"""The explorable agrees with NumPy on the estimate, its sample size and the exact value; its controls move them."""

import re

import numpy as np
import pytest
from scipy import integrate, special, stats

from deepul_utils.explorables.importance_weights import ImportanceWeights


def told(page):
    """Draws, effective draws, estimate and exact value, as the page tells them."""
    text = page.locator("[role=status]").inner_text().replace("−", "-")
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)]


def by_numpy(x=2.0, loc=0.0, scale=1.0, draws=50, first=0):
    noise = np.roll(ImportanceWeights().noise, -first)[:draws]
    log_joint = lambda z: stats.norm.logpdf(z) + stats.norm.logpdf(x, z**2, 0.5)  # noqa: E731
    z = loc + scale * noise
    log_w = log_joint(z) - stats.norm.logpdf(z, loc, scale)
    exact = np.log(integrate.quad(lambda z: np.exp(log_joint(z)), -6, 6, limit=200, points=[-1.4, 0, 1.4])[0])
    size = np.exp(2 * special.logsumexp(log_w) - special.logsumexp(2 * log_w))
    return [draws, size, special.logsumexp(log_w) - np.log(draws), exact]


def close(expected):
    return pytest.approx(expected, abs=0.0501, rel=2e-3)


@pytest.mark.parametrize(
    "setting", [{}, {"x": -0.5}, {"loc": 1.4, "scale": 0.3}, {"x": 3.5, "loc": -1.0, "scale": 2.0}]
)
def test_numbers_are_numpys(show, setting):
    got, expected = told(show(ImportanceWeights(**setting))), by_numpy(**setting)
    assert got == close(expected)
    assert got[2:] == pytest.approx(expected[2:], abs=0.000501)


def test_keys_sliders_and_buttons(show):
    page = show(ImportanceWeights())
    page.get_by_role("slider", name="mean of the proposal").press("ArrowRight")
    page.get_by_role("slider", name="standard deviation of the proposal").press("ArrowLeft")
    page.get_by_role("slider", name="observed x").press("End")
    page.get_by_role("slider", name="draws K").press("End")
    assert told(page) == close(by_numpy(x=4.0, loc=0.05, scale=0.95, draws=200))
    page.get_by_role("button", name="New draws").click()
    assert told(page) == close(by_numpy(x=4.0, loc=0.05, scale=0.95, draws=200, first=100))
    page.get_by_role("button", name="Propose from the prior").press("Enter")
    assert told(page) == close(by_numpy(x=4.0, draws=200, first=100))


def test_the_proposal_is_dragged(show, drag):
    page = show(ImportanceWeights(scale=0.4))
    handle = page.get_by_role("slider", name="mean of the proposal")
    drag(handle, 120)
    loc = float(handle.get_attribute("aria-valuenow"))
    assert loc > 0.5
    assert told(page) == close(by_numpy(loc=loc, scale=0.4))


def test_one_draw_has_every_weight(show):
    page = show(ImportanceWeights(num_samples=1))
    assert told(page)[:2] == [1, 1]


def test_fits_a_phone(show):
    page = show(ImportanceWeights(), width=350)
    assert page.evaluate("document.documentElement.scrollWidth") <= 350
