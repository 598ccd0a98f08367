import torch

from deepul_utils.nn.gradient_field import gradient_field


def test_it_sums_the_sizes_of_all_derivatives():
    weight = torch.tensor([[1.0, -2.0, 0.0], [-1.0, 2.0, 0.5]])  # whose rows would cancel in a plain sum

    def network(x):
        return (x @ weight.T)[:, :, None]  # (B, 2, one position)

    assert gradient_field(network, torch.randn(4, 3), at=(0,)).tolist() == [8.0, 16.0, 2.0]


def test_a_shut_relu_hides_no_path():
    x = torch.tensor([[-1.0], [1.0]])
    assert gradient_field(lambda x: x.relu(), x, at=(0,)).tolist() == [1.0]
