"""Dequantization noise lies in the unit cube, and says its own log-density, that of the flow which made it."""

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from deepul_utils.checks import laws
from deepul_utils.nn.mlp import MLP
from deepul_utils.transforms.coupling import Coupling
from deepul_utils.transforms.dequantize import UniformNoise, VariationalNoise
from deepul_utils.transforms.partition import checkerboard, every_second

SHAPES = {"points": (3,), "images": (1, 2, 2)}


def variational(shape, num_values=5, seed=0):
    torch.manual_seed(seed)
    if len(shape) == 1:
        masks = [every_second(shape, k) for k in range(2)]
        nets = [MLP(int(mask.sum()) + shape[0], 2 * int((1 - mask).sum()), [16]) for mask in masks]
    else:
        masks = [checkerboard(shape, k) for k in range(2)]
        nets = [nn.Conv2d(2 * shape[0], 2 * shape[0], 3, padding=1) for _ in masks]
    couplings = [Coupling(mask, net) for mask, net in zip(masks, nets, strict=True)]
    return VariationalNoise(*couplings, num_values=num_values).double()


pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("make", [lambda shape: UniformNoise(), variational], ids=["uniform", "variational"])
def test_noise_lies_in_the_unit_cube(make, shape):
    x = torch.randint(5, (200, *shape))
    u, log_q = make(shape)(x)
    assert u.shape == x.shape
    assert log_q.shape == (200,)
    assert ((u >= 0) & (u <= 1)).all()
    assert not torch.equal(u[0], u[1])


def test_uniform_noise_is_uniform():
    torch.manual_seed(0)
    u, log_q = UniformNoise()(torch.zeros(20_000, 1))
    laws.matches_sampler((10 * u[:, 0]).floor().long(), np.full(10, 0.1))
    assert not log_q.any()


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_log_q_is_the_density_of_the_noise(shape, monkeypatch):
    """log q(u | x) = log N(eps) - log|det du/deps|, against differences."""
    noise = variational(shape)
    x = torch.randint(5, (4, *shape))
    eps = torch.randn(4, *shape)

    def forward(eps):
        monkeypatch.setattr(torch, "randn_like", lambda like: torch.from_numpy(eps))
        with torch.no_grad():
            u, log_q = noise(x)
        log_normal = torch.distributions.Normal(0.0, 1.0).log_prob(torch.from_numpy(eps)).flatten(1).sum(1)
        return u.numpy(), (log_normal - log_q).numpy()

    laws.log_det(forward, eps.numpy())


def test_the_noise_depends_on_x_alone():
    """Given eps, another x makes another u, and another example of the batch makes none."""
    noise = variational((3,))
    x = torch.tensor([[0, 4, 2], [1, 1, 1]])
    drawn = []
    for second in ([1, 1, 1], [4, 0, 0]):
        torch.manual_seed(0)
        x[1] = torch.tensor(second)
        drawn.append(noise(x)[0])
    assert torch.equal(drawn[0][0], drawn[1][0])
    assert not torch.equal(drawn[0][1], drawn[1][1])


def test_it_is_the_same_after_saving_and_loading(tmp_path):
    one, other = variational((3,), seed=0), variational((3,), seed=1)
    safetensors.torch.save_file(one.state_dict(), tmp_path / "noise.safetensors")
    other.load_state_dict(safetensors.torch.load_file(tmp_path / "noise.safetensors"))
    x = torch.randint(5, (10, 3))
    for noise in (one, other):
        torch.manual_seed(2)
        noise.drawn = noise(x)
    assert all(torch.equal(a, b) for a, b in zip(one.drawn, other.drawn, strict=True))


@pytest.mark.parametrize("noise", [UniformNoise(), variational((3,))], ids=["uniform", "variational"])
def test_the_noise_has_the_precision_of_the_model(noise):
    torch.set_default_dtype(torch.float32)
    u, log_q = noise.double()(torch.tensor([[3, 0, 4]]))
    assert (u.dtype, log_q.dtype) == (torch.float64, torch.float64)
