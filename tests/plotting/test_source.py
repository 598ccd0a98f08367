"""A chapter shows the library's real source."""

import inspect
import math

import pytest

from deepul_utils.models import histogram
from deepul_utils.plotting.source import show_source


@pytest.mark.parametrize("obj", [histogram, histogram.Histogram, histogram.empirical])
def test_shows_the_source_and_the_file(obj):
    shown = show_source(obj).data
    path, fence, *lines, end = shown.splitlines()[:1] + shown.splitlines()[2:]
    assert (path, fence, end) == ("`deepul_utils/models/histogram.py`", "```python", "```")
    assert "\n".join(lines) == inspect.getsource(obj).rstrip()


def test_a_method_is_shown_from_the_margin():
    assert "```python\ndef log_prob(self, x" in show_source(histogram.Histogram.log_prob).data


def test_names_the_remedy_for_what_has_no_source():
    with pytest.raises(TypeError, match="pass a function"):
        show_source(math)
