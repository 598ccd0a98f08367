"""A student: functions called by name with arrays and numbers, which answer with arrays and numbers."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import torch


class StudentFailed(Exception):
    """The student's code gave no usable answer; the message says why, in the student's terms."""


class NotebookStudent:
    """The student as a notebook's own namespace: `student.name(...)` calls what the notebook calls `name`.

    Arguments arrive as they were sent (NumPy arrays as NumPy arrays, tensors as tensors), as copies, so that
    working in place does no harm. Answers come back as NumPy arrays, numbers, strings, and lists and dicts of these.

    Raises:
        StudentFailed: the name is not defined, the call raised, or the answer is of another kind.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if name not in self._namespace:
                raise StudentFailed(f"the notebook has no `{name}`: run the cell that defines it")
            function = self._namespace[name]
            if not callable(function):
                raise StudentFailed(f"`{name}` should be a function, but it is a {type(function).__name__}")
            try:
                answer = function(*copy.deepcopy(args), **copy.deepcopy(kwargs))
            except NotImplementedError:
                raise StudentFailed(f"`{name}` is not answered yet") from None
            except Exception as error:
                raise StudentFailed(f"`{name}` raised {type(error).__name__}: {error}{_where(error)}") from None
            return plain(answer, name)

        return call


def _where(error: Exception) -> str:
    """The innermost line of the notebook's own code that raised `error`."""
    own = [f for f in traceback.extract_tb(error.__traceback__)[1:] if "site-packages" not in f.filename and f.line]
    return f"\nin the line: {own[-1].line}" if own else ""


def plain(answer: Any, name: str) -> Any:
    """Turn an answer into NumPy arrays, numbers, strings, lists and dicts, or raise StudentFailed."""
    if isinstance(answer, torch.Tensor):
        answer = answer.detach().cpu().numpy()
    if isinstance(answer, np.generic):
        answer = answer.item()
    if isinstance(answer, np.ndarray):
        if answer.dtype.kind not in "biufc":
            raise StudentFailed(f"`{name}` returned an array of dtype {answer.dtype}; return numbers")
        return np.array(answer)
    if isinstance(answer, (bool, int, float, complex, str)):
        return answer
    if isinstance(answer, (list, tuple)):
        return [plain(item, name) for item in answer]
    if isinstance(answer, dict):
        return {str(key): plain(value, name) for key, value in answer.items()}
    if answer is None:
        raise StudentFailed(f"`{name}` returned None: is a `return` missing?")
    raise StudentFailed(f"`{name}` returned a {type(answer).__name__}; return an array or a number")
