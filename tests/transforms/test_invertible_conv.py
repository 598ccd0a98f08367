"""The 1 x 1 convolution: its log-determinant is H W log|det W|, also where det W is negative or beyond floats."""

import pytest
import torch

from deepul_utils.transforms.invertible_conv import InvertibleConv

GENERATOR = torch.Generator().manual_seed(0)
WEIGHT = torch.randn(3, 3, dtype=torch.float64, generator=GENERATOR)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2, 5)])
def test_log_det_is_that_of_the_whole_jacobian(shape, sign):
    weight = WEIGHT * torch.tensor([[sign], [1], [1]])
    conv = InvertibleConv(3, weight)
    x = torch.randn(shape, dtype=torch.float64, generator=GENERATOR)
    z, log_det = conv(x)
    torch.testing.assert_close(conv.inverse(z), x, atol=1e-9, rtol=0)
    for example, due in zip(x, log_det, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda e: conv(e[None])[0][0], example)
        size = example.numel()
        torch.testing.assert_close(torch.linalg.slogdet(jacobian.view(size, size))[1], due)


def test_a_determinant_beyond_floats_has_a_logarithm():
    large = 1e3 * torch.eye(200)  # its determinant, 1e600, is infinite in any float
    log_det = InvertibleConv(200, large)(torch.ones(1, 200))[1]
    torch.testing.assert_close(log_det, 200 * torch.tensor([1e3]).log())


def test_it_starts_as_a_rotation():
    torch.manual_seed(0)
    conv = InvertibleConv(8)
    torch.testing.assert_close(conv.weight @ conv.weight.T, torch.eye(8), atol=1e-5, rtol=0)


@pytest.mark.parametrize("weight", [torch.ones(3, 3), torch.eye(2), torch.ones(3)])
def test_a_matrix_without_inverse_or_of_another_shape_is_refused(weight):
    with pytest.raises(ValueError, match=r"must be \(3, 3\)"):
        InvertibleConv(3, weight)
