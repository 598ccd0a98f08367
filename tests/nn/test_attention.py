import pytest
import torch

from deepul_utils.nn.attention import MaskedAttention, attention_mask, attention_weights
from deepul_utils.nn.cache import Cache
from deepul_utils.nn.ordering import shuffled


def test_a_position_sees_itself_and_what_comes_before():
    order = shuffled((6,), seed=1)
    mask = attention_mask(order)
    for i in range(6):
        for j in range(6):
            assert mask[i, j] == (order[j] <= order[i])


def test_weights_are_a_law_over_what_may_be_seen():
    mask = attention_mask(shuffled((7,)))
    weights = attention_weights(torch.randn(2, 3, 7, 5).double(), torch.randn(2, 3, 7, 5).double(), mask)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 7).double())
    assert torch.equal(weights > 0, mask.expand(2, 3, 7, 7))


def test_weights_of_two_positions_by_hand():
    q, k = torch.tensor([[2.0, 0.0, 0.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    odds = torch.tensor(2 / 4**0.5).exp()
    torch.testing.assert_close(attention_weights(q, k), torch.stack([1 / (1 + odds), odds / (1 + odds)])[None])


def test_each_head_mixes_values_by_its_weights():
    torch.manual_seed(0)
    attention, mask = MaskedAttention(width=12, heads=3).double(), attention_mask(shuffled((5,)))
    h = torch.randn(2, 5, 12).double()
    q, k, v = attention.heads_of(h)
    assert q.shape == (2, 3, 5, 4)
    torch.testing.assert_close(q[:, 1], (h @ attention.project.weight[4:8].T + attention.project.bias[4:8]))
    mixed = torch.cat([attention_weights(q[:, i], k[:, i], mask) @ v[:, i] for i in range(3)], -1)
    torch.testing.assert_close(attention(h, mask), attention.out(mixed), rtol=1e-12, atol=1e-12)


def test_step_by_step_it_gives_the_same():
    torch.manual_seed(0)
    attention, h, cache = MaskedAttention(8, heads=2).double(), torch.randn(2, 6, 8).double(), Cache(6)
    whole = attention(h, attention_mask(torch.arange(6)))
    with torch.no_grad():
        for t in range(6):
            cache.at = (t,)
            torch.testing.assert_close(attention(h[:, t : t + 1], None, cache), whole[:, t : t + 1])


def test_heads_that_do_not_fit_are_one_clear_sentence():
    with pytest.raises(ValueError, match="width must be a multiple of heads, got 10 and 4"):
        MaskedAttention(10, heads=4)
