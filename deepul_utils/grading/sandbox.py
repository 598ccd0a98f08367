"""A sandbox for students' kernels: bubblewrap without network, a read-only system, limits, and warm starts.

A `Sandbox` is one bubblewrap process. In it waits a zygote (see zygote.py) with the course's imports loaded, which
forks each kernel into namespaces of its own. The grader talks to a kernel over Unix sockets in a small folder in memory
that the kernel's own mount namespace holds: this system sees it as /proc/PID/root/run/kernel, and shares none of its
disk.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import psutil
from jupyter_client.connect import KernelConnectionInfo

import deepul_utils
from deepul_utils.grading import cgroup, zygote

_WARM_MODULES = (
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "ipykernel.debugger",
    "IPython.core.completer",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "matplotlib.pyplot",
    "matplotlib_inline.backend_inline",
    "ipywidgets",
    "numpy",
    "scipy.stats",
    "torch",
    "torch._dynamo",  # an optimiser's first step imports it
    "accelerate",
    "sklearn.datasets",
)
_ZYGOTE_MEMORY = 1 << 30
_KEEPERS = 2  # processes before a kernel's own, which gave it its namespaces
_LOOK = 0.5  # seconds between looks for a kernel's processes
WATCHED = (
    "No control group can be made here, so students' processes and memory are watched twice a second, and Linux itself "
    "holds only each process to its limits: grade as root, or with --sandbox docker or podman, if that is too little."
)

ENVIRONMENT = {
    "HOME": "/home/student",
    "IPYTHONDIR": "/home/student/.ipython",
    "LANG": "C.UTF-8",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "NBGRADER_EXECUTION": "autograde",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": zygote.EDITION,
}


class SandboxUnavailable(RuntimeError):
    """Students' code cannot be isolated here; the message names the ways out."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes:
        memory: bytes of address space a process, and of resident memory for all of a kernel's processes together.
        disk: bytes in each of its temporary folders, which live in memory; a file for every 4 KiB of them.
        cpu_seconds: CPU time of a process.
        processes: how many processes and threads at once.
        open_files: how many open files a process.
    """

    memory: int = 4 << 30
    disk: int = 64 << 20
    cpu_seconds: int = 600
    processes: int = 128
    open_files: int = 512

    def as_rlimits(self) -> dict[str, int]:
        return {
            "disk": self.disk,
            "files": self.disk >> 12,
            "AS": self.memory,
            "CORE": 0,
            "CPU": self.cpu_seconds,
            "FSIZE": self.disk,
            "NOFILE": self.open_files,
            "NPROC": self.processes,
        }


def bubblewrap() -> str:
    """The path of bwrap.

    Raises:
        SandboxUnavailable: it is not installed, or this system does not let it make namespaces.
    """
    ways_out = (
        "install it (`apt-get install bubblewrap`), grade in containers with --sandbox docker or podman, or notebooks "
        "that you trust with --unsafe-no-sandbox"
    )
    found = shutil.which("bwrap")
    if found is None:
        raise SandboxUnavailable(f"Students' code is not run without a sandbox, and bubblewrap is missing: {ways_out}.")
    trial = [found, "--unshare-all", "--ro-bind", "/", "/", "true"]
    answer = subprocess.run(trial, capture_output=True, text=True)
    if answer.returncode:
        reason = answer.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise SandboxUnavailable(
            f"bubblewrap cannot make a sandbox on this system ({reason[0]}): allow unprivileged user namespaces, grade "
            "in containers with --sandbox docker or podman, or notebooks that you trust with --unsafe-no-sandbox."
        )
    if (machine := os.uname().machine) not in zygote.CALLS:
        raise SandboxUnavailable(
            f"The sandbox knows the system calls of {' and '.join(zygote.CALLS)} only, and this is {machine}: grade in "
            "containers with --sandbox docker or podman, or notebooks that you trust with --unsafe-no-sandbox."
        )
    return found


def connection(key: str | None = None) -> dict[str, Any]:
    """A new kernel's connection file, as the kernel reads it; with a key that only it has where none is given."""
    return {
        "transport": "ipc",
        "ip": f"{zygote.KERNEL}/k",
        **{f"{channel}_port": i for i, channel in enumerate(("shell", "iopub", "stdin", "hb", "control"), 1)},
        "key": key or secrets.token_hex(16),
        "signature_scheme": "hmac-sha256",
        "kernel_name": "deepul",
    }


def as_seen_here(inside: dict[str, Any], pid: int) -> KernelConnectionInfo:
    """A `connection` for clients on this system, where `pid` is a process that sees the kernel's folder."""
    here = inside | {"ip": f"/proc/{pid}/root{inside['ip']}", "key": inside["key"].encode()}
    return cast(KernelConnectionInfo, here)


def _python_folders() -> list[str]:
    """The read-only folders that this Python, its packages and the system's libraries need."""
    prefixes = {sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parent.parent)}
    system = ["/usr", "/etc/ld.so.cache", "/etc/fonts", "/etc/localtime", "/etc/alternatives"]
    return [folder for folder in (*system, *sorted(prefixes)) if Path(folder).exists() and folder != "/"]


def _secret_folders(place: str) -> list[str]:
    """What within a folder of `_python_folders` shows students the reference: the clone of the course, or the package.

    It lies there once `deepul_utils` is installed without --editable, or where the clone lies below /usr.
    """
    root, package = Path(place).resolve(), Path(deepul_utils.__file__).resolve().parent
    secrets = [package.parent, package] if (package.parent / "solutions").is_dir() else [package]
    return [str(Path(place, secret.relative_to(root))) for secret in secrets if root in secret.parents][:1]


class Sandbox:
    """One bubblewrap process whose zygote forks kernels, one at a time.

    Args:
        editions: a folder with a student's edition of `deepul_utils` (see edition.py) in each of its folders.
        limits: what each kernel may use.

    Raises:
        SandboxUnavailable: bubblewrap is missing or not allowed to work here.
    """

    def __init__(self, editions: Path, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        ours, theirs = socket.socketpair()
        arguments = self._arguments(bubblewrap(), editions, theirs.fileno())
        self._group = cgroup.make(self.limits.processes, self.limits.memory + _ZYGOTE_MEMORY)
        self._process = subprocess.Popen(
            arguments,
            preexec_fn=functools.partial(cgroup.join, self._group),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        theirs.close()
        self._control = ours
        self._lines = ours.makefile("rw")
        self._occupied = False
        self._looked: tuple[float, list[psutil.Process]] = 0.0, []  # when, and the kernel's processes then
        ready = self._answer(timeout=120)
        if not ready.get("ready"):
            self.close()
            raise SandboxUnavailable("The sandbox's imports started threads, so kernels cannot be forked from it.")

    def _arguments(self, bwrap: str, editions: Path, control: int) -> list[str]:
        mounts: list[str] = []
        covers: list[str] = []
        for place in _python_folders():  # a virtual environment in the clone comes after what covers the clone
            mounts += ["--ro-bind", place, place]
            for secret in _secret_folders(place):
                mounts += ["--tmpfs", secret]
                covers += ["--remount-ro", secret]
        for link in ("bin", "lib", "lib64", "sbin"):
            if Path("/", link).is_symlink():
                mounts += ["--symlink", os.readlink(f"/{link}"), f"/{link}"]
            elif Path("/", link).exists():
                mounts += ["--ro-bind", f"/{link}", f"/{link}"]
        environment = ENVIRONMENT | {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
        words = ["--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
        words += ["--hostname", "sandbox", "--uid", "1000", "--gid", "1000"]
        for name, value in environment.items():
            words += ["--setenv", name, value]
        words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
        words += ["--tmpfs", "/tmp", "--tmpfs", "/home/student", "--chdir", "/"]
        words += ["--ro-bind", str(editions), zygote.EDITIONS, "--ro-bind", zygote.__file__, "/zygote.py"]
        words += ["--dir", zygote.KERNEL, "--dir", zygote.EDITION]
        program = [sys.executable, "/zygote.py", str(control), *_WARM_MODULES]
        return [bwrap, *words, *mounts, *covers, "--remount-ro", "/", "--", *program]

    def _answer(self, timeout: float) -> dict[str, Any]:
        self._control.settimeout(timeout)
        try:
            line = self._lines.readline()
        except TimeoutError:
            line = ""
        if not line:
            self._process.kill()
            errors = self._process.communicate()[1].decode(errors="replace").strip()
            self.close()
            raise SandboxUnavailable(f"The sandbox stopped: {errors.splitlines()[-1] if errors else 'no reason given'}")
        return dict(json.loads(line))

    def start_kernel(self, edition: str, key: str | None = None) -> KernelConnectionInfo:
        """Fork a kernel that imports the edition of that name; one that still runs ends first.

        Returns:
            What `KernelClient.load_connection_info` takes.

        Raises:
            SandboxUnavailable: no kernel could be started.
        """
        self.stop_kernel()
        inside = connection(key)
        request = {"connection": inside, "edition": edition, "limits": self.limits.as_rlimits()}
        print(json.dumps(request), file=self._lines, flush=True)
        self._answer(timeout=10)  # {"pid": ...}, a number of the sandbox's own
        self._occupied, self._looked = True, (0.0, [])
        while len(forked := self._descendants()) <= _KEEPERS:
            if not forked:
                raise SandboxUnavailable("The sandbox could not isolate a kernel; is there enough memory?")
            time.sleep(0.005)
        return as_seen_here(inside, forked[0].pid)

    def stop_kernel(self) -> None:
        """End the kernel and everything that it started; nothing of it stays."""
        if not self._occupied:
            return
        self._occupied = False
        processes = self._descendants()
        # The first of them ends by itself after the last of the others, when there is room for the next kernel's.
        for process in processes[1:] or processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._answer(timeout=30)  # {"exited": ...}

    def kernel_processes(self) -> list[psutil.Process]:
        """The kernel's process and then its children, as this system sees them; empty once the kernel has ended.

        Children are looked for now and then only: a look goes through all processes of this system.
        """
        looked, found = self._looked
        found = [process for process in found if process.is_running()]
        if not found or found[0] != self._looked[1][0] or time.monotonic() > looked + _LOOK:
            found = self._descendants()[_KEEPERS:]
            self._looked = time.monotonic(), found
        return found

    def _descendants(self) -> list[psutil.Process]:
        """All that the zygote forked, each behind its parent."""
        with contextlib.suppress(psutil.NoSuchProcess):
            # The first two are bwrap's own first process in its namespace, and the zygote.
            return psutil.Process(self._process.pid).children(recursive=True)[2:]
        return []

    @property
    def alive(self) -> bool:
        """Whether it can start kernels."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the sandbox and all in it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._lines, self._control, self._process.stderr):
            if stream is not None:
                stream.close()
        cgroup.remove(self._group)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
