"""The matrix beside a broken law shows each wrong entry, on a page and to those who cannot see it."""

import base64
import html
import io
import re

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from deepul_utils.checks import laws
from deepul_utils.checks.card import FAILED, Row, card
from deepul_utils.checks.laws import LawBroken
from deepul_utils.checks.picture import dependencies
from deepul_utils.checks.question import Question
from deepul_utils.checks.student import NotebookStudent
from deepul_utils.grading.safe_html import clean


def drawn(picture):
    """The image, and its alternative text."""
    source, alt = re.match(r'<img src="data:image/png;base64,([^"]+)" [^>]*alt="([^"]*)">', picture).groups()
    return imread(io.BytesIO(base64.b64decode(source))), html.unescape(alt)


def middles(image, dims):
    cell = len(image) // dims
    return image[cell // 2 :: cell, cell // 2 :: cell]


@pytest.mark.parametrize("dims", [2, 5, 30, 100])
def test_each_entry_has_its_colour(dims):
    due = np.tri(dims, k=-1, dtype=bool)
    sees = due.copy()
    sees[0, 0], sees[dims - 1, 0] = True, False
    image, alt = drawn(dependencies(sees, due, np.arange(dims)))
    colours = middles(image, dims)
    red = np.isclose(colours[..., :3], to_rgb(FAILED), atol=0.01).all(-1) & (colours[..., 3] > 0.9)
    assert red[0, 0]
    assert red.sum() == 1 + (dims > 37)  # a frame around what is missing, while there is room for one
    assert (colours[..., 3] > 0.9).sum() == sees.sum() + (dims > 37)
    frame = image[-(len(image) // dims) :, : len(image) // dims]
    assert np.isclose(frame[..., :3], to_rgb(FAILED), atol=0.01).all(-1).any()
    assert alt == (
        f"Matrix of which output sees which input, wrong in 2 places: "
        f"output 0 sees input 0, output {dims - 1} misses input 0."
    )


def test_in_its_ordering_a_right_matrix_is_triangular():
    order = np.array([2, 0, 1])
    due = order < order[:, None]
    image, alt = drawn(dependencies(due, due, order))
    assert np.array_equal(middles(image, 3)[..., 3] > 0.9, np.tri(3, k=-1))
    assert "wrong in 0 places" in alt


def test_what_is_too_large_is_not_drawn():
    assert dependencies(*np.ones((2, 300, 300), dtype=bool), np.arange(300)) == ""


def test_the_failed_case_carries_it_to_the_card_and_through_the_cleaner():
    def body(student, case, seed):
        with case("triangular"):
            laws.autoregressive(student.f, np.random.default_rng(0).normal(size=(4, 3)))

    outcome = Question("pictures.made", 1, (), body).judge(NotebookStudent({"f": lambda x: np.cumsum(x, 1)}))
    [case] = outcome.as_dict()["cases"]
    assert case["message"] == "output 0 sees input 0, which does not come before it"
    shown = outcome._repr_mimebundle_()["text/html"]
    assert case["picture"]
    assert case["picture"] in shown
    assert drawn(re.search(r"<img.*", clean(shown))[0])[1].startswith(
        "Matrix of which output sees which input, wrong in 3"
    )
    earlier = NotebookStudent({"f": lambda x: np.cumsum(np.pad(x, ((0, 0), (1, 0))), 1)[:, :-1]})
    passing = Question("pictures.made", 1, (), body).judge(earlier)
    assert passing.cases[0].picture == ""


def test_a_message_that_comes_again_is_not_drawn_again():
    shown = card("two", 0, 1, [Row(False, "a", "alike", "<img>"), Row(False, "b", "alike", "<img>")])
    assert shown.count("<img>") == 1


def test_a_law_without_a_picture_has_none():
    assert LawBroken("no").picture == ""
