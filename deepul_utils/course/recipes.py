"""Recipes: measured runs whose results the book shows, each repeated by `deepul train NAME`."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from deepul_utils.course import digit_recipes, flow_recipes, shape_recipes
from deepul_utils.course.recipe import SP20, Arrays, Recipe
from deepul_utils.data import mnist, toy1d, toy2d
from deepul_utils.distributions.base import StandardNormal
from deepul_utils.distributions.independent import DiagonalNormal, IndependentBernoulli
from deepul_utils.models.gated_pixelcnn import GatedPixelCNN
from deepul_utils.models.histogram import Histogram
from deepul_utils.models.image_transformer import ImageTransformer
from deepul_utils.models.iwae import IWAE, log_evidence
from deepul_utils.models.made import MADE
from deepul_utils.models.mixture_of_logistics import MixtureOfLogistics
from deepul_utils.models.pixelcnn import PixelCNN
from deepul_utils.models.quantiser import Quantiser
from deepul_utils.models.rnn import RNN
from deepul_utils.models.vae import VAE
from deepul_utils.models.vqvae import VQVAE
from deepul_utils.models.wavenet import WaveNet
from deepul_utils.nn.mlp import MLP
from deepul_utils.nn.ordering import shuffled
from deepul_utils.nn.resnet import ResNet
from deepul_utils.training import cosine, device


class DynamicallyBinarized(nn.Module):
    """x_i ~ Bernoulli(grey_i / 255), drawn anew whenever an image is seen, in front of a model of binary images.

    Paper: Burda et al., "Importance Weighted Autoencoders" (2016), section 5.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype = torch.long) -> None:
        super().__init__()
        self.model, self.dtype = model, dtype

    def loss(self, grey: Tensor) -> Tensor:
        """The model's mean loss on binary images drawn from grey ones (B, *shape) in 0..255."""
        loss: Tensor = self.model.loss(torch.bernoulli(grey / 255).to(self.dtype))  # type: ignore[operator]
        return loss


def _images_with_labels() -> tuple[Arrays, Arrays]:
    (train, test), (train_labels, test_labels) = mnist.thresholded_mnist(), mnist.mnist_labels()
    return (train, train_labels), (test, test_labels)


def _flattened(train: np.ndarray, test: np.ndarray) -> tuple[Arrays, Arrays]:
    return train.reshape(len(train), -1), test.reshape(len(test), -1)


def _flat() -> tuple[Arrays, Arrays]:
    return _flattened(*mnist.thresholded_mnist())


def _flat_grey() -> tuple[Arrays, Arrays]:
    return _flattened(*mnist.mnist())


_DEMO = "CS294-158 Spring 2020, demonstrations of lecture 2"
_TABLE = "table of pytorch-generative, dynamically binarized"
_ADAM = {"lr": 0.1, "schedule": cosine, "batch_size": 128}
_SLOW = {"lr": 1e-3, "schedule": cosine, "batch_size": 128}
_SHAPE = (28, 28)


def _on_mnist(
    about: str, model: Callable[[], nn.Module], published: tuple[float, str], epochs: int = 20, **more: Any
) -> Recipe:
    """A run on MNIST, once."""
    data, parts = more.pop("data", mnist.thresholded_mnist), more.pop("parts", 0)
    settings = {"epochs": epochs, **_SLOW, **more}
    return Recipe(f"{about} on MNIST", data, model, settings, published, seeds=(0,), parts=parts)


def _demo(bits: float) -> tuple[float, str]:
    return round(bits * math.log(2), 6), _DEMO


def _table(nats: float, remark: str = "") -> tuple[float, str]:
    return round(nats / math.prod(_SHAPE), 6), _TABLE + remark


def _pixelcnn(num_classes: int = 0) -> nn.Module:
    # On two cores, this layout takes a tenth off a training step in bfloat16.
    model: nn.Module = PixelCNN(_SHAPE, num_classes=num_classes)
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _vae_of_a_gaussian(full: bool, published: float) -> Recipe:
    return Recipe(
        f"a VAE with two latents on a Gaussian with {'full' if full else 'diagonal'} covariance",
        toy2d.full_gaussian_sets if full else toy2d.diagonal_gaussian_sets,
        lambda: VAE(MLP(2, 4, [128, 128]), MLP(2, 4, [128, 128]), DiagonalNormal, prior=StandardNormal(2)),
        {"epochs": 10, **_SLOW, "lr": 3e-3},
        (published, "CS294-158 Spring 2020, solutions of homework 2"),
        law=lambda x: np.exp(toy2d.gaussian_log_density(x, full=full)),
        unit="nats per point",
        parts=100,
    )


def _staged(share: float) -> float:
    """As Burda et al. (2016), batches apart: 3^i epochs with the step size 10^(-i / 7), i = 0, ..., 7, 3280 in all."""
    return 10.0 ** -(math.floor(math.log(2 * 3280 * share + 1, 3)) / 7)


def _vae_on_mnist(draws: int, nats: float | None = None) -> Recipe:
    """200-200-50 units, one stochastic layer, trained through `draws` draws; briefly, where nothing is to be met."""
    every = 1 if nats else 10  # of the test images

    def model() -> nn.Module:
        networks = MLP(784, 2 * 50, [200, 200]), MLP(50, 784, [200, 200])
        vae = VAE(*networks, IndependentBernoulli, prior=StandardNormal(50))
        return DynamicallyBinarized(IWAE(vae, draws), torch.float)

    def evaluate(model: nn.Module, test: Arrays) -> float:
        """-L_5000, of test images that are drawn once."""
        torch.manual_seed(0)
        x = torch.bernoulli(torch.tensor(np.asarray(test)[::every] / 255, dtype=torch.float)).to(device())
        vae: Any = model.model.vae.to(device())  # type: ignore[union-attr]
        return -torch.cat([log_evidence(vae, some) for some in x.split(100)]).mean().item()

    settings = {**_SLOW, "epochs": 3280, "schedule": _staged} if nats else {**_SLOW, "epochs": 40, "lr": 2e-3}
    about = f"{f'an IWAE of {draws} draws' if draws > 1 else 'a VAE'} on dynamically binarized MNIST"
    return Recipe(
        about if nats else f"{about}, briefly; by 5000 draws for every tenth test image",
        _flat_grey,
        model,
        settings,
        (nats, "Burda et al. (2016), -L_5000") if nats else None,
        seeds=(0,),
        unit="nats per image",
        evaluate=evaluate,
    )


def _vq_vae() -> VQVAE:
    """A VQ-VAE of binary images (B, 1, 28, 28), each a map of 7 x 7 codes, with a PixelCNN as their prior."""
    num_codes, dims, width = 64, 16, 64
    encoder = nn.Sequential(
        nn.Conv2d(1, width, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, width, 4, stride=2, padding=1),
        ResNet(width, dims, width, blocks=2),
    )
    decoder = nn.Sequential(
        ResNet(dims, width, width, blocks=2),
        nn.ConvTranspose2d(width, width, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1),
    )
    prior = PixelCNN((7, 7), num_codes, width, layers=4, kernel_size=5)
    return VQVAE(encoder, decoder, IndependentBernoulli, Quantiser(num_codes, dims), prior=prior)


RECIPES = {
    "histogram-one-bump": Recipe(
        "a softmax histogram of 20 values on one bump",
        toy1d.one_bump,
        lambda: Histogram(toy1d.ONE_BUMP_VALUES),
        {"epochs": 300, **_ADAM},
        published=(2.0526, SP20),
        law=lambda x: toy1d.one_bump_law()[x],
    ),
    "histogram-two-bumps": Recipe(
        "a softmax histogram of 100 values on two bumps",
        toy1d.two_bumps,
        lambda: Histogram(toy1d.TWO_BUMPS_VALUES),
        {"epochs": 20, **_ADAM},
        published=(4.0422, SP20),
        law=lambda x: toy1d.two_bumps_law()[x],
    ),
    "logistics-one-bump": Recipe(
        "four discretized logistics on one bump",
        toy1d.one_bump,
        lambda: MixtureOfLogistics(toy1d.ONE_BUMP_VALUES, components=4),
        {"epochs": 100, **_ADAM},
        published=(2.0586, SP20),
        law=lambda x: toy1d.one_bump_law()[x],
    ),
    "logistics-two-bumps": Recipe(
        "four discretized logistics on two bumps",
        toy1d.two_bumps,
        lambda: MixtureOfLogistics(toy1d.TWO_BUMPS_VALUES, components=4),
        {"epochs": 30, **_ADAM},
        published=(4.0464, SP20),
        law=lambda x: toy1d.two_bumps_law()[x],
    ),
    **flow_recipes.RECIPES,
    "vae-full-gaussian": _vae_of_a_gaussian(full=True, published=4.4388),
    "vae-diagonal-gaussian": _vae_of_a_gaussian(full=False, published=4.4213),
    "vae-mnist-dynamic": _vae_on_mnist(1, 86.76),
    "iwae-5-mnist-dynamic": _vae_on_mnist(5, 85.54),
    "iwae-50-mnist-dynamic": _vae_on_mnist(50, 84.78),
    "vae-mnist-short": _vae_on_mnist(1),
    "iwae-5-mnist-short": _vae_on_mnist(5),
    "vqvae-mnist-dynamic": Recipe(
        "a VQ-VAE of 7 x 7 codes with a PixelCNN as their prior, on dynamically binarized MNIST",
        flow_recipes.grey_images,
        lambda: DynamicallyBinarized(_vq_vae(), torch.float),
        {"epochs": 50, **_SLOW},
        None,
        seeds=(0,),
        unit="nats per image",
        parts=1,
    ),
    **digit_recipes.RECIPES,
    **shape_recipes.RECIPES,
    "made-mnist": _on_mnist(
        "MADE, 2 layers of 512, in a shuffled ordering,",
        lambda: MADE(784, [512, 512], orders=[shuffled(_SHAPE)]),
        (0.1106, SP20),
        data=_flat,
    ),
    "pixelcnn-mnist": _on_mnist("PixelCNN", _pixelcnn, (0.0756, SP20), epochs=10, bf16=True),
    "pixelcnn-mnist-classes": _on_mnist(
        "PixelCNN given the class",
        lambda: _pixelcnn(num_classes=10),
        (0.0715, SP20),
        epochs=10,
        bf16=True,
        data=_images_with_labels,
    ),
    "rnn-mnist": _on_mnist("an LSTM", lambda: RNN(_SHAPE), _demo(0.1113)),
    "rnn-position-mnist": _on_mnist("an LSTM with positions", lambda: RNN(_SHAPE, coordinates=True), _demo(0.1117)),
    "wavenet-mnist": _on_mnist("WaveNet", lambda: WaveNet(_SHAPE), _demo(0.1333), bf16=True),
    "wavenet-position-mnist": _on_mnist(
        "WaveNet with positions", lambda: WaveNet(_SHAPE, coordinates=True), _demo(0.1193), bf16=True
    ),
    "attention-mnist": _on_mnist("causal self-attention", lambda: ImageTransformer(_SHAPE), _demo(0.1299), bf16=True),
    "made-mnist-dynamic": _on_mnist(
        "MADE, 2 layers of 512, in a shuffled ordering,",
        lambda: DynamicallyBinarized(MADE(784, [512, 512], orders=[shuffled(_SHAPE)])),
        _table(84.87),
        epochs=100,
        data=_flat_grey,
    ),
    "pixelcnn-mnist-dynamic": _on_mnist(
        "PixelCNN", lambda: DynamicallyBinarized(_pixelcnn()), _table(81.45), epochs=50, bf16=True, data=mnist.mnist
    ),
    "pixelvae-mnist-dynamic": _on_mnist(
        "a PixelVAE of 32 latents, half a nat free for each,",
        lambda: DynamicallyBinarized(
            digit_recipes.pixel_vae(_SHAPE, 32, [512, 512], {"layers": 3, "kernel_size": 5}, width=32, free_bits=0.5),
            torch.float,
        ),
        (
            round(78.53 / math.prod(_SHAPE), 6),
            "Chen et al. (2017), VLAE, dynamically binarized, by importance sampling",
        ),
        epochs=100,
        data=mnist.mnist,
        parts=1,
    ),
    "gated-pixelcnn-mnist-dynamic": _on_mnist(
        "Gated PixelCNN",
        lambda: DynamicallyBinarized(GatedPixelCNN(_SHAPE)),
        _table(81.50, "; its vertical stack is shifted in every layer, and so has a blind spot that ours has not"),
        epochs=50,
        data=mnist.mnist,
    ),
}

# What fits the hours of a CPU: few epochs, with a schedule that ends there. Nobody has published their losses.
_EPOCHS = {name: 2 for name, recipe in RECIPES.items() if recipe.published and recipe.published[1] == _DEMO}
_EPOCHS |= {"vqvae-mnist-dynamic": 5, "pixelvae-mnist-dynamic": 2}
RECIPES |= {
    f"{name.removesuffix('-dynamic')}-short": replace(
        recipe, about=f"{recipe.about}, briefly", settings={**recipe.settings, "epochs": _EPOCHS[name]}, published=None
    )
    for name, recipe in RECIPES.items()
    if name in _EPOCHS
}


def measure(
    name: str, results: Path, runs: Path, progress: Callable[[Mapping[str, Any]], None] = lambda run: None
) -> dict[str, Any]:
    """Train a recipe once for each of its seeds, and return and write to `results/NAME.json` what came out.

    Args:
        name: one of `RECIPES`.
        results: the folder of the results.
        runs: the folder of the checkpoints, from which an interrupted command goes on; at the end they are deleted.
        progress: called with each run.

    Raises:
        CheckpointError: a checkpoint in `runs` is damaged or of other settings.
        FloatingPointError: a loss was not finite.
    """
    checkpoints = {seed: runs / f"{name}-{seed}.safetensors" for seed in RECIPES[name].seeds}
    done = []
    for seed, checkpoint in checkpoints.items():
        done.append(RECIPES[name].run(seed, checkpoint))
        progress(done[-1])
    result = RECIPES[name].result(done)
    if Accelerator().is_main_process:
        results.mkdir(parents=True, exist_ok=True)
        half = results / f"{name}.json.half"
        half.write_text(_as_json(result), encoding="utf-8")
        os.replace(half, results / f"{name}.json")
        for checkpoint in checkpoints.values():
            checkpoint.unlink()
    return result


def recorded(name: str) -> dict[str, Any]:
    """What `book/results/NAME.json` says, from the course's folder or from the package that was installed of it.

    Raises:
        FileNotFoundError: that recipe has no result yet.

    Example:
        >>> recorded("histogram-one-bump")["test_loss"] <= RECIPES["histogram-one-bump"].published[0]
        True
    """
    places = [Path(__file__).parents[2] / "book" / "results" / f"{name}.json"]
    places += [Path(str(file.locate())) for file in distribution("deepul_utils").files or () if file.stem == name]
    for place in places:
        if place.is_file():
            result: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
            return result
    raise FileNotFoundError(f"there is no result of {name}: run `deepul train {name}`")


def _as_json(result: Mapping[str, Any]) -> str:
    """JSON with a list of numbers on one line, for people to read and compare."""
    text = json.dumps(result, indent=2, ensure_ascii=False)
    return re.sub(r"\[\s+([-\d.,\se]+?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"
