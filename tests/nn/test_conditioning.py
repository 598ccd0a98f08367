import torch

from deepul_utils.nn.conditioning import ClassBias


def test_each_example_gets_the_vector_of_its_class_at_every_position():
    bias = ClassBias(num_classes=4, channels=3).double()
    torch.nn.init.normal_(bias.table)
    h, y = torch.randn(2, 3, 5, 6).double(), torch.tensor([3, 1])
    torch.testing.assert_close(bias(h, y) - h, bias.table[y][:, :, None, None].expand_as(h))


def test_channels_may_come_last():
    bias = ClassBias(num_classes=4, channels=3, axis=-1)
    torch.nn.init.normal_(bias.table)
    h, y = torch.zeros(2, 7, 3), torch.tensor([0, 2])
    torch.testing.assert_close(bias(h, y), bias.table[y][:, None].expand(2, 7, 3))


def test_it_starts_without_effect_and_passes_h_on_without_a_class():
    h = torch.randn(2, 3)
    assert torch.equal(ClassBias(4, 3)(h, torch.tensor([0, 3])), h)
    assert ClassBias(0, 3)(h, None) is h
