"""The explorable's density, map and slope are the library's; handles, sliders and the latent's switch move them."""

import re

import pytest
import torch

from deepul_utils.explorables.mixture_flow import MixtureFlow
from deepul_utils.transforms.elementwise import NormalQuantile
from deepul_utils.transforms.mixture_cdf import MixtureCDF


def told(page):
    """x, z, the slope, the density and the base's density, as the page tells them."""
    text = page.locator("[role=status]").inner_text().replace("−", "-")
    return [float(number) for number in re.findall(r"-?\d+\.\d+", text)][:5]


def library(widget, x):
    """z, dz/dx and p(x)."""
    mixture = MixtureCDF(3).double()
    loc = torch.tensor(widget.loc, dtype=torch.float64) - mixture.start
    rest = (torch.tensor(part, dtype=torch.float64).log() for part in (widget.weight, widget.scale))
    logits, log_scale = rest
    x = torch.tensor([[x]], dtype=torch.float64)
    z, log_density = mixture(x, torch.cat([logits, loc, log_scale]).expand(1, 1, 9))
    log_slope = log_density[:, 0]
    if widget.normal:
        z, log_det = NormalQuantile()(z)
        log_slope = log_slope + log_det
    return z.item(), log_slope.exp().item(), log_density.exp().item()


@pytest.mark.parametrize("normal", [False, True])
@pytest.mark.parametrize("x", [-3.0, -1.5, 0.2, 2.5])
def test_is_the_flow_of_the_library(show, x, normal):
    widget = MixtureFlow(x=x, normal=normal, loc=[-1.0, 0.5, 2.0], scale=[0.4, 1.0, 0.3], weight=[1.0, 5.0, 4.0])
    got = told(show(widget))
    assert got[:4] == pytest.approx([x, *library(widget, x)], abs=0.000501)
    assert got[4] * got[2] == pytest.approx(got[3], abs=0.002)


def test_keys_and_sliders(show):
    page = show(MixtureFlow())
    page.get_by_role("slider", name="mean of bump 3").press("ArrowRight")
    page.get_by_role("slider", name="width of bump 3").press("Home")
    page.get_by_role("slider", name="weight of bump 3").press("Home")
    page.get_by_role("slider", name="mean of bump 1").press("ArrowLeft")
    page.get_by_role("slider", name="look at x").press("End")
    changed = MixtureFlow(loc=[-2.1, 0.0, 1.9], scale=[0.5, 0.4, 0.1], weight=[4.0, 2.0, 1e-300])
    assert told(page)[:4] == pytest.approx([4.5, *library(changed, 4.5)], abs=0.000501)
    page.get_by_role("slider", name="look at x").press("Home")
    assert told(page)[:4] == pytest.approx([-4.5, *library(changed, -4.5)], abs=0.000501)


def test_a_bump_is_dragged(show, drag):
    page = show(MixtureFlow(x=3.0))
    before = told(page)
    drag(page.get_by_role("slider", name="mean of bump 3"), -200)
    assert told(page)[1] > before[1] + 0.01  # more of the mass lies to the left of 3
    assert told(page)[3] < before[3] / 2


def test_samples_follow_the_map_and_change_with_the_seed(show):
    page = show(MixtureFlow())

    def rug():
        lines = page.get_by_role("figure", name="The density of the mixture").locator('line[stroke="#3b7dd8"]')
        return lines.evaluate_all("lines => lines.map((line) => +line.getAttribute('x1'))")

    before = rug()
    assert len(before) == 200
    page.get_by_role("checkbox").press("Space")
    assert rug() == before  # the same noise, whichever way the latent is written
    page.get_by_role("button", name="New samples").click()
    assert rug() != before


def test_fits_a_phone(show):
    page = show(MixtureFlow(), width=350)
    assert page.evaluate("document.documentElement.scrollWidth") <= 350
