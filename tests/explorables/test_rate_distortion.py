"""The explorable shows the chosen model's images, and its lines go where they say."""

import re

import numpy as np
import pytest

from deepul_utils.explorables.rate_distortion import RateDistortion

RNG = np.random.default_rng(0)
ORIGINALS, RECONSTRUCTIONS, SAMPLES = RNG.random((2, 3, 4)), RNG.random((3, 2, 3, 4)), RNG.random((3, 2, 3, 4))
BETAS, RATES, DISTORTIONS = [0.5, 2, 8], [9.0, 4.0, 0.0], [1.0, 5.0, 20.0]


def figure(**kwargs):
    return RateDistortion(BETAS, RATES, DISTORTIONS, 6.0, ORIGINALS, RECONSTRUCTIONS, SAMPLES, **kwargs)


def pictures(page):
    """(3, 2, 3, 4) how black each pixel of the three rows is."""
    rows = page.locator("svg[role=img]").all()
    fills = [row.locator("rect[width='1']").evaluate_all("rs => rs.map((r) => r.getAttribute('fill'))") for row in rows]
    return np.array([[1 - int(fill[4:].split(",")[0]) / 255 for fill in row] for row in fills]).reshape(3, 2, 3, 4)


def told(page):
    return page.locator("[role=status]").inner_text()


def dots(page):
    return page.locator("svg[role=figure] g[style*=pointer]")


def test_the_chosen_model_is_shown(show):
    page = show(figure(chosen=1))
    assert np.allclose(pictures(page), [ORIGINALS, RECONSTRUCTIONS[1], SAMPLES[1]], atol=0.012)
    assert told(page) == "β = 2: rate 4.0, distortion 5.0, together 9.0 nats; entropy 6.0."


def test_the_slider_chooses_by_keyboard(show):
    page = show(figure())
    page.get_by_role("slider").press("End")
    assert np.allclose(pictures(page)[1:], [RECONSTRUCTIONS[2], SAMPLES[2]], atol=0.012)
    assert told(page).startswith("β = 8: rate 0.0")
    assert page.get_by_role("slider").get_attribute("aria-valuetext") == "β = 8"


def test_a_click_on_a_point_chooses_it(show):
    page = show(figure())
    dots(page).nth(1).click()
    assert told(page).startswith("β = 2:")


@pytest.mark.parametrize("chosen", [0, 1])
def test_both_lines_pass_through_the_chosen_model(show, chosen):
    page = show(figure(chosen=chosen))
    place = re.findall(r"[\d.]+", dots(page).nth(chosen).get_attribute("transform"))
    x, y = map(float, place)
    paths = page.locator("svg[role=figure] g[clip-path] path").all()
    slopes = []
    for line in paths[1:]:
        a, b, c, d = map(float, re.findall(r"-?[\d.]+", line.get_attribute("d")))
        assert b + (x - a) * (d - b) / (c - a) == pytest.approx(y, abs=0.1)
        slopes.append((d - b) / (c - a))
    assert slopes[1] / slopes[0] == pytest.approx(BETAS[chosen], rel=1e-3)  # beta times as steep as D + R


def test_nothing_is_wider_than_a_phone(show):
    page = show(figure(), width=350)
    assert page.evaluate("document.documentElement.scrollWidth") <= 350


def test_what_does_not_fit_is_one_clear_sentence():
    with pytest.raises(ValueError, match="a rate and a distortion for each model"):
        RateDistortion(BETAS, RATES[:2], DISTORTIONS, 6.0, ORIGINALS, RECONSTRUCTIONS, SAMPLES)
    with pytest.raises(ValueError, match=r"\(M, K, H, W\) for M = 3"):
        RateDistortion(BETAS, RATES, DISTORTIONS, 6.0, ORIGINALS, RECONSTRUCTIONS[:2], SAMPLES)
