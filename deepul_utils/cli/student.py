"""Commands for students."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deepul_utils.cli.terminal import app, console, fail, needs, told

# A command imports what it needs when it is called: `deepul --help` must not wait for torch.

STUDENT = "For students"


@app.command(rich_help_panel=STUDENT)
def check(
    file: Annotated[Path, typer.Argument(help="A homework notebook, such as `histograms.ipynb`.")],
    timeout: Annotated[
        float, typer.Option(help="Seconds that one cell may compute; the notebook gets ten times that.")
    ] = 60,
) -> None:
    """Run a homework notebook from top to bottom and check every question, as the cells in it do.

    Ends with exit code 0 where everything passes, else with 1.

    **Example:** `deepul check histograms.ipynb`
    """
    with needs("instructor"):
        from deepul_utils.grading import report
        from deepul_utils.grading.check import CheckError
        from deepul_utils.grading.check import check as check_file

    with told(CheckError), console.status(f"Running {file.name} ..."):
        outcomes = check_file(file, timeout=timeout)
    console.print(report.questions_table(outcomes))
    score, points = sum(outcome.score for outcome in outcomes), sum(outcome.points for outcome in outcomes)
    console.print(f"{score:g} of {points:g} points")
    if score < points:
        raise typer.Exit(1)


@app.command(rich_help_panel=STUDENT)
def data(
    name: Annotated[str | None, typer.Argument(help="A data set; without one, all are listed.")] = None,
) -> None:
    """List the data sets, or load one: MNIST is downloaded if need be, and checked.

    A folder of yours that holds MNIST's files comes before a download: `export DEEPUL_DATA=FOLDER`.

    **Example:** `deepul data mnist`
    """
    from rich.table import Table

    from deepul_utils.data.catalogue import DATA_SETS
    from deepul_utils.data.mnist import DataUnavailable

    if name is None:
        table = Table("Data set", "What it is", "Where it comes from", box=None)
        for key, one in DATA_SETS.items():
            table.add_row(key, one.about, one.source)
        console.print(table)
        return
    if name not in DATA_SETS:
        raise fail(f"there is no data set {name}; there are {', '.join(DATA_SETS)}")
    with told(DataUnavailable), console.status(f"Loading {name} ..."):
        parts = DATA_SETS[name].load()
    for part, x in zip(("train", "test"), parts, strict=True):
        console.print(f"{part}: {' x '.join(map(str, x.shape))} {x.dtype}, from {x.min():.4g} to {x.max():.4g}")
