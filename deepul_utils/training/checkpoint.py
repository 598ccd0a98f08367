"""Checkpoints: one safetensors file that is either the old one or the new one, never half of either."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from deepul_utils.training.history import History


class CheckpointError(Exception):
    """A checkpoint cannot be used; the message says why and what to do."""


def save(path: str | os.PathLike[str], tensors: Mapping[str, Tensor], notes: Any = None) -> None:
    """Write tensors, and notes that JSON can hold, to one file; a crash on the way leaves the file that was there.

    Args:
        path: the file; its folder is made where missing.
        tensors: by name; two that share memory are written twice.
        notes: finite numbers, strings, lists and dicts; floats come back exactly.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> save(f"{folder.name}/a.safetensors", {"w": torch.ones(2)}, {"epoch": 3})
        >>> load(f"{folder.name}/a.safetensors")
        ({'w': tensor([1., 1.])}, {'epoch': 3})
        >>> folder.cleanup()
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(path.name + ".half")
    own = {name: t.detach().cpu().clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}
    save_file(own, half, metadata={"notes": json.dumps(notes, allow_nan=False)})
    with half.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(half, path)


def load(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], Any]:
    """Read what `save` wrote, onto the CPU.

    Raises:
        CheckpointError: the file is damaged or another program's.
        FileNotFoundError: there is no such file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            notes = json.loads((file.metadata() or {})["notes"])
            return {name: file.get_tensor(name) for name in file.keys()}, notes  # noqa: SIM118
    except (SafetensorError, KeyError, json.JSONDecodeError):
        raise CheckpointError(
            f"{path} is damaged, or no checkpoint of this course: delete it to start afresh"
        ) from None


@dataclass
class Checkpoint:
    """All that a training run needs to go on where it stopped.

    Args:
        path: the file.
        model: the weights in training.
        optimizer: Adam, with its averages of the gradient.
        average: the averaged model, if there is one.
        settings: what must be equal for the run to be the same.
    """

    path: str | os.PathLike[str]
    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: nn.Module | None
    settings: Mapping[str, Any]

    def save(self, history: History) -> None:
        """Write the run as it stands."""
        adam = self.optimizer.state_dict()["state"]
        tensors = self._weights() | {f"optimizer.{i}.{name}": t for i in adam for name, t in adam[i].items()}
        save(self.path, tensors, {"settings": dict(self.settings), "history": asdict(history)})

    def resume(self) -> History | None:
        """Put the run back as it was saved; None where there is no file yet.

        Raises:
            CheckpointError: the file is damaged, or from a run of another model, data or settings.
        """
        if not Path(self.path).exists():
            return None
        tensors, notes = load(self.path)
        before, now = notes["settings"], json.loads(json.dumps(self.settings))
        other = [_difference(name, before.get(name), now[name]) for name in now if before.get(name) != now[name]]
        weights = {name: t for name, t in tensors.items() if not name.startswith("optimizer.")}
        if not other and {n: t.shape for n, t in weights.items()} != {n: t.shape for n, t in self._weights().items()}:
            other = ["a model of other weights"]
        if other:
            raise CheckpointError(
                f"{self.path} is from another run, with {', '.join(other)}: name another file, or delete this one"
            )
        self.model.load_state_dict(_within("model.", tensors))
        if self.average is not None:
            self.average.load_state_dict(_within("average.", tensors))
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        adam: dict[int, dict[str, Tensor]] = {}
        for name, t in _within("optimizer.", tensors).items():
            index, key = name.split(".")
            like = parameters[int(index)]
            # Fused Adam wants the averages in memory as the weights are, which may be channels_last.
            adam.setdefault(int(index), {})[key] = torch.empty_like(like).copy_(t) if t.shape == like.shape else t
        self.optimizer.load_state_dict({"state": adam, "param_groups": self.optimizer.state_dict()["param_groups"]})
        return History(**notes["history"])

    def _weights(self) -> dict[str, Tensor]:
        average = {} if self.average is None else self.average.state_dict()
        return {f"model.{k}": t for k, t in self.model.state_dict().items()} | {
            f"average.{k}": t for k, t in average.items()
        }


def _difference(name: str, before: Any, now: Any) -> str:
    told = not isinstance(before, str | list) and not isinstance(now, str | list)  # no checksums, no long lists
    return f"another {name}" + (f" ({before} instead of {now})" if told else "")


def _within(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
