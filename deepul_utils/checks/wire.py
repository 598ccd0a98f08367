"""Arguments and answers as JSON: arrays, numbers, strings, references, lists and dicts of these. Never a pickle."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import numpy as np
import torch

from deepul_utils.checks.student import Reference

_KINDS = "biufc"
_DEPTH = 20
_PARTS = 1_000_000  # what they take in memory is many times their text


class Malformed(ValueError):
    """What came over the wire is not an encoded value."""


def dumps(value: Any) -> str:
    """Encode `value` as JSON text.

    Example:
        >>> loads(dumps({"x": np.arange(3), "n": 2}))
        {'x': array([0, 1, 2]), 'n': 2}
    """
    return json.dumps(_encode(value))


def _encode(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return {**_encode(value.detach().cpu().numpy()), "tensor": True}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in _KINDS:
        data = np.ascontiguousarray(value)
        text = base64.b64encode(data.tobytes()).decode()
        return {"array": text, "dtype": data.dtype.str, "shape": list(value.shape)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, Reference):
        return {"reference": value.id, "type": value.type}
    if isinstance(value, (list, tuple)):
        return [_encode(item) for item in value]
    if isinstance(value, dict):
        return {"dict": [[str(key), _encode(item)] for key, item in value.items()]}
    raise TypeError(f"a {type(value).__name__} does not cross to a student; send arrays, numbers and strings")


def loads(text: str, max_bytes: int = 64 << 20) -> Any:
    """Decode JSON text that `dumps` made, trusting nothing in it.

    Args:
        text: the JSON.
        max_bytes: the longest text, and the most bytes that an array may hold.

    Raises:
        Malformed: it is no such JSON, it nests too deeply or it is too large.
    """
    if len(text) > 2 * max_bytes:
        raise Malformed(f"the answer has {len(text) >> 20} MiB, more than a check takes")
    if text.count(",") + text.count("[") + text.count("{") > _PARTS:
        raise Malformed("the answer has more than a million parts; return an array")
    try:
        return _decode(json.loads(text), max_bytes, 0)
    except Malformed:
        raise
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        raise Malformed("the answer could not be read") from None


def _decode(value: Any, max_bytes: int, depth: int) -> Any:
    if depth > _DEPTH:
        raise Malformed("the answer nests too deeply")
    if isinstance(value, list):
        return [_decode(item, max_bytes, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    if "dict" in value:
        return {str(key): _decode(item, max_bytes, depth + 1) for key, item in value["dict"]}
    if "complex" in value:
        real, imaginary = value["complex"]
        return complex(float(real), float(imaginary))
    if "reference" in value:
        return Reference(int(value["reference"]), str(value["type"]))
    dtype, shape = np.dtype(str(value["dtype"])), [int(size) for size in value["shape"]]
    if dtype.kind not in _KINDS or min(shape, default=0) < 0 or dtype.itemsize * math.prod(shape) > max_bytes:
        raise Malformed(f"the answer holds an array of {dtype} and shape {tuple(shape)}, which a check does not take")
    array = np.frombuffer(base64.b64decode(value["array"], validate=True), dtype=dtype).reshape(shape).copy()
    return torch.from_numpy(array) if value.get("tensor") else array
