"""The tree lights up exactly the inputs that a stack of the library's causal convolutions depends on."""

import pytest
import torch

from deepul_utils.explorables.dilation_tree import DilationTree
from deepul_utils.nn.causal import CausalConv1d, receptive_field
from deepul_utils.nn.gradient_field import gradient_field

STEPS = 32


def lit(page, layer=0):
    dots = page.locator(f'circle[data-layer="{layer}"][data-on="1"]')
    return sorted(dots.evaluate_all("dots => dots.map((dot) => +dot.dataset.step)"))


def told(page):
    return page.locator("[role=status]").inner_text()


@pytest.mark.parametrize(
    ("layers", "kernel_size", "growth", "output"),
    [(4, 2, 2, 27), (4, 2, 1, 27), (3, 3, 3, 31), (3, 2, 3, 30), (5, 2, 2, 9)],
)
def test_lights_up_what_the_stack_sees(show, layers, kernel_size, growth, output):
    page = show(DilationTree(layers=layers, kernel_size=kernel_size, growth=growth, output=output))
    dilations = [growth**i for i in range(layers)]
    stack = torch.nn.Sequential(*(CausalConv1d(1, 1, kernel_size, d) for d in dilations)).double()
    seen = gradient_field(stack, torch.randn(1, 1, STEPS).double(), at=(output,))[0] > 0
    assert lit(page) == seen.nonzero().flatten().tolist()
    assert f"= {receptive_field(kernel_size, dilations)}." in told(page)
    assert f"Output {output} sees {int(seen.sum())} inputs" in told(page)


def test_a_growth_above_the_kernel_leaves_holes(show):
    page = show(DilationTree(layers=3, kernel_size=2, growth=2))
    assert "misses" not in told(page)
    page.get_by_role("slider", name="dilations grow").press("ArrowRight")
    assert "Output 27 sees 8 inputs, and misses 6 between them" in told(page)  # of 1 + 1 + 3 + 9
    page.get_by_role("slider", name="kernel").press("ArrowRight")
    assert "misses" not in told(page)


def test_the_output_is_picked_by_keys_and_by_a_click(show):
    page = show(DilationTree())
    page.get_by_role("slider", name="output").press("ArrowLeft")
    assert lit(page) == list(range(11, 27))
    page.get_by_role("slider", name="layers").press("Home")
    assert lit(page) == [25, 26]
    page.locator("svg rect").nth(3).click()
    assert lit(page) == [2, 3]
    assert lit(page, layer=1) == [3]


def test_fits_a_phone(show):
    page = show(DilationTree(layers=5), width=350)
    assert page.evaluate("document.documentElement.scrollWidth") <= 350
