"""The build: quick when nothing changed, from nothing when something could be stale, one sentence when it fails."""

import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from typer.testing import CliRunner

from deepul_utils.cli import app
from deepul_utils.course import book
from deepul_utils.course.book import BookError, build

ROOT = Path(__file__).parents[2]

INTRO = """# A small book

See [Shannon (1948)](references.md#shannon1948) and the [chapter](chapter.ipynb).

> **Pitfall.** Mind the *edge* bins.
>
> Both of them.

> **In short.** Count.

> A quotation.
"""


@pytest.fixture(scope="module")
def small_book(tmp_path_factory):
    """A book of three pages with the configuration of the real one, built once."""
    root = tmp_path_factory.mktemp("book").resolve()
    (root / "book").mkdir()
    shutil.copytree(ROOT / "book" / "_static", root / "book" / "_static")
    for name in ("_config.yml", "book/references.bib", "book/references.md"):
        shutil.copy(ROOT / name, root / name)
    (root / "book" / "intro.md").write_text(INTRO)
    write_chapter(root, "Some text.")
    write_toc(root, "chapter", "references")
    build(root)
    return root


@pytest.fixture
def copy(small_book, tmp_path):
    """A built book of this test's own."""
    return Path(shutil.copytree(small_book, tmp_path / "copy", copy_function=shutil.copy2)).resolve()


def write_chapter(root, text):
    cells = [
        new_markdown_cell("# Chapter", id="title"),
        new_code_cell("# NBVAL_CHECK_OUTPUT\n\n1 + 1", id="sum"),
        new_markdown_cell(text, id="text"),
    ]
    notebook = new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})
    nbformat.write(notebook, root / "book" / "chapter.ipynb")


def write_toc(root, *pages):
    lines = ["format: jb-book", "root: book/intro", "chapters:", *(f"  - file: book/{page}" for page in pages)]
    (root / "_toc.yml").write_text("\n".join(lines))


def test_unchanged_pages_are_not_written_again(small_book):
    pages = list((small_book / "_build/html/book").glob("*.html"))
    before = {page: page.stat().st_mtime_ns for page in pages}
    seen = []
    opened = build(small_book, progress=lambda page, done: seen.append((page, done)))
    assert opened == small_book / "_build/html/index.html"
    assert "url=book/intro.html" in opened.read_text()
    assert len(pages) == 3
    assert {page: page.stat().st_mtime_ns for page in pages} == before
    assert seen == []


def test_markdown_boxes_and_references(small_book):
    intro = (small_book / "_build/html/book/intro.html").read_text()
    assert 'href="references.html#shannon1948"' in intro
    assert 'id="shannon1948"' in (small_book / "_build/html/book/references.html").read_text()
    pitfall = intro[intro.index('<div class="warning admonition">') :].split("</div>")[0]
    assert "Pitfall</p>" in pitfall
    assert "Mind the <em>edge</em> bins.</p>\n<p>Both of them.</p>" in pitfall
    assert intro.count("admonition-title") == 2
    assert intro.count("<blockquote>") == 1


def test_readers_do_not_see_the_mark_of_nbval(small_book):
    chapter = (small_book / "_build/html/book/chapter.html").read_text()
    assert '<pre><span></span><span class="mi">1</span> <span class="o">+</span>' in chapter
    assert "NBVAL" not in chapter


def test_what_is_gone_from_the_book_is_gone_from_the_site(copy):
    (copy / "book/intro.md").write_text("# A small book")
    (copy / "book/_static/favicon.svg").write_text("<svg/>")
    (copy / "book/_static/explorables.js").unlink()
    (copy / "_config.yml").write_text((copy / "_config.yml").read_text().replace("html_js_files: [explorables.js]", ""))
    write_toc(copy, "references")
    seen = []
    build(copy, progress=lambda page, done: seen.append((page, done)))
    html = copy / "_build/html"
    assert sorted(path.name for path in (html / "book").iterdir()) == ["intro.html", "references.html"]
    assert (html / "_static/favicon.svg").read_text() == "<svg/>"
    assert not (html / "_static/explorables.js").exists()
    assert [done for _, done in seen] == [0.25, 0.5, 0.75, 1.0]
    assert seen[0][0] == "book/intro"


def test_a_warning_stops_the_build_until_it_is_repaired(copy, monkeypatch):
    write_chapter(copy, "One line.\n\nA [link](nowhere.md).")
    sentence = r"^the book was not built: book/chapter\.ipynb, cell 3, line 3: WARNING: .*nowhere\.md"
    with pytest.raises(BookError, match=sentence) as failure:
        build(copy)
    assert "\n" not in str(failure.value)

    monkeypatch.chdir(copy)
    result = CliRunner().invoke(app, ["book"])  # must not pass over the page that the first build has read
    assert result.exit_code == 1
    assert "nowhere.md" in result.output

    write_chapter(copy, "Repaired.")
    result = CliRunner().invoke(app, ["book"])
    assert result.exit_code == 0
    assert "_build/html/index.html" in result.output


def test_a_page_that_is_missing(copy):
    write_toc(copy, "chapter", "references", "lost")
    with pytest.raises(BookError, match=r"the book was not built: .*book/lost"):
        build(copy)


def test_a_broken_table_of_contents(copy):
    (copy / "_toc.yml").write_text("format: jb-book\nroot: book/intro\nchapters: 3\n")
    with pytest.raises(
        BookError, match=r"not built: RuntimeError: The Table of Contents file is malformed: .*chapters"
    ):
        build(copy)


def test_outside_the_course(tmp_path):
    with pytest.raises(BookError, match=r"there is no _toc\.yml in .*; go to the folder of the course"):
        build(tmp_path)


def test_without_jupyter_book(small_book, monkeypatch):
    def missing(package):
        raise book.PackageNotFoundError(package)

    monkeypatch.setattr(book, "version", missing)
    with pytest.raises(BookError, match=r"jupyter-book is not installed; try: pip install 'deepul_utils\[book\]'"):
        build(small_book)
