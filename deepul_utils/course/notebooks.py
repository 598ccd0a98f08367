"""Notebooks as the repository keeps them: `lint` looks them through, `tidy` repairs them, `execute` runs them again."""

from __future__ import annotations

import copy
import importlib
import json
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from traitlets.config import Config

from deepul_utils.course.colab import root_of, stamp

OUTPUT_LIMIT = 150_000  # characters of one output as it is stored
TIMEOUT = 600  # seconds that one cell may take

_METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_CELL_METADATA = ("mystnb", "tags")
_VIEW = "application/vnd.jupyter.widget-view+json"
_STATE = "application/vnd.jupyter.widget-state+json"
_READABLE_ID = re.compile(r"(?![0-9a-f-]{8,}$)[a-z][a-z0-9]*(-[a-z0-9]+)*")
_MYST = re.compile(r"^\s*(```+|~~~+|:::+)\{|\{[a-z:]+\}`", re.MULTILINE)
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class NotebookError(Exception):
    """A notebook cannot be read or run; the message says which, where and why."""


def chapters(root: Path) -> list[Path]:
    """The book's notebooks, in order of their folders and names."""
    return sorted(root.glob("book/*/*.ipynb"))


def homework(root: Path) -> list[Path]:
    """The homework's notebooks as the instructor writes them, in order of their folders and names."""
    return sorted(root.glob("solutions/*/*.ipynb"))


def read(path: Path) -> NotebookNode:
    """The notebook at `path`.

    Raises:
        NotebookError: it is not there, or no notebook of format 4.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # of ids that are missing or twice, which `tidy` repairs
            return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    except (OSError, ValueError, AttributeError, nbformat.ValidationError) as error:
        raise NotebookError(f"{path}: cannot be read as a notebook: {str(error).splitlines()[0]}") from None


def _text(notebook: NotebookNode) -> str:
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def _write(notebook: NotebookNode, path: Path) -> None:
    """Write whole or not at all, and not where nothing changed."""
    text = _text(notebook)
    if text != path.read_text(encoding="utf-8"):
        part = path.with_name(path.name + ".part")
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)


def _is_homework(path: Path) -> bool:
    return path.resolve().relative_to(root_of(path)).parts[0] == "solutions"


def _outputs(cell: NotebookNode) -> list[NotebookNode]:
    return cell.get("outputs", [])


def _shows(cell: NotebookNode, kind: str) -> bool:
    """An output of the cell has a MIME type that begins with `kind`."""
    return any(mime.startswith(kind) for output in _outputs(cell) for mime in output.get("data", {}))


def _states(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """The stored widgets by their model ids."""
    return notebook.metadata.get("widgets", {}).get(_STATE, {}).get("state", {})


def tidy(notebook: NotebookNode, path: Path) -> None:
    """Repair in place what needs no thought, so that running a notebook again makes no difference to its file.

    Writes the header; gives cells readable ids; drops empty cells, metadata that is not the course's, memory
    addresses, and widgets that no cell shows; brings the modules of stored explorables up to date; clears the outputs
    of homework.
    """
    notebook.nbformat_minor = 5
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip()]
    stamp(notebook, path)
    homework = _is_homework(path)
    known = {*_CELL_METADATA, "nbgrader"} if homework else _CELL_METADATA
    taken: set[str] = set()
    for cell in notebook.cells:
        cell["id"] = _readable_id(cell, taken)
        taken.add(cell.id)
        cell.metadata = nbformat.from_dict({key: value for key, value in cell.metadata.items() if key in known})
        if cell.cell_type == "code" and homework:
            cell.outputs, cell.execution_count = [], None
        for output in _outputs(cell):
            if "text/plain" in output.get("data", {}):
                output.data["text/plain"] = _ADDRESS.sub("", output.data["text/plain"])
    states = _shown_states(notebook)
    notebook.metadata = nbformat.from_dict(_METADATA)
    if states:
        widgets = {"state": states, "version_major": 2, "version_minor": 0}
        notebook.metadata["widgets"] = nbformat.from_dict({_STATE: widgets})


def _readable_id(cell: NotebookNode, taken: set[str]) -> str:
    """The cell's id where it is readable and free, else its first words."""
    if _READABLE_ID.fullmatch(cell.get("id", "")) and cell.id not in taken:
        return cell.id
    words = re.findall(r"[a-z0-9]+", cell.source.replace("# NBVAL_CHECK_OUTPUT", "").lower())
    first = "-".join([cell.cell_type, *words[:4]])[:48].rstrip("-")
    return next(name for n in range(len(taken) + 2) if (name := f"{first}-{n}" if n else first) not in taken)


def _shown_states(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """The widgets that cells show and those that they refer to, named after their cells, with modules of today."""
    states = _states(notebook)
    names: dict[str, str] = {}
    for cell in notebook.cells:
        views = [output.data[_VIEW] for output in _outputs(cell) if _VIEW in output.get("data", {})]
        queue = [view.model_id for view in views]
        for model in queue:  # grows while it is walked
            if model in states and model not in names:
                names[model] = f"{cell.id}-widget-{queue.index(model)}"
                queue += re.findall(r"IPY_MODEL_([\w-]+)", json.dumps(states[model]))
        for view in views:
            view.model_id = names.get(view.model_id, view.model_id)
    renamed = json.dumps({names[model]: states[model] for model in names})
    for old, new in names.items():
        renamed = renamed.replace(f'"IPY_MODEL_{old}"', f'"IPY_MODEL_{new}"')
    shown: dict[str, NotebookNode] = nbformat.from_dict(json.loads(renamed))
    for model in shown.values():
        if module := esm_of(model):
            model.state["_esm"] = module
    return shown


def esm_of(model: NotebookNode) -> str | None:
    """The JavaScript module that deepul_utils has today for a stored widget; None where it is no explorable of ours."""
    module, _, name = model.state.get("_anywidget_id", "").rpartition(".")
    if not module.startswith("deepul_utils."):
        return None
    try:
        return str(getattr(importlib.import_module(module), name)._esm)
    except (ImportError, AttributeError):
        return None


def lint(paths: Iterable[Path], fix: bool = False) -> list[str]:
    """What is wrong with these notebooks, one sentence each, with the notebook and the cell's id.

    With `fix`, repairs what `tidy` can and reports the rest.
    """
    problems = []
    for path in paths:
        try:
            notebook = read(path)
            tidied = copy.deepcopy(notebook)
            tidy(tidied, path)
        except (NotebookError, FileNotFoundError) as error:
            problems.append(str(error))
            continue
        if fix:
            _write(tidied, path)
        elif _text(tidied) != path.read_text(encoding="utf-8"):
            problems.append(f"{path}: {_difference(notebook, tidied)} not as `make lint` leaves it: run `make lint`")
        problems += [f"{path}: {problem}" for problem in _problems(tidied, path)]
    return problems


def _difference(old: NotebookNode, new: NotebookNode) -> str:
    """Names the first place in which two notebooks differ, and says "is"."""
    for before, after in zip(old.cells, new.cells, strict=False):
        if before != after:
            return f"cell {after.id} is"
    return "its metadata is" if len(old.cells) == len(new.cells) else "its last cell is"


def _problems(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """What needs an author's thought."""
    if not re.match(r"# \S", notebook.cells[0].source):
        yield "the first cell should be the title, `# ...`"
    for cell in notebook.cells:
        problems = _markdown_problems(cell) if cell.cell_type == "markdown" else _output_problems(cell)
        yield from (f"cell {cell.id} {problem}" for problem in problems)
    if _is_homework(path):
        from deepul_utils.course.release import find_mistakes  # needs nbgrader, which the book's builder has not

        yield from find_mistakes(path)
    else:
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
            yield "its cells were not run in order: run `make execute`"
        yield from _explorable_problems(notebook)


def _markdown_problems(cell: NotebookNode) -> Iterator[str]:
    if found := _MYST.search(cell.source):
        yield f"has MyST markup, {found.group().strip()!r}, which Jupyter and Colab show as it is: write plain Markdown"


def _output_problems(cell: NotebookNode) -> Iterator[str]:
    if _shows(cell, "image/") and not cell.metadata.get("mystnb", {}).get("image", {}).get("alt"):
        yield 'shows a figure without alt text: give the cell the metadata {"mystnb": {"image": {"alt": "..."}}}'
    for output in _outputs(cell):
        if output.output_type == "error":
            yield f"raised {output.ename}: {output.evalue}"
        if output.get("name") == "stderr":
            yield f"printed a warning or an error: {output.text.strip().splitlines()[-1]}"
        if (size := len(json.dumps(output))) > OUTPUT_LIMIT:
            yield f"has an output of {size} characters, over the limit of {OUTPUT_LIMIT}: draw less, or fewer pixels"


def _explorable_problems(notebook: NotebookNode) -> Iterator[str]:
    states = _states(notebook)
    sections: list[list[NotebookNode]] = [[]]
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and re.match(r"#+ ", cell.source):
            sections.append([])
        sections[-1].append(cell)
    for section in sections:
        for cell in section:
            views = [output.data[_VIEW].model_id for output in _outputs(cell) if _VIEW in output.get("data", {})]
            for model in views:
                if model not in states:
                    yield f"cell {cell.id} shows a widget whose state is not stored: run `make execute`"
                elif esm_of(states[model]) is None:
                    yield f"cell {cell.id} shows a widget that is no explorable of deepul_utils"
            if views and not any(_shows(other, "image/") for other in section):
                yield f"cell {cell.id} shows an explorable, but its section has no figure for print: add one"


def execute(paths: Iterable[Path], progress: Callable[[str, float], None] = lambda page, done: None) -> None:
    """Run notebooks again from top to bottom, on the CPU with one thread, and store what they show.

    A notebook is written when all of its cells have run; a second run on the same machine changes nothing.

    Args:
        progress: called with the notebook in work and the share of them that is done, from 0 to 1.

    Raises:
        NotebookError: a cell failed or took longer than `TIMEOUT` seconds; that notebook stays as it was.
    """
    alone = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "TQDM_DISABLE": "1"}
    paths = list(paths)
    for done, path in enumerate(paths):
        progress(path.stem, done / len(paths))
        notebook = read(path)
        tidy(notebook, path)
        notebook.metadata.pop("widgets", None)
        with TemporaryDirectory() as sockets:  # instead of open ports
            client = NotebookClient(
                notebook,
                timeout=TIMEOUT,
                kernel_name="python3",
                coalesce_streams=True,
                record_timing=False,
                resources={"metadata": {"path": str(path.resolve().parent)}},
                config=Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}}),
            )
            try:
                client.execute(env=os.environ | alone)
            except CellExecutionError as error:
                failed = next(c for c in notebook.cells if any(o.output_type == "error" for o in _outputs(c)))
                raise NotebookError(f"{path}: cell {failed.id} raised {error.ename}: {error.evalue}") from None
            except (CellTimeoutError, DeadKernelError) as error:
                raise NotebookError(f"{path}: {str(error).strip().splitlines()[0]}") from None
        tidy(notebook, path)
        _write(notebook, path)
