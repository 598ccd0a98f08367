"""The explorable agrees with NumPy on distances, usage and cost; codes are dragged, moved by keys, and brought back."""

import re

import numpy as np
import pytest

from deepul_utils.explorables.code_regions import CodeRegions

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(60, 2)).round(2)
IMAGES = (RNG.random((60, 3, 2)) < 0.4).astype(int)
CODES = [[-1.0, -1.0], [1.0, 1.0], [0.5, -0.5]]


def figure(codes=CODES):
    return CodeRegions(POINTS, IMAGES, codes)


def told(page):
    """Squared distance, error of the images, codes in use, codes, perplexity, bits."""
    text = page.locator("[role=status]").inner_text().replace("−", "-")
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)]


def squares(codes):
    return ((POINTS[:, None] - np.array(codes)) ** 2).sum(2)


def by_numpy(codes):
    k, n = squares(codes).argmin(1), len(codes)
    share = np.bincount(k, minlength=n) / len(k)
    means = [IMAGES[k == j].mean(0) if share[j] else 0 for j in range(n)]
    missed = sum(((IMAGES[k == j] - means[j]) ** 2).sum() for j in range(n)) / len(k)
    used = share[share > 0]
    return [squares(codes).min(1).mean(), missed, len(used), n, np.exp(-(used * np.log(used)).sum()), np.log2(n)]


def close(codes):
    return pytest.approx(by_numpy(codes), abs=0.0501, rel=1e-3)


def at(page):
    """(K, 2) where the codes are, as they say."""
    said = [code.get_attribute("aria-valuetext").replace("−", "-") for code in page.get_by_role("slider").all()]
    return [[float(part) for part in text[1 : text.index(")")].split(",")] for text in said]


def test_numbers_and_pictures_are_numpys(show):
    page = show(figure())
    assert told(page) == close(CODES)
    assert told(page)[0] == pytest.approx(by_numpy(CODES)[0], abs=0.00051)
    k = squares(CODES).argmin(1)
    for j, picture in enumerate(page.locator("svg[role=img]").all()):
        fills = picture.locator("rect").evaluate_all("rs => rs.map((r) => r.getAttribute('fill'))")
        black = [1 - int(fill[4:].split(",")[0]) / 255 for fill in fills]
        assert np.allclose(black, IMAGES[k == j].mean(0).ravel(), atol=0.003)


def test_a_round_of_k_means(show):
    page = show(figure())
    page.get_by_role("button", name="A round of k-means").press("Enter")
    k = squares(CODES).argmin(1)
    means = [POINTS[k == j].mean(0) for j in range(3)]
    assert np.allclose(at(page), means, atol=0.0051)
    assert told(page) == close(at(page))
    page.get_by_role("button", name="As at first").press("Enter")
    assert at(page) == CODES


def test_codes_are_moved_by_keys_and_no_further_than_the_edge(show):
    page = show(figure())
    code = page.get_by_role("slider", name="Code 2")
    for key in ("ArrowRight", "Shift+ArrowUp", "ArrowDown", "Shift+ArrowLeft"):
        code.press(key)
    assert at(page) == [*CODES[:2], [0.3, -0.3]]
    assert told(page) == close(at(page))
    for _ in range(30):
        code.press("Shift+ArrowRight")
    assert at(page)[2] == pytest.approx([POINTS[:, 0].max() + 0.2, -0.3])


def test_a_code_is_dragged(show, drag):
    page = show(figure())
    drag(page.get_by_role("slider", name="Code 0"), 60)
    assert at(page)[0][0] > CODES[0][0] + 0.3
    assert at(page)[0][1] == pytest.approx(CODES[0][1], abs=0.03)
    assert at(page)[1:] == CODES[1:]
    assert told(page) == close(at(page))


def test_dead_codes_stay_dead_until_they_restart(show):
    dead = [[0.0, 0.0], [50.0, 50.0], [60.0, 60.0]]
    page = show(figure(dead))
    assert told(page)[2:] == [1, 3, 1, 1.6]
    page.get_by_role("button", name="A round of k-means").press("Enter")
    assert at(page)[1:] == dead[1:]
    assert page.get_by_text("1: dead").is_visible()
    page.get_by_role("button", name="Restart dead codes").press("Enter")
    mean = POINTS.mean(0).round(2)
    farthest = POINTS[((POINTS - mean) ** 2).sum(1).argmax()]
    assert at(page)[1] == pytest.approx(farthest)
    assert told(page)[2] == 3
    page.get_by_role("button", name="All codes into a corner").press("Enter")
    assert told(page)[2] < 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((POINTS[:5], IMAGES, CODES), r"must be \(N, 2\), \(N, H, W\), \(K, 2\)"),
        ((POINTS, IMAGES, [0.0, 1.0]), r"must be \(N, 2\), \(N, H, W\), \(K, 2\)"),
        ((POINTS, IMAGES / 2, CODES), "images must be of 0 and 1"),
        ((POINTS, IMAGES, np.zeros((13, 2))), "give 1 to 12 codes, got 13"),
    ],
)
def test_what_does_not_fit_is_one_clear_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        CodeRegions(*arguments)


def test_fits_a_phone(show):
    page = show(figure(), width=350)
    assert page.evaluate("document.documentElement.scrollWidth") <= 350
