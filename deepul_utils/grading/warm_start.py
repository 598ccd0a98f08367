"""Kernels in a sandbox, one after another, as `Kernel` and `judge` take them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil

from deepul_utils.grading import edition
from deepul_utils.grading.sandbox import Limits, Sandbox, SandboxUnavailable

_MEASURING = 2.0  # seconds


class SandboxedProcess:
    """A kernel in a sandbox, which it shares with no other."""

    def __init__(self, sandbox: Sandbox, edition: str, key: str | None = None) -> None:
        self._sandbox = sandbox
        self.connection = sandbox.start_kernel(edition, key)

    def processes(self) -> list[psutil.Process]:
        """The kernel's process and its children."""
        return self._sandbox.kernel_processes()

    def interrupt(self) -> None:
        """Send it SIGINT."""
        for process in self.processes()[:1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """End the kernel and everything that it started; where that fails, the whole sandbox."""
        with contextlib.suppress(SandboxUnavailable):
            self._sandbox.stop_kernel()

    def excess(self) -> str:
        """Processes or memory, where all its processes together have more than they may.

        A control group holds them to that, where there is one; see cgroup.py.
        """
        limits, processes = self._sandbox.limits, self.processes()
        sizes: list[tuple[int, psutil.Process]] = []
        threads = len(processes)
        for process in processes[: limits.processes]:
            with contextlib.suppress(psutil.NoSuchProcess):
                sizes.append((process.memory_info().rss, process))
                threads += process.num_threads() - 1
        if threads > limits.processes:
            return f"started more than {limits.processes} processes and threads"
        queued = self._queued(processes)
        if queued + sum(size for size, _ in sizes) <= limits.memory:
            return ""
        # Forked processes share memory, which this counted for each of them. The truth is slow, and a fork bomb
        # makes it slower: what cannot be told soon is too much.
        total, until = queued, time.monotonic() + _MEASURING
        for _, process in sizes:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
            if total > limits.memory or time.monotonic() > until:
                return f"used more than {limits.memory / 2**30:g} GiB of memory"
        return ""

    def _queued(self, processes: list[psutil.Process]) -> int:
        """Bytes that can wait in their sockets: Linux counts them for no process."""
        sockets: set[str] = set()
        unseen = 0
        for process in processes:
            try:
                with os.scandir(f"/proc/{process.pid}/fd") as files:
                    for file in files:
                        with contextlib.suppress(OSError):  # closed in the meantime
                            sockets.add(os.readlink(file.path))
            except PermissionError:  # it hides them from a grader who is not root
                unseen += self._sandbox.limits.open_files
            except OSError:
                pass
        buffer = int(Path("/proc/sys/net/core/wmem_default").read_text())  # and one message more may wait
        return 2 * buffer * (unseen + sum(name.startswith("socket:") for name in sockets))


class WarmStart:
    """Starts kernels in one sandbox, one after another, and makes a new sandbox where that has died.

    Args:
        limits: what each kernel may use.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits
        self._editions = edition.Editions()
        self._sandbox: Sandbox | None = None

    def __call__(self, homework: str, key: str | None = None) -> SandboxedProcess:
        """A kernel that nobody has used, for the homework notebook of that name; with the key, where one is given.

        Raises:
            SandboxUnavailable: there can be no sandbox here.
        """
        folder = self._editions.folder(homework)
        if self._sandbox is None or not self._sandbox.alive:
            self._end_sandbox()
            self._sandbox = Sandbox(folder.parent, self._limits)
        return SandboxedProcess(self._sandbox, folder.name, key)

    def close(self) -> None:
        """End the sandbox, and remove what it showed to students' code."""
        self._end_sandbox()
        self._editions.close()

    def _end_sandbox(self) -> None:
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None
