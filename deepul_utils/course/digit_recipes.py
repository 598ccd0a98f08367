"""Recipes of the 8 x 8 digits: what becomes of the latents when a VAE's decoder is a PixelCNN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from torch import nn

from deepul_utils.course.recipe import Arrays, Recipe
from deepul_utils.data.digits import digits
from deepul_utils.distributions.base import StandardNormal
from deepul_utils.distributions.independent import IndependentBernoulli
from deepul_utils.models.pixel_vae import Guided, GuidedPixelCNN
from deepul_utils.models.pixelcnn import PixelCNN
from deepul_utils.models.vae import VAE
from deepul_utils.models.warm_up import WarmedUp
from deepul_utils.nn.mlp import MLP
from deepul_utils.training import cosine

WIDE: dict[str, Any] = {"layers": 2, "kernel_size": 5}  # of a PixelCNN in which a pixel sees up to six rows above
NARROW: dict[str, Any] = {"layers": 0, "kernel_size": 3}  # its four neighbours, and no more


def binary_digits() -> tuple[Arrays, Arrays]:
    """Training and test digits in black and white at half of the ink, (1437, 8, 8) and (360, 8, 8), 0 or 1."""
    train, test = ((images > 7).astype("int64") for images in digits())
    return train, test


def real_digits() -> tuple[Arrays, Arrays]:
    """`binary_digits` as real numbers, which an encoder takes."""
    train, test = ((images > 7).astype("float64") for images in digits())
    return train, test


def pixel_vae(
    shape: Sequence[int],
    latents: int,
    hidden: Sequence[int],
    pixels: dict[str, Any],
    width: int = 16,
    model: Callable[..., VAE] = VAE,
    **options: Any,
) -> VAE:
    """A VAE of binary images whose decoder makes a map of features for a PixelCNN.

    Args:
        shape: (H, W).
        latents: Z.
        hidden: widths of the encoder's hidden layers, and in reverse of the decoder's.
        pixels: layers and kernel of the PixelCNN.
        width: features of map and PixelCNN.
        model: `VAE` or a subclass.
        options: of the model.
    """
    encoder = nn.Sequential(nn.Flatten(), MLP(prod(shape), 2 * latents, hidden))
    decoder = nn.Sequential(MLP(latents, width * prod(shape), hidden[::-1]), nn.Unflatten(1, (width, *shape)))
    likelihood = Guided(GuidedPixelCNN(shape, width=width, **pixels))
    return model(encoder, decoder, likelihood, prior=StandardNormal(latents), **options)


def independent_vae(shape: Sequence[int]) -> VAE:
    """A VAE of binary images (H, W) with eight latents, given which the pixels are independent."""
    decoder = nn.Sequential(MLP(8, prod(shape), [128]), nn.Unflatten(1, tuple(shape)))
    encoder = nn.Sequential(nn.Flatten(), MLP(prod(shape), 16, [128]))
    return VAE(encoder, decoder, IndependentBernoulli, prior=StandardNormal(8))


def _on_digits(about: str, model: Callable[[], nn.Module], latents: bool = True) -> Recipe:
    settings = {"epochs": 40, "lr": 5e-3, "schedule": cosine, "batch_size": 128}
    data = real_digits if latents else binary_digits
    return Recipe(f"{about} on the digits", data, model, settings, None, unit="nats per image", parts=100 * latents)


def _pixels(about: str, pixels: dict[str, Any], **options: Any) -> Recipe:
    return _on_digits(f"a PixelVAE {about}", lambda: pixel_vae((8, 8), 8, [128], pixels, **options))


RECIPES = {
    "pixelcnn-digits": _on_digits("a PixelCNN", lambda: PixelCNN((8, 8), width=16, **WIDE), latents=False),
    "vae-digits": _on_digits("a VAE with independent pixels", lambda: independent_vae((8, 8))),
    "pixelvae-digits": _pixels("that sees six rows", WIDE),
    "pixelvae-narrow-digits": _pixels("that sees four neighbours", NARROW),
    "pixelvae-free-bits-digits": _pixels("with half a nat free for each latent", WIDE, free_bits=0.5),
    "pixelvae-warm-up-digits": _pixels("with a KL warmed up in half of its steps", WIDE, model=WarmedUp, steps=240),
}
