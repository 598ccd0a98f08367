"""Recipes of flows: on the plane, whose law is known, and on MNIST's 256 grey levels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from deepul_utils.course.recipe import SP20, Arrays, Recipe
from deepul_utils.data import mnist, toy2d
from deepul_utils.distributions.base import StandardUniform
from deepul_utils.models.autoregressive_flow import AutoregressiveFlow
from deepul_utils.models.dequantized import Dequantized
from deepul_utils.models.realnvp import ImageRealNVP, RealNVP
from deepul_utils.nn.resnet import ResNet
from deepul_utils.training import cosine
from deepul_utils.transforms.coupling import Coupling
from deepul_utils.transforms.dequantize import VariationalNoise
from deepul_utils.transforms.elementwise import Logit, Scale
from deepul_utils.transforms.logistic_mixture import LogisticMixture
from deepul_utils.transforms.mixture_cdf import MixtureCDF
from deepul_utils.transforms.partition import checkerboard, upper_half
from deepul_utils.transforms.transform import Composition

_UVA = "UvA deep learning tutorial 11"


def grey_images() -> tuple[Arrays, Arrays]:
    """MNIST's images with a channel, (60000, 1, 28, 28) and (10000, 1, 28, 28), 0 to 255."""
    train, test = mnist.mnist()
    return train[:, None], test[:, None]


def _on_the_plane(
    name: str, about: str, model: Callable[[], nn.Module], published: float, remark: str = "", **settings: Any
) -> Recipe:
    data, log_density = {
        "smiley": (toy2d.smiley_sets, toy2d.smiley_log_density),
        "half moons": (toy2d.half_moons_sets, toy2d.half_moons_log_density),
    }[name]
    settings = {"lr": 5e-3, "schedule": cosine, "batch_size": 128, **settings}
    law = lambda x: np.exp(log_density(x))  # noqa: E731
    source = SP20 + remark
    return Recipe(f"{about} on the {name}", data, model, settings, (published, source), law, unit="nats per point")


def _autoregressive() -> nn.Module:
    return AutoregressiveFlow(2, MixtureCDF(components=5), hidden=(64, 64, 64), base=StandardUniform(2))


def _flow_on_mnist(
    about: str,
    bits: float,
    source: str = _UVA,
    *,
    scales: int = 1,
    couplings: int = 8,
    variational: bool = False,
    **more: Any,
) -> Recipe:
    """A RealNVP of MNIST's 256 grey levels, once; its losses are upper bounds, of one draw of the noise."""
    shape, num_values = (1, 28, 28), 256

    def model() -> nn.Module:
        before = Composition(Scale(1 / num_values), Logit(alpha=1e-5))
        flow = ImageRealNVP(shape, scales, couplings, before=before, **more)
        layers = [Coupling(checkerboard(shape, k % 2), ResNet(2, 2, width=16, blocks=2)) for k in range(4)]
        return Dequantized(flow, num_values, VariationalNoise(*layers, num_values=num_values) if variational else None)

    settings = {"epochs": 100, "clip": 1.0, "lr": 1e-3, "schedule": cosine, "batch_size": 128}
    about = f"RealNVP, {about}, on MNIST of 256 levels"
    return Recipe(about, grey_images, model, settings, (bits, source), seeds=(0,), unit="bits per dimension")


RECIPES = {
    "autoregressive-flow-smiley": _on_the_plane(
        "smiley", "an autoregressive flow of 5 Gaussians", _autoregressive, 1.3607, epochs=60
    ),
    "autoregressive-flow-half-moons": _on_the_plane(
        "half moons", "an autoregressive flow of 5 Gaussians", _autoregressive, 1.1029, epochs=60
    ),
    "realnvp-smiley": _on_the_plane(
        "smiley", "RealNVP, 12 couplings,", lambda: RealNVP(2, 12, (64, 64)), 1.3939, epochs=100, ema=0.99
    ),
    "realnvp-half-moons": _on_the_plane(
        "half moons", "RealNVP, 8 couplings,", lambda: RealNVP(2, 8, (32, 32)), 1.0804, epochs=100, ema=0.99
    ),
    "mixture-coupling-smiley": _on_the_plane(
        "smiley",
        "3 couplings by mixtures of 5 logistics",
        lambda: RealNVP(2, 3, (48, 48), lambda: LogisticMixture(5)),
        1.3607,
        ", autoregressive flow",
        epochs=40,
        lr=1e-2,
        ema=0.99,
    ),
    "mixture-coupling-half-moons": _on_the_plane(
        "half moons",
        "4 couplings by mixtures of 5 logistics",
        lambda: RealNVP(2, 4, (32, 32), lambda: LogisticMixture(5)),
        1.0804,
        ", RealNVP",
        epochs=60,
        ema=0.99,
    ),
    "realnvp-mnist": _flow_on_mnist("8 couplings over a checkerboard", 1.078),
    "realnvp-mnist-halves": _flow_on_mnist(
        "8 couplings over upper and lower half", 1.078, f"{_UVA}, over a checkerboard", pixels=upper_half
    ),
    "realnvp-mnist-variational": _flow_on_mnist("8 couplings, learned noise", 1.043, variational=True),
    "realnvp-mnist-multiscale": _flow_on_mnist(
        "3 scales, learned noise", 1.020, scales=3, couplings=4, variational=True
    ),
}
