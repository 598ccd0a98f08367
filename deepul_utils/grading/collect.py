"""From a learning platform's export to nbgrader's submitted/STUDENT/WEEK/NAME.ipynb.

Who handed in what is read off names by a collector plugin of `nbgrader zip_collect`, so that its option `named_regexp`
suits another platform. That command's extractor and transfer do not serve: the extractor unpacks zips without any limit
and under the names that they give, and the transfer deletes what was collected before, stops at the first name that is
there twice, and leaves a half-copied class behind.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from nbgrader.plugins.zipcollect import FileNameCollectorPlugin
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import OperationalError

from deepul_utils.checks.question import weights_of
from deepul_utils.grading.names import enter
from deepul_utils.grading.record import ASIDE, TIMESTAMP
from deepul_utils.grading.roster import Roster
from deepul_utils.grading.settings import not_opened
from deepul_utils.grading.unpack import ZIPS_LIMIT, Budget, CollectError, Unpacked, Unpacker

_LONG_AGO = datetime.fromtimestamp(0, UTC)
_CANVAS = re.compile(
    r"(?P<name>.+?)(?P<late>_LATE)?_(?P<id>\d{1,18})_(?:(?P<order>\d{1,18})_(?P<file>.+)|(?P<text>text\.html))"
)
_MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d{1,18})_assignsubmission_(?:file|onlinetext)_?(?P<file>.*)", re.DOTALL)
_COPY = re.compile(r"(?:copy of )*(?P<name>.+?)(?: ?\((?P<n>\d{1,9})\)|-(?P<m>\d{1,9})| copy)*", re.IGNORECASE)


@dataclass
class HandedIn:
    """One file of one student, and when it came."""

    when: datetime | None  # UTC; Canvas tells none, since its zip gives every file the time of the download
    order: tuple[int, int]  # Canvas's number of the upload, and the (1) that a browser or Canvas added to the name
    name: str
    path: Path


@dataclass
class Collected:
    """What a student handed in, and what became of it."""

    student: str
    new: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)
    when: datetime | None = None


class PlatformNames(FileNameCollectorPlugin):
    """Reads student and file off a name of Canvas's, Moodle's or STUDENT/FILE; a `named_regexp` comes first."""

    def collect(self, submitted_file: str) -> dict[str, str] | None:
        if self.named_regexp and (found := re.match(self.named_regexp, submitted_file)):
            return {"student_id": clean(found["student_id"], whole=True), "file_id": found["file_id"]}
        parts = submitted_file.split("/")
        for part in parts:
            if moodle := _MOODLE.fullmatch(part):
                return {"student_id": _with_id(moodle), "file_id": moodle["file"] or parts[-1]}
        if len(parts) == 1 and (canvas := _CANVAS.fullmatch(parts[0])):
            named = {"student_id": _with_id(canvas), "file_id": canvas["file"] or canvas["text"]}
            return named | {"order": canvas["order"] or "0", "late": canvas["late"] or ""}
        return {"student_id": clean(parts[0], whole=True), "file_id": parts[-1]} if len(parts) > 1 else None


def _with_id(match: re.Match[str]) -> str:
    return f"{clean(match['name'])}_{match['id']}"


def clean(name: str, whole: bool = False) -> str:
    """`name` as a folder's or file's that nbgrader and every system can use.

    Where it is the `whole` name and something in it changed, a few digits keep it apart from others.

    >>> clean("Zoë [2]"), clean("../.."), clean("a*", whole=True)
    ('Zoë _2_', '_', 'a_-a4a87d')
    """
    name = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode())
    plain = "".join("_" if c in '[]*?/\\:<>|"' else c for c in name if unicodedata.category(c)[0] != "C")
    plain = plain.strip(" .")[:60].encode()[:150].decode(errors="ignore").strip(" .") or "unnamed"
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}" if whole and plain != name else plain


def collect(
    course: Path,
    week: str,
    source: Path,
    names: Iterable[str],
    roster: Roster | None = None,
    names_of: PlatformNames | None = None,
) -> tuple[list[Collected], list[str]]:
    """Put a platform's export into submitted/, and return what each student handed in, and a sentence on each oddity.

    What a newer file replaces goes to submitted_earlier/. Each file appears whole or not at all, so that collecting
    again after an interruption ends as if there had been none.

    Args:
        course: the folder of submitted/.
        week: a folder's name, such as `week1_likelihood`.
        source: a zip or a folder.
        names: the week's notebooks, such as `histograms`.
        roster: the class, to name who is missing, and whose names go to the gradebook.
        names_of: reads names; as configured for nbgrader, whose gradebook it then is.

    Raises:
        CollectError: there is nothing to collect, or no such source.
    """
    course.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=course, prefix=".collect-") as folder:
        unpacker = Unpacker(Path(folder))
        handed_in, late = _sort(unpacker, source, sorted(names), names_of or PlatformNames())
        if not handed_in:
            raise CollectError("\n".join([*unpacker.said, f"there is no notebook of a student in {source}"]))
        collected = [_place(course, week, student, files) for student, files in sorted(handed_in.items())]
    said = unpacker.said
    if any(one.when is None for one in collected):
        said.append("Canvas exports no time of handing in, so nbgrader takes no late penalty off: let Canvas do that")
    if late:
        said.append(f"late, says Canvas: {', '.join(sorted(late))}")
    if roster:
        students = {path.parent.name for path in (course / "submitted").glob(f"*/{week}")}
        matched, doubts = roster.match(students)
        said += doubts
        if names_of and matched:
            called = {row.number: row.name for row in roster.rows}
            said += _enter(names_of, {student: called[number] for number, student in matched.items()})
        if missing := [row.name for row in roster.rows if row.number not in matched]:
            said.append(f"{len(missing)} of {len(roster.rows)} handed in nothing: {', '.join(missing)}")
        if unknown := sorted(students - set(matched.values())):
            said.append(f"not in the roster: {', '.join(unknown)}")
    return collected, said


def _enter(names_of: PlatformNames, names: dict[str, str]) -> list[str]:
    """Put the names into the gradebook; a sentence where it cannot be opened."""
    try:
        with Gradebook(CourseDirectory(config=names_of.config).db_url) as gradebook:
            enter(gradebook, names)
    except OperationalError as error:
        return [f"{not_opened(error)}, so it has no names from the roster yet: collect again"]
    return []


def _sort(
    unpacker: Unpacker, source: Path, names: list[str], names_of: PlatformNames
) -> tuple[dict[str, list[HandedIn]], set[str]]:
    """The files of each student, and the students that Canvas calls late."""
    handed_in: dict[str, list[HandedIn]] = {}
    late: set[str] = set()
    weights = [one for name in names for one in weights_of(name)]
    budgets: dict[str, Budget] = {}

    def take(found: Unpacked, student: str, name: str, when: datetime | None, order: int, zips: int) -> None:
        stem, _, kind = name.rpartition(".")
        if kind.lower() == "zip" and zips < ZIPS_LIMIT:
            inside = f"{student}'s {clean(stem)}.zip"
            for member in unpacker.archive(found.path, inside, budgets.setdefault(student, Budget())):
                take(member, student, member.parts[-1], when, order, zips + 1)
            found.path.unlink()
        elif kind.lower() not in ("ipynb", "safetensors"):
            said = f"has zips in more than {ZIPS_LIMIT} zips" if kind.lower() == "zip" else "is no notebook"
            unpacker.said.append(f"{name!r} of {student} {said}: it stays in {source}")
            found.path.unlink()
        else:
            copy = _COPY.fullmatch(clean(stem))
            asked, what = (weights, "weights") if kind.lower() == "safetensors" else (names, "notebooks")
            known = next((one for one in asked if copy and one.lower() == copy["name"].lower()), None)
            if known is None:
                among = f": {', '.join(asked)}" if asked else ""
                unpacker.said.append(f"{name!r} of {student} is none of the week's {what}{among}")
            number = int(copy["n"] or copy["m"] or 0) if copy and known else 0
            kept = HandedIn(when, (order, number), f"{known or clean(stem)}.{kind.lower()}", found.path)
            handed_in.setdefault(student, []).append(kept)

    for found in unpacker.source(source):
        parts = found.parts
        if parts[0] == source.stem and (len(parts) > 2 or (len(parts) == 2 and _CANVAS.fullmatch(parts[1]))):
            parts = parts[1:]  # a folder around the whole class
        who = names_of.collect("/".join(parts))
        if who is None:
            unpacker.said.append(
                f"{parts[0]!r} in {source} belongs to nobody: put it into a folder with its student's name"
            )
            found.path.unlink()
            continue
        if who.get("late"):
            late.add(who["student_id"])
        when = None if "order" in who else found.when
        take(found, who["student_id"], who["file_id"], when, int(who.get("order", 0)), 1)
    return handed_in, late


def _place(course: Path, week: str, student: str, files: list[HandedIn]) -> Collected:
    """Move a student's files into place, the last of each name, and what it replaces aside."""
    result = Collected(student)
    target = course / "submitted" / student / week
    target.mkdir(parents=True, exist_ok=True)
    last = {file.name: file for file in sorted(files, key=lambda file: (file.when or _LONG_AGO, file.order))}
    for file in files:
        if file.when:
            os.utime(file.path, (file.when.timestamp(), file.when.timestamp()))
        if file is not last[file.name] and not _alike(file.path, last[file.name].path):
            _set_aside(course, week, result, file.path, file.name)
    for name, file in sorted(last.items()):
        there = target / name
        if there.is_file() and _alike(file.path, there):
            result.same.append(name)
        elif there.is_file() and file.when and there.stat().st_mtime > file.when.timestamp():
            _set_aside(course, week, result, file.path, name)
        else:
            if there.is_file():
                _set_aside(course, week, result, there, name)
            os.replace(file.path, there)
            result.new.append(name)
    if any(file.when for file in files):
        newest = max(path.stat().st_mtime for path in target.iterdir() if path.name != TIMESTAMP)
        result.when = datetime.fromtimestamp(newest, UTC)
        stamp = files[0].path.with_suffix(".stamp")
        stamp.write_text(f"{result.when:%Y-%m-%d %H:%M:%S} UTC\n")
        os.replace(stamp, target / TIMESTAMP)
    return result


def _alike(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()


def _set_aside(course: Path, week: str, result: Collected, path: Path, name: str) -> None:
    """Keep a copy in submitted_earlier/, under a name that its content gives."""
    stem, _, kind = name.rpartition(".")
    kept = course / ASIDE / result.student / week / f"{stem}_{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.{kind}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    part = kept.with_name(f".{kept.name}.part")
    shutil.copy2(path, part)
    os.replace(part, kept)
    result.aside.append(name)


def table(collected: Iterable[Collected]) -> Table:
    """What each student handed in, when, and what became of it."""
    shown = Table("Student", "Handed in (UTC)", "New", "As before", f"In {ASIDE}/")
    for one in collected:
        when = f"{one.when:%Y-%m-%d %H:%M}" if one.when else ""
        shown.add_row(*(Text(cell) for cell in (one.student, when, *map(", ".join, (one.new, one.same, one.aside)))))
    return shown
