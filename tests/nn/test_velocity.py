import torch

from deepul_utils.nn.velocity import Velocity


def test_without_a_hidden_layer_it_is_a_matrix():
    torch.manual_seed(0)
    velocity, t = Velocity(2, hidden=[]).double(), torch.tensor(0.3)
    x, y, zero = torch.randn(5, 2).double(), torch.randn(5, 2).double(), torch.zeros(5, 2).double()
    torch.testing.assert_close(velocity(x + y, t) + velocity(zero, t), velocity(x, t) + velocity(y, t))
    assert (velocity(x, t) - velocity(x, 2 * t)).abs().min() > 0
