"""What students write and show, as HTML that runs nothing: on feedback pages and in formgrader."""

from __future__ import annotations

import functools
import re
import secrets
from html import escape
from typing import Any

from bleach.css_sanitizer import ALLOWED_CSS_PROPERTIES, CSSSanitizer  # type: ignore[import-untyped]
from bleach.sanitizer import ALLOWED_TAGS, Cleaner  # type: ignore[import-untyped]
from jinja2 import pass_context
from jinja2.runtime import Context
from nbconvert.exporters import HTMLExporter
from nbconvert.filters import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode

from deepul_utils.grading.formulas import mathml
from deepul_utils.grading.kernel import SHOWN

_HEADINGS = {f"h{level}" for level in range(1, 7)}
_TABLES = {"table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td"}
_TEXT = {"p", "br", "hr", "div", "span", "pre", "sub", "sup", "s", "del", "details", "summary", "img", "dl", "dt", "dd"}
_CARD = {"border-left", "display", "gap", "margin", "margin-bottom", "max-width", "min-width", "opacity"}
_CARD |= {"overflow-wrap", "padding"}  # what a check's card is styled with
_LINK = re.compile(r"(https?:|mailto:)[^\s]*|[^:]*", re.IGNORECASE)  # nothing with a colon that is no such address
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[\w+/=\s]*|[^:/\\][^:]*", re.ASCII)  # from no other host
_TAGS_LIMIT = 4000  # to clean nested tags takes their number squared
_LENGTH_LIMIT = 400_000


def _allowed(tag: str, name: str, value: str) -> bool:
    if name in ("class", "style", "title"):
        return True
    if tag == "a" and name == "href":
        return _LINK.fullmatch(value) is not None
    if tag == "img" and name == "src":
        return _PICTURE.fullmatch(value) is not None
    if tag == "img" and name in ("alt", "width", "height"):
        return True
    return (tag in _HEADINGS and name == "id") or (tag in _TABLES and name in ("align", "colspan", "rowspan"))


@functools.cache
def _cleaner() -> Cleaner:
    return Cleaner(
        tags=ALLOWED_TAGS | _HEADINGS | _TABLES | _TEXT,
        attributes=_allowed,
        protocols={"http", "https", "mailto", "data"},
        css_sanitizer=CSSSanitizer(allowed_css_properties=ALLOWED_CSS_PROPERTIES | _CARD),
    )


def clean(html: str) -> str:
    """`html` with what could run, load or cover anything shown as text or left out.

    Example:
        >>> clean('<b onclick="steal()">twice</b><script>steal()</script>')
        '<b>twice</b>&lt;script&gt;steal()&lt;/script&gt;'
    """
    if len(html) > _LENGTH_LIMIT or html.count("<") > _TAGS_LIMIT:
        return f"<pre>{escape(html[:10_000])}\n... more than a page shows ...</pre>"
    without_styles = re.sub(r"<style\b[^<]*</style>", "", html, flags=re.IGNORECASE)  # those of pandas' tables
    return str(_cleaner().clean(without_styles))


@pass_context
def markdown2html(context: Context, source: str) -> str:
    """The filter of that name in nbconvert's templates, cleaned."""
    if len(source) > _LENGTH_LIMIT:
        return clean(source)
    return _page(source, context.get("cell", {}).get("attachments", {}))


def _page(source: str, attachments: Any = ()) -> str:
    renderer = _Renderer(escape=False, attachments=dict(attachments))
    return renderer.with_formulas(clean(MarkdownWithMath(renderer=renderer).render(source)))


class _Renderer(IPythonRenderer):
    """Leaves a mark for each formula, which nobody can guess, and puts MathML there once the page is clean."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._mark = f"formula{secrets.token_hex(8)}n"
        self._formulas: list[str] = []

    def with_formulas(self, html: str) -> str:
        """The cleaned page with its formulas; none where a mark came into a tag, as that of a heading into its id."""
        shown = re.sub(r"<[^<>]*>", lambda tag: re.sub(rf"{self._mark}\d+;", "", tag[0]), html)
        return re.sub(rf"{self._mark}(\d+);", lambda mark: self._formulas[int(mark[1])], shown)

    def _keep(self, formula: str) -> str:
        self._formulas.append(formula)
        return f"{self._mark}{len(self._formulas) - 1};"

    def inline_math(self, body: str) -> str:
        return self._keep(mathml(body))

    def block_math(self, body: str) -> str:
        return self._keep(mathml(body, "block"))

    def latex_environment(self, name: str, body: str) -> str:
        return self._keep(mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block"))


class Pages(HTMLExporter):
    """HTMLExporter without its second reading of every page, which takes longer than all the rest.

    That one looks for pictures without a text, which is done here too, and for cells that these pages do not have.
    """

    def from_notebook_node(self, nb: NotebookNode, resources: Any = None, **kw: Any) -> Any:
        """Convert a notebook."""
        lexer = nb.metadata.get("language_info", {}).get("pygments_lexer")
        self.register_filter("highlight_code", Highlight2HTML(pygments_lexer=lexer, parent=self))
        html, resources = super(HTMLExporter, self).from_notebook_node(nb, self._init_resources(resources), **kw)
        described = 'alt="No description has been provided for this image"'
        return re.sub(r"<img (?![^>]*\balt=)", f"<img {described} ", html), resources


class CleanOutputs(Preprocessor):
    """Leaves of each output what can be shown safely."""

    def preprocess_cell(self, cell: NotebookNode, resources: Any, index: int) -> tuple[NotebookNode, Any]:
        """Clean the outputs of one cell."""
        for output in cell.get("outputs", ()):
            if "data" not in output:
                continue
            output.metadata = NotebookNode()  # a picture's width reaches the page without quotes
            output.data = NotebookNode({mime: data for mime, data in output.data.items() if mime in SHOWN})
            if "text/latex" in output.data and len(output.data["text/latex"]) < _LENGTH_LIMIT:
                output.data["text/markdown"] = output.data.pop("text/latex")  # formulas are shown there
            if "text/html" in output.data:
                output.data["text/html"] = clean(output.data["text/html"])
        return cell, resources
