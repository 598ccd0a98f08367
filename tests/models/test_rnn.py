import pytest
import torch
from torch import nn

from deepul_utils.models.rnn import RNN


@pytest.mark.parametrize("cell", [nn.RNN, nn.GRU, nn.LSTM])
def test_it_is_a_recurrence_with_a_softmax(cell):
    torch.manual_seed(0)
    model, x = RNN((5,), num_values=3, width=7, cell=cell).double(), torch.tensor([[2, 0, 1, 1, 0]])
    state, before = None, 3  # 3 is the start token
    for t in range(5):
        h, state = model.recurrent(model.embed.table.weight[before].view(1, 1, 7), state)
        torch.testing.assert_close(model.conditionals(x)[0, t], model.out(h)[0, 0], rtol=1e-12, atol=1e-12)
        before = x[0, t]


def test_weights_of_a_short_text_write_a_long_one():
    torch.manual_seed(0)
    short, long = RNN((8,), num_values=5, width=6), RNN((40,), num_values=5, width=6)
    weights = {name: a for name, a in short.state_dict().items() if name in dict(short.named_parameters())}
    long.load_state_dict(weights, strict=False)
    u = torch.rand(3, 40)
    assert torch.equal(long.sample(3, u=u)[:, :8], short.sample(3, u=u[:, :8]))


def test_coordinates_tell_rows_apart():
    """On a constant image the state alone cannot know the row for sure; the coordinates can."""
    torch.manual_seed(0)
    blind, told = RNN((6, 6), width=8, cell=nn.RNN), RNN((6, 6), width=8, cell=nn.RNN, coordinates=True)
    for model in (blind, told):
        nn.init.zeros_(model.recurrent.weight_hh_l0)  # no memory: only the input is left
    x = torch.zeros(1, 6, 6, dtype=torch.long)
    assert blind.conditionals(x)[0].flatten(0, 1)[1:].unique(dim=0).shape[0] == 1
    assert told.conditionals(x)[0].flatten(0, 1)[1:].unique(dim=0).shape[0] == 35
