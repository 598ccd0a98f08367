"""What README and CONTRIBUTING tell people to type and to open is there."""

import re
import subprocess
from pathlib import Path

import pytest
import typer

from deepul_utils.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "book/how_to_use.md")]
TEXTS = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
CODE = {name: "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL)) for name, text in TEXTS.items()}


@pytest.mark.parametrize("name", TEXTS)
def test_make_targets_exist(name):
    targets = re.findall(r"\bmake ([a-z]+)", CODE[name])
    for target in targets:
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("name", TEXTS)
def test_deepul_commands_exist(name):
    commands = set(typer.main.get_command(app).commands)
    assert set(re.findall(r"\bdeepul ([a-z]+)", CODE[name])) <= commands


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_and_named_files_exist(name):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", TEXTS[name])
    files = re.findall(r"\b(?:book|deepul_utils|exercises|solutions|tests)/[\w./]*[\w/]", CODE[name])
    assert [path for path in [*links, *files] if not (ROOT / path).exists()] == []


def test_the_two_commands_and_the_list_are_what_readme_says():
    listed = subprocess.run(["make"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    targets = re.findall(r"^  (\w+) {2,}\w", listed, re.MULTILINE)
    assert {"demo", "test", "book", "release", "lint", "execute", "clean"} == set(targets)


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_public_address_stands_in_one_place(page):
    assert "github.com" not in page.read_text(encoding="utf-8")
