"""The explorable computes claims, masses and the floor as NumPy does, and its sliders choose the model."""

import re

import numpy as np
import pytest
from scipy import special, stats

from deepul_utils.explorables.dequantization_noise import DequantizationNoise

WIDTHS, STEPS = [0.0, 0.5, 1.0], [0, 10]
LAW = np.array([0.1, 0.2, 0.4, 0.2, 0.1])
TRAIN, TEST = np.array([0, 3, 5, 2, 0]), np.array([1, 2, 4, 2, 1])


@pytest.fixture
def params():
    rng = np.random.default_rng(0)
    values = np.stack([rng.normal(size=(3, 2, 4)), rng.uniform(0, 5, (3, 2, 4)), rng.uniform(-2.5, 0, (3, 2, 4))], 2)
    values[0, 1, 2] = -7  # spikes a thousandth wide
    return values.round(5)


def figure(params, **kwargs):
    return DequantizationNoise(params, WIDTHS, STEPS, TRAIN, TEST, LAW, **kwargs)


def expected(params, width, step):
    """Claims of the training and test data, the test data's log P, and the floor."""
    logits, loc, log_scale = params[width, step]
    law = {"loc": loc, "scale": np.exp(log_scale)}
    u = (np.arange(32) + 0.5) / 32 - 0.5
    y = np.arange(5)[:, None] + 0.5 + WIDTHS[width] * u
    log_p = special.logsumexp(special.log_softmax(logits) + stats.logistic.logpdf(y[..., None], **law), axis=-1).mean(1)
    edges = (np.array([-np.inf, 1, 2, 3, 4, np.inf])[:, None] - loc) / law["scale"]
    low, high = edges[:-1], edges[1:]
    each = special.log_expit(high) + special.log_expit(-low) + np.log1p(-np.exp(low - high))
    log_mass = special.logsumexp(special.log_softmax(logits) + each, axis=1)
    means = [(TRAIN, log_p), (TEST, log_p), (TEST, log_mass), (TEST, np.log(LAW))]
    return [counts @ f / counts.sum() for counts, f in means], np.exp(log_mass)


def told(page):
    text = page.locator("[role=status]").inner_text().replace("−", "-")
    return [float(number) for number in re.findall(r"(-?\d+\.\d\d)(?= nats| a test|;|\.$)", text)], text


@pytest.mark.parametrize(("width", "step"), [(0, 0), (0, 1), (1, 1), (2, 0)])
def test_tells_what_numpy_computes(show, params, width, step):
    numbers, text = told(show(figure(params, width=width, step=step)))
    assert numbers == pytest.approx(expected(params, width, step)[0], abs=0.00501), text
    assert f"w = {WIDTHS[width]:.2f} after {STEPS[step]} steps" in text


def test_bars_are_the_masses(show, params):
    page = show(figure(params, width=1, step=1))
    chart = page.get_by_role("figure", name="The probability of each value")
    heights = [float(bar.get_attribute("height")) for bar in chart.locator("rect").all()]
    masses = expected(params, 1, 1)[1]
    assert np.array(heights[::2]) / heights[0] == pytest.approx(masses / masses[0], rel=1e-3)
    frequencies = TRAIN / TRAIN.sum()
    assert np.array(heights[1::2]) / heights[5] == pytest.approx(frequencies / frequencies[2], abs=1e-3)


def test_sliders_choose_the_model(show, params):
    page = show(figure(params))
    page.get_by_role("slider", name="noise width w").press("Home")
    page.get_by_role("slider", name="training steps").press("ArrowLeft")
    numbers, text = told(page)
    assert "w = 0.00 after 0 steps" in text
    assert numbers == pytest.approx(expected(params, 0, 0)[0], abs=0.00501)


def test_fits_a_phone(show, params):
    page = show(figure(params), width=350)
    assert page.evaluate("document.documentElement.scrollWidth") <= 350


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"params": np.zeros((2, 2, 3, 4))}, r"params must be \(W, S, 3, M\)"),
        ({"params": np.zeros((3, 2, 12))}, r"params must be \(W, S, 3, M\)"),
        ({"law": [0.5, 0.5]}, "the same K values"),
    ],
)
def test_shapes_must_fit(params, change, sentence):
    arguments = {"params": params, "widths": WIDTHS, "steps": STEPS, "train": TRAIN, "test": TEST, "law": LAW}
    with pytest.raises(ValueError, match=sentence):
        DequantizationNoise(**(arguments | change))
