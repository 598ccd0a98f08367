"""Which row of a platform's CSV is which student: by the platform's number, else by an exact name; never by a guess."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deepul_utils.grading.names import printable

_NAMES = ("SIS Login ID", "SIS User ID", "Email address", "Username", "ID number", "Full name", "Student")
_NUMBERED = re.compile(r"(.+)_(\d+)")


class RosterError(Exception):
    """A CSV cannot be used; the message says why."""


@dataclass(frozen=True)
class Row:
    """A row with a student: where it stands, how a person calls it, and the platform's number and names for it."""

    number: int
    name: str
    id: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Roster:
    """A class, as Canvas's gradebook, Moodle's grading worksheet or any CSV with a header lists it."""

    header: list[str]
    lines: list[list[str]]  # below the header, each as long as it
    delimiter: str

    @classmethod
    def read(cls, path: Path) -> Roster:
        """The CSV `path`, with commas or semicolons.

        Raises:
            RosterError: it is no such file.
        """
        try:
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise RosterError(f"{path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise RosterError(f"{path} is not encoded in UTF-8: export it as CSV in UTF-8") from None
        first = text.partition("\n")[0]
        delimiter = ";" if first.count(";") > first.count(",") else ","
        try:
            lines = [
                line for line in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if line
            ]
        except csv.Error as error:
            raise RosterError(f"{path} is no CSV: {error}") from None
        if len(lines) < 2:
            raise RosterError(f"{path} lists nobody: it needs a header and a row for each student")
        header = [name.strip() for name in lines[0]]
        width = len(header)
        return cls(header, [(line + [""] * width)[:width] for line in lines[1:]], delimiter)

    @property
    def rows(self) -> list[Row]:
        """The rows with students; Canvas's rows of points and posting policies are none."""
        rows = []
        for number, line in enumerate(self.lines):
            cell = {name: value.strip() for name, value in zip(self.header, line, strict=True)}
            canvas, moodle = "Student" in cell and "ID" in cell, "Identifier" in cell
            id = cell["ID"] if canvas else re.sub(r"\D", "", cell["Identifier"]) if moodle else ""
            names = [cell[name] for name in _NAMES if cell.get(name)]
            if canvas and not id.isdecimal():
                continue
            if not canvas and not moodle:
                names.insert(0, line[0].strip())
            if names or id:
                called = next((cell[name] for name in ("Student", "Full name") if cell.get(name)), (names or [id])[0])
                rows.append(Row(number, printable(called), id, tuple(names)))
        return rows

    def match(self, students: Iterable[str]) -> tuple[dict[int, str], list[str]]:
        """The student of each row's number that has one, and a sentence for each that could be several."""
        by_id: dict[str, list[str]] = {}
        by_name: dict[str, set[str]] = {}
        without_number: dict[str, set[str]] = {}
        for student in sorted(students):
            numbered = _NUMBERED.fullmatch(student)
            if numbered:
                by_id.setdefault(numbered[2], []).append(student)
            by_name.setdefault(student.casefold(), set()).add(student)
            bare = numbered[1].casefold() if numbered else ""
            without_number.setdefault(bare, set()).add(student)
        found: dict[int, set[str]] = {}
        for row in self.rows:
            same = {student for name in row.names for student in by_name.get(name.casefold(), ())}
            if not row.id:
                same = same or {student for name in row.names for student in without_number.get(name.casefold(), ())}
            found[row.number] = same or set(by_id.get(row.id, []))
        claims = [student for candidates in found.values() for student in candidates]
        doubtful = {student for student in claims if claims.count(student) > 1}
        doubtful |= {student for candidates in found.values() if len(candidates) > 1 for student in candidates}
        doubts = [
            f"{row.name} in the CSV may be {' or '.join(sorted(found[row.number]))}, or may not: rename that folder"
            for row in self.rows
            if found[row.number] & doubtful
        ]
        return {number: one for number, [one] in _single(found) if one not in doubtful}, doubts


def _single(found: dict[int, set[str]]) -> list[tuple[int, list[str]]]:
    return [(number, list(candidates)) for number, candidates in found.items() if len(candidates) == 1]
