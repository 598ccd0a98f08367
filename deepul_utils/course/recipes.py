"""Recipes: measured runs whose results the book shows, each repeated by `deepul train NAME`."""

from __future__ import annotations

import json
import math
import os
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from deepul_utils.data import toy1d
from deepul_utils.models.histogram import Histogram
from deepul_utils.models.mixture_of_logistics import MixtureOfLogistics
from deepul_utils.training import Batches, cosine, device, fit

SEEDS = (0, 1, 2)  # of the first weights, the batches and the noise; the data stay the same


@dataclass(frozen=True)
class Recipe:
    """A run that can be repeated: its data, its model and its settings.

    Attributes:
        about: what is trained on what, in a few words.
        data: returns the training and test arrays.
        model: builds the model.
        settings: `batch_size`, and what `fit` is to be called with.
        published: the test loss to meet in nats per dimension, and whose it is.
        law: maps examples to their true probabilities (B,), where these are known; its test loss is the floor.
    """

    about: str
    data: Callable[[], tuple[np.ndarray, np.ndarray]]
    model: Callable[[], nn.Module]
    settings: Mapping[str, Any]
    published: tuple[float, str]
    law: Callable[[np.ndarray], np.ndarray] | None = None

    def run(self, seed: int, checkpoint: Path | None = None) -> dict[str, Any]:
        """Train once, from the checkpoint on if there is one, and return the losses in nats per dimension."""
        train, test = self.data()
        torch.manual_seed(seed)
        settings = dict(self.settings)
        batches = Batches(train, batch_size=settings.pop("batch_size"), seed=seed)
        history = fit(self.model(), batches, test=test, checkpoint=checkpoint, **settings)
        by_epoch = np.reshape(history.train, (history.epochs, -1)).mean(1)
        dims = _dims(test)
        return {
            "seed": seed,
            "seconds": round(history.seconds, 1),
            "test_loss": round(history.test[-1] / dims, 6),
            "train_by_epoch": [round(float(loss) / dims, 6) for loss in by_epoch],
            "test_by_epoch": [round(loss / dims, 6) for loss in history.test],
        }

    def floor(self) -> float | None:
        """The loss of the true law on the test set in nats per dimension; None where the law is unknown."""
        test = self.data()[1]
        return None if self.law is None else round(float(-np.log(self.law(test)).mean()) / _dims(test), 6)

    def result(self, runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What `book/results/` keeps of some runs."""
        train, test = self.data()
        return {
            "about": self.about,
            "data": f"{self.data.__module__}.{self.data.__qualname__}",
            "rows": {"train": len(train), "test": len(test)},
            "dims": _dims(test),
            "settings": {name: getattr(value, "__name__", value) for name, value in self.settings.items()},
            "unit": "nats per dimension",
            "test_loss": round(float(np.mean([run["test_loss"] for run in runs])), 6),
            "floor": self.floor(),
            "published": {"test_loss": self.published[0], "source": self.published[1]},
            "hardware": _hardware(),
            "software": {package: version(package) for package in ("deepul_utils", "torch")},
            "runs": list(runs),
        }


def _dims(x: np.ndarray) -> int:
    return math.prod(x.shape[1:])


_SP20 = "CS294-158 Spring 2020, solutions of homework 1"
_ADAM = {"lr": 0.1, "schedule": cosine, "batch_size": 128}

RECIPES = {
    "histogram-one-bump": Recipe(
        "a softmax histogram of 20 values on one bump",
        toy1d.one_bump,
        lambda: Histogram(toy1d.ONE_BUMP_VALUES),
        {"epochs": 300, **_ADAM},
        published=(2.0526, _SP20),
        law=lambda x: toy1d.one_bump_law()[x],
    ),
    "histogram-two-bumps": Recipe(
        "a softmax histogram of 100 values on two bumps",
        toy1d.two_bumps,
        lambda: Histogram(toy1d.TWO_BUMPS_VALUES),
        {"epochs": 20, **_ADAM},
        published=(4.0422, _SP20),
        law=lambda x: toy1d.two_bumps_law()[x],
    ),
    "logistics-one-bump": Recipe(
        "four discretized logistics on one bump",
        toy1d.one_bump,
        lambda: MixtureOfLogistics(toy1d.ONE_BUMP_VALUES, components=4),
        {"epochs": 100, **_ADAM},
        published=(2.0586, _SP20),
        law=lambda x: toy1d.one_bump_law()[x],
    ),
    "logistics-two-bumps": Recipe(
        "four discretized logistics on two bumps",
        toy1d.two_bumps,
        lambda: MixtureOfLogistics(toy1d.TWO_BUMPS_VALUES, components=4),
        {"epochs": 30, **_ADAM},
        published=(4.0464, _SP20),
        law=lambda x: toy1d.two_bumps_law()[x],
    ),
}


def measure(
    name: str, results: Path, runs: Path, progress: Callable[[Mapping[str, Any]], None] = lambda run: None
) -> dict[str, Any]:
    """Train a recipe once for each of `SEEDS`, and return and write to `results/NAME.json` what came out.

    Args:
        name: one of `RECIPES`.
        results: the folder of the results.
        runs: the folder of the checkpoints, from which an interrupted command goes on; at the end they are deleted.
        progress: called with each run.

    Raises:
        CheckpointError: a checkpoint in `runs` is damaged or of other settings.
        FloatingPointError: a loss was not finite.
    """
    checkpoints = {seed: runs / f"{name}-{seed}.safetensors" for seed in SEEDS}
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


def _as_json(result: Mapping[str, Any]) -> str:
    """JSON with a list of numbers on one line, for people to read and compare."""
    text = json.dumps(result, indent=2, ensure_ascii=False)
    return re.sub(r"\[\s+([-\d.,\se]+?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def _hardware() -> str:
    if device().type == "cuda":
        return torch.cuda.get_device_name(device())
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.+)$", cpuinfo.read_text() if cpuinfo.exists() else "", re.MULTILINE)
    return f"{found[1] if found else platform.machine()}, {torch.get_num_threads()} of {os.cpu_count()} cores"
