"""The library's own source, shown in a chapter."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from types import ModuleType
from typing import Any

from IPython.display import Markdown


def show_source(obj: Callable[..., Any] | type | ModuleType) -> Markdown:
    """The source of a function, a class or a module of this library, headed by the file that it comes from.

    Raises:
        TypeError: `obj` was not written in Python, so that there is no source to show.

    Example:
        >>> from deepul_utils.distributions.bits import bits_per_dim
        >>> print(show_source(bits_per_dim).data.splitlines()[0])
        `deepul_utils/distributions/bits.py`
    """
    module = inspect.getmodule(obj)
    try:
        source = textwrap.dedent(inspect.getsource(obj)).rstrip()
    except (OSError, TypeError):
        module = None
    if module is None:
        raise TypeError(f"{obj!r} has no Python source; pass a function, a class or a module of deepul_utils")
    path = module.__name__.replace(".", "/") + (".py" if not hasattr(module, "__path__") else "/__init__.py")
    return Markdown(f"`{path}`\n\n```python\n{source}\n```")
