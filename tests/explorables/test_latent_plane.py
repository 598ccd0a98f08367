"""The explorable shows the decoder's image of the place where the walker stands."""

import numpy as np
import pytest

from deepul_utils.explorables.latent_plane import LatentPlane

RNG = np.random.default_rng(0)
IMAGES = RNG.random((7, 7, 3, 2))  # at -3, -2, ..., 3
CODES = [[0.0, 0.0], [0.1, -0.1], [0.2, 0.1], [2.0, -2.0]]
LABELS = [4, 4, 9, 7]


def figure(**kwargs):
    return LatentPlane(IMAGES, 3, CODES, LABELS, **kwargs)


def picture(page):
    """(3, 2) how black each pixel is."""
    fills = page.locator("svg[role=img] rect").evaluate_all("rs => rs.map((r) => r.getAttribute('fill'))")
    return np.array([1 - int(fill[4:].split(",")[0]) / 255 for fill in fills]).reshape(3, 2)


def told(page):
    return page.locator("[role=status]").inner_text().replace("−", "-")


def test_a_place_of_the_grid_shows_its_image(show):
    page = show(figure(z=[2.0, -1.0]))
    assert np.allclose(picture(page), IMAGES[5, 2], atol=0.012)
    assert told(page) == "z = (2.00, -1.00). 8 % of the prior lies further out. No code is near."


def test_between_places_it_interpolates_in_both_directions(show):
    page = show(figure(z=[0.25, -2.5]))
    right = 0.75 * (IMAGES[3, 0] + IMAGES[3, 1]) / 2 + 0.25 * (IMAGES[4, 0] + IMAGES[4, 1]) / 2
    assert np.allclose(picture(page), right, atol=0.012)


def test_walking_by_keyboard(show):
    page = show(figure())
    assert told(page).endswith("Codes within 0.3: 2 of 4, 1 of 9.")
    walker = page.get_by_role("slider")
    for key in ("ArrowRight", "Shift+ArrowRight", "ArrowUp", "Shift+ArrowDown", "ArrowLeft"):
        walker.press(key)
    assert told(page).startswith("z = (0.50, -0.40).")
    for _ in range(9):
        walker.press("Shift+ArrowLeft")
    assert told(page).startswith("z = (-3.00, -0.40).")  # and no further


def test_walking_by_pointer(show):
    page = show(figure())
    box = page.locator("svg[role=figure]").bounding_box()
    ring = page.locator("svg[role=figure] ellipse").last.bounding_box()  # from -2 to 2
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.move(ring["x"] + ring["width"], ring["y"] + ring["height"] / 2)
    page.mouse.down()
    page.mouse.move(ring["x"] + ring["width"] / 2, ring["y"])
    page.mouse.up()
    page.mouse.move(box["x"] + 50, box["y"] + 50)  # no longer held
    at = [float(part) for part in told(page)[5:].split(")")[0].split(",")]
    assert at == pytest.approx([0, 2], abs=0.05)


def test_buttons(show):
    page = show(figure(z=[1.0, 1.0]))
    digits = page.locator("svg[role=figure] g[font-weight]")
    assert digits.locator("text").all_text_contents() == ["4", "4", "9", "7"]
    page.get_by_role("button", name="Hide the codes").press("Enter")
    assert digits.get_attribute("visibility") == "hidden"
    page.get_by_role("button", name="Show the codes").press("Enter")
    assert digits.get_attribute("visibility") == "visible"
    page.get_by_role("button", name="to the middle").press("Enter")
    assert told(page).startswith("z = (0.00, 0.00). 100 %")
    page.get_by_role("button", name="a draw from the prior").press("Enter")
    assert not told(page).startswith("z = (0.00, 0.00)")


@pytest.mark.parametrize(
    ("images", "codes", "sentence"),
    [(IMAGES[:3], CODES, r"\(G, G, H, W\)"), (IMAGES, CODES[:2], r"codes must be \(N, 2\) for N labels")],
)
def test_what_does_not_fit_is_one_clear_sentence(images, codes, sentence):
    with pytest.raises(ValueError, match=sentence):
        LatentPlane(images, 3, codes, LABELS)


def test_nothing_is_wider_than_a_phone(show):
    page = show(figure(), width=350)
    assert page.evaluate("document.documentElement.scrollWidth") <= 350


def test_a_label_is_a_digit():
    with pytest.raises(ValueError, match="labels must be integers from 0 to 9, got 10 to 10"):
        LatentPlane(IMAGES, 3, CODES, [10] * len(CODES))
