"""The explorable's map is that of its Python class, whose log-determinants are those of its Jacobian."""

import re

import numpy as np
import pytest

from deepul_utils.checks import laws
from deepul_utils.explorables.warped_grid import WarpedGrid

MAPS = [
    {"matrix": True, "a": [[1.2, 0.6], [-0.3, 0.9]]},
    {"matrix": True, "a": [[0.0, -1.5], [0.5, 0.0]]},
    {"layers": 0},
    {"layers": 1, "strength": 1.5},
    {"layers": 4, "strength": 0.8},
]


def told(page):
    """z and log|det J| at the mark, as the page tells them."""
    text = page.locator("[role=status]").inner_text().replace("−", "-")
    found = re.search(r"goes to z = \((\S+), (\S+)\); log\|det J\| = (\S+): .* becomes (\S+) times", text)
    return [float(number) for number in found.groups()]


@pytest.mark.parametrize("options", MAPS)
def test_log_det_is_that_of_the_jacobian(options):
    laws.log_det(WarpedGrid(**options).warp, np.random.default_rng(0).uniform(-2, 2, (6, 2)))


@pytest.mark.parametrize("options", MAPS)
def test_the_page_computes_the_same(show, options):
    widget = WarpedGrid(x0=-0.7, x1=1.4, **options)
    z, log_det = widget.warp([[-0.7, 1.4]])
    assert told(show(widget)) == pytest.approx([*z[0], log_det[0], np.exp(log_det[0])], abs=0.00501)


def test_controls(show):
    page = show(WarpedGrid())
    page.get_by_role("slider", name="layers").press("End")
    page.get_by_role("slider", name="strength").press("ArrowLeft")
    page.get_by_role("slider", name="mark at x₀").press("Home")
    z, log_det = WarpedGrid(layers=4, strength=0.9).warp([[-1.9, 0.5]])
    assert told(page)[:3] == pytest.approx([*z[0], log_det[0]], abs=0.00501)
    page.get_by_role("radio", name="matrix").check()
    page.get_by_role("slider", name="matrix entry, row 1, column 0").press("End")
    z, log_det = WarpedGrid(matrix=True, a=[[1.2, 0.6], [2.0, 0.9]]).warp([[-1.9, 0.5]])
    assert told(page)[:3] == pytest.approx([*z[0], log_det[0]], abs=0.00501)


def test_the_arrow_keys_change_the_map(show):
    page = show(WarpedGrid(matrix=True))
    page.get_by_role("radio", name="matrix").press("ArrowDown")
    assert page.get_by_role("radio", name="coupling layers").is_checked()
    z, log_det = WarpedGrid().warp([[0.5, 0.5]])
    assert told(page)[:3] == pytest.approx([*z[0], log_det[0]], abs=0.00501)


def test_a_singular_matrix_is_said_to_be_one(show):
    page = show(WarpedGrid(matrix=True, a=[[1.0, 0.5], [2.0, 1.0]]))
    assert "nothing can be undone" in page.locator("[role=status]").inner_text()


def test_a_click_moves_the_mark(show):
    page = show(WarpedGrid(layers=0))
    box = page.get_by_role("figure", name="The grid over x").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.3)
    z0, z1, *_ = told(page)
    assert z0 > 1
    assert z1 > 0.5


def test_fits_a_phone(show):
    page = show(WarpedGrid(), width=350)
    assert page.evaluate("document.documentElement.scrollWidth") <= 350
