import pytest
import torch

from deepul_utils.nn.cache import Cache
from deepul_utils.nn.causal import CausalConv1d, receptive_field
from deepul_utils.nn.gradient_field import gradient_field


@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (2, 1), (2, 4), (3, 2)])
def test_each_output_is_the_sum_over_the_present_and_the_past(kernel_size, dilation):
    conv, x = CausalConv1d(2, 3, kernel_size, dilation).double(), torch.randn(4, 2, 10).double()
    out = conv(x)
    assert out.shape == (4, 3, 10)
    for t in range(10):
        expected = conv.bias.expand(4, 3)
        for j in range(kernel_size):  # the last weight is that of the present
            if t - j * dilation >= 0:
                expected = expected + x[:, :, t - j * dilation] @ conv.weight[:, :, -1 - j].T
        torch.testing.assert_close(out[:, :, t], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (2, 1), (2, 4), (3, 2)])
def test_step_by_step_it_gives_the_same(kernel_size, dilation):
    conv, x, cache = CausalConv1d(2, 3, kernel_size, dilation).double(), torch.randn(4, 2, 10).double(), Cache(10)
    steps = [conv(x[:, :, t : t + 1], cache) for t in range(10)]
    torch.testing.assert_close(torch.cat(steps, -1), conv(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("kernel_size", "dilations"), [(2, [1, 1, 1]), (2, [1, 2, 4]), (3, [1, 3, 9]), (5, [2])])
def test_the_receptive_field_is_what_the_gradient_shows(kernel_size, dilations):
    stack = torch.nn.Sequential(*(CausalConv1d(1, 1, kernel_size, d) for d in dilations)).double()
    seen = gradient_field(stack, torch.randn(2, 1, 60).double(), at=(50,))[0] > 0
    size = receptive_field(kernel_size, dilations)
    assert seen.nonzero().flatten().tolist()[0] == 50 - size + 1
    assert not seen[51:].any()
    if dilations == [1, 2, 4]:  # without a gap
        assert seen[50 - size + 1 : 51].all()
