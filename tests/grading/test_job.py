"""What is kept of judging is found again by all that decides how a notebook is judged, and by nothing else."""

import dataclasses
import importlib
import sys

import pytest
import tiny_homework

from deepul_utils.grading.job import Job, source_version
from deepul_utils.grading.record import JudgeCells
from deepul_utils.grading.settings import load

JOB = Job("sums", "[]", {"a": b"1"}, timeout=8.0, seed=3, sandbox="none", checks=("tiny_homework",), version="0")
OTHERWISE = [
    {"homework": "products"},
    {"cells": '[["x", null]]'},
    {"files": {"a": b"2"}},
    {"files": {"b": b"1"}},
    {"files": {}},
    {"timeout": 8.5},
    {"seed": 4},
    {"sandbox": "bubblewrap"},
    {"version": "1"},
]


@pytest.mark.parametrize("changed", OTHERWISE, ids=str)
def test_whatever_decides_is_in_the_key(changed):
    assert dataclasses.replace(JOB, **changed).key != JOB.key
    assert dataclasses.replace(JOB).key == JOB.key


def test_no_field_was_forgotten():
    """The modules of the checks follow from the homework, and their source is in the version."""
    named = {name for changed in OTHERWISE for name in changed}
    assert named == {field.name for field in dataclasses.fields(Job)} - {"checks"}


def test_the_same_notebook_of_two_students_is_judged_once(course):
    config = load(course.root, course.root)

    def key(student, **answers):
        notebook = course.answered(**answers)
        folder = course.submit(student, notebook).parent
        return JudgeCells(config=config).job(notebook, "sums", folder).key

    assert key("ada") == key("ben") != key("ben", half="    return x // 2")


def test_the_version_follows_the_checks_source(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / "checks_of_a_test.py"
    file.write_text("THRESHOLD = 1.5\n")
    importlib.import_module(file.stem)
    try:
        hash_now = source_version.__wrapped__  # which is kept for a run
        before = hash_now((file.stem,))
        assert before == hash_now((file.stem,)) != hash_now((tiny_homework.__name__,))
        file.write_text("THRESHOLD = 1.6\n")
        assert hash_now((file.stem,)) != before
    finally:
        del sys.modules[file.stem]
