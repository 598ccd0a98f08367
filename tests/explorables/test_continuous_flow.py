"""The film shows where points are, and the area under the trace is the log-determinant."""

import re

import numpy as np
import pytest

from deepul_utils.explorables.continuous_flow import ContinuousFlowFilm

TIMES = np.linspace(0, 1, 11)
START = np.array([[1.0, -2.0], [0.5, 0.5], [-1.0, 0.0]])
RATES = np.array([0.5, -1.0, 2.0])  # dx/dt = rate / 2 * x, one rate a point
PATHS = START * np.exp(RATES / 2 * TIMES[:, None])[..., None]
TRACES = np.broadcast_to(RATES, (11, 3))


def told(page):
    return page.locator("[role=status]").inner_text().replace("−", "-")


def test_position_area_and_size_of_the_followed_point(show):
    page = show(ContinuousFlowFilm(PATHS, TRACES))
    assert "point 0 is at (1.00, -2.00). The shaded area is 0.00" in told(page)
    page.get_by_role("slider", name="time t").press("End")
    for which, rate in enumerate(RATES):
        if which:
            page.get_by_role("slider", name="follow point").press("ArrowRight")
        x, y = (f"{value:.2f}" for value in PATHS[-1, which])
        assert f"At time 1.00 point {which} is at ({x}, {y}). The shaded area is {rate:.2f}" in told(page)
        factor = re.search(r"now (\S+) times (\w+)", told(page))
        assert float(factor[1]) == pytest.approx(np.exp(abs(rate)), abs=0.0051)
        assert factor[2] == ("as" if rate > 0 else "smaller")


def test_a_click_follows_a_point_and_play_reaches_the_end(show):
    page = show(ContinuousFlowFilm(PATHS, TRACES, step=8))
    page.locator("svg circle").nth(1).click()
    assert "point 1 is at" in told(page)
    page.get_by_role("button", name="Play").press("Enter")
    page.wait_for_function("document.querySelector('[role=status]').innerText.startsWith('At time 1.00')")
    page.get_by_role("button", name="Play").wait_for()


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((PATHS, TRACES[1:]), {}),
        ((PATHS[:1], TRACES[:1]), {}),
        ((PATHS, TRACES), {"step": 11}),
        ((PATHS, TRACES), {"which": 3}),
    ],
)
def test_what_does_not_fit_is_refused(arguments, options):
    with pytest.raises(ValueError, match="must be"):
        ContinuousFlowFilm(*arguments, **options)
