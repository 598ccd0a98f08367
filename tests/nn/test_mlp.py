import torch
from torch import nn

from deepul_utils.nn.mlp import MLP


def test_it_is_linear_maps_with_a_relu_between():
    mlp = MLP(3, 2, hidden=[4, 5]).double()
    x = torch.randn(7, 3, dtype=torch.float64)
    (w1, b1), (w2, b2), (w3, b3) = [(layer.weight, layer.bias) for layer in mlp if isinstance(layer, nn.Linear)]
    h = (x @ w1.T + b1).clamp(min=0)
    h = (h @ w2.T + b2).clamp(min=0)
    torch.testing.assert_close(mlp(x), h @ w3.T + b3, rtol=1e-12, atol=1e-12)


def test_without_hidden_layers_it_is_linear():
    assert [type(layer) for layer in MLP(3, 2, hidden=[])] == [nn.Linear]
