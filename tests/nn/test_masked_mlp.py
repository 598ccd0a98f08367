import numpy as np
import pytest
import torch

from deepul_utils.checks import laws
from deepul_utils.nn.masked_mlp import MaskedMLP


@pytest.mark.parametrize("order", [None, [2, 0, 3, 1]])
@pytest.mark.parametrize("hidden", [[], [3], [16, 5]])
def test_parameters_see_every_earlier_dimension_and_no_other(order, hidden):
    torch.manual_seed(0)
    net = MaskedMLP(4, 3, hidden, order).double()
    with torch.no_grad():
        for layer in net.layers:
            layer.bias.uniform_(1, 2)  # so that ReLUs are open
            layer.weight.abs_()
    x = np.random.default_rng(0).uniform(0.1, 1, (6, 4))
    laws.autoregressive(lambda x: net(torch.tensor(x)).detach().numpy(), x, order=order)


def test_the_parameters_of_a_dimension_stand_together():
    net = MaskedMLP(3, 2, [])
    with torch.no_grad():
        net.layers[0].weight.fill_(1)
        net.layers[0].bias.copy_(torch.arange(6.0))
    assert net(torch.tensor([[10.0, 100.0, 1000.0]])).tolist() == [[[0, 1], [12, 13], [114, 115]]]


def test_masks_are_an_argument():
    net = MaskedMLP(3, 2, [4], masks=lambda D, hidden, order: [torch.zeros(4, 3), torch.ones(3, 4)])
    assert torch.equal(net(torch.zeros(1, 3)), net(torch.ones(1, 3)))


@pytest.mark.parametrize("order", [None, [2, 0, 3, 1]])
@pytest.mark.parametrize("hidden", [[], [3], [16, 5]])
def test_walking_gives_what_a_pass_gives(order, hidden):
    torch.manual_seed(0)
    net = MaskedMLP(4, 3, hidden, order).double()
    due = torch.randn(6, 4, dtype=torch.float64)
    x = torch.zeros_like(due)
    for i, params in zip(net.order.argsort(), net.walk(x), strict=True):
        torch.testing.assert_close(params, net(due)[:, i])
        x[:, i] = due[:, i]  # not before: the parameters above had to do without


def test_a_context_is_given_where_it_is_known_and_nowhere_else():
    x, context = torch.zeros(2, 3), torch.zeros(2, 4)
    knows, plain = MaskedMLP(3, 2, [5], context=4), MaskedMLP(3, 2, [5])
    assert knows(x, context).shape == plain(x).shape == (2, 3, 2)
    with pytest.raises(ValueError, match="made with a context"):
        knows(x)
    with pytest.raises(ValueError, match="made without a context"):
        plain(x, context)
    with pytest.raises(ValueError, match="cannot walk"):
        next(knows.walk(x))
