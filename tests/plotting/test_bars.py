"""Bars show the numbers they were given."""

import matplotlib.colors
import matplotlib.pyplot as plt
import pytest
import torch

from deepul_utils.plotting.bars import bars
from deepul_utils.plotting.style import COLOURS


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def test_the_first_law_is_bars_and_the_others_are_outlines():
    ax = bars(data=[0.25, 0.75], truth=[0.4, 0.6])
    assert [bar.get_height() for bar in ax.patches[:2]] == [0.25, 0.75]
    assert [bar.get_x() + bar.get_width() / 2 for bar in ax.patches[:2]] == [0, 1]
    (outline,) = ax.patches[2:]
    assert outline.get_data().values.tolist() == [0.4, 0.6]
    assert outline.get_data().edges.tolist() == [-0.5, 0.5, 1.5]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["data", "truth"]


def test_a_law_keeps_its_colour_whatever_stands_beside_it():
    alone, beside = bars(model=torch.tensor([0.5, 0.5])), bars(data=[0.5, 0.5], model=[0.1, 0.9])
    for colour in (alone.patches[0].get_facecolor(), beside.patches[2].get_edgecolor()):
        assert matplotlib.colors.to_hex(colour) == COLOURS["model"]
    assert alone.get_legend() is None


def test_draws_where_it_is_told_with_the_labels_it_is_given():
    ax = plt.subplots()[1]
    assert bars(data=[1.0], model=[1.0], labels={"data": "train"}, ax=ax) is ax
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["train", "model"]


@pytest.mark.parametrize("laws", [{}, {"data": [0.5, 0.5], "truth": [1.0]}, {"data": [[0.5, 0.5]]}])
def test_refuses_laws_of_several_shapes_or_none(laws):
    with pytest.raises(ValueError, match=r"same shape \(K,\)"):
        bars(**laws)
