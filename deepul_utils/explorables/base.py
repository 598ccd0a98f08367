"""What every explorable shares: an anywidget whose module is the .js file beside its Python file."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import anywidget

_KIT = Path(__file__).with_name("kit.js")


class Explorable(anywidget.AnyWidget):
    """A figure that a reader drags, in Jupyter, in Colab and, without a kernel, on the site.

    A subclass in `name.py` synchronises plain numbers and lists (`traitlets` tagged `sync=True`), and `name.js`
    beside it exports `render({model, el})`, with the drawing helpers of `kit.js` in scope. The two are joined
    into one module, since a module stored in a notebook can import nothing.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if "_esm" not in vars(cls):  # an instance makes a subclass of its own, with _esm already a trait
            source = Path(inspect.getfile(cls)).with_suffix(".js")
            cls._esm = _KIT.read_text(encoding="utf-8") + "\n" + source.read_text(encoding="utf-8")
        super().__init_subclass__(**kwargs)
