"""The explorable's network has the library's masks, and all of it works by keys."""

import re

import numpy as np
import pytest

from deepul_utils.explorables.made_masks import MadeMasks
from deepul_utils.nn.masked import made_masks


def told(page):
    return page.locator("[role=status]").inner_text()


def seen(page, dims):
    """What each output sees, as the page tells it: (D, D) booleans, and the number of paths to each output."""
    sees, paths = np.zeros((dims, dims), dtype=bool), []
    for i in range(dims):
        page.locator(f"[data-name=output-{i}]").press("Enter")
        sentence = re.search(r"Its output sees ([^.]*)\.", told(page))[1]
        for subscript in re.findall("x(.)", sentence):
            sees[i, ord(subscript) - 0x2080] = True
        count = re.search(r"by (\d+) path", sentence)
        paths.append(int(count[1]) if count else 0)
    return sees, paths


def edges(page):
    return page.locator("svg[role=figure] line").count()


@pytest.mark.parametrize(
    ("dims", "hidden", "order"),
    [(3, [4], [0, 1, 2]), (5, [6, 6], [3, 0, 4, 1, 2]), (6, [7, 7, 7], [5, 4, 3, 2, 1, 0]), (4, [2], [2, 0, 3, 1])],
)
def test_shows_the_masks_of_the_library(show, dims, hidden, order):
    page = show(MadeMasks(dims, hidden, order))
    masks = made_masks(dims, hidden, order)
    product = masks[0].long()
    for mask in masks[1:]:
        product = mask.long() @ product
    sees, paths = seen(page, dims)
    np.testing.assert_array_equal(sees, product.numpy() > 0)
    assert paths == product.sum(1).tolist()
    assert edges(page) == sum(int(mask.sum()) for mask in masks)


def test_the_sliders_and_buttons_make_what_the_library_makes(show):
    page = show(MadeMasks(3, [4]))
    page.get_by_role("slider", name="dimensions").press("End")
    page.get_by_role("slider", name="hidden layers").press("ArrowRight")
    page.get_by_role("slider", name="units in each").press("ArrowRight")
    assert edges(page) == sum(int(mask.sum()) for mask in made_masks(6, [5, 5]))
    page.get_by_role("button", name="Shuffle").press("Enter")
    labels = [page.locator(f"[data-name=output-{i}]").get_attribute("aria-label") for i in range(6)]
    order = [int(label.rsplit(" ", 1)[1]) for label in labels]
    assert sorted(order) == list(range(6))
    assert order != list(range(6))
    assert edges(page) == sum(int(mask.sum()) for mask in made_masks(6, [5, 5], order))
    page.get_by_role("button", name="In order").press("Enter")
    assert told(page).startswith("x₅ comes at position 5. Its output sees x₀, x₁, x₂, x₃ and x₄, by ")
    page.get_by_role("slider", name="dimensions").press("Home")
    assert told(page) == "x₁ comes at position 1. Its output sees x₀, by 25 paths."


def test_a_degree_is_raised_and_spread_again(show):
    page = show(MadeMasks(3, [4], picked=1))
    assert told(page) == "x₁ comes at position 1. Its output sees x₀, by 2 paths."
    for _ in range(2):
        page.locator("[data-name=unit-1-0]").press("Space")
    assert told(page) == "x₁ comes at position 1. Its output sees x₀, by 1 path."
    page.locator("[data-name=unit-1-1]").click()
    missing = "Its output sees nothing but its bias. It misses x₀: no unit of the right degree lies between."
    assert told(page) == f"x₁ comes at position 1. {missing}"
    page.get_by_role("button", name="Spread").press("Enter")
    assert told(page) == "x₁ comes at position 1. Its output sees x₀, by 2 paths."


def test_the_mistake_is_told(show):
    page = show(MadeMasks(3, [4], picked=1))
    page.get_by_role("checkbox").press("Space")
    assert told(page) == "x₁ comes at position 1. Its output sees x₀ and x₁, by 6 paths. It must not see x₁."
    page.get_by_role("checkbox").press("Space")
    assert "must not" not in told(page)


def test_the_pressed_output_keeps_the_focus(show):
    page = show(MadeMasks(3, [4]))
    page.locator("[data-name=output-0]").press("Enter")
    assert page.evaluate("document.activeElement.dataset.name") == "output-0"
    assert page.locator("[data-name=output-0]").get_attribute("aria-pressed") == "true"


@pytest.mark.parametrize(
    ("sizes", "remedy"),
    [
        ((7, [4]), "holds 2 to 6 dimensions"),
        ((3, []), "1 to 3 hidden"),
        ((3, [9]), "1 to 8 units"),
        ((3, [4, 5]), "one width"),
        ((3, [4], [0, 1, 1]), "position of its own"),
    ],
)
def test_what_the_figure_cannot_hold_is_one_clear_sentence(sizes, remedy):
    with pytest.raises(ValueError, match=remedy):
        MadeMasks(*sizes)


@pytest.mark.parametrize("size", [(3, [4]), (6, [8, 8, 8])])
def test_nothing_is_wider_than_a_phone(show, size):
    page = show(MadeMasks(*size), width=350)
    assert page.evaluate("document.documentElement.scrollWidth") <= 350
