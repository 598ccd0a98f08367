"""Formulas are MathML in which nothing of a student's runs; the homework's own are all shown."""

import re
from pathlib import Path

import nbformat
import pytest

from deepul_utils.grading import safe_html
from deepul_utils.grading.formulas import mathml

ROOT = Path(__file__).parents[2]


def homework():
    return sorted((ROOT / "solutions").glob("*/*.ipynb"))


@pytest.mark.parametrize("path", homework(), ids=lambda path: path.stem)
def test_every_formula_of_the_homework_is_shown(path):
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
    formulas = re.findall(r"\$\$(.+?)\$\$|\$([^$]+?)\$", "\n\n".join(cells), re.DOTALL)
    pages = "".join(safe_html._page(cell) for cell in cells)
    assert pages.count("<math ") >= len(formulas)
    assert [inline for display, inline in formulas if "<code>" in mathml(display or inline)] == []
    assert "&amp;" not in re.sub(r"<(pre|code)\b.*?</\1>", "", pages, flags=re.DOTALL)  # of an unknown alignment


@pytest.mark.parametrize(
    "tex",
    [
        r"\href{javascript:alert(1)}{x}",
        r"\text{<script>alert(1)</script>}",
        r"\style{background:url(//x)}{x}",
        r"\class{page}{x}",
        r"\text{' onload=alert(1) \"}",
        r"\hspace{1px onload=alert(1)}",
        "<img src=x>",
    ],
)
def test_a_formula_runs_nothing(tex):
    formula = mathml(tex)
    tags = re.findall(r"<[^>]*>", formula)
    assert all(re.fullmatch(r"</?[a-z]+( [a-z]+=[\w.%+-]+)*>", tag) for tag in tags)
    assert not re.search(r"[\"']|<(?!/?m|/?code>)", formula)
    assert not re.search(r"(href|style|class|on\w+|src)=", "".join(tags))


@pytest.mark.parametrize("tex", [r"\frac{", "x^", "{" * 1000, r"\left(" * 300, "x" * 3000])
def test_what_is_no_formula_stays_as_it_is(tex):
    assert mathml(tex) == f"<code>{tex}</code>"


def test_a_page_shows_formulas_where_they_stand():
    page = safe_html._page("Half is $\\frac{1}{2}$:\n\n\\begin{align}a &= b\\end{align}")
    assert "<p>Half is <math display=inline><mrow><mfrac>" in page
    assert "<math display=block>" in page
    heading = safe_html._page("# The $x^2$")
    assert re.fullmatch(r'<h1 id="The-">The <math .*</math><a class="anchor-link" href="#The-">.*\n?', heading)
    assert "<math" not in safe_html._page('![a $x$](x.png "$y$")')
