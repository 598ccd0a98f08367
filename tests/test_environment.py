"""pyproject.toml, environment.yml and constraints.txt ask for the same packages."""

import tomllib
from importlib.metadata import version
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
ASKED = [Requirement(r) for group in (PROJECT["dependencies"], *EXTRAS.values()) for r in group]
ASKED = {r.name: r.specifier for r in ASKED if r.name != PROJECT["name"]}
CONDA_NAMES = {"pytorch": "torch"}


def test_dev_is_all_extras():
    (everything,) = map(Requirement, EXTRAS["dev"])
    assert everything.extras == EXTRAS.keys() - {"dev"}


def test_conda_gets_the_same_packages():
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    by_pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    assert by_pip[-1] == "--editable ."
    named = [Requirement(entry) for entry in [*entries[:-1], *by_pip[:-1]]]
    given = {CONDA_NAMES.get(r.name, r.name): r.specifier for r in named}
    assert str(given.pop("python")) == PROJECT["requires-python"]
    del given["pip"]
    assert given == ASKED


def test_constraints_pin_every_package_within_its_range():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pins = {canonicalize_name(name): pin for name, pin in (line.split("==") for line in lines)}
    assert {name: pins.get(name) for name in ASKED if not ASKED[name].contains(pins.get(name, "0"))} == {}


def test_version_has_a_section_in_the_changelog():
    assert f"\n## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_installed_version_is_the_one_of_pyproject():
    assert version(PROJECT["name"]) == PROJECT["version"], "run `make test`, which installs what pyproject.toml says"
