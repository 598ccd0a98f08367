import torch

from deepul_utils.nn.gradient_field import gradient_field
from deepul_utils.nn.resnet import ResNet


def test_every_pixel_within_reach_is_seen():
    torch.manual_seed(0)
    net = ResNet(1, 3, width=16, blocks=2).double()
    seen = gradient_field(net, torch.randn(8, 1, 9, 9).double(), at=(4, 3))[0] > 0
    expected = torch.zeros(9, 9, dtype=torch.bool)
    expected[1:8, 0:7] = True  # three convolutions of size 3
    assert torch.equal(seen, expected)


def test_the_class_matters_and_every_parameter_learns():
    torch.manual_seed(0)
    net, h = ResNet(2, 3, width=8, blocks=2, num_classes=2), torch.randn(4, 2, 5, 5)
    for block in net.blocks:
        torch.nn.init.normal_(block.bias.table)
    assert not torch.equal(net(h, torch.zeros(4, dtype=torch.long)), net(h, torch.ones(4, dtype=torch.long)))
    net(h, torch.tensor([0, 1, 0, 1])).square().sum().backward()
    assert all((p.grad != 0).any() for p in net.parameters())
