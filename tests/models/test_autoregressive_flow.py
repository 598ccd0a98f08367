import numpy as np
import pytest
import torch

from deepul_utils.checks import laws
from deepul_utils.models.autoregressive_flow import AutoregressiveFlow, PixelFlow
from deepul_utils.transforms.element import ScaleAndShift
from deepul_utils.transforms.logistic_mixture import LogisticMixture


def forward(model):
    def answer(x):
        with torch.no_grad():
            return tuple(part.numpy() for part in model.transform(torch.tensor(x)))

    return answer


def inverse(model):
    def answer(z):
        with torch.no_grad():
            return model.transform.inverse(torch.tensor(z)).numpy()

    return answer


@pytest.mark.parametrize("turned", [False, True], ids=["AF", "IAF"])
def test_laws_of_several_layers(turned):
    torch.manual_seed(0)
    model = AutoregressiveFlow(3, ScaleAndShift(), layers=3, hidden=[8], inverse=turned).double()
    x = np.random.default_rng(0).normal(size=(4, 3))
    laws.invertible(forward(model), inverse(model), x)
    laws.log_det(forward(model), x)


def test_every_other_layer_is_in_the_reverse_order():
    model = AutoregressiveFlow(3, ScaleAndShift(), layers=3)
    assert [layer.net.order.tolist() for layer in model.transform.transforms] == [[0, 1, 2], [2, 1, 0], [0, 1, 2]]


def test_two_layers_let_every_latent_see_every_dimension():
    torch.manual_seed(0)
    x = torch.randn(3, dtype=torch.float64)

    def sees(layers):
        model = AutoregressiveFlow(3, ScaleAndShift(), layers=layers, hidden=[32]).double()
        return torch.autograd.functional.jacobian(lambda x: model.transform(x[None])[0][0], x) != 0

    assert torch.equal(sees(1), torch.ones(3, 3).tril().bool())
    assert sees(2).all()


@pytest.mark.parametrize("shape", [(4, 4), (2, 3, 3)])
def test_laws_on_images(shape):
    torch.manual_seed(0)
    model = PixelFlow(shape, LogisticMixture(2), width=8, layers=1, kernel_size=3).double()
    x = np.random.default_rng(0).normal(size=(2, *shape))
    laws.invertible(forward(model), inverse(model), x, tolerance=1e-8)
    laws.log_det(forward(model), x)


@pytest.mark.parametrize("shape", [(4, 5), (3, 3, 2)])
def test_cached_and_naive_samples_are_the_same(shape):
    torch.manual_seed(0)
    model = PixelFlow(shape, ScaleAndShift(), width=12, layers=2, kernel_size=3).double()
    z = torch.randn(3, *shape, dtype=torch.float64)
    with torch.no_grad():
        assert torch.allclose(model.transform.inverse(z), model.transform.inverse_naively(z), atol=1e-12)


def test_pixels_see_those_before_them_and_no_others():
    torch.manual_seed(0)
    model = PixelFlow((3, 3), ScaleAndShift(), width=16, layers=3, kernel_size=3).double()
    x = np.random.default_rng(0).normal(size=(8, 9))

    def params(x):
        with torch.no_grad():
            return model.transform.net(torch.tensor(x).view(-1, 3, 3)).flatten(1, 2).numpy()

    J = np.zeros((9, 9), dtype=bool)
    for j in range(9):
        changed = x.copy()
        changed[:, j] += 1
        J[:, j] = (params(changed) != params(x)).any((0, 2))
    assert not np.triu(J).any()
    assert J[8].sum() >= 7  # all but what the blind spot hides


def test_samples_come_from_the_latents_that_are_given():
    torch.manual_seed(0)
    model = PixelFlow((3, 3), ScaleAndShift(), width=8, layers=1, kernel_size=3)
    z = torch.randn(2, 9)
    drawn = model.sample(2, z=z)
    assert drawn.shape == (2, 3, 3)
    with torch.no_grad():
        assert torch.allclose(model.transform(drawn)[0].flatten(1), z, atol=1e-5)
