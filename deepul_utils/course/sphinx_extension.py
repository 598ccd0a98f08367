"""What the book asks of Sphinx beyond Jupyter Book: boxes from plain Markdown, references by key, code for readers."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform

BOXES = {"In short.": "tip", "Pitfall.": "warning"}


class Boxes(SphinxTransform):
    """Turn a blockquote that begins with **Pitfall.** or **In short.** into a box, so that notebooks stay Markdown."""

    default_priority = 500

    def apply(self, **kwargs: Any) -> None:
        for quote in list(self.document.findall(nodes.block_quote)):
            heading = quote.next_node(nodes.strong)
            if heading is None or heading.astext() not in BOXES or not quote.astext().startswith(heading.astext()):
                continue
            heading.parent.remove(heading)
            title = nodes.title("", heading.astext().removesuffix("."))
            quote.replace_self(nodes.admonition("", title, *quote.children, classes=[BOXES[heading.astext()]]))


class CodeForReaders(SphinxTransform):
    """Drop the mark by which nbval knows the cells that state a number."""

    default_priority = 500

    def apply(self, **kwargs: Any) -> None:
        for code in self.document.findall(nodes.literal_block):
            if code.rawsource.startswith("# NBVAL_CHECK_OUTPUT\n"):
                text = code.astext().partition("\n")[2].lstrip("\n")
                code.rawsource, code.children = text, [nodes.Text(text)]


def name_references(app: Sphinx, env: BuildEnvironment) -> None:
    """Let Markdown link to an entry of the bibliography by its key: `../references.md#shannon1948`."""
    for place, bibliography in env.get_domain("cite").bibliographies.items():  # type: ignore[attr-defined]
        anchors = env.metadata[place.docname].setdefault("myst_slugs", {})
        anchors.update({key: (0, key, key) for key in bibliography.citation_nodes})


def setup(app: Sphinx) -> dict[str, Any]:
    """Register all three with Sphinx."""
    app.add_transform(Boxes)
    app.add_transform(CodeForReaders)
    app.connect("env-updated", name_references)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
