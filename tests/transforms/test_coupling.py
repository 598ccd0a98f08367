"""Couplings: one half stays, the Jacobian is triangular with the derivatives on its diagonal, and no mass is lost."""

import pickle

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from deepul_utils.checks import laws
from deepul_utils.models.flow import Flow
from deepul_utils.nn.mlp import MLP
from deepul_utils.transforms.coupling import Coupling
from deepul_utils.transforms.element import ScaleAndShift, Shift
from deepul_utils.transforms.logistic_mixture import LogisticMixture
from deepul_utils.transforms.partition import channels, checkerboard, every_second, upper_half
from deepul_utils.transforms.spline import RationalQuadraticSpline
from deepul_utils.transforms.transform import Composition

AFFINE = {"shift": Shift, "scale": ScaleAndShift, "unbounded": lambda: ScaleAndShift(bound=torch.inf)}
ELEMENTS = AFFINE | {"spline": RationalQuadraticSpline, "mixture": LogisticMixture}
MASKS = {
    "points": every_second([5]),
    "unevenly spaced": torch.tensor([1, 0, 0, 1, 0]),
    "one number": every_second([2], parity=1),
    "checkerboard": checkerboard([2, 4, 4]),
    "channels": channels([3, 2, 2], parity=1),
    "halves": upper_half([1, 4, 2]),
}


def smooth(inputs, outputs, image, seed=0):
    """A network without kinks."""
    torch.manual_seed(seed)
    if image:
        return nn.Sequential(nn.Conv2d(inputs, 16, 3, padding=1), nn.Tanh(), nn.Conv2d(16, outputs, 3, padding=1))
    net = MLP(inputs, outputs, [16])
    net[1] = nn.Tanh()
    return net


def coupling(mask, element, seed=0):
    law = element()
    points = mask.dim() == 1
    inputs, changed = (int(mask.sum()), int((1 - mask).sum())) if points else (len(mask), len(mask))
    return Coupling(mask, smooth(inputs, changed * law.num_params, not points, seed), law).double()


def arrays(transform):
    """Its two directions, from arrays to arrays."""

    @torch.no_grad()
    def forward(x):
        return [part.numpy() for part in transform(torch.tensor(x))]

    @torch.no_grad()
    def inverse(z):
        return transform.inverse(torch.tensor(z)).numpy()

    return forward, inverse


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("element", ELEMENTS.values(), ids=ELEMENTS)
def test_the_laws_of_a_flow(mask, element):
    x = np.random.default_rng(0).normal(size=(4, *mask.shape))
    forward, inverse = arrays(coupling(mask, element))
    laws.invertible(forward, inverse, x)
    laws.log_det(forward, x)


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_the_jacobian_has_its_zeros(mask):
    """Exactly: what stays is itself; what changes depends on itself and on what stays, on nothing else."""
    layer = coupling(mask, ScaleAndShift)
    x = torch.randn(*mask.shape, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: layer(x[None])[0].flatten(), x).flatten(1)
    stays = mask.flatten().bool()
    assert torch.equal(jacobian[stays][:, stays], torch.eye(int(stays.sum()), dtype=torch.float64))
    assert not jacobian[stays][:, ~stays].any()
    own = jacobian[~stays][:, ~stays]
    assert torch.equal(own, own.diagonal().diag())
    if mask.dim() == 1:  # a convolution sees its neighbourhood alone
        assert jacobian[~stays][:, stays].all()
    assert layer(x[None])[1].item() == pytest.approx(own.diagonal().log().sum().item(), rel=1e-12)


def test_the_context_is_seen_after_what_stays():
    net = nn.Linear(4, 2).double()
    layer = Coupling(every_second([2]), net).double()
    x, context = torch.randn(6, 2, dtype=torch.float64), torch.randn(6, 3, dtype=torch.float64)
    z, _ = layer(x, context)
    torch.testing.assert_close(layer.inverse(z, context), x, atol=1e-12, rtol=0)
    assert not torch.allclose(layer(x, context + 1)[0], z)


@pytest.mark.parametrize("element", AFFINE.values(), ids=AFFINE)
def test_the_mass_is_one(element):
    """On a grid over the plane, in alternation and with what changes chosen twice in a row."""
    masks = [every_second([2], parity) for parity in (0, 1, 1, 0)]
    layers = [coupling(mask, element, seed) for seed, mask in enumerate(masks)]
    model = Flow((2,), Composition(*layers)).double()
    log_prob = torch.no_grad()(lambda x: model.log_prob(torch.tensor(x)).numpy())
    laws.mass(log_prob, [-25, -25], [25, 25], points=1500)


def test_a_bound_holds_and_small_scales_stay_as_they_are():
    element = ScaleAndShift(bound=1.5)
    s = torch.tensor([-1e9, 1e-4, 40.0], dtype=torch.float64)
    _, log_derivative = element(torch.zeros(3), torch.stack([s, torch.zeros(3)], -1))
    torch.testing.assert_close(log_derivative, torch.tensor([-1.5, 1e-4, 1.5], dtype=torch.float64), atol=1e-12, rtol=0)


def test_the_state_survives_save_and_load(tmp_path):
    """The mask too, which another program need not draw again."""
    layer, other = (coupling(every_second([4], parity), ScaleAndShift, parity) for parity in (0, 1))
    safetensors.torch.save_file(layer.state_dict(), tmp_path / "layer.safetensors")
    other.load_state_dict(safetensors.torch.load_file(tmp_path / "layer.safetensors"))
    x = torch.randn(5, 4, dtype=torch.float64)
    assert torch.equal(other(x)[0], layer(x)[0])


def test_what_is_wrong_is_one_sentence():
    with pytest.raises(ValueError, match="1 where a dimension stays and 0 where it is changed"):
        Coupling(torch.tensor([0.5, 1.0]), nn.Identity())
    with pytest.raises(ValueError, match=r"x must be \(B, 4\), got \(3, 6\)"):
        coupling(every_second([4]), Shift)(torch.zeros(3, 6))
    with pytest.raises(ValueError, match="bound must be positive"):
        ScaleAndShift(bound=0)


def test_a_coupling_is_pickled():
    coupling, x = Coupling(every_second([2]), nn.Linear(1, 2)), torch.randn(3, 2)
    again = pickle.loads(pickle.dumps(coupling))
    torch.testing.assert_close(again(x), coupling(x))
