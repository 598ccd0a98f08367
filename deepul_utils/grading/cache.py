"""What was judged and recorded before, in files that are there whole or not at all: a run that was killed goes on."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

FOLDER = "judged"  # in the course's folder, with a folder for each week
_IN_USE = "in_use"


class DiskFailed(Exception):
    """Nothing more can be kept; the message says where, why and what to do, in one sentence."""


class Cache:
    """JSON by name, in a folder. It can be deleted at any time: what is missing is judged again.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     cache = Cache(Path(folder, "judged"))
        ...     cache.put("ada", '{"points": 3}')
        ...     cache.get("ada"), cache.get("ben")
        ('{"points": 3}', None)
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._asked: set[Path] = set()

    def _path(self, name: str) -> Path:
        path = self.folder / f"{name}.json"
        self._asked.add(path)
        return path

    def get(self, name: str) -> str | None:
        """What was put there; None where nothing was, or where it is damaged."""
        with contextlib.suppress(OSError, ValueError):
            text = self._path(name).read_text(encoding="utf-8")
            json.loads(text)
            return text
        return None

    def put(self, name: str, text: str) -> None:
        """Keep `text`.

        Raises:
            DiskFailed: what was kept before still is.
        """
        part = ""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile("w", encoding="utf-8", dir=self.folder, suffix=".part", delete=False) as file:
                part = file.name
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, self._path(name))
        except OSError as error:
            raise self._failed(error) from None
        finally:
            if part:
                Path(part).unlink(missing_ok=True)

    def _failed(self, error: OSError) -> DiskFailed:
        return DiskFailed(
            f"{self.folder} cannot be written to ({error.strerror}); what was judged before is kept: "
            "see to it, and give the command again"
        )

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """In here, nobody else prunes it.

        Raises:
            DiskFailed: there can be no such folder.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self.folder / _IN_USE).open("w")
        except OSError as error:
            raise self._failed(error) from None
        with self._lock:
            fcntl.flock(self._lock, fcntl.LOCK_SH)
            yield

    def prune(self) -> None:
        """At the end of `in_use`, forget all that it was not asked for, unless another run may ask for it."""
        with contextlib.suppress(OSError):
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in self.folder.iterdir():
                if path.is_file() and path.name != _IN_USE and path not in self._asked:
                    path.unlink()

    def drop(self, name: str) -> None:
        """Forget it."""
        self._path(name).unlink(missing_ok=True)

    def load(self, name: str) -> Any:
        """What was put there, parsed; None as in `get`."""
        text = self.get(name)
        return None if text is None else json.loads(text)
