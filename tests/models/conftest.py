"""What the tests of the image models share."""

import pytest
import torch

from deepul_utils.nn.gradient_field import gradient_field


@pytest.fixture
def seen():
    """seen(model, at): which pixels of a grey image the output at one of them depends on, (H, W)."""

    def measure(model, at):
        torch.manual_seed(0)
        image = torch.rand(4, 1, model.height, model.width).double() * 2 - 1
        return gradient_field(model.double().network, image, at)[0] > 0

    return measure


@pytest.fixture
def earlier():
    """earlier(model, at): which pixels come before one of them in raster order, (H, W)."""

    def count(model, at):
        return torch.arange(model.height * model.width).view(model.height, -1) < at[0] * model.width + at[1]

    return count
