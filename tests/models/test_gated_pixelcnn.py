import pytest
import torch
from torch.nn import functional as F

from deepul_utils.models.gated_pixelcnn import GatedLayer, GatedPixelCNN
from deepul_utils.models.pixelcnn import PixelCNN

SIZE, AT = (9, 13), (6, 5)


def made(layers, layer=GatedLayer):
    return GatedPixelCNN(SIZE, width=16, layers=layers, kernel_size=3, layer=layer)


def test_it_has_no_blind_spot(seen, earlier):
    """Where a PixelCNN as deep has one."""
    model = made(layers=8)
    assert torch.equal(seen(model, AT), earlier(model, AT))
    assert not torch.equal(seen(PixelCNN(SIZE, width=16, layers=8, kernel_size=3), AT), earlier(model, AT))


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_it_sees_all_within_reach(layers, seen):
    """Each layer reaches a row and a column further; of its own row the pixels before it."""
    expected = torch.zeros(SIZE, dtype=torch.bool)
    rows, left, right = slice(max(5 - layers, 0), 6), max(5 - layers, 0), 5 + layers
    expected[rows, left : right + 1] = True
    expected[6, left:5] = True
    assert torch.equal(seen(made(layers), AT), expected)


def test_shifting_in_every_layer_brings_the_blind_spot_back(seen, earlier):
    """The slip of a public implementation: a vertical stack each of whose layers leaves out its own row."""

    class Shifting(GatedLayer):
        def vertical(self, v, y, cache=None):
            return super().vertical(F.pad(v, (0, 0, 1, -1)) if self.residual else v, y, cache)

    model = made(layers=8, layer=Shifting)
    got = seen(model, AT)
    assert not (got & ~earlier(model, AT)).any()
    assert (earlier(model, AT) & ~got).any()


def test_a_layer_is_its_equations():
    torch.manual_seed(0)
    layer = GatedLayer(inputs=4, width=4, kernel_size=3, kind="B", num_classes=2).double()
    torch.nn.init.normal_(layer.down_bias.table)
    torch.nn.init.normal_(layer.right_bias.table)
    v, h = torch.randn(2, 2, 4, 5, 6).double()
    y = torch.tensor([1, 0])

    def gate(z):
        a, b = z.chunk(2, 1)
        return a.tanh() * b.sigmoid()

    z = layer.down(v) + layer.down_bias.table[y][:, :, None, None]
    got, told = layer.vertical(v, y)
    torch.testing.assert_close(got, gate(z))
    right = layer.right(h) + layer.across(z) + layer.right_bias.table[y][:, :, None, None]
    torch.testing.assert_close(layer.horizontal(h, told, y), h + layer.out(gate(right)))


def test_around_the_first_layer_there_is_no_residual():
    """Else each pixel would see itself; and the image has other features than the layer."""
    layer = GatedLayer(inputs=4, width=4, kernel_size=3, kind="A").double()
    for parameter in layer.parameters():
        torch.nn.init.zeros_(parameter)
    h = torch.randn(1, 4, 3, 3).double()
    assert not layer.horizontal(h, torch.zeros(1, 8, 3, 3).double(), None).any()
