"""Commands for instructors."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from deepul_utils.cli.terminal import app, console, fail, needs, told, warn

# A command imports what it needs when it is called: `deepul --help` must not wait for torch.

INSTRUCTOR = "For instructors"
WeekName = Annotated[str, typer.Argument(help="A week such as `week1`.")]


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
    with told(homework.HomeworkError):
        for folder in [homework.find_week(root, week)] if week else homework.all_weeks(root):
            for notebook in homework.release(root, folder):
                console.print(f"[green]✓[/] {notebook.relative_to(root)}")


@app.command(rich_help_panel=INSTRUCTOR)
def grade(
    week: WeekName,
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
        where = "none" if trusted else sandbox
        if scheduler is None and (caution := engine.check(root, course, where)):
            warn(caution)
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
        with Progress("[progress.description]{task.description}", *columns, console=console, transient=True) as bar:
            task = bar.add_task("starting", total=len(students), rate="")
            results = engine.grade(
                root,
                folder,
                students,
                course=course,
                timeout=timeout,
                sandbox=where,
                jobs=jobs,
                scheduler=scheduler,
                force=force,
            )
            with contextlib.closing(results), _ctrl_c() as pressed:
                for one in results:
                    graded.append(one)
                    rate = f"{60 * len(graded) / max(bar.tasks[0].elapsed or 0, 1):.0f} a minute"
                    bar.update(task, advance=1, description=one.student, rate=rate)
                    if pressed():
                        raise KeyboardInterrupt
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


@contextlib.contextmanager
def _ctrl_c() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed: the exception that it raises is lost where it falls into a finalizer."""
    presses = []

    def press(number: int, frame: object) -> None:
        presses.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: bool(presses)
    finally:
        signal.signal(signal.SIGINT, before)


@app.command(rich_help_panel=INSTRUCTOR)
def collect(
    week: WeekName,
    source: Annotated[Path, typer.Argument(help="The zip of Canvas or Moodle, or a folder of `STUDENT/*.ipynb`.")],
    course: Annotated[Path, typer.Option(help="The folder of `submitted/`.")] = Path(),
    roster: Annotated[
        Path | None,
        typer.Option(
            help="A CSV of the class, such as Canvas's gradebook: says who is missing, and what they are called."
        ),
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
    with told(HomeworkError, RosterError, CollectError, OSError):
        folder = find_week(root, week)
        names = [path.stem for path in (root / "solutions" / folder).glob("*.ipynb")]
        people = Roster.read(roster) if roster else None
        plugin = collecting.PlatformNames(config=load(root, course))
        with console.status(f"Collecting {source} ..."):
            collected, said = collecting.collect(course, folder, source, names, people, plugin)
    console.print(collecting.table(collected))
    for sentence in said:
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    console.print(f"{len(collected)} in {course / 'submitted'}; grade them with: deepul grade {week}", soft_wrap=True)


@app.command(rich_help_panel=INSTRUCTOR)
def report(
    week: WeekName,
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
    with told(HomeworkError, ExportError, OSError):
        written = overview.write(root, course, find_week(root, week))
    for path in written:
        console.print(f"[green]✓[/] {path}", soft_wrap=True)


@app.command(rich_help_panel=INSTRUCTOR)
def export(
    week: WeekName,
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
    with told(HomeworkError, RosterError, exporting.ExportError, OSError):
        folder = find_week(root, week)
        into = course / f"{folder}_{format}.csv"
        said = exporting.export(root, course, folder, format, template, into)
    for sentence in said:
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    console.print(f"[green]✓[/] {into}", soft_wrap=True)
