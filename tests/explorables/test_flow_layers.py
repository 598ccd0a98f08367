"""The explorable has the points where the flow has them, after every layer and in both directions."""

import numpy as np
import pytest

from deepul_utils.explorables.flow_layers import FlowLayers

RNG = np.random.default_rng(0)
DATA, SAMPLES = RNG.normal(size=(4, 30, 2)), RNG.normal(size=(4, 20, 2))
DATA[1, 0, 0] = 9.0  # beyond the edge
REACH = 4.0
NAMES = ["moves the first", "moves the second", "moves both"]
LOG_DETS = [0, -0.5, 1.25, 3]


def figure(**kwargs):
    return FlowLayers(DATA, SAMPLES, LOG_DETS, NAMES, **kwargs)


def points(page, cloud):
    """Where the circles of a cloud are, in the units of the axes: their corners are known from the reach."""
    circles = page.locator(f"[data-cloud={cloud}] circle")
    at = circles.evaluate_all("cs => cs.map((c) => [+c.getAttribute('cx'), +c.getAttribute('cy')])")
    return np.array(at)


def told(page):
    return page.locator("[role=status]").inner_text()


def matches(seen, right):
    """Up to the scale of the axes, which is fitted."""
    for axis in (0, 1):
        right = np.clip(right, -REACH, REACH)
        slope, offset = np.polyfit(right[:, axis], seen[:, axis], 1)
        assert abs(seen[:, axis] - slope * right[:, axis] - offset).max() < 1.0  # pixels
        assert slope > 0 if axis == 0 else slope < 0


def test_every_layer_is_shown_on_the_way_there_and_back(show):
    assert figure().reach == REACH < np.abs(DATA).max()
    page = show(figure())
    assert told(page) == "Test data, as they are, x. Mean log|det| so far: 0.00."
    for step in range(4):
        matches(points(page, "data"), DATA[step])
        page.get_by_role("button", name="forward").press("Enter")
    assert told(page).startswith("Test data, after 3 layers; the last: moves both. Mean log|det| so far: 3.00.")
    page.get_by_role("button", name="Show samples").press("Enter")
    for step in reversed(range(4)):
        matches(points(page, "samples"), SAMPLES[step])
        page.get_by_role("button", name="inverse").press("Enter")
    assert told(page) == "Samples, as they come out, x."
    visible = "g => g.getAttribute('visibility')"
    assert page.locator("[data-cloud=data]").evaluate(visible) == "hidden"
    page.get_by_role("button", name="Show the data").press("Enter")
    assert page.locator("[data-cloud=data]").evaluate(visible) == "visible"


def test_the_slider_steps_by_keyboard(show):
    page = show(figure(step=1))
    assert told(page).startswith("Test data, after one layer; the last: moves the first.")
    page.get_by_role("slider", name="layers").press("ArrowRight")
    assert "after 2 layers; the last: moves the second" in told(page)
    page.get_by_role("slider", name="layers").press("End")
    matches(points(page, "data"), DATA[3])


def test_what_does_not_fit_is_one_clear_sentence():
    with pytest.raises(ValueError, match=r"for 2 layers give data and samples \(3, N, 2\)"):
        FlowLayers(DATA, SAMPLES, LOG_DETS, NAMES[:2])


def test_nothing_is_wider_than_a_phone(show):
    page = show(figure(step=3), width=350)
    assert page.evaluate("document.documentElement.scrollWidth") <= 350
