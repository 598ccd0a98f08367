"""The explorable shows the stored weights on the pixels whose values the positions hold; all of it works by keys."""

import re

import numpy as np
import pytest
import torch

from deepul_utils.explorables.attention_map import AttentionMap
from deepul_utils.models.image_transformer import ImageTransformer
from deepul_utils.nn.ordering import raster, shuffled

SHAPE, D = (3, 4), 12


def made(order):
    """A figure of two images, with the maps and probabilities that it was made from."""
    torch.manual_seed(0)
    model = ImageTransformer(SHAPE, width=8, layers=2, heads=2, order=order)
    x = torch.randint(2, (2, *SHAPE))
    with torch.no_grad():
        maps, ink = model.attention_maps(x).numpy(), model.conditionals(x).softmax(-1)[..., 1].numpy()
    return AttentionMap(x.numpy(), maps, ink, order=order.numpy()), maps, ink, x.numpy()


def parts(page):
    cells = page.locator('[data-panel="weights"] [data-parts]')
    found = cells.evaluate_all("cells => cells.map((cell) => cell.dataset.parts)")
    return np.array([float(p) / 1000 if p else np.nan for p in found])


def pick(page, name, value):
    slider = page.get_by_role("slider", name=name, exact=True)
    slider.press("Home")
    for _ in range(value):
        slider.press("ArrowRight")


@pytest.mark.parametrize("order", [raster(SHAPE), shuffled(SHAPE, seed=1)], ids=["raster", "shuffled"])
def test_weights_lie_on_the_pixels_whose_values_are_there(show, order):
    figure, maps, ink, x = made(order)
    page = show(figure)
    visits = order.argsort().tolist()
    for n, layer, head, step in [(0, 0, 0, 5), (1, 1, 0, 11), (1, 0, 1, 0)]:
        pixel = visits[step]
        for name, value in {"image": n, "layer": layer, "head": head, "pixel": pixel}.items():
            pick(page, name, value)
        expected = np.full(D, np.nan)
        expected[visits[:step]] = maps[n, layer, head, pixel, visits[1 : step + 1]]
        np.testing.assert_allclose(parts(page), expected, atol=6e-4)
        start = float(page.locator("[data-start]").get_attribute("data-parts")) / 1000
        assert start == pytest.approx(maps[n, layer, head, pixel, visits[0]], abs=6e-4)
        said = page.locator("[role=status]").inner_text()
        told = float(re.search(r"p\(ink\) here is (\S+),", said)[1])
        assert told == pytest.approx(ink[n].ravel()[pixel], abs=0.006)
        assert said.endswith(f"it is {'ink' if x[n].ravel()[pixel] else 'paper'}.")


def test_nothing_later_is_shown(show):
    figure, _, _, x = made(raster(SHAPE))
    page = show(figure)
    page.locator('[data-panel="image"] rect').nth(6).click()
    cells = page.locator('[data-panel="image"] [data-known]')
    known = cells.evaluate_all("cells => cells.map((cell) => cell.dataset.known)")
    assert known == [str(v) for v in x[0].ravel()[:6]] + [""] * 6
    assert np.isnan(parts(page)[6:]).all()


@pytest.mark.parametrize(
    ("images", "maps", "ink", "slip"),
    [
        (np.zeros((1, 2, 2)), np.eye(4)[None, None], np.zeros((1, 2, 2)), "give images"),
        (np.zeros((1, 2, 2)), np.eye(4)[None, None, None], np.zeros((1, 4)), "give images"),
        (np.zeros((1, 2, 2)), 0.5 * np.eye(4)[None, None, None], np.zeros((1, 2, 2)), "sum to 1"),
        (np.zeros((1, 2, 2)), np.full((1, 1, 1, 4, 4), 0.25), np.zeros((1, 2, 2)), "come later"),
    ],
)
def test_only_a_causal_law_can_be_shown(images, maps, ink, slip):
    with pytest.raises(ValueError, match=slip):
        AttentionMap(images, maps, ink)


def test_nothing_is_wider_than_a_phone(show):
    page = show(made(raster(SHAPE))[0], width=350)
    assert page.evaluate("document.documentElement.scrollWidth") <= 350
