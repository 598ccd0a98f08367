import torch

from deepul_utils.nn.gate import gate


def test_it_is_tanh_times_sigmoid():
    a, b = torch.randn(2, 3, 5), torch.randn(2, 3, 5)
    torch.testing.assert_close(gate(torch.cat([a, b], 1)), a.tanh() * b.sigmoid())


def test_groups_stay_apart():
    parts = [torch.randn(2, 4, 5) for _ in range(3)]
    torch.testing.assert_close(gate(torch.cat(parts, 1), groups=3), torch.cat([gate(part) for part in parts], 1))
