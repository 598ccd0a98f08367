"""The explorable shows the same numbers as the library, and its controls move them."""

import re

import numpy as np
import pytest

from deepul_utils.data.toy1d import two_bumps_law
from deepul_utils.explorables.histogram_smoothing import HistogramSmoothing
from deepul_utils.models.histogram import empirical

LAW = two_bumps_law()
TEST_SIZE, TEST_SEED = 1000, 123456789


def mulberry32(seed, n):
    """The kit's generator, again."""
    mask = 0xFFFFFFFF
    for _ in range(n):
        seed = (seed + 0x6D2B79F5) & mask
        t = (seed ^ seed >> 15) * (seed | 1) & mask
        t ^= t + ((t ^ t >> 7) * (t | 61) & mask) & mask
        yield ((t ^ t >> 14) & mask) / 2**32


def draw(n, seed):
    return np.searchsorted(LAW.cumsum(), list(mulberry32(seed, n)), side="right")


def expected(samples, bins, smoothing, seed):
    """Train NLL, test NLL, floor, and how many test values fall into empty bins."""
    bin_of = np.arange(len(LAW)) * bins // len(LAW)
    train, test = draw(samples, seed), draw(TEST_SIZE, TEST_SEED)
    p = empirical(bin_of[train], bins, smoothing).numpy()[bin_of] / np.bincount(bin_of)[bin_of]
    assert p.sum() == pytest.approx(1, abs=1e-12)
    with np.errstate(divide="ignore"):
        return *(-np.log(law[x]).mean() for law, x in ((p, train), (p, test), (LAW, test))), (p[test] == 0).sum()


def told(page):
    """The same four numbers as the page tells them."""
    text = page.locator("[role=status]").inner_text()
    numbers = re.search(r"train (\S+), test (\S+), floor (\S+) nats", text).groups()
    lost = re.search(r"(\d+) of 1000 test values fall into empty bins", text)
    return *(float(number.replace("∞", "inf")) for number in numbers), int(lost[1]) if lost else 0


@pytest.mark.parametrize(
    ("samples", "bins", "smoothing", "seed"),
    [(100, 50, 0.0, 1), (10, 100, 0.1, 2), (1000, 7, 0.0, 3), (10_000, 33, 2.5, 4), (100, 1, 0.0, 5)],
)
def test_shows_the_numbers_of_the_library(show, samples, bins, smoothing, seed):
    page = show(HistogramSmoothing(log10_samples=np.log10(samples), bins=bins, smoothing=smoothing, seed=seed))
    assert told(page) == pytest.approx(expected(samples, bins, smoothing, seed), abs=5.01e-4)


def test_controls_move_the_numbers(show):
    page = show(HistogramSmoothing())
    page.get_by_role("button", name="New samples").press("Enter")
    assert told(page) == pytest.approx(expected(100, 50, 0, 2), abs=5.01e-4)
    page.get_by_role("slider", name="samples").press("End")
    assert told(page) == pytest.approx(expected(10_000, 50, 0, 2), abs=5.01e-4)
    page.get_by_role("slider", name="smoothing").press("End")
    assert told(page) == pytest.approx(expected(10_000, 50, 5, 2), abs=5.01e-4)
    page.get_by_role("slider", name="bins", exact=True).press("Home")
    assert told(page)[1] == pytest.approx(np.log(100), abs=5.01e-4)
    page.get_by_role("slider", name="bins", exact=True).press("ArrowRight")
    assert told(page) == pytest.approx(expected(10_000, 2, 5, 2), abs=5.01e-4)


def test_the_number_of_bins_is_dragged_in_the_chart(show, drag):
    page = show(HistogramSmoothing(bins=50))
    handle = page.get_by_role("slider", name="number of bins")
    drag(handle.locator("circle"), -120)
    bins = int(handle.get_attribute("aria-valuenow"))
    assert 20 < bins < 45
    assert told(page) == pytest.approx(expected(100, bins, 0, 1), abs=5.01e-4)
    handle.press("ArrowLeft")
    assert told(page) == pytest.approx(expected(100, bins - 1, 0, 1), abs=5.01e-4)


def test_nothing_is_wider_than_a_phone(show):
    page = show(HistogramSmoothing(), width=350)
    assert page.evaluate("document.documentElement.scrollWidth") <= 350
