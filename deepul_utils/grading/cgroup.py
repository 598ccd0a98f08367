"""Control groups: Linux holds a sandbox's processes to their number and memory, all of them together.

Without a group, it holds each process to the limits of one, and root's to no number of processes. Only root may make a
group, as a rule, and not in every container; elsewhere the grader watches the sum (`SandboxedProcess.excess`).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from pathlib import Path

import psutil

_ROOT = Path("/sys/fs/cgroup")


def make(processes: int, memory: int) -> list[Path]:
    """Make a control group and return its folders; none where this user may not.

    Args:
        processes: how many processes and threads at once.
        memory: bytes of resident memory, all processes together.
    """
    name = f"deepul-{os.getpid()}-{secrets.token_hex(6)}"
    if (_ROOT / "cgroup.controllers").exists():  # version 2: one tree
        with contextlib.suppress(OSError):
            (_ROOT / "cgroup.subtree_control").write_text("+pids +memory")
        wanted = {_ROOT / name: {"pids.max": processes, "memory.max": memory}}
    else:  # version 1: a tree for each controller
        wanted = {
            _ROOT / "pids" / name: {"pids.max": processes},
            _ROOT / "memory" / name: {"memory.limit_in_bytes": memory},
        }
    made = []
    for folder, limits in wanted.items():
        _remove_those_of_the_dead(folder.parent)
        try:
            folder.mkdir()
            made.append(folder)
            for file, limit in limits.items():
                (folder / file).write_text(str(limit))
        except OSError:
            remove(made)
            return []
    return made


def possible() -> bool:
    """Whether this user may make a group here."""
    made = make(1, 1 << 20)
    remove(made)
    return bool(made)


def _remove_those_of_the_dead(place: Path) -> None:
    """Remove groups whose grader was killed before it could; Linux keeps those in which a process still runs."""
    for folder in place.glob("deepul-*-*"):
        pid = folder.name.split("-")[1]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            with contextlib.suppress(OSError):
                folder.rmdir()


def join(folders: list[Path]) -> None:
    """Put the calling process, and all that it starts, into the group."""
    for folder in folders:
        (folder / "cgroup.procs").write_text("0")


def remove(folders: list[Path]) -> None:
    """Remove the group; its processes must have ended, and Linux takes a moment to notice."""
    for folder in folders:
        for _ in range(500):
            try:
                folder.rmdir()
                break
            except OSError:
                time.sleep(0.02)
