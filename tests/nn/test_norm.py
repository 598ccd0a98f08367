import pytest
import torch

from deepul_utils.nn.norm import ChannelNorm


def made(channels=6, groups=3):
    torch.manual_seed(0)
    norm = ChannelNorm(channels, groups).double()
    torch.nn.init.normal_(norm.scale)
    torch.nn.init.normal_(norm.shift)
    return norm


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_it_is_its_formula(groups):
    norm, h, size = made(groups=groups), torch.randn(2, 6, 3, 4, dtype=torch.float64), 6 // groups
    for n, r, c, group in torch.cartesian_prod(*map(torch.arange, (2, 3, 4, groups))):
        part = slice(size * group, size * (group + 1))
        values = h[n, part, r, c]
        expected = (values - values.mean()) / (values.var(correction=0) + 1e-5).sqrt()
        torch.testing.assert_close(norm(h)[n, part, r, c], expected * norm.scale[part] + norm.shift[part])


def test_positions_examples_and_groups_do_not_see_one_another():
    norm, h = made(), torch.randn(2, 6, 3, 4, dtype=torch.float64)
    changed = h.clone()
    changed[1, 2:4, 2, 3] += torch.randn(2, dtype=torch.float64)
    moved = norm(changed) != norm(h)
    moved[1, 2:4, 2, 3] ^= True
    assert not moved.any()
