"""The last cell of a homework notebook: its summary, and the file that it packs here and on Colab."""

import json
import os
import sys
import types
import zipfile

import pytest
import torch
from safetensors.torch import save

from deepul_utils import checks
from deepul_utils.checks import laws
from deepul_utils.checks.question import question

RIGHT = {"double": lambda x: 2 * x, "half": lambda x: x / 2}


@pytest.fixture(autouse=True)
def sums(monkeypatch, tmp_path):
    """A notebook `sums` with two questions, in an empty folder, without a grader, Jupyter or Colab."""
    registered = {}
    monkeypatch.setattr("deepul_utils.checks.question.QUESTIONS", registered)
    monkeypatch.setattr("deepul_utils.checks.summary.QUESTIONS", registered)
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    monkeypatch.chdir(tmp_path)

    for name, factor, points in [("double", 2, 1), ("half", 0.5, 2)]:

        @question(f"sums.{name}", points=points)
        def check(student, case, seed, name=name, factor=factor):
            for x in (0, 4):
                with case(f"of {x}"):
                    laws.matches(getattr(student, name)(x), factor * x)

    return tmp_path


def unpacked(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_summary_says_what_fails_first(sums):
    summary = checks.hand_in("sums", {**RIGHT, "half": lambda x: 0})
    assert (summary.score, summary.points) == (2, 3)
    lines = str(summary).splitlines()
    assert lines[:3] == [
        "sums: 2 of 3 points",
        "✓ sums.double: 1 of 1",
        "✗ sums.half: 1 of 2  first: of 4: the answer should be 2, got 0",
    ]
    shown = summary._repr_mimebundle_()
    assert shown["text/plain"] == str(summary)
    assert "first: of 4: the answer should be 2, got 0" in shown["text/html"]


def test_packs_the_notebook_of_the_folder(sums):
    (sums / "sums.ipynb").write_bytes(b"my notebook")
    summary = checks.hand_in("sums", RIGHT)
    assert summary.packed.startswith("Packed sums.ipynb, as saved at ")
    assert unpacked("sums_hand_in.zip") == {"sums.ipynb": b"my notebook"}
    (sums / "sums.ipynb").write_bytes(b"saved again")
    checks.hand_in("sums", RIGHT)
    assert unpacked("sums_hand_in.zip") == {"sums.ipynb": b"saved again"}
    assert sorted(os.listdir()) == ["sums.ipynb", "sums_hand_in.zip"]


@pytest.mark.parametrize("frontend", ["jupyter", "vscode"])
def test_packs_the_copy_that_runs_under_the_name_that_is_asked_for(sums, monkeypatch, frontend):
    (sums / "sums.ipynb").write_bytes(b"the original")
    (sums / "sums-Copy1.ipynb").write_bytes(b"what I worked on")
    copy = str(sums / "sums-Copy1.ipynb")
    if frontend == "jupyter":
        monkeypatch.setenv("JPY_SESSION_NAME", copy)
    names = {"__vsc_ipynb_file__": copy} if frontend == "vscode" else {}
    assert "Packed sums-Copy1.ipynb" in checks.hand_in("sums", {**RIGHT, **names}).packed
    assert unpacked("sums_hand_in.zip") == {"sums.ipynb": b"what I worked on"}


@pytest.mark.parametrize("there", [True, False])
def test_packs_the_weights_that_a_question_asks_for(sums, there):
    @question("sums.trained", points=1, weights="adder")
    def check(student, case, seed, weights):
        with case("loads"):
            assert weights()["w"].tolist() == [1.0]

    (sums / "sums.ipynb").write_bytes(b"my notebook")
    (sums / "other.safetensors").write_bytes(b"of another week")
    content = save({"w": torch.ones(1)})
    if there:
        (sums / "adder.safetensors").write_bytes(content)
    summary = checks.hand_in("sums", RIGHT)
    assert unpacked("sums_hand_in.zip") == {"sums.ipynb": b"my notebook"} | (
        {"adder.safetensors": content} if there else {}
    )
    assert summary.score == 4 - (not there)
    assert ("there is no adder.safetensors beside the notebook" in str(summary)) != there


def test_a_notebook_renamed_meanwhile_is_found(sums, monkeypatch):
    (sums / "sums.ipynb").write_bytes(b"renamed")
    monkeypatch.setenv("JPY_SESSION_NAME", str(sums / "Untitled.ipynb"))
    assert "Packed sums.ipynb" in checks.hand_in("sums", RIGHT).packed


def test_without_a_file_says_what_to_do(sums):
    summary = checks.hand_in("sums", RIGHT)
    assert summary.packed == "There is no sums.ipynb in this folder to pack: save the notebook, and hand in its file."
    assert os.listdir() == []


def test_a_folder_that_cannot_be_written_to_is_said(sums):
    (sums / "sums.ipynb").write_bytes(b"my notebook")
    (sums / "sums_hand_in.zip.part").mkdir()
    assert "could not be packed" in checks.hand_in("sums", RIGHT).packed


def test_while_a_grader_runs_it_does_nothing_but_say_so(sums, monkeypatch, capsys):
    (sums / "sums.ipynb").write_bytes(b"my notebook")
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert checks.hand_in("sums", RIGHT) is None
    assert capsys.readouterr().out == "This notebook is being graded: there is nothing to hand in.\n"
    assert os.listdir() == ["sums.ipynb"]


def test_another_name_is_refused(sums):
    with pytest.raises(ValueError, match="no question belongs to a notebook called 'sum'"):
        checks.hand_in("sum", RIGHT)


@pytest.fixture
def colab(monkeypatch):
    """google.colab as its public source has it: a message to the page, and a download in the browser."""
    downloads, answer = [], {"ipynb": {"cells": [], "nbformat": 4, "nbformat_minor": 0, "metadata": {"colab": {}}}}

    def blocking_request(request_type, request="", timeout_sec=5, parent=None):
        assert request_type == "get_ipynb"
        return colab.answer

    package = types.ModuleType("google.colab")
    package._message = types.SimpleNamespace(blocking_request=blocking_request)
    package.files = types.SimpleNamespace(download=downloads.append)
    monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", package)
    colab = types.SimpleNamespace(answer=answer, downloads=downloads, package=package)
    return colab


def test_on_colab_the_browser_downloads_it(sums, colab):
    (sums / "sums.ipynb").write_bytes(b"left from elsewhere")
    summary = checks.hand_in("sums", RIGHT)
    assert summary.packed == "Your browser downloads sums_hand_in.zip: hand in that file."
    assert colab.downloads == ["sums_hand_in.zip"]
    assert json.loads(unpacked("sums_hand_in.zip")["sums.ipynb"]) == colab.answer["ipynb"]


@pytest.mark.parametrize("failure", ["no answer", "no messages", "no download"])
def test_where_colab_does_not_help_it_says_how_to_download(sums, colab, failure):
    if failure == "no answer":
        colab.answer = None  # what Colab's own function returns when the time is up
    elif failure == "no messages":
        del colab.package._message.blocking_request
    else:
        del colab.package.files.download
    summary = checks.hand_in("sums", RIGHT)
    assert "choose File > Download > Download .ipynb" in summary.packed
    assert summary.score == 3
