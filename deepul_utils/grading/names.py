"""Students' names in the gradebook, for formgrader, the report and the CSV; strangers write them, so they are text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from nbgrader.api import Gradebook, MissingEntry, Student

_LENGTH_LIMIT = 100  # characters
_NO_TEXT = str.maketrans(dict.fromkeys('<>"&\ufffd', ""))  # in a page, which formgrader fills without care
_NUMBERED = re.compile(r"(.+)_\d+")  # a folder's name, as `collect` makes it


def first_and_last(name: str) -> tuple[str, str]:
    """The first and the last name in `name`, written as platforms do, without what could be more than text on a page.

    >>> first_and_last("Doe, Jane"), first_and_last("Jane M. Doe"), first_and_last("Noether")
    (('Jane', 'Doe'), ('Jane M.', 'Doe'), ('', 'Noether'))
    """
    text = printable(unicodedata.normalize("NFC", name)).translate(_NO_TEXT)
    last, comma, first = " ".join(text[:_LENGTH_LIMIT].split()).partition(",")
    if not comma:
        first, _, last = last.rpartition(" ")
    return first.strip(), last.strip()


def printable(text: str) -> str:
    """`text` without what would command a terminal, or turn around what it shows.

    >>> printable("a\\x1b[2Jb\\nc")
    'a\ufffd[2Jb\\nc'
    """
    return "".join(c if c == "\n" or unicodedata.category(c)[0] != "C" else "\ufffd" for c in text)


def enter(gradebook: Gradebook, names: Mapping[str, str]) -> None:
    """Give students, by their folders' names, the names that a roster has for them."""
    for student, name in names.items():
        first, last = first_and_last(name)
        gradebook.update_or_create_student(student, first_name=first, last_name=last)


def enter_missing(gradebook: Gradebook, student: str) -> None:
    """Give a student who has no name that of the folder."""
    try:
        named = gradebook.find_student(student).last_name is not None
    except MissingEntry:
        named = False
    if not named:
        numbered = _NUMBERED.fullmatch(student)
        enter(gradebook, {student: numbered[1] if numbered else student})


def shown(student: Student) -> str:
    """A student's name in one text.

    >>> shown(Student(id="doejane_1", first_name="Jane", last_name="Doe")), shown(Student(id="ada"))
    ('Jane Doe', '')
    """
    return f"{student.first_name or ''} {student.last_name or ''}".strip()
