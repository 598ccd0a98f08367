"""Whatever of a submission is a notebook is read, and a file that is none is named in a sentence."""

import json

import nbformat
import pytest

from deepul_utils.grading import notebook
from deepul_utils.grading.notebook import UnreadableNotebook, parse


def document(*cells, **more):
    return json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **more})


def code(source, **metadata):
    return {"cell_type": "code", "source": source, "metadata": metadata, "outputs": [], "execution_count": None}


def test_a_clean_notebook_keeps_its_cells():
    made = parse(document(code("1\n"), {"cell_type": "markdown", "source": ["a", "b"], "metadata": {}}))
    nbformat.validate(made)
    assert [(cell.cell_type, cell.source) for cell in made.cells] == [("code", "1\n"), ("markdown", "ab")]


def test_of_metadata_only_the_grade_id_is_kept():
    marks = {"grade_id": "a-b", "grade": False, "points": 99, "schema_version": 17}
    made = parse(
        document(code("1", nbgrader=marks, tags=["skip-execution"], colab={}, id="x"), metadata={"widgets": {}})
    )
    assert made.cells[0].metadata == {"nbgrader": {"grade_id": "a-b"}}
    assert made.metadata == {}


def test_colabs_form_is_read():
    """nbformat_minor 0, no ids on the cells but in their metadata, widgets without a state."""
    cell = code("1", id="Xy_z", outputId="q")
    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["1"]}]
    colab = {"colab": {"provenance": []}, "widgets": {"application/vnd.jupyter.widget-state+json": {"a": 1}}}
    made = parse(document(cell, nbformat_minor=0, metadata=colab))
    nbformat.validate(made)
    assert made.cells[0].outputs == []


def test_pictures_in_a_written_answer_are_kept():
    cell = {"cell_type": "markdown", "source": "![](attachment:a.png)", "metadata": {}}
    made = parse(document(cell | {"attachments": {"a.png": {"image/png": "iVBO"}, "b": 3, "c": {"image/png": 3}}}))
    nbformat.validate(made)
    assert made.cells[0].attachments == {"a.png": {"image/png": "iVBO"}}


@pytest.mark.parametrize(
    "cell",
    [
        3,
        None,
        [],
        {},
        {"cell_type": "heading", "source": "a"},
        {"cell_type": ["code"], "source": "a"},
        {"cell_type": "code"},
        {"cell_type": "code", "source": 3},
        {"cell_type": "code", "source": ["a", 3]},
    ],
)
def test_what_is_no_cell_is_left_out(cell):
    made = parse(document(code("1"), cell, code("2")))
    nbformat.validate(made)
    assert [cell.source for cell in made.cells] == ["1", "2"]


@pytest.mark.parametrize("metadata", [3, None, [], {"nbgrader": 3}, {"nbgrader": {}}, {"nbgrader": {"grade_id": 3}}])
def test_odd_metadata_is_left_out(metadata):
    made = parse(document({"cell_type": "code", "source": "1", "metadata": metadata}))
    nbformat.validate(made)
    assert made.cells[0].metadata == {}


def test_a_byte_order_mark_does_no_harm():
    assert len(parse("\ufeff" + document(code("1"))).cells) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (" \n\t", "is empty"),
        ("<!DOCTYPE html><html>", "is a web page, not the notebook itself"),
        (document(code("1"))[:-40], "is damaged: it is no valid JSON from line 1 on"),
        ('{\n"cells": [\n', "is damaged: it is no valid JSON from line 3 on"),
        ("PK\x03\x04", "is damaged"),
        ("[" * 100_000, "is damaged: it is no valid JSON"),
        ("[]", "is no notebook: it has no list of cells"),
        ("3", "is no notebook"),
        ('{"cells": {}}', "is no notebook"),
        ('{"worksheets": []}', "is no notebook"),
    ],
)
def test_a_file_that_is_no_notebook_is_named(text, message):
    with pytest.raises(UnreadableNotebook, match=message):
        parse(text)


def test_a_huge_file_is_not_parsed(monkeypatch):
    monkeypatch.setattr(notebook, "SIZE_LIMIT", 1_000_000)
    with pytest.raises(UnreadableNotebook, match="is larger than 1 MB"):
        parse("[" + "0," * 500_001)
