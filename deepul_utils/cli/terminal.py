"""What the commands share: the app, the terminal, and how a mistake is told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

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


def fail(message: str) -> typer.Exit:
    """Print one sentence in red on stderr and return the exception to raise."""
    warn(message, style="red")
    return typer.Exit(1)


def warn(message: str, style: str = "yellow") -> None:
    """Print one sentence in colour on stderr."""
    Console(stderr=True).print(message, style=style, markup=False, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def needs(extra: str) -> Iterator[None]:
    """Around a command's imports: where packages of `extra` are missing, say how to install them."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise fail(f"{error.name} is missing here; try: pip install 'deepul_utils[{extra}]'") from None


@contextlib.contextmanager
def told(*errors: type[Exception]) -> Iterator[None]:
    """Around what may fail for a reason that the user can mend: the error's own sentence is all that is said."""
    try:
        yield
    except errors as error:
        raise fail(str(error)) from None
