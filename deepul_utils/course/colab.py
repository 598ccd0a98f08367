"""The top of every notebook: a link that opens it in Colab, and a cell that installs what it needs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml
from nbformat import NotebookNode, from_dict
from nbformat.v4 import new_code_cell, new_markdown_cell

_FOLDED = "Set-up for this page"  # what the site shows in place of the setup cell
_BADGE = "[Open this page in Colab]({link}): it runs there in your browser, with nothing to install."

_SETUP = """\
# Installs the course's library where it is missing (your torch and numpy stay as they are) and names your device.
import importlib.util
import subprocess
import sys
from importlib.metadata import distributions

if not importlib.util.find_spec("deepul_utils"):
    print("Installing deepul_utils ...")
    release = "deepul_utils @ {archive}"
    kept = [f"{d.name}=={d.version}" for d in distributions() if d.name in ("numpy", "torch")]
    pip = subprocess.run([sys.executable, "-m", "pip", "install", "-q", release, *kept], capture_output=True, text=True)
    importlib.invalidate_caches()
    if pip.returncode:
        offline = "It cannot be downloaded without a network: connect, then run this cell again."
        print(offline if "connection" in pip.stderr else pip.stderr)

if importlib.util.find_spec("deepul_utils"):
    from deepul_utils.training import describe_device

    print(describe_device())"""


def root_of(path: Path) -> Path:
    """The repository that holds `path`: the nearest folder upwards with a `_config.yml`.

    Raises:
        FileNotFoundError: there is none.
    """
    for folder in path.resolve().parents:
        if (folder / "_config.yml").is_file():
            return folder
    raise FileNotFoundError(f"{path} is in no repository of this course: no folder above it has a _config.yml")


def address(root: Path) -> str:
    """The repository's public address, https://github.com/OWNER/REPOSITORY, from `_config.yml`."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    return str(config["repository"]["url"]).rstrip("/")


def release_tag(root: Path) -> str:
    """The git tag of the version in `pyproject.toml`: v0.1.0 for version 0.1.0."""
    return "v" + tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def header(path: Path) -> tuple[NotebookNode, NotebookNode]:
    """The two cells that stand under the title of the notebook at `path`.

    The first links to Colab, to the page as of the release that the second installs; a notebook of `solutions/`
    links to the one that students get, in `exercises/`.

    Raises:
        FileNotFoundError: `path` is in no repository of this course.
    """
    root = root_of(path)
    url, tag = address(root), release_tag(root)
    page = path.resolve().relative_to(root).as_posix().replace("solutions/", "exercises/", 1)
    colab = f"https://colab.research.google.com/github/{url.removeprefix('https://github.com/')}/blob/{tag}/{page}"
    badge = new_markdown_cell(_BADGE.format(link=colab), id="colab-badge")
    setup = new_code_cell(_SETUP.replace("{archive}", f"{url}/archive/refs/tags/{tag}.zip"), id="setup")
    prompts = {"code_prompt_show": _FOLDED, "code_prompt_hide": _FOLDED}
    setup.metadata = from_dict({"tags": ["hide-cell"], "mystnb": prompts})
    return badge, setup


def stamp(notebook: NotebookNode, path: Path) -> None:
    """Write the Colab link and the setup cell of `path` under the notebook's title, in place of older ones.

    An output of the setup cell stays.
    """
    badge, setup = header(path)
    # Colab drops the ids, so older ones are known by their first words, too.
    words = (_BADGE.partition("(")[0], _SETUP.partition("\n")[0])
    older = [c for c in notebook.cells if c.get("id") in (badge.id, setup.id) or c.source.startswith(words)]
    for cell in older:
        if cell.cell_type == "code":
            setup.outputs, setup.execution_count = cell.outputs, cell.execution_count
    rest = [cell for cell in notebook.cells if cell not in older]
    notebook.cells = [*rest[:1], badge, setup, *rest[1:]]
