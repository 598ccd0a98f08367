"""A recipe: data, a model and settings, trained once for each seed, and what the book keeps of the runs."""

from __future__ import annotations

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
from torch import nn

from deepul_utils.distributions.bits import bits_per_dim
from deepul_utils.training import Batches, device, fit

SP20 = "CS294-158 Spring 2020, solutions of homework 1"
SEEDS = (0, 1, 2)  # of the first weights, the batches and the noise; the data stay the same

Arrays = np.ndarray | tuple[np.ndarray, ...]

# Each makes a loss of nats per example and the number of dimensions.
UNITS: Mapping[str, Callable[[float, int], float]] = {
    "nats per dimension": lambda nats, dims: nats / dims,
    "nats per point": lambda nats, dims: nats,
    "nats per image": lambda nats, dims: nats,
    "bits per dimension": bits_per_dim,
}


@dataclass(frozen=True)
class Recipe:
    """A run that can be repeated: its data, its model and its settings.

    Attributes:
        about: what is trained on what, in a few words.
        data: returns the training and test examples, each an array, or one of examples and one of their classes.
        model: builds the model.
        settings: `batch_size`, and what `fit` is to be called with.
        published: the test loss to meet, and whose it is; None where nobody has published one.
        law: maps examples to their true probabilities (B,), where these are known; its test loss is the floor.
        seeds: of the runs.
        unit: of all losses: one of `UNITS`.
        parts: where the loss is a named tuple of parts, each of which the result names: over how many draws of its
            noise their means are taken; else 0.
        evaluate: maps the trained model and the test examples to the test loss, in nats per example, where it is
            another one than that which is followed in training.
    """

    about: str
    data: Callable[[], tuple[Arrays, Arrays]]
    model: Callable[[], nn.Module]
    settings: Mapping[str, Any]
    published: tuple[float, str] | None
    law: Callable[[np.ndarray], np.ndarray] | None = None
    seeds: tuple[int, ...] = SEEDS
    unit: str = "nats per dimension"
    parts: int = 0
    evaluate: Callable[[nn.Module, Arrays], float] | None = None

    def run(self, seed: int, checkpoint: Path | None = None) -> dict[str, Any]:
        """Train once, from the checkpoint on if there is one, and return the losses."""
        train, test = self.data()
        torch.manual_seed(seed)
        settings = dict(self.settings)
        batches = Batches(*_as_tuple(train), batch_size=settings.pop("batch_size"), seed=seed)
        model = self.model()
        history = fit(model, batches, test=test, checkpoint=checkpoint, **settings)
        by_epoch = np.reshape(history.train, (history.epochs, -1)).mean(1)
        parts = self._parts(model, test)
        last = self.evaluate(model, test) if self.evaluate else history.test[-1]
        return {
            "seed": seed,
            "seconds": round(history.seconds, 1),
            "test_loss": parts.get("loss", self._in_unit(last, test)),
            "train_by_epoch": [self._in_unit(loss, test) for loss in by_epoch],
            "test_by_epoch": [self._in_unit(loss, test) for loss in history.test],
            **({"parts": parts} if parts else {}),
        }

    @torch.no_grad()
    def _parts(self, model: nn.Module, test: Arrays) -> dict[str, float]:
        """Where a loss has parts, their means on the test set over some draws of its noise."""
        if not self.parts:
            return {}
        x = torch.as_tensor(_as_tuple(test)[0], dtype=torch.get_default_dtype(), device=next(model.parameters()).device)
        some = x.split(2500)  # what fits the memory at once
        losses = [model.loss(rows) for _ in range(self.parts) for rows in some]  # type: ignore[operator]
        means = np.average(torch.tensor(losses), axis=0, weights=[len(rows) for rows in some] * self.parts)
        return {name: self._in_unit(mean, test) for name, mean in zip(losses[0]._fields, means, strict=True)}

    def floor(self) -> float | None:
        """The loss of the true law on the test set; None where the law is unknown."""
        if self.law is None:
            return None
        test = _as_tuple(self.data()[1])[0]
        return self._in_unit(-np.log(self.law(test)).mean(), test)

    def result(self, runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What `book/results/` keeps of some runs."""
        train, test = self.data()
        return {
            "about": self.about,
            "data": f"{self.data.__module__}.{self.data.__qualname__}",
            "rows": {"train": len(_as_tuple(train)[0]), "test": len(_as_tuple(test)[0])},
            "dims": _dims(test),
            "settings": {name: getattr(value, "__name__", value) for name, value in self.settings.items()},
            "unit": self.unit,
            "test_loss": round(float(np.mean([run["test_loss"] for run in runs])), 6),
            "floor": self.floor(),
            "published": self.published and {"test_loss": self.published[0], "source": self.published[1]},
            "hardware": _hardware(),
            "software": {package: version(package) for package in ("deepul_utils", "torch")},
            "runs": list(runs),
        }

    def _in_unit(self, nats: float, test: Arrays) -> float:
        return round(float(UNITS[self.unit](nats, _dims(test))), 6)


def _as_tuple(x: Arrays) -> tuple[np.ndarray, ...]:
    return x if isinstance(x, tuple) else (x,)


def _dims(x: Arrays) -> int:
    return math.prod(_as_tuple(x)[0].shape[1:])


def _hardware() -> str:
    if device().type == "cuda":
        return torch.cuda.get_device_name(device())
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.+)$", cpuinfo.read_text() if cpuinfo.exists() else "", re.MULTILINE)
    return f"{found[1] if found else platform.machine()}, {torch.get_num_threads()} of {os.cpu_count()} cores"
