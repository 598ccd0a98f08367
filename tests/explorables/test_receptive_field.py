"""The explorable colours exactly what the library's own networks depend on, measured by gradient."""

import re

import pytest
import torch
from torch.nn import functional as F

from deepul_utils.explorables.receptive_field import ReceptiveField
from deepul_utils.models.gated_pixelcnn import GatedLayer, GatedPixelCNN
from deepul_utils.models.pixelcnn import PixelCNN
from deepul_utils.nn.gradient_field import gradient_field

SIZE = 9


class Shifting(GatedLayer):
    """The slip that the figure offers: the vertical stack is moved down in every layer."""

    def vertical(self, v, y, cache=None):
        return super().vertical(F.pad(v, (0, 0, 1, -1)) if self.residual else v, y, cache)


def coloured(page, panel, *kinds):
    cells = page.locator(f'[data-panel="{panel}"] [data-kind]')
    found = cells.evaluate_all("cells => cells.map((cell) => cell.dataset.kind)")
    return torch.tensor([kind in kinds for kind in found]).view(SIZE, SIZE)


def told(page):
    return page.locator("[role=status]").inner_text()


def depends(model, at):
    torch.manual_seed(0)
    image = torch.rand(4, 1, SIZE, SIZE).double() * 2 - 1
    return gradient_field(model.double().network, image, at)[0] > 0


@pytest.mark.parametrize(
    ("layers", "kernel_size", "at"), [(1, 3, (4, 4)), (3, 3, (6, 2)), (2, 5, (8, 7)), (5, 3, (5, 0))]
)
def test_it_shows_what_the_networks_see(show, layers, kernel_size, at):
    state = {"size": SIZE, "layers": layers, "kernel_size": kernel_size, "row": at[0], "column": at[1]}
    page = show(ReceptiveField(**state))
    # The library counts the layers of a PixelCNN after the first.
    plain = PixelCNN((SIZE, SIZE), width=8, layers=layers - 1, kernel_size=kernel_size)
    gated = GatedPixelCNN((SIZE, SIZE), width=8, layers=layers, kernel_size=kernel_size)
    assert torch.equal(coloured(page, "PixelCNN", "seen"), depends(plain, at))
    assert torch.equal(coloured(page, "Gated PixelCNN", "seen"), depends(gated, at))
    earlier = torch.arange(SIZE * SIZE).view(SIZE, SIZE) < at[0] * SIZE + at[1]
    for panel in ("PixelCNN", "Gated PixelCNN"):
        assert torch.equal(coloured(page, panel, "seen", "far", "blind"), earlier)
    assert not coloured(page, "Gated PixelCNN", "blind").any()


def test_red_is_what_no_number_of_layers_brings_into_sight(show):
    at = (6, 3)
    page = show(ReceptiveField(size=SIZE, row=at[0], column=at[1], layers=2))
    deep = depends(PixelCNN((SIZE, SIZE), width=8, layers=11, kernel_size=3), at)
    earlier = torch.arange(SIZE * SIZE).view(SIZE, SIZE) < at[0] * SIZE + at[1]
    blind = coloured(page, "PixelCNN", "blind")
    assert blind.any()
    assert torch.equal(blind, earlier & ~deep)
    assert f"{int(blind.sum())} in the blind spot" in told(page)


def test_shifting_in_every_layer_is_drawn_as_it_is(show):
    at = (6, 4)
    page = show(ReceptiveField(size=SIZE, row=at[0], column=at[1], layers=4))
    page.get_by_role("checkbox", name="shift the vertical stack").press("Space")
    model = GatedPixelCNN((SIZE, SIZE), width=8, layers=4, kernel_size=3, layer=Shifting)
    assert torch.equal(coloured(page, "Gated PixelCNN", "seen"), depends(model, at))
    assert coloured(page, "Gated PixelCNN", "blind").any()


def test_kind_b_first_shows_the_leak(show):
    page = show(ReceptiveField(size=SIZE, row=4, column=4))
    assert "which it should predict" not in told(page)
    page.get_by_role("checkbox", name="kind B").press("Space")
    assert told(page).count("and the pixel itself, which it should predict.") == 2
    for panel in ("PixelCNN", "Gated PixelCNN"):
        assert coloured(page, panel, "leak").nonzero().tolist() == [[4, 4]]


def test_a_pixel_is_picked_by_keys_and_by_a_click(show):
    page = show(ReceptiveField(size=SIZE, row=4, column=4))
    page.get_by_role("slider", name="row").press("ArrowRight")
    page.get_by_role("slider", name="column").press("Home")
    assert re.findall(r"of (\d+) earlier", told(page)) == ["45", "45"]
    page.locator('[data-panel="PixelCNN"] [data-kind]').nth(2 * SIZE + 6).click()
    assert re.findall(r"of (\d+) earlier", told(page)) == ["24", "24"]
    page.get_by_role("slider", name="layers").press("Home")
    page.get_by_role("slider", name="kernel").press("End")
    assert page.get_by_role("slider", name="kernel").input_value() == "7"
    assert "Gated PixelCNN: " in told(page)


def test_fits_a_phone(show):
    page = show(ReceptiveField(), width=350)
    assert page.evaluate("document.documentElement.scrollWidth") <= 350
