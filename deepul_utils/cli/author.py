"""Commands for authors of the book."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deepul_utils.cli.terminal import app, console, fail, told

# A command imports what it needs when it is called: `deepul --help` must not wait for torch.

BOOK = "For authors of the book"


@app.command(rich_help_panel=BOOK)
def book(
    execute: Annotated[
        bool, typer.Option("--execute", help="Run every chapter again first, and keep its new outputs.")
    ] = False,
) -> None:
    """Build the site into `_build/html`.

    The chapters' committed outputs are used as they are, so this takes seconds. Any warning stops it.

    **Example:** `deepul book`
    """
    from rich.progress import Progress

    from deepul_utils.course import book as site
    from deepul_utils.course import notebooks

    root = Path.cwd()
    with told(site.BookError, notebooks.NotebookError), Progress(console=console, transient=True) as bar:
        task = bar.add_task("", total=1)

        def show(page: str, done: float) -> None:
            bar.update(task, description=page, completed=done)

        if execute:
            notebooks.execute(notebooks.chapters(root), show)
        page = site.build(root, progress=show)
    console.print(f"[green]✓[/] The book is built; open [bold]{page.relative_to(root)}[/] in a browser.")


@app.command(rich_help_panel=BOOK)
def lint(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Notebooks; all of `book/` and `solutions/` where none are given.")
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Repair what needs no thought first.")] = False,
) -> None:
    """Look notebooks through: header, ids, outputs, alt text, stored explorables, what nbgrader needs.

    **Example:** `deepul lint --fix book/week1_likelihood/histograms.ipynb`
    """
    from deepul_utils.course import notebooks

    files = files or notebooks.chapters(Path()) + notebooks.homework(Path())
    if not files:
        raise fail("there are no notebooks in book/ and solutions/ here; go to the folder of the course and try again")
    if problems := notebooks.lint(files, fix):
        raise fail("\n".join(problems))
    console.print(f"[green]✓[/] {len(files)} notebook{'s' * (len(files) != 1)} without a mistake")


@app.command(rich_help_panel=BOOK)
def train(
    recipe: Annotated[str | None, typer.Argument(help="A recipe; without one, all are listed.")] = None,
    results: Annotated[Path, typer.Option(help="The folder of the result.")] = Path("book/results"),
    runs: Annotated[Path, typer.Option(help="The folder of the checkpoints; on Colab, one on Google Drive.")] = Path(
        "runs"
    ),
) -> None:
    """Train a recipe, from three seeds where it is a short one, and write its losses to `book/results/RECIPE.json`.

    Give the command again after an interruption, and it goes on where it was and ends with the same losses.

    **Example:** `deepul train histogram-one-bump`
    """
    from rich.table import Column, Table

    from deepul_utils.course.recipes import RECIPES, measure
    from deepul_utils.training import CheckpointError, describe_device

    if recipe is None:
        table = Table(Column("Recipe", no_wrap=True), "What it trains", "Loss to meet", box=None)
        for name, one in RECIPES.items():
            table.add_row(name, one.about, f"{one.published[0]:.4f} {one.unit}" if one.published else "none published")
        console.print(table)
        return
    if recipe not in RECIPES:
        raise fail(f"there is no recipe {recipe}; there are {', '.join(RECIPES)}")
    if not results.parent.is_dir():
        raise fail(f"there is no folder {results.parent}: go to the folder of the course, or name one with --results")
    console.print(describe_device())
    with told(CheckpointError, FloatingPointError):
        result = measure(
            recipe,
            results,
            runs,
            lambda run: console.print(f"seed {run['seed']}: {run['test_loss']:.4f} after {run['seconds']:.1f} s"),
        )
    published = f"; published {result['published']['test_loss']:.4f}" if result["published"] else ""
    floor = "" if result["floor"] is None else f"; the true law has {result['floor']:.4f}"
    console.print(f"mean {result['test_loss']:.4f} {result['unit']}{published}{floor}")
    console.print(f"[green]✓[/] {results / recipe}.json", soft_wrap=True)
