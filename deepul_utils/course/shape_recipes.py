"""Recipes of the 12 x 12 shapes, whose law is known: what words and latents are worth, with the floor beside them."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
from torch import nn

from deepul_utils.course.digit_recipes import NARROW, WIDE, independent_vae, pixel_vae
from deepul_utils.course.recipe import Arrays, Recipe
from deepul_utils.data.shapes import SIDE, shapes
from deepul_utils.distributions.independent import IndependentBernoulli
from deepul_utils.models.pixelcnn import PixelCNN
from deepul_utils.models.quantiser import Quantiser
from deepul_utils.models.vqvae import VQVAE
from deepul_utils.nn.mlp import MLP
from deepul_utils.training import cosine

SHAPE = SIDE, SIDE
DRAWS = 10_000  # for training


def binary_shapes() -> tuple[Arrays, Arrays]:
    """10,000 draws from the law, always the same, and each of its 324 images once, whose mean is the expectation."""
    images = shapes()[0].astype("int64")
    return images[np.random.default_rng(0).integers(len(images), size=DRAWS)], images


def real_shapes() -> tuple[Arrays, Arrays]:
    """`binary_shapes` as real numbers, which an encoder takes."""
    train, test = (np.asarray(images, "float64") for images in binary_shapes())
    return train, test


def vq_vae() -> VQVAE:
    """A VQ-VAE of shapes (B, 12, 12): a word for each patch of 4 x 4 pixels by itself; its decoder sees all nine.

    The PixelCNN of words reaches over the whole map.
    """
    num_codes, dims, width = 16, 8, 32
    encoder = nn.Sequential(
        nn.Unflatten(1, (1, SIDE)),
        nn.Conv2d(1, width, 4, stride=4),
        nn.ReLU(),
        nn.Conv2d(width, width, 1),
        nn.ReLU(),
        nn.Conv2d(width, dims, 1),
    )
    decoder = nn.Sequential(nn.Flatten(), MLP(9 * dims, prod(SHAPE), [256]), nn.Unflatten(1, SHAPE))
    prior = PixelCNN((3, 3), num_codes, width, layers=3, kernel_size=5)
    return VQVAE(encoder, decoder, IndependentBernoulli, Quantiser(num_codes, dims), prior=prior)


def _on_shapes(
    about: str, model: Callable[[], nn.Module], parts: int = 100, epochs: int = 40, lr: float = 5e-3
) -> Recipe:
    """Three runs; without parts the loss is that of a model without latents."""
    return Recipe(
        f"{about} on the shapes",
        real_shapes if parts else binary_shapes,
        model,
        {"epochs": epochs, "lr": lr, "schedule": cosine, "batch_size": 128},
        None,
        law=lambda x: np.full(len(x), 1 / len(shapes()[0])),
        unit="nats per image",
        parts=parts,
    )


# Six rows tell the decoder nearly all about the shape that it has begun, and leave little to the latents. Four
# neighbours tell it how a line goes on, but neither where to begin nor how far to go: the rest has to come from z.
RECIPES = {
    # A code that moves late renames many images at once, and the prior's small steps hardly catch up. Longer steps of
    # the encoder make it worse.
    "vqvae-shapes": _on_shapes(
        "a VQ-VAE of 3 x 3 words with a PixelCNN as their prior", vq_vae, parts=1, epochs=60, lr=2e-3
    ),
    "vae-shapes": _on_shapes("a VAE with independent pixels", lambda: independent_vae(SHAPE)),
    "pixelcnn-shapes": _on_shapes(
        "a PixelCNN that sees four neighbours", lambda: PixelCNN(SHAPE, width=16, **NARROW), parts=0
    ),
    "pixelvae-shapes": _on_shapes("a PixelVAE that sees four neighbours", lambda: pixel_vae(SHAPE, 8, [128], NARROW)),
    "pixelvae-wide-shapes": _on_shapes(
        "a PixelVAE that sees six rows", lambda: pixel_vae(SHAPE, 8, [128], WIDE), epochs=20
    ),
}
