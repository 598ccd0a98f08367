import pytest
import torch
from torch import nn

from deepul_utils.models.wavenet import GatedBlock, WaveNet
from deepul_utils.nn.causal import receptive_field
from deepul_utils.nn.gradient_field import gradient_field


@pytest.mark.parametrize("dilations", [[1, 1, 1, 1], [1, 2, 4, 8], [1, 2, 4, 1, 2, 4]])
@pytest.mark.parametrize("kernel_size", [2, 3])
def test_the_receptive_field_is_exactly_that_of_the_formula(dilations, kernel_size):
    torch.manual_seed(0)
    model = WaveNet((60,), width=8, dilations=dilations, kernel_size=kernel_size).double()
    seen = gradient_field(lambda h: model.network(h).mT, torch.randn(4, 60, 8).double(), at=(50,)).sum(-1) > 0
    size = receptive_field(kernel_size, dilations)
    assert seen.nonzero().flatten().tolist() == list(range(51 - size, 51))


def test_so_x_t_depends_on_as_many_values_before_it():
    torch.manual_seed(0)
    model = WaveNet((12,), num_values=4, width=8, dilations=[1, 2]).double()
    x = torch.randint(4, (32, 12))
    for j in range(12):
        changed = x.clone()
        changed[:, j] = (x[:, j] + 1) % 4
        moved = (model.conditionals(changed) != model.conditionals(x)).any(0).any(-1)
        assert moved.nonzero().flatten().tolist() == list(range(j + 1, min(j + 5, 12)))


def test_a_block_is_its_equation():
    torch.manual_seed(0)
    block, h = GatedBlock(width=3, kernel_size=2, dilation=4, num_classes=2).double(), torch.randn(5, 3, 9).double()
    nn.init.normal_(block.bias.table)
    y = torch.tensor([0, 1, 1, 0, 1])
    f, g = (block.conv(h) + block.bias.table[y][:, :, None]).chunk(2, 1)
    residual, skip = block.out(f.tanh() * g.sigmoid()).chunk(2, 1)
    torch.testing.assert_close(block(h, y), (h + residual, skip))


def test_it_takes_the_convolution_of_another():
    class Seeing(nn.Conv1d):  # the classic slip: padding on both sides
        def __init__(self, inputs, outputs, kernel_size, dilation):
            super().__init__(inputs, outputs, kernel_size, dilation=dilation, padding="same")

        def forward(self, h, cache=None):
            return super().forward(h)

    model, x = WaveNet((8,), dilations=[2], kernel_size=3, conv=Seeing), torch.randint(2, (16, 8))
    changed = x.clone()
    changed[:, 4] = 1 - x[:, 4]
    assert (model.conditionals(changed) != model.conditionals(x)).any(0).any(-1)[3]
