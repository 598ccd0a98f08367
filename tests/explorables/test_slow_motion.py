"""The explorable tells what is drawn and with what probability, in the order of the visits."""

import re

import numpy as np
import pytest

from deepul_utils.explorables.slow_motion import SlowMotion

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(5, size=(2, 3, 4))
LAWS = RNG.dirichlet(np.ones(5), size=(2, 3, 4))
ORDER = np.array([3, 0, 1, 2, 7, 4, 11, 6, 5, 8, 9, 10])


def told(page):
    return page.locator("[role=status]").inner_text()


@pytest.mark.parametrize("order", [None, ORDER])
def test_every_value_comes_with_its_probability(show, order):
    page = show(SlowMotion(IMAGES, LAWS, order))
    assert told(page) == f"Next comes the pixel in row {0}, column {0 if order is None else 1}."
    visits = np.arange(12) if order is None else order.argsort()
    for t, i in enumerate(visits):
        page.get_by_role("button", name="Draw one").press("Enter")
        value, p = re.match(r"Drawn: (\d+), which had the probability (\S+)\. ", told(page)).groups()
        row, column = divmod(i, 4)
        assert int(value) == IMAGES[0, row, column]
        assert float(p) == pytest.approx(LAWS[0, row, column, int(value)], abs=0.0061)
        if t < 11:
            row, column = divmod(visits[t + 1], 4)
            assert told(page).endswith(f"Next comes the pixel in row {row}, column {column}.")
    assert told(page).endswith("That was the last one.")


def test_rows_other_samples_and_the_slider(show):
    page = show(SlowMotion(IMAGES, LAWS))
    page.get_by_role("button", name="Draw a row").press("Enter")
    assert told(page).endswith("row 1, column 0.")
    page.get_by_role("slider", name="drawn").press("End")
    assert told(page).startswith(f"Drawn: {IMAGES[0, 2, 3]},")
    page.get_by_role("button", name="Another sample").press("Enter")
    assert told(page) == "Next comes the pixel in row 0, column 0."
    page.get_by_role("slider", name="drawn").press("ArrowRight")
    assert told(page).startswith(f"Drawn: {IMAGES[1, 0, 0]},")


def test_a_text_is_written_in_letters(show):
    page = show(SlowMotion([[1, 0, 1]], [[[0.25, 0.75], [0.5, 0.5], [0.0, 1.0]]], labels="ab", step=2))
    assert told(page) == "Drawn: “a”, which had the probability 0.50. Next comes character 2."
    letters = page.locator("svg[role=img] text").all_text_contents()
    assert letters == ["b", "a"]
    heights = page.locator("svg[role=figure] g rect").evaluate_all("rs => rs.map((r) => +r.getAttribute('height'))")
    assert heights[0] == 0
    assert heights[1] > 100
    assert page.get_by_role("button", name="Another sample").count() == 0


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ((IMAGES, LAWS[:, :2]), "the same with K at the end"),
        ((IMAGES, 2 * LAWS), "take the softmax"),
        ((IMAGES, LAWS, None, "abc"), "a label for each of the 5 values"),
    ],
)
def test_what_does_not_fit_is_one_clear_sentence(arguments, remedy):
    with pytest.raises(ValueError, match=remedy):
        SlowMotion(*arguments)


@pytest.mark.parametrize("text", [False, True])
def test_nothing_is_wider_than_a_phone(show, text):
    if text:
        figure = SlowMotion(RNG.integers(27, size=(1, 40)), RNG.dirichlet(np.ones(27), size=(1, 40)), labels=["a"] * 27)
    else:
        figure = SlowMotion(IMAGES, LAWS, step=7)
    page = show(figure, width=350)
    assert page.evaluate("document.documentElement.scrollWidth") <= 350
