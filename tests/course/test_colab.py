"""The header of every notebook, and what its setup cell does with and without the course, the network, Colab."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell
from packaging.requirements import Requirement
from packaging.version import Version

from deepul_utils.course import colab
from deepul_utils.course.notebooks import chapters, homework, read

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COLAB = dict(
    line.split("==")
    for line in Path(__file__).with_name("colab_versions.txt").read_text().splitlines()
    if line[0] != "#"
)


def test_header_stands_under_the_title_once(write):
    path = write([new_markdown_cell("# A coin"), new_code_cell("1 + 1", id="sum")])
    notebook = read(path)
    colab.stamp(notebook, path)
    colab.stamp(notebook, path)
    assert [cell.id for cell in notebook.cells[1:]] == ["colab-badge", "setup", "sum"]


def test_stamping_keeps_what_the_setup_cell_printed(write):
    path = write([new_markdown_cell("# A coin")])
    notebook = read(path)
    colab.stamp(notebook, path)
    notebook.cells[2].update(source="an older one", outputs=["Training runs on ..."], execution_count=1)
    colab.stamp(notebook, path)
    assert (notebook.cells[2].outputs, notebook.cells[2].execution_count) == (["Training runs on ..."], 1)
    assert notebook.cells[2].source == colab.header(path)[1].source


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("book/week1_coins/coin.ipynb", "book/week1_coins/coin.ipynb"),
        ("solutions/week1_coins/coin.ipynb", "exercises/week1_coins/coin.ipynb"),
    ],
)
def test_badge_opens_the_page_of_the_release_that_setup_installs(course, write, name, page):
    config = (course / "_config.yml").read_text()
    moved = re.sub(r"url: https://github.com/\S+", "url: https://github.com/someone/elsewhere/", config)
    (course / "_config.yml").write_text(moved)
    project = (course / "pyproject.toml").read_text()
    (course / "pyproject.toml").write_text(project.replace(f'version = "{PROJECT["version"]}"', 'version = "7.8.9"'))
    badge, setup = colab.header(write([], name))
    assert f"(https://colab.research.google.com/github/someone/elsewhere/blob/v7.8.9/{page})" in badge.source
    assert "https://github.com/someone/elsewhere/archive/refs/tags/v7.8.9.zip" in setup.source


def test_outside_the_course_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder above it has a _config"):
        colab.header(tmp_path / "stray.ipynb")


@pytest.mark.parametrize("path", chapters(ROOT) + homework(ROOT), ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_every_notebook_has_todays_header(path):
    cells = read(path).cells
    assert [cell.source for cell in cells[1:3]] == [cell.source for cell in colab.header(path)]


def python_without_course(home, **versions):
    """A Python with all packages of this one but the course; some of them claim to be of another version."""
    venv.create(home, with_pip=False)
    (site,) = home.glob("lib/python*/site-packages")
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        name = re.split(r"-\d", entry.name)[0].lower().replace("_", "-")
        if entry.suffix == ".dist-info" and name in versions:
            info = site / f"{entry.name.split('-')[0]}-{versions[name]}.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {versions[name]}\n")
        elif "deepul" not in entry.name and entry.name != "__pycache__":
            (site / entry.name).symlink_to(entry)
    return home / "bin" / "python"


@pytest.fixture
def setup_cell(write, offline, tmp_path):
    """Run the setup cell where there is no network, with the release at `address`; returns what it shows."""

    def run(python, address=None):
        source = colab.header(write([]))[1].source
        source = re.sub(r"https://github\S+\.zip", address, source) if address else source
        environment = {k: v for k, v in os.environ.items() if not re.match("PIP_|PYTHON|COV_|.*_proxy$", k, re.I)}
        # No build isolation (pip reads the 0 so): it would fetch setuptools from the network.
        environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0", "PIP_NO_BUILD_ISOLATION": "0"}
        command = [*offline, python, "-c", source]
        run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
        assert run.returncode == 0, run.stderr
        return run.stdout

    return run


@pytest.fixture
def archive(tmp_path):
    """The address of the source of the course, packed as GitHub packs it for a tag."""
    source = tmp_path / "deepul-book"
    shutil.copytree(ROOT / "deepul_utils", source / "deepul_utils", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    return Path(shutil.make_archive(str(tmp_path / "tag"), "zip", tmp_path, source.name)).as_uri()


def installed(python):
    code = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()))"
    command = [python, "-c", code]
    return set(subprocess.run(command, cwd=python.parent, capture_output=True, text=True, check=True).stdout.split())


def test_setup_with_the_course_only_names_the_device(setup_cell):
    assert re.fullmatch(r"Training runs on .*\.\n", setup_cell(sys.executable))


def test_setup_without_network_says_so_in_one_sentence(tmp_path, setup_cell):
    python = python_without_course(tmp_path / "venv")
    before = installed(python)
    said = setup_cell(python)
    assert said == (
        "Installing deepul_utils ...\nIt cannot be downloaded without a network: connect, then run this cell again.\n"
    )
    assert installed(python) == before


def test_setup_on_colab_adds_the_course_and_nothing_else(tmp_path, setup_cell, archive):
    python = python_without_course(tmp_path / "venv", **COLAB)
    before = installed(python)
    assert {f"{name}=={version}" for name, version in COLAB.items()} <= before
    said = setup_cell(python, archive)
    assert re.fullmatch(r"Installing deepul_utils \.\.\.\nTraining runs on .*\.\n", said)
    assert installed(python) - before == {f"deepul_utils=={PROJECT['version']}"}
    assert before <= installed(python)


def test_setup_leaves_a_numpy_that_is_too_old_alone(tmp_path, setup_cell, archive):
    python = python_without_course(tmp_path / "venv", numpy="1.20.0")
    before = installed(python)
    said = setup_cell(python, archive)
    assert "Cannot install deepul-utils" in said
    assert "numpy==1.20.0" in said
    assert "network" not in said
    assert installed(python) == before


def test_core_asks_for_what_colab_has():
    core = [Requirement(line) for line in PROJECT["dependencies"]]
    assert {requirement.name for requirement in core} <= set(COLAB)
    assert [str(r) for r in core if not r.specifier.contains(Version(COLAB[r.name]))] == []
