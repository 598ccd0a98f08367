import pytest
import torch

from deepul_utils.nn.causal_unet import CausalUNet, GatedResidual
from deepul_utils.nn.gradient_field import gradient_field
from deepul_utils.nn.masked import pixel_mask, vertical_mask


def left(outputs, inputs):
    return pixel_mask(outputs, inputs, 3, "B")


def above(outputs, inputs):
    return vertical_mask(outputs, inputs, 3)


@pytest.mark.parametrize("levels", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [(8, 8), (5, 7), (1, 6)])
def test_no_pixel_sees_a_later_one(levels, size):
    """Itself and earlier ones in raster order, or with whole rows, its own row and those above: at every place."""
    torch.manual_seed(0)
    index = torch.arange(size[0] * size[1]).view(size)
    for mask, place in [(left, index), (above, index // size[1])]:
        net = CausalUNet(4, mask, levels, blocks=1).double()
        for at in [(0, 0), (0, 3), (size[0] // 2, 2), (size[0] - 1, size[1] - 1)]:
            field = gradient_field(lambda h, net=net: net(h, None, {}), torch.randn(3, 4, *size).double(), at).sum(0)
            assert not (field[place > place[at]] > 0).any()
            assert field[at] > 0


def test_a_block_is_its_equation():
    torch.manual_seed(0)
    block = GatedResidual(3, left, others=2, num_classes=2).double()
    torch.nn.init.normal_(block.bias.table)
    h, one, two = torch.randn(3, 2, 3, 4, 4).double()
    y, elu = torch.tensor([1, 0]), torch.nn.functional.elu
    z = block.first(elu(h)) + block.other(elu(torch.cat([one, two], 1))) + block.bias.table[y][:, :, None, None]
    a, b = block.second(elu(z)).chunk(2, 1)
    torch.testing.assert_close(block(h, y, [one, two]), h + a * b.sigmoid())


@pytest.mark.parametrize("size", [(8, 8), (5, 7), (3, 1)])
def test_pixel_by_pixel_and_row_by_row_two_nets_give_the_same(size):
    torch.manual_seed(0)
    speaker, listener = CausalUNet(4, above, 2, 2).double(), CausalUNet(4, left, 2, 2, listens=True).double()
    v, h = torch.randn(2, 2, 4, *size).double()
    said = {}
    with torch.no_grad():
        speaker(v, None, said)
        whole = listener(h, None, {}, said)
        rows, pixels, said = speaker.caches(*size), listener.caches(*size), {}
        for r in range(size[0]):
            rows[0].at = r, 0
            speaker(v[:, :, r : r + 1], None, said, None, rows)
            for c in range(size[1]):
                pixels[0].at = r, c
                got = listener(h[:, :, r : r + 1, c : c + 1], None, {}, said, pixels)
                torch.testing.assert_close(got, whole[:, :, r : r + 1, c : c + 1], rtol=1e-9, atol=1e-9)
