"""RealNVP: a law on the plane, whose mass is one, and on images of several scales."""

import numpy as np
import pytest
import safetensors.torch
import torch

from deepul_utils.checks import laws
from deepul_utils.models.realnvp import ImageRealNVP, RealNVP
from deepul_utils.transforms.element import Shift
from deepul_utils.transforms.partition import upper_half


def shaken(model, spread=0.2, seed=0):
    """`model` in float64, with weights that are no longer those of the beginning."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(spread * torch.randn(parameter.shape, generator=generator))
    return model.double().eval()


MODELS = {
    "points": lambda: RealNVP(3, couplings=4, hidden=[16]),
    "NICE": lambda: RealNVP(2, couplings=3, hidden=[16], element=Shift),
    "one scale": lambda: ImageRealNVP((1, 4, 4), scales=1, couplings=2, width=8, blocks=1, pixels=upper_half),
    "three scales": lambda: ImageRealNVP((2, 8, 8), scales=3, couplings=2, width=8, blocks=1),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_the_laws_of_a_flow(make):
    model = shaken(make())
    x = torch.randn(3, *model.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    z, log_det = model.transform(x)
    torch.testing.assert_close(model.transform.inverse(z), x, atol=1e-9, rtol=1e-9)
    flat = lambda x: model.transform(x[None])[0].flatten()  # noqa: E731
    for n in range(3):
        jacobian = torch.autograd.functional.jacobian(flat, x[n]).flatten(1)
        assert log_det[n].item() == pytest.approx(torch.linalg.slogdet(jacobian)[1].item(), abs=1e-9)
        assert (jacobian != 0).sum() >= 2 * len(jacobian)  # dimensions do see each other


def test_the_mass_on_the_plane_is_one():
    torch.manual_seed(1)
    model = shaken(RealNVP(2, couplings=4, hidden=[16]), spread=0.1)
    with torch.no_grad():
        laws.mass(lambda x: model.log_prob(torch.tensor(x)).numpy(), [-14, -14], [14, 14], points=1200)


def test_untrained_it_is_the_standard_normal():
    model = RealNVP(2).eval()
    x = torch.randn(5, 2)
    torch.testing.assert_close(model.transform(x)[0], x)


@pytest.mark.parametrize("make", [MODELS["points"], MODELS["three scales"]], ids=["points", "three scales"])
def test_the_state_survives_save_and_load(make, tmp_path):
    """That of the first batch too: a loaded model does not set its ActNorms again."""
    model = make()
    model.train().loss(3 + torch.randn(20, *model.shape))
    safetensors.torch.save_file(model.state_dict(), tmp_path / "model.safetensors")
    loaded = make()
    loaded.load_state_dict(safetensors.torch.load_file(tmp_path / "model.safetensors"))
    x = torch.randn(7, *model.shape)
    assert torch.equal(loaded.train().log_prob(x), model.log_prob(x))


def test_images_that_cannot_be_squeezed_are_refused():
    with pytest.raises(ValueError, match="7 x 7 pixels cannot be cut"):
        ImageRealNVP((1, 28, 28), scales=4)


def test_it_learns_two_bars():
    """A law that no Gaussian has: its entropy is log 4, the best Gaussian's NLL is 2.7."""
    from deepul_utils.training import Batches, fit

    rng = np.random.default_rng(0)
    x = rng.random((2000, 2)) * [1, 2] + np.array([[-2, 0], [1, -1]])[rng.integers(2, size=2000)]
    torch.manual_seed(0)
    model = RealNVP(2, couplings=4, hidden=[32])
    history = fit(model, Batches(x), epochs=10, lr=5e-3)
    assert np.mean(history.train[-16:]) < 2
