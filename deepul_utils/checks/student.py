"""A student: functions called by name with arrays and numbers, which answer with arrays and numbers."""

from __future__ import annotations

import copy
import linecache
import traceback
from collections.abc import Callable
from types import FrameType
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

    Example:
        >>> student = NotebookStudent({"half": lambda x: x / 2})
        >>> student.half(torch.tensor([1.0, 3.0]))
        array([0.5, 1.5], dtype=float32)
        >>> student.double(3)
        Traceback (most recent call last):
        deepul_utils.checks.student.StudentFailed: the notebook has no `double`: run the cell that defines it
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
            except NotImplementedError as error:
                inner = next((f.f_code.co_name for f, _ in reversed(self._frames(error))), name)
                calls = "" if inner == name else f"calls `{inner}`, which "
                raise StudentFailed(f"`{name}` {calls}is not answered yet") from None
            except (Exception, SystemExit) as error:
                said = f"{type(error).__name__}: {error}".removesuffix(": ")
                raise StudentFailed(f"`{name}` raised {said}{self._where(error)}") from None
            return plain(answer, name)

        return call

    def _frames(self, error: BaseException) -> list[tuple[FrameType, int]]:
        """The frames of the notebook's own code on the way to `error`, outermost first."""
        return [(f, line) for f, line in traceback.walk_tb(error.__traceback__) if f.f_globals is self._namespace]

    def _where(self, error: BaseException) -> str:
        for frame, number in reversed(self._frames(error)):
            line = linecache.getline(frame.f_code.co_filename, number).strip()
            return f"\nin the line: {line}" if line else ""
        return ""


def plain(answer: Any, name: str) -> Any:
    """Turn what `name` answered into NumPy arrays, numbers, strings, and lists and dicts of these.

    Raises:
        StudentFailed: the answer is, or holds, something else.
    """
    if isinstance(answer, torch.Tensor):
        answer = answer.detach().cpu()
        answer = (answer.float() if answer.dtype == torch.bfloat16 else answer).numpy()
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
