"""Take files out of a zip or a folder that others filled: no name in it becomes a path, nothing in it is trusted."""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

FILE_LIMIT = 50_000_000  # bytes of one file
TOTAL_LIMIT = 200_000_000  # bytes of one student's zip; of the whole source, times 100
MEMBERS_LIMIT = 1_000  # files in one student's zip; in the whole source, times 100
RATIO_LIMIT = 200  # bytes out per byte in; a notebook full of figures stays below 20
RATIO_FROM = 1_000_000  # bytes out from which the ratio counts
DEPTH_LIMIT = 12  # folders in folders
NAME_LIMIT = 1_000  # characters, folders included
ZIPS_LIMIT = 3  # zips in zips, the source included
_CHUNK = 1 << 20
_DIRECTORY_LINE = b"PK\x01\x02"  # how one begins
_NO_DATE = (1980, 1, 1, 0, 0, 0)  # what a zip says that has none
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError)
_CLUTTER = ("__MACOSX", ".DS_Store", ".ipynb_checkpoints", "__pycache__", "Thumbs.db", "desktop.ini")


class CollectError(Exception):
    """Nothing can be collected from this source; the message says why and what to do."""


@dataclass
class Budget:
    """What may still be taken out of a source, or of one student's zip."""

    bytes: int = TOTAL_LIMIT
    members: int = MEMBERS_LIMIT


@dataclass
class Unpacked:
    """A file of the source, with its bytes in a numbered file of ours."""

    parts: tuple[str, ...]  # its folders and its name, as they were written
    path: Path
    when: datetime | None  # UTC; a zip's times are taken for this machine's local time; None where it has none


class _Refused(Exception):
    """A file is left out; the message is the end of a sentence about it."""


@dataclass
class Unpacker:
    """Copies files into `folder` under numbers, and says what it leaves out and why, one sentence each."""

    folder: Path
    said: list[str] = field(default_factory=list)
    _made: int = 0

    def source(self, source: Path) -> Iterator[Unpacked]:
        """Every ordinary file in the zip or folder `source`.

        Raises:
            CollectError: it is neither, or far larger than a class.
        """
        budget = Budget(100 * TOTAL_LIMIT, 100 * MEMBERS_LIMIT)
        if source.is_dir():
            yield from self._folder(source, budget)
        elif source.is_file() and zipfile.is_zipfile(source):
            yield from self.archive(source, str(source), budget)
        else:
            missing = "is neither a folder nor a zip" if source.exists() else "does not exist"
            raise CollectError(
                f"{source} {missing}: give the zip that the platform exports, or a folder STUDENT/*.ipynb"
            )
        if budget.bytes < 0 or budget.members < 0:
            raise CollectError(f"{source} holds more than a class hands in, so nothing was collected: split it")

    def _folder(self, source: Path, budget: Budget) -> Iterator[Unpacked]:
        for folder, names, files in os.walk(source):
            names[:] = sorted(name for name in names if name not in _CLUTTER)
            for name in sorted(files + [name for name in names if (Path(folder) / name).is_symlink()]):
                path = Path(folder) / name
                parts = path.relative_to(source).parts
                status = path.lstat()
                when = datetime.fromtimestamp(status.st_mtime, UTC)

                def open_it(path: Path = path) -> IO[bytes]:
                    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")

                kind = status.st_mode
                yield from self._take(parts, kind, when, open_it, status.st_size, budget, str(source))
                if budget.bytes < 0 or budget.members < 0:
                    return

    def archive(self, path: Path, name: str, budget: Budget) -> Iterator[Unpacked]:
        """Every ordinary file in the zip `path`, which sentences call `name`."""
        try:
            # zipfile reads the whole directory, which takes half a kilobyte for each of its lines.
            if path.stat().st_size <= FILE_LIMIT and path.read_bytes().count(_DIRECTORY_LINE) > 10 * budget.members:
                self.said.append(f"{name} holds more than a hand-in does: it was not opened")
                return
            with zipfile.ZipFile(path) as archive:
                for info in archive.infolist():
                    if info.is_dir():
                        continue
                    parts = tuple(info.filename.replace("\\", "/").split("/"))
                    kind = info.external_attr >> 16
                    try:
                        when = datetime(*info.date_time).astimezone(UTC) if info.date_time > _NO_DATE else None
                    except (ValueError, OverflowError):
                        when = None
                    if info.flag_bits & 1:
                        self._say(name, parts, "is encrypted: ask for it without a password")
                        continue

                    def open_it(info: zipfile.ZipInfo = info) -> IO[bytes]:
                        return archive.open(info)

                    yield from self._take(parts, kind, when, open_it, info.compress_size, budget, name)
                    if budget.bytes < 0 or budget.members < 0:
                        self.said.append(f"{name} holds more than a hand-in does: what is left of it was not opened")
                        return
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            self.said.append(f"{name} is a damaged zip ({error}): ask for it again")

    def _take(
        self,
        parts: tuple[str, ...],
        kind: int,
        when: datetime | None,
        open_it: Callable[[], IO[bytes]],
        size: int,
        budget: Budget,
        source: str,
    ) -> Iterator[Unpacked]:
        """The file, copied; or a sentence where it is refused."""
        if any(part in _CLUTTER for part in parts) or parts[-1].startswith("._"):
            return
        budget.members -= 1
        path = self.folder / str(self._made)
        self._made += 1
        try:
            if stat.S_IFMT(kind) not in (0, stat.S_IFREG):
                raise _Refused("is a link or no ordinary file, so it was left out")
            if ".." in parts or parts[0] in ("", ".") or parts[0].endswith(":"):
                raise _Refused("points outside its folder, so it was left out")
            if len("/".join(parts)) > NAME_LIMIT:
                raise _Refused(f"has a name of more than {NAME_LIMIT} characters, so it was left out")
            if len(parts) > DEPTH_LIMIT:
                raise _Refused(f"lies more than {DEPTH_LIMIT} folders deep, so it was left out")
            try:
                stream = open_it()
            except _UNREADABLE as error:
                raise _Refused(f"cannot be read ({error}): ask for it again") from None
            with stream:
                _copy(stream, path, size, budget)
        except _Refused as refused:
            self._say(source, parts, str(refused))
            path.unlink(missing_ok=True)
        else:
            yield Unpacked(parts, path, when)

    def _say(self, source: str, parts: tuple[str, ...], what: str) -> None:
        name = "/".join(parts)
        self.said.append(f"{name if len(name) < 200 else name[:200] + '…'!r} in {source} {what}")


def _copy(stream: IO[bytes], path: Path, size: int, budget: Budget) -> None:
    """Copy what a file holds, whatever its header says, up to the limits; `size` is what it takes in the source."""
    written = 0
    try:
        with path.open("xb") as file:
            while chunk := _read(stream):
                written += len(chunk)
                budget.bytes -= len(chunk)
                if written > FILE_LIMIT:
                    raise _Refused(f"is larger than {FILE_LIMIT / 1e6:.0f} MB, so it was left out")
                if written > RATIO_FROM and written > RATIO_LIMIT * size:
                    raise _Refused(f"unpacks to more than {RATIO_LIMIT} times its size, so it was left out")
                if budget.bytes < 0:
                    raise _Refused("is too much for one hand-in, so it was left out")
                file.write(chunk)
    except OSError as error:  # ours, not the source's: nothing more can be written
        raise CollectError(f"{path.parent} cannot be written, so nothing was collected: {error.strerror}") from None


def _read(stream: IO[bytes]) -> bytes:
    try:
        return stream.read(_CHUNK)
    except _UNREADABLE as error:
        raise _Refused(f"cannot be read ({error}): ask for it again") from None
