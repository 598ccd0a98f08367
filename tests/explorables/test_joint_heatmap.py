"""The explorable tells the law's numbers, draws from it, and all of it works by keys."""

import re

import numpy as np
import pytest

from deepul_utils.checks import laws
from deepul_utils.data.toy2d import smiley_law
from deepul_utils.explorables.joint_heatmap import JointHeatmap

JOINT = np.array([[0.02, 0.03, 0.15], [0.25, 0.05, 0.10], [0.01, 0.36, 0.03]])
FIRST = JOINT.sum(1)
ROWS = JOINT / FIRST[:, None]


def told(page):
    return page.locator("[role=status]").inner_text()


def strip(page):
    """(u, value) as the line above the strip tells them."""
    text = next(t for t in page.locator("svg text").all_text_contents() if "falls into" in t)
    u, value = re.search(r"u = (\S+) falls into x.? = (\d+)", text).groups()
    return float(u), int(value)


def cells(page, num_values):
    """The cells of the drawn samples, from the places of their dots."""
    frame = page.locator("svg rect").first.evaluate("r => ['x', 'y', 'width', 'height'].map((a) => +r.getAttribute(a))")
    dots = page.locator("svg g circle[fill-opacity]").evaluate_all(
        "cs => cs.map((c) => [+c.getAttribute('cx'), +c.getAttribute('cy')])"
    )
    x, y = np.array(dots).T
    x0 = np.floor((x - frame[0]) / frame[2] * num_values)
    x1 = np.floor((1 - (y - frame[1]) / frame[3]) * num_values)
    return np.stack([x0, x1], axis=1).astype(int)


def test_stores_a_trained_table_in_a_few_kilobytes():
    law = smiley_law(40)
    figure = JointHeatmap(law)
    first, rows = np.array(figure.first), np.array(figure.rows)
    assert np.abs(first / 1e4 - law.sum(1)).max() <= 0.5e-4
    assert np.abs(rows / 1e4 - law / law.sum(1, keepdims=True)).max() <= 0.5e-4
    assert len(str(figure.rows)) < 10_000


def test_a_column_of_probability_0_gets_uniform_rows():
    assert JointHeatmap([[0.0, 0.0], [0.5, 0.5]]).rows == [[5000, 5000], [5000, 5000]]


@pytest.mark.parametrize(
    ("joint", "remedy"),
    [
        (np.full(4, 0.25), r"must be \(K, K\), got \(4,\)"),
        (np.full((2, 3), 1 / 6), r"must be \(K, K\), got \(2, 3\)"),
        (np.full((2, 2), 0.5), "sum to 1, got a sum of 2"),
        ([[1.5, -0.5], [0.0, 0.0]], "must hold probabilities"),
    ],
)
def test_only_a_law_can_be_shown(joint, remedy):
    with pytest.raises(ValueError, match=remedy):
        JointHeatmap(joint)


def test_x0_is_picked_by_slider_by_handle_and_in_the_map(show):
    page = show(JointHeatmap(JOINT))
    assert told(page) == "x₀ = 1: p(x₀) = 0.4000."
    page.get_by_role("slider", name="x₀", exact=True).press("Home")
    assert told(page) == "x₀ = 0: p(x₀) = 0.2000."
    handle = page.get_by_role("slider", name="x0 in the map")
    handle.press("ArrowRight")
    handle.press("ArrowRight")
    assert told(page) == "x₀ = 2: p(x₀) = 0.4000."
    assert handle.get_attribute("aria-valuenow") == "2"
    box = page.locator("svg rect").first.bounding_box()
    page.mouse.click(box["x"] + 0.1 * box["width"], box["y"] + 0.5 * box["height"])
    assert told(page) == "x₀ = 0: p(x₀) = 0.2000."
    knob = handle.locator("circle").bounding_box()
    page.mouse.move(knob["x"] + knob["width"] / 2, knob["y"] + knob["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], knob["y"], steps=3)
    page.mouse.up()
    assert told(page) == "x₀ = 1: p(x₀) = 0.4000."


def test_a_sample_is_drawn_one_number_at_a_time(show):
    page = show(JointHeatmap(JOINT))
    for drawn in range(1, 6):
        page.get_by_role("button", name="Draw x₀").press("Enter")
        u, x0 = strip(page)
        assert FIRST[:x0].sum() - 5e-4 <= u <= FIRST[: x0 + 1].sum() + 5e-4
        assert told(page).startswith(f"Drawn: x₀ = {x0} with p(x₀) = {FIRST[x0]:.4f}; next, x₁ from its row.")
        page.get_by_role("button", name="Draw x₁").press("Enter")
        u, x1 = strip(page)
        assert ROWS[x0, :x1].sum() - 5e-4 <= u <= ROWS[x0, : x1 + 1].sum() + 5e-4
        count = f"{drawn} sample{'s' * (drawn > 1)} so far."
        assert told(page) == f"Drawn: ({x0}, {x1}) with p = {FIRST[x0]:.4f} × {ROWS[x0, x1]:.4f}. {count}"
    page.get_by_role("button", name="Clear").press("Enter")
    assert "so far" not in told(page)


@pytest.mark.parametrize("forget", [False, True])
def test_samples_follow_the_joint_or_without_x0_the_product_of_the_marginals(show, forget):
    page = show(JointHeatmap(JOINT, steps=4000, forget=forget))
    law = np.outer(FIRST, JOINT.sum(0)) if forget else JOINT
    laws.matches_sampler(cells(page, 3) @ [3, 1], law.ravel())


def test_draw_100_and_forget(show):
    page = show(JointHeatmap(JOINT))
    page.get_by_role("button", name="Draw 100").press("Enter")
    assert told(page).endswith("100 samples so far.")
    before = cells(page, 3)
    page.get_by_role("checkbox", name="forget").press("Space")
    after = cells(page, 3)
    assert (before[:, 0] == after[:, 0]).all()
    assert (before[:, 1] != after[:, 1]).any()


def test_nothing_is_wider_than_a_phone(show):
    page = show(JointHeatmap(smiley_law(40), steps=21), width=350)
    assert page.evaluate("document.documentElement.scrollWidth") <= 350
