"""The explorable's loss, responsibilities and EM steps are the library's; a dragged mean begins anew."""

import re

import numpy as np
import pytest
import torch

from deepul_utils.distributions.components import Gaussians
from deepul_utils.explorables.em_mixture import EmMixture
from deepul_utils.models.latent_mixture import LatentMixture

DATA = np.random.default_rng(0).normal([-3.0, 0.5, 2.5], [0.6, 0.3, 0.8], (12, 3)).ravel().tolist()
LOC = [-1.0, 0.0, 1.0]


def told(page):
    """Loss, steps, x and the three responsibilities, as the page tells them."""
    text = page.locator("[role=status]").inner_text().replace("−", "-")
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)]


def library(steps, x, loc=LOC):
    model = LatentMixture(Gaussians(torch.tensor(loc)[:, None])).double()
    data = torch.tensor(DATA).double()[:, None]
    for _ in range(steps):
        model.em_step(data)
    shares = model.responsibilities(torch.tensor([[x]]).double())[0]
    return [model.loss(data).item(), steps, x, *shares.tolist()]


def test_one_step_and_ten(show):
    page = show(EmMixture(data=DATA, loc=LOC))
    assert told(page) == pytest.approx(library(0, 0.5), abs=0.000501)
    page.get_by_role("button", name="One EM step").click()
    assert told(page) == pytest.approx(library(1, 0.5), abs=0.000501)
    page.get_by_role("button", name="Ten EM steps").press("Enter")
    page.get_by_role("slider", name="look at x").press("ArrowLeft")
    assert told(page) == pytest.approx(library(11, 0.4), abs=0.000501)
    assert page.get_by_role("figure", name="The loss after every step").locator("circle").count() == 12


def test_start_again(show):
    page = show(EmMixture(data=DATA, loc=LOC))
    page.get_by_role("button", name="Ten EM steps").click()
    page.get_by_role("button", name="Start again").click()
    assert told(page) == pytest.approx(library(0, 0.5), abs=0.000501)
    assert page.get_by_role("figure", name="The loss after every step").count() == 0


def test_a_mean_is_moved_by_keys_and_dragged(show, drag):
    page = show(EmMixture(data=DATA, loc=LOC))
    handle = page.get_by_role("slider", name="mean of component 3")
    for _ in range(3):
        handle.press("ArrowRight")
    assert told(page) == pytest.approx(library(0, 0.5, [-1.0, 0.0, 1.3]), abs=0.000501)
    page.get_by_role("button", name="One EM step").click()
    drag(handle, -150)
    assert told(page)[1] == 0  # the steps are counted from here


def test_a_component_without_examples_stays_finite(show):
    page = show(EmMixture(data=[1.0, 2.0, 2.1], loc=[1.0, 2.0, 5.0], scale=[0.01, 0.1, 0.01]))
    page.get_by_role("button", name="Ten EM steps").click()
    assert np.isfinite(told(page)[0])
    assert "NaN" not in page.locator("svg").first.inner_html()


def test_fits_a_phone(show):
    page = show(EmMixture(data=DATA, loc=LOC), width=350)
    page.get_by_role("button", name="One EM step").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 350


@pytest.mark.parametrize("arguments", [{}, {"data": []}])
def test_without_examples_it_asks_for_them(arguments):
    with pytest.raises(ValueError, match=r"give the examples: EmMixture\(data="):
        EmMixture(**arguments)
