"""A student: functions and classes called by name with arrays and numbers, which answer with arrays and numbers.

A check holds a `Student` and calls it; the student's code is behind a `Desk`, here in the notebook's own process or
in a sandbox at the other end of a wire. What crosses is plain: arrays, numbers, strings, lists and dicts of these, and
references to objects (a module, a class's instance) that stay with the student.
"""

from __future__ import annotations

import copy
import inspect
import linecache
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np
import torch

_LINES = 3  # of a student's traceback


class StudentFailed(Exception):
    """The student's code gave no usable answer; the message says why, in the student's terms."""


@dataclass(frozen=True)
class Reference:
    """An object that stays with the student's code, where `id` finds it; `type` names its class, or a function."""

    id: int
    type: str


# ask(target, name, args, kwargs): call `name` of the notebook (target None) or of an object; args None only reads it.
Ask = Callable[[Reference | None, str, tuple[Any, ...] | None, dict[str, Any]], Any]


class Student:
    """What a check sees: `student.name(...)` calls what the notebook calls `name`.

    Arguments arrive as they were sent (NumPy arrays as NumPy arrays, tensors as tensors), as copies, so that
    working in place does no harm. Answers come back as NumPy arrays, numbers, strings, and lists and dicts of these;
    any other object as a `Handle`.

    Raises:
        StudentFailed: the name is not defined, the call raised, or it returned nothing.
    """

    def __init__(self, ask: Ask, restart: Callable[[], None] = lambda: None) -> None:
        self._ask = ask
        self._restart = restart

    def restart(self) -> None:
        """Let the student's code begin anew, in a sandbox: it then knows nothing of the calls so far.

        In a notebook nothing happens. What was handed over before is gone.
        """
        self._restart()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            return _handled(self._ask, self._ask(None, name, _referred(args), _referred(kwargs)))

        return call


class Handle:
    """An object of the student's: call it, call its methods, read its attributes.

    Example:
        >>> student = NotebookStudent({"Linear": torch.nn.Linear})
        >>> layer = student.Linear(3, 2)
        >>> layer
        a Linear
        >>> layer(torch.zeros(5, 3)).shape, layer.weight.shape, layer.in_features
        ((5, 2), (2, 3), 3)
    """

    def __init__(self, ask: Ask, reference: Reference) -> None:
        self._ask = ask
        self._reference = reference

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _handled(self._ask, self._ask(self._reference, "", _referred(args), _referred(kwargs)))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return _handled(self._ask, self._ask(self._reference, name, None, {}))

    def __repr__(self) -> str:
        return f"a {self._reference.type}"


def _handled(ask: Ask, answer: Any) -> Any:
    """`answer` with handles for its references."""
    return _each(answer, lambda item: Handle(ask, item) if isinstance(item, Reference) else item)


def _referred(value: Any) -> Any:
    """`value` with references for its handles."""
    return _each(value, lambda item: item._reference if isinstance(item, Handle) else item)


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_each(item, change) for item in value)
    if isinstance(value, dict):
        return {key: _each(item, change) for key, item in value.items()}
    return change(value)


class NotebookStudent(Student):
    """The student as a notebook's own namespace.

    Example:
        >>> student = NotebookStudent({"half": lambda x: x / 2})
        >>> student.half(torch.tensor([1.0, 3.0]))
        array([0.5, 1.5], dtype=float32)
        >>> student.double(3)
        Traceback (most recent call last):
        deepul_utils.checks.student.StudentFailed: the notebook has no `double`: run the cell that defines it
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        super().__init__(Desk(namespace).ask)


class Desk:
    """Where the student's code is: looks up what is asked for, calls it, and keeps the objects that do not cross."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._kept: list[Any] = []

    def ask(self, target: Reference | None, name: str, args: tuple[Any, ...] | None, kwargs: dict[str, Any]) -> Any:
        """Call `name` with copies of the arguments, or read it where `args` is None; see `Ask`.

        Raises:
            StudentFailed: as in `Student`.
        """
        said = name if target is None else f"{target.type}.{name}" if name else target.type
        try:
            found = self._find(target, name, said)
            if args is None:
                return self._plain(found, said)
            if not callable(found):
                raise StudentFailed(f"`{said}` should be a function, but it is a {type(found).__name__}")
            args, kwargs = _each(copy.deepcopy((args, kwargs)), self._kept_object)
            return self._plain(found(*args, **kwargs), said)
        except NotImplementedError as error:
            asked = said.split(".")[-1]
            inner = next((f.f_code.co_name for f, _ in reversed(self._frames(error))), asked)
            calls = "" if inner == asked else f"calls `{inner}`, which "
            raise StudentFailed(f"`{said}` {calls}is not answered yet") from None
        except StudentFailed:
            raise
        except (Exception, SystemExit) as error:
            what = f"{type(error).__name__}: {error}".removesuffix(": ")
            raise StudentFailed(f"`{said}` raised {what}{self._where(error)}") from None

    def _find(self, target: Reference | None, name: str, said: str) -> Any:
        if target is None:
            if name not in self._namespace:
                raise StudentFailed(f"the notebook has no `{name}`: run the cell that defines it")
            return self._namespace[name]
        if target.id >= len(self._kept):
            raise StudentFailed(f"the {target.type} is gone, since the Python that held it ended")
        kept = self._kept_object(target)
        if name and not hasattr(kept, name):
            raise StudentFailed(f"a {target.type} has no `{name}`")
        return getattr(kept, name) if name else kept

    def _kept_object(self, item: Any) -> Any:
        return self._kept[item.id] if isinstance(item, Reference) else item

    def _frames(self, error: BaseException) -> list[tuple[FrameType, int]]:
        """The frames of the notebook's own code on the way to `error`, outermost first."""
        return [(f, line) for f, line in traceback.walk_tb(error.__traceback__) if f.f_globals is self._namespace]

    def _where(self, error: BaseException) -> str:
        """The notebook's own lines on the way to `error`, each once: the last few of them."""
        functions: dict[tuple[str, int], str] = {}  # a comprehension, which is one too, is in another's line
        for frame, number in self._frames(error):
            functions.setdefault((frame.f_code.co_filename, number), frame.f_code.co_name)
        said = [(name, line) for at, name in functions.items() if (line := linecache.getline(*at).strip())]
        lines = [f"\nin {f'`{name}`' if count else 'the line'}: {line}" for count, (name, line) in enumerate(said)]
        return "".join(lines[-_LINES:])

    def _plain(self, answer: Any, name: str) -> Any:
        """`answer` as NumPy arrays, numbers, strings, lists and dicts of these, and references to all else."""
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
            return [self._plain(item, name) for item in answer]
        if isinstance(answer, dict):
            return {str(key): self._plain(value, name) for key, value in answer.items()}
        if answer is None:
            raise StudentFailed(f"`{name}` returned None: is a `return` missing?")
        self._kept.append(answer)
        return Reference(len(self._kept) - 1, name if inspect.isroutine(answer) else type(answer).__name__)
