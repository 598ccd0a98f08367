"""The explorable agrees with NumPy on the exact gradient and both clouds; its controls move them."""

import re

import numpy as np
import pytest
from scipy import integrate, stats

from deepul_utils.explorables.gradient_clouds import GradientClouds


def told(page):
    """Exact gradient, then mean and standard deviation of the score-function and of the pathwise estimates."""
    text = page.locator("[role=status]").inner_text().replace("−", "-").replace("100 estimates", "")
    return [float(number) for number in re.findall(r"-?\d+\.\d+", text)]


def by_numpy(function="square", loc=-1.0, scale=1.0, num_samples=4, baseline=False):
    f, slope = GradientClouds.functions[function]
    noise = np.reshape(GradientClouds().noise, (100, 16))[:, :num_samples]
    jump = [(1 - loc) / scale]  # of the step

    def mean(g):
        return integrate.quad(lambda e: g(e) * stats.norm.pdf(e), -8, 8, points=jump, limit=200)[0]

    b = mean(lambda e: f(loc + scale * e) * e**2) if baseline else 0.0
    score = ((f(loc + scale * noise) - b) * noise / scale).mean(1)
    path = slope(loc + scale * noise).mean(1)
    exact = mean(lambda e: f(loc + scale * e) * e) / scale
    return [exact, score.mean(), score.std(), path.mean(), path.std()]


def close(expected):
    return pytest.approx(expected, abs=0.00502, rel=1e-3)


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"loc": -3.0, "baseline": True},
        {"function": "wave", "loc": 0.5, "scale": 1.5, "num_samples": 16},
        {"function": "step", "scale": 0.7, "loc": 0.8, "baseline": True, "num_samples": 1},
    ],
)
def test_numbers_are_numpys(show, setting):
    assert told(show(GradientClouds(**setting))) == close(by_numpy(**setting))


def test_keys_sliders_and_buttons(show):
    page = show(GradientClouds())
    page.get_by_role("slider", name="mean m").press("ArrowRight")
    page.get_by_role("slider", name="width s").press("ArrowRight")
    page.get_by_role("slider", name="draws K").press("End")
    assert told(page) == close(by_numpy(loc=-0.95, scale=1.1, num_samples=16))
    button = page.get_by_role("button", name="best constant baseline")
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    assert told(page) == close(by_numpy(loc=-0.95, scale=1.1, num_samples=16, baseline=True))
    for name in ("wave", "step", "square"):
        page.get_by_role("button", name=name).click()
        assert page.get_by_role("button", name=name).get_attribute("aria-pressed") == "true"
        assert told(page) == close(by_numpy(name, -0.95, 1.1, 16, True))


@pytest.mark.parametrize("function", ["square", "wave"])
def test_the_law_is_dragged(show, drag, function):
    """Also after the function was changed, when the chart is a new one."""
    page = show(GradientClouds(function="step"))
    page.get_by_role("button", name=function).click()
    handle = page.get_by_role("slider", name="mean m")
    drag(handle, 120)
    loc = float(handle.get_attribute("aria-valuenow"))
    assert loc > 0
    assert told(page) == close(by_numpy(function, loc=loc))


def test_estimates_beyond_the_axis_are_counted(show):
    page = show(GradientClouds(loc=-3.0, scale=0.2, num_samples=1))
    noise = np.reshape(GradientClouds().noise, (100, 16))[:, 0]
    score = (-3 + 0.2 * noise - 1) ** 2 * noise / 0.2
    assert f"Hollow dots ({(np.abs(score) > 30).sum()})" in page.locator("[role=status]").inner_text()


def test_the_slopes_are_those_of_the_functions():
    z = np.array([-2.3, -0.4, 0.7, 1.6])
    for f, slope in GradientClouds.functions.values():
        assert slope(z) == pytest.approx((f(z + 1e-6) - f(z - 1e-6)) / 2e-6, abs=1e-6)


def test_fits_a_phone(show):
    page = show(GradientClouds(), width=350)
    assert page.evaluate("document.documentElement.scrollWidth") <= 350
