"""A PixelCNN that is given a map is a law of images for every map, and a VAE takes it for its likelihood."""

import math

import pytest
import torch
from torch import nn

from deepul_utils.checks import bound_laws, laws
from deepul_utils.distributions.base import StandardNormal
from deepul_utils.models.pixel_vae import Guided, GuidedPixelCNN
from deepul_utils.models.vae import VAE
from deepul_utils.models.warm_up import WarmedUp
from deepul_utils.nn.mlp import MLP

IMAGES = torch.cartesian_prod(*[torch.tensor([0, 1])] * 9).view(-1, 3, 3)  # all 512 of them


pytestmark = pytest.mark.usefixtures("float64")


def guided(**options):
    return GuidedPixelCNN((3, 3), width=4, **({"layers": 1, "kernel_size": 3} | options))


def pixel_vae(model=VAE, latents=1, **options):
    encoder = nn.Sequential(nn.Flatten(), MLP(9, 2 * latents, [8]))
    decoder = nn.Sequential(MLP(latents, 4 * 9, [8]), nn.Unflatten(1, (4, 3, 3)))
    return model(encoder, decoder, Guided(guided()), prior=StandardNormal(latents), **options)


def test_the_masses_of_all_images_are_one_for_every_map():
    model = guided()
    for h in 3 * torch.randn(3, 4, 3, 3):
        with torch.no_grad():
            laws.normalised(model.log_prob(IMAGES, h.expand(512, -1, -1, -1)), what="p(x | h)")


def test_each_pixel_sees_the_pixels_before_it_and_its_own_place_of_the_map():
    model = guided()
    h = torch.randn(1, 4, 3, 3, requires_grad=True)
    logits = model(IMAGES[:1], h).flatten(1, 2)[0, :, 1]  # (9,)
    for i in range(9):
        of_h = torch.autograd.grad(logits[i], h, retain_graph=True)[0].abs().sum((0, 1)).flatten()
        assert of_h[i] > 0
        assert (of_h[i + 1 :] == 0).all()
        changed = IMAGES[:1].clone().flatten(1)
        changed[:, i:] = 1 - changed[:, i:]
        assert torch.equal(model(changed.view(1, 3, 3), h).flatten(1, 2)[0, i, 1], logits[i])


def test_cached_samples_are_the_naive_ones():
    model, h, u = guided(layers=2), torch.randn(50, 4, 3, 3), torch.rand(50, 3, 3)
    assert torch.equal(model.sample(50, h, u), model.sample_naively(50, h, u))


def test_another_map_gives_other_samples():
    model, u = guided(), torch.rand(50, 3, 3)
    h = torch.zeros(50, 4, 3, 3)
    assert not torch.equal(model.sample(50, h, u), model.sample(50, torch.randn_like(h), u))


def test_the_bound_is_below_log_p():
    """p(x) of all images by quadrature over the one latent: it sums to 1, and no bound is above it."""
    model = pixel_vae()
    z = torch.linspace(-8, 8, 201)
    with torch.no_grad():
        log_joint = torch.stack(
            [
                model.decode(at.view(1, 1).expand(512, 1)).log_prob(IMAGES) + model.prior.log_prob(at.view(1, 1))
                for at in z
            ]
        )
        exact = log_joint.logsumexp(0) + math.log(0.08)
        laws.normalised(exact, what="p(x)")
        some = IMAGES[::64]
        draws = torch.stack([model.bound(some.double()) for _ in range(500)])
        bound_laws.lower_bound(draws, exact[::64])
        weights = torch.stack([model.log_weights(some.double(), 500) for _ in range(4)]).flatten(0, 1)
        bound_laws.unbiased(weights.exp(), exact[::64].exp())


def test_samples_are_images_that_an_encoder_takes():
    model = pixel_vae()
    x = model.sample(7)
    assert x.shape == (7, 3, 3)
    assert torch.isfinite(model.loss(x).loss)


def test_the_decoder_gets_gradients_through_the_map():
    model = pixel_vae()
    model.loss(IMAGES[:50].double()).loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.encoder.parameters())


def test_grey_values_and_other_maps_are_refused():
    law = Guided(guided())(torch.zeros(2, 4, 3, 3))
    with pytest.raises(ValueError, match="whole numbers"):
        law.log_prob(torch.full((2, 3, 3), 0.4))
    with pytest.raises(ValueError, match=r"the map h must be \(2, 4, 3, 3\)"):
        guided().log_prob(IMAGES[:2], torch.zeros(2, 4))
    with pytest.raises(ValueError, match="repeat h"):
        law.sample((3,))


def test_warm_up_weighs_the_kl_by_the_share_of_its_steps_and_in_training_only():
    model = pixel_vae(WarmedUp, latents=3, steps=4)
    x = IMAGES[:20].double()
    for step in (1, 2, 3, 4, 4, 4):
        parts = model.loss(x)
        assert torch.allclose(parts.loss, parts.reconstruction + parts.kl * step / 4)
    fresh = pixel_vae(WarmedUp, latents=3, steps=4).eval()
    parts = fresh.loss(x)
    assert torch.allclose(parts.loss, parts.reconstruction + parts.kl)
    assert fresh.step == 0
    again = pixel_vae(WarmedUp, latents=3, steps=4)
    again.load_state_dict(model.state_dict())
    assert again.step == 6  # a run that goes on from a checkpoint is as far as it was


def test_warm_up_of_no_steps_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        pixel_vae(WarmedUp, steps=0)
