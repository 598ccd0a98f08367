"""The command `deepul`: what a reader, a student and an instructor of the course type."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(
    name="deepul",
    epilog="`deepul COMMAND --help` explains a command and shows examples.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
console = Console()

# Commands import what they need when they are called: `deepul --help` must not wait for torch.

STUDENT = "For students"
INSTRUCTOR = "For instructors"
BOOK = "For authors of the book"


def fail(message: str) -> typer.Exit:
    """Print one sentence in red on stderr and return the exception to raise."""
    Console(stderr=True).print(message, style="red", markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(1)


@app.callback()
def deepul() -> None:
    """A course on deep unsupervised learning: its book, its homework and its grader."""


@app.command(rich_help_panel=INSTRUCTOR)
def release(
    week: Annotated[str | None, typer.Argument(help="A week such as `week1`; every week where not given.")] = None,
) -> None:
    """Make `exercises/` from `solutions/`: the same homework without its solutions.

    Looks through every notebook first and changes nothing where one has a mistake.

    **Example:** `deepul release week1`
    """
    from deepul_utils.course.release import HomeworkError, release_weeks

    try:
        for notebook in release_weeks(Path.cwd(), week):
            console.print(f"[green]✓[/] {notebook}")
    except HomeworkError as error:
        raise fail(str(error)) from None


if __name__ == "__main__":
    app()
