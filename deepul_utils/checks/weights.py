"""Weights that a student trained elsewhere, on Colab's GPU say, and hands in beside the notebook as safetensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse
from torch import Tensor

from deepul_utils.checks.student import StudentFailed

LIMIT = 32 << 20  # bytes of a file: eight million float32
_TENSORS = 10_000
_BRIEF = {torch.float16, torch.bfloat16}
_DTYPES = {torch.float64, torch.float32, torch.int64, torch.int32, torch.uint8, torch.bool} | _BRIEF


def file_name(name: str) -> str:
    """The file of the weights that a question calls `name`.

    Example:
        >>> file_name("made")
        'made.safetensors'
    """
    return f"{name}.safetensors"


def read(folder: Path, names: Iterable[str]) -> dict[str, bytes]:
    """The files of these weights in `folder`, by file name, where they are there: of each at most `LIMIT` + 1 bytes.

    A link is not followed: whoever handed it in may point it anywhere.
    """
    found = {}
    for file in map(file_name, names):
        path = folder / file
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as stream:
                found[file] = stream.read(LIMIT + 1)
    return found


def load(name: str, files: Mapping[str, bytes]) -> dict[str, Tensor]:
    """The tensors of the weights called `name`; brief floats (bfloat16, float16) as float32.

    Raises:
        StudentFailed: the file is missing, too large, no safetensors, or holds what no trained model does.

    Example:
        >>> from safetensors.torch import save
        >>> load("made", {"made.safetensors": save({"w": torch.ones(2)})})
        {'w': tensor([1., 1.])}
        >>> load("made", {"made.safetensors": save({"w": torch.tensor([1.0, torch.nan])})})
        Traceback (most recent call last):
        deepul_utils.checks.student.StudentFailed: made.safetensors holds NaN or infinity in `w`: ...
    """
    file = file_name(name)
    if file not in files:
        raise StudentFailed(
            f"there is no {file} beside the notebook: train the model, save its weights there with "
            f'`save("{file}", model.state_dict())`, and hand in both'
        )
    content = files[file]
    if len(content) > LIMIT:
        raise StudentFailed(f"{file} is larger than {LIMIT >> 20} MiB: hand in a smaller model, saved as float32")
    try:
        tensors = parse(content)
    except (SafetensorError, ValueError, KeyError, RuntimeError):
        raise StudentFailed(
            f"{file} is damaged, or no safetensors file: save the weights again and hand it in"
        ) from None
    if len(tensors) > _TENSORS:
        raise StudentFailed(f"{file} holds {len(tensors)} tensors, more than a model has")
    for key, tensor in tensors.items():
        if tensor.dtype not in _DTYPES:
            raise StudentFailed(f"{file} holds `{key}` as {tensor.dtype}: save it as float32")
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise StudentFailed(f"{file} holds NaN or infinity in `{key}`: did the training diverge?")
    return {key: tensor.float() if tensor.dtype in _BRIEF else tensor for key, tensor in tensors.items()}
