import numpy as np
import pytest
import torch

from deepul_utils.checks import laws
from deepul_utils.models.gated_pixelcnn import GatedLayer, GatedPixelCNN
from deepul_utils.models.pixelcnn import PixelCNN
from deepul_utils.nn.gradient_field import gradient_field
from deepul_utils.nn.masked import pixel_mask

ROWS, COLS, AT = 9, 13, (6, 5)


def seen(model):
    torch.manual_seed(0)
    image = torch.rand(4, 1, ROWS, COLS).double() * 2 - 1
    return gradient_field(lambda h: model.double().network(h), image, AT)[0] > 0


def reached(steps):
    """The pixels from which a path of the given kinds of steps, each (rows down, columns right), leads to AT."""
    found = {AT}
    for layer in steps:
        found |= {(r - down, c - right) for r, c in found for down, right in layer}
    grid = torch.zeros(ROWS, COLS, dtype=torch.bool)
    for r, c in found - {AT}:
        if 0 <= r < ROWS and 0 <= c < COLS:
            grid[r, c] = True
    return grid


def earlier():
    return torch.arange(ROWS * COLS).view(ROWS, COLS) < AT[0] * COLS + AT[1]


@pytest.mark.parametrize("layers", [1, 3, 8])
def test_pixelcnn_has_a_blind_spot_of_just_this_shape(layers):
    """One row up costs a layer, which moves at most one column to the right: the pixels beyond that are never seen."""
    model = PixelCNN((ROWS, COLS), width=16, layers=layers, kernel_size=3)
    first = [(1, -1), (1, 0), (1, 1), (0, 1)]
    got = seen(model)
    assert torch.equal(got, reached([first] + [[*first, (0, 0)]] * layers))
    blind = earlier() & ~got
    assert blind[5, 7:].all()
    assert not blind[5, :7].any() or layers < 6


def test_gated_pixelcnn_has_none():
    """Where PixelCNN of the same depth leaves the pixels above and far to the right out."""
    assert torch.equal(seen(GatedPixelCNN((ROWS, COLS), width=16, layers=8, kernel_size=3)), earlier())
    assert not torch.equal(seen(PixelCNN((ROWS, COLS), width=16, layers=8, kernel_size=3)), earlier())


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_gated_pixelcnn_sees_all_within_reach(layers):
    """The stack's first row is the one above; each layer reaches a column to either side, and a row further up."""
    model = GatedPixelCNN((ROWS, COLS), width=16, layers=layers, kernel_size=3)
    expected = torch.zeros(ROWS, COLS, dtype=torch.bool)
    for r, c in np.ndindex(ROWS, COLS):
        # The vertical stack goes layers rows and columns far; the horizontal one adds columns to the left.
        up, left = AT[0] - r, AT[1] - c
        expected[r, c] = (up == 0 and 1 <= left <= layers) or (1 <= up <= layers + 1 and -layers <= left <= layers)
    got = seen(model)
    assert torch.equal(got, expected)


def test_shifting_in_every_layer_brings_the_blind_spot_back():
    """The slip of a public implementation: a vertical stack whose every layer leaves out its own row."""

    class Shifting(GatedLayer):
        def vertical(self, v, y, cache=None):
            if self.residual:
                v = torch.nn.functional.pad(v, (0, 0, 1, -1))
            return super().vertical(v, y, cache)

    got = seen(GatedPixelCNN((ROWS, COLS), width=16, layers=8, kernel_size=3, layer=Shifting))
    assert not torch.equal(got, earlier())
    assert not (got & ~earlier()).any()


def test_it_takes_the_mask_of_another():
    """Here one of the classic slips: kind A for every layer hides R from G and G from B."""

    def always_a(outputs, inputs, kernel_size, kind, channels):
        return pixel_mask(outputs, inputs, kernel_size, "A", channels)

    torch.manual_seed(0)
    model, x = PixelCNN((3, 2, 2), width=24, mask=always_a).double(), torch.randint(2, (64, 12)).numpy()
    with pytest.raises(laws.LawBroken, match="does not see"):
        laws.autoregressive(
            lambda x: model.conditionals(torch.from_numpy(x).view(-1, 3, 2, 2)).detach().flatten(1, -2).numpy(),
            x,
            model.order.numpy(),
        )


@pytest.mark.parametrize("model", [PixelCNN, GatedPixelCNN])
def test_a_width_that_does_not_divide_is_one_clear_sentence(model):
    with pytest.raises(ValueError, match="a multiple of the 3 channels, got 3 in and"):
        model((3, 8, 8), width=64)
