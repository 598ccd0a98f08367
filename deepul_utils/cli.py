"""The command `deepul`: what a reader, a student and an instructor of the course type."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

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


@contextlib.contextmanager
def needs(extra: str) -> Iterator[None]:
    """Around a command's imports: where packages of `extra` are missing, say how to install them."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise fail(f"{error.name} is missing here; try: pip install 'deepul_utils[{extra}]'") from None


@app.callback()
def deepul() -> None:
    """A course on deep unsupervised learning: its book, its homework and its grader."""


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
    try:
        with Progress(console=console, transient=True) as bar:
            task = bar.add_task("", total=1)

            def show(page: str, done: float) -> None:
                bar.update(task, description=page, completed=done)

            if execute:
                notebooks.execute(notebooks.chapters(root), show)
            page = site.build(root, progress=show)
    except (site.BookError, notebooks.NotebookError) as error:
        raise fail(str(error)) from None
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


@app.command(rich_help_panel=INSTRUCTOR)
def release(
    week: Annotated[str | None, typer.Argument(help="A week such as `week1`; every week where not given.")] = None,
) -> None:
    """Make `exercises/` from `solutions/`: the same homework without its solutions.

    Looks through every notebook first and changes nothing where one has a mistake.

    **Example:** `deepul release week1`
    """
    with needs("instructor"):
        from deepul_utils.course import release as homework

    root = Path.cwd()
    try:
        for folder in [homework.find_week(root, week)] if week else homework.all_weeks(root):
            for notebook in homework.release(root, folder):
                console.print(f"[green]✓[/] {notebook.relative_to(root)}")
    except homework.HomeworkError as error:
        raise fail(str(error)) from None


@app.command(rich_help_panel=INSTRUCTOR)
def grade(
    week: Annotated[str, typer.Argument(help="A week such as `week1`.")],
    course: Annotated[
        Path, typer.Option(help="The folder of `submitted/`; scores, graded notebooks and feedback go there too.")
    ] = Path(),
    student: Annotated[
        list[str] | None, typer.Option(help="Grade these only: names, or patterns such as `a*`; can be given again.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="How many notebooks to judge at once.", show_default="one for each core"),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Let a Dask cluster judge: its scheduler's address, such as `tcp://10.0.0.1:8786`."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Judge again what was judged before.")] = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            help="Seconds that one cell may compute; a notebook gets ten times that.",
            show_default="as in nbgrader_config.py, or 60",
        ),
    ] = None,
    sandbox: Annotated[
        Literal["bubblewrap", "docker", "podman"] | None,
        typer.Option(help="Where students' code runs.", show_default="as in nbgrader_config.py, or bubblewrap"),
    ] = None,
    trusted: Annotated[
        bool,
        typer.Option("--unsafe-no-sandbox", help="Let the notebooks do whatever you may do: only if you trust them."),
    ] = False,
) -> None:
    """Grade what students handed in: `submitted/STUDENT/WEEK/*.ipynb`.

    Students' code runs in a sandbox without network; the checks judge it from outside. Where bubblewrap cannot run,
    docker or podman can, more slowly; build its image first: `docker build --tag deepul-sandbox --file Containerfile .`
    Scores go to `gradebook.db`, graded notebooks to `autograded/` and pages for the students to `feedback/`.
    Written answers wait for a person, who reads them in formgrader: start `jupyter lab` in the same folder.
    What somebody scored by hand stays when you grade again.

    What was judged is kept in `judged/`: give the command again after an interruption, and it goes on where it was;
    a second time, it judges only what has changed.

    **Example:** `deepul grade week1 --course _build/sample_class`
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with needs("instructor"):
        from deepul_utils.course.release import HomeworkError, find_week
        from deepul_utils.grading import engine, report
        from deepul_utils.grading.sandbox import SandboxUnavailable

    root = Path.cwd()
    graded: list[report.Graded] = []
    students: list[str] = []
    try:
        folder = find_week(root, week)
        students = engine.submissions(course, folder, student)
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
        with Progress("[progress.description]{task.description}", *columns, console=console, transient=True) as bar:
            task = bar.add_task("starting", total=len(students), rate="")
            results = engine.grade(
                root,
                folder,
                students,
                course=course,
                timeout=timeout,
                sandbox="none" if trusted else sandbox,
                jobs=jobs,
                scheduler=scheduler,
                force=force,
            )
            with contextlib.closing(results):
                for one in results:
                    graded.append(one)
                    rate = f"{60 * len(graded) / max(bar.tasks[0].elapsed or 0, 1):.0f} a minute"
                    bar.update(task, advance=1, description=one.student, rate=rate)
    except KeyboardInterrupt:
        again = "what was judged is kept: give the command again to go on"
        raise fail(f"stopped after {len(graded)} of {len(students)}; {again}") from None
    except (HomeworkError, SandboxUnavailable, engine.GradingError) as error:
        raise fail(str(error)) from None
    graded.sort(key=lambda one: one.student)
    console.print(report.class_table(graded))
    console.print(f"{len(graded)} graded; their feedback is in {course / 'feedback'}")
    if waiting := sum(one.waiting for one in graded):
        answers = "1 written answer waits" if waiting == 1 else f"{waiting} written answers wait"
        console.print(f"{answers} for a person: open formgrader in jupyter lab, started in {course}", soft_wrap=True)
    if any(one.score is None for one in graded):
        raise typer.Exit(1)


@app.command(rich_help_panel=INSTRUCTOR)
def collect(
    week: Annotated[str, typer.Argument(help="A week such as `week1`.")],
    source: Annotated[Path, typer.Argument(help="The zip of Canvas or Moodle, or a folder of `STUDENT/*.ipynb`.")],
    course: Annotated[Path, typer.Option(help="The folder of `submitted/`.")] = Path(),
    roster: Annotated[
        Path | None, typer.Option(help="A CSV of the class, such as Canvas's gradebook: says who is missing.")
    ] = None,
) -> None:
    """Put what a learning platform exports into `submitted/STUDENT/WEEK/`, ready for `deepul grade`.

    Students' own `NAME_hand_in.zip` files are opened too. Of two files with one name the later counts; the earlier goes
    to `submitted_earlier/`. The times in a Moodle zip are taken for this machine's local time.

    **Example:** `deepul collect week1 submissions.zip --roster gradebook.csv`
    """
    with needs("instructor"):
        from deepul_utils.course.release import HomeworkError, find_week
        from deepul_utils.grading import collect as collecting
        from deepul_utils.grading.roster import Roster, RosterError
        from deepul_utils.grading.settings import load
        from deepul_utils.grading.unpack import CollectError

    root = Path.cwd()
    try:
        folder = find_week(root, week)
        names = [path.stem for path in (root / "solutions" / folder).glob("*.ipynb")]
        people = Roster.read(roster) if roster else None
        plugin = collecting.PlatformNames(config=load(root, course))
        with console.status(f"Collecting {source} ..."):
            collected, said = collecting.collect(course, folder, source, names, people, plugin)
    except (HomeworkError, RosterError, CollectError, OSError) as error:
        raise fail(str(error)) from None
    console.print(collecting.table(collected))
    for sentence in said:
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    console.print(f"{len(collected)} in {course / 'submitted'}; grade them with: deepul grade {week}", soft_wrap=True)


@app.command(rich_help_panel=INSTRUCTOR)
def report(
    week: Annotated[str, typer.Argument(help="A week such as `week1`.")],
    course: Annotated[Path, typer.Option(help="The folder of `gradebook.db`; the report goes there too.")] = Path(),
) -> None:
    """Show how the class did, on one page: scores, what fails most and why, time, and what needs a person.

    Writes `WEEK_report.html`, which asks no other host for anything, and `WEEK_report.csv`.

    **Example:** `deepul report week1 --course _build/sample_class`
    """
    with needs("instructor"):
        from deepul_utils.course.release import HomeworkError, find_week
        from deepul_utils.grading import overview
        from deepul_utils.grading.export import ExportError

    root = Path.cwd()
    try:
        written = overview.write(root, course, find_week(root, week))
    except (HomeworkError, ExportError, OSError) as error:
        raise fail(str(error)) from None
    for path in written:
        console.print(f"[green]✓[/] {path}", soft_wrap=True)


@app.command(rich_help_panel=INSTRUCTOR)
def export(
    week: Annotated[str, typer.Argument(help="A week such as `week1`.")],
    format: Annotated[Literal["canvas", "moodle", "csv"], typer.Option(help="For whom.")] = "csv",
    template: Annotated[
        Path | None, typer.Option(help="Canvas's exported gradebook, or Moodle's grading worksheet.")
    ] = None,
    course: Annotated[Path, typer.Option(help="The folder of `gradebook.db`; the CSV goes there too.")] = Path(),
) -> None:
    """Write the scores, late penalties taken off, as the CSV that a learning platform imports.

    A student without a score keeps an empty cell: what missing work is worth, the platform decides.

    **Example:** `deepul export week1 --format canvas --template gradebook.csv`
    """
    with needs("instructor"):
        from deepul_utils.course.release import HomeworkError, find_week
        from deepul_utils.grading import export as exporting
        from deepul_utils.grading.roster import RosterError

    root = Path.cwd()
    try:
        folder = find_week(root, week)
        into = course / f"{folder}_{format}.csv"
        said = exporting.export(root, course, folder, format, template, into)
    except (HomeworkError, RosterError, exporting.ExportError, OSError) as error:
        raise fail(str(error)) from None
    for sentence in said:
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    console.print(f"[green]✓[/] {into}", soft_wrap=True)


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

    try:
        with console.status(f"Running {file.name} ..."):
            outcomes = check_file(file, timeout=timeout)
    except CheckError as error:
        raise fail(str(error)) from None
    console.print(report.questions_table(outcomes))
    score, points = sum(outcome.score for outcome in outcomes), sum(outcome.points for outcome in outcomes)
    console.print(f"{score:g} of {points:g} points")
    if score < points:
        raise typer.Exit(1)


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
        table = Table(Column("Recipe", no_wrap=True), "What it trains", "Loss to meet, in nats per dimension", box=None)
        for name, one in RECIPES.items():
            table.add_row(name, one.about, f"{one.published[0]:.4f}")
        console.print(table)
        return
    if recipe not in RECIPES:
        raise fail(f"there is no recipe {recipe}; there are {', '.join(RECIPES)}")
    if not results.parent.is_dir():
        raise fail(f"there is no folder {results.parent}: go to the folder of the course, or name one with --results")
    console.print(describe_device())
    try:
        result = measure(
            recipe,
            results,
            runs,
            lambda run: console.print(f"seed {run['seed']}: {run['test_loss']:.4f} after {run['seconds']:.1f} s"),
        )
    except (CheckpointError, FloatingPointError) as error:
        raise fail(str(error)) from None
    floor = "" if result["floor"] is None else f"; the true law has {result['floor']:.4f}"
    console.print(
        f"mean {result['test_loss']:.4f} {result['unit']}; published {result['published']['test_loss']:.4f}{floor}"
    )
    console.print(f"[green]✓[/] {results / recipe}.json", soft_wrap=True)


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
    try:
        with console.status(f"Loading {name} ..."):
            parts = DATA_SETS[name].load()
    except DataUnavailable as error:
        raise fail(str(error)) from None
    for part, x in zip(("train", "test"), parts, strict=True):
        console.print(f"{part}: {' x '.join(map(str, x.shape))} {x.dtype}, from {x.min():.4g} to {x.max():.4g}")


if __name__ == "__main__":
    app()
