"""A sandbox for students' kernels: bubblewrap without network, a read-only system, limits, and warm starts.

A `Sandbox` is one bubblewrap process. In it waits a zygote (see zygote.py) with the course's imports loaded, which
forks each kernel into namespaces of its own. The grader talks to a kernel over Unix sockets in a folder both see.
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
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from deepul_utils.grading import cgroup, zygote

_WARM_MODULES = (
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "IPython.core.completer",
    "matplotlib.pyplot",
    "matplotlib_inline.backend_inline",
    "ipywidgets",
    "numpy",
    "scipy.stats",
    "torch",
)
_ZYGOTE_MEMORY = 1 << 30


class SandboxUnavailable(RuntimeError):
    """Students' code cannot be isolated here; the message names the ways out."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes:
        memory: bytes of address space a process, and of resident memory for all of a kernel's processes together.
        disk: bytes in each of its temporary folders, which live in memory.
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
    ways_out = "install it (`apt-get install bubblewrap`), or grade notebooks that you trust with --unsafe-no-sandbox"
    found = shutil.which("bwrap")
    if found is None:
        raise SandboxUnavailable(f"Students' code is not run without a sandbox, and bubblewrap is missing: {ways_out}.")
    trial = [found, "--unshare-all", "--ro-bind", "/", "/", "true"]
    answer = subprocess.run(trial, capture_output=True, text=True)
    if answer.returncode:
        reason = answer.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise SandboxUnavailable(
            f"bubblewrap cannot make a sandbox on this system ({reason[0]}): allow unprivileged user namespaces, or "
            f"grade notebooks that you trust with --unsafe-no-sandbox."
        )
    return found


def _python_folders() -> list[str]:
    """The read-only folders that this Python, its packages and the system's libraries need."""
    prefixes = {sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parent.parent)}
    system = ["/usr", "/etc/ld.so.cache", "/etc/fonts", "/etc/localtime", "/etc/alternatives"]
    return [folder for folder in (*system, *sorted(prefixes)) if Path(folder).exists() and folder != "/"]


class Sandbox:
    """One bubblewrap process whose zygote forks kernels, one at a time.

    Args:
        edition: the folder with the student's edition of `deepul_utils` (see edition.py); first on the kernels' path.
        limits: what each kernel may use.

    Raises:
        SandboxUnavailable: bubblewrap is missing or not allowed to work here.
    """

    def __init__(self, edition: Path, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._folder = Path(tempfile.mkdtemp(prefix="deepul-"))  # short: a socket's path has at most 107 bytes
        ours, theirs = socket.socketpair()
        arguments = self._arguments(bubblewrap(), edition, theirs.fileno())
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
        self._kernel: Path | None = None  # the running kernel's folder
        ready = self._answer(timeout=120)
        if not ready.get("ready"):
            self.close()
            raise SandboxUnavailable("The sandbox's imports started threads, so kernels cannot be forked from it.")

    def _arguments(self, bwrap: str, edition: Path, control: int) -> list[str]:
        mounts: list[str] = []
        for folder in _python_folders():
            mounts += ["--ro-bind", folder, folder]
        for link in ("bin", "lib", "lib64", "sbin"):
            if Path("/", link).is_symlink():
                mounts += ["--symlink", os.readlink(f"/{link}"), f"/{link}"]
            elif Path("/", link).exists():
                mounts += ["--ro-bind", f"/{link}", f"/{link}"]
        environment = {
            "HOME": "/home/student",
            "IPYTHONDIR": "/home/student/.ipython",
            "LANG": "C.UTF-8",
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "NBGRADER_EXECUTION": "autograde",
            "OMP_NUM_THREADS": "1",
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": "/edition",
        }
        words = ["--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
        words += ["--hostname", "sandbox", "--uid", "1000", "--gid", "1000"]
        for name, value in environment.items():
            words += ["--setenv", name, value]
        words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/home/student", "--chdir", "/"]
        words += ["--ro-bind", str(edition), "/edition", "--ro-bind", zygote.__file__, "/zygote.py"]
        words += ["--dir", zygote.KERNEL, "--bind", str(self._folder), zygote.KERNELS]
        return [
            bwrap,
            *words,
            *mounts,
            "--remount-ro",
            "/",
            "--",
            sys.executable,
            "/zygote.py",
            str(control),
            *_WARM_MODULES,
        ]

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

    def start_kernel(self) -> dict[str, Any]:
        """Fork a kernel and return what `KernelClient.load_connection_info` takes; one that still runs ends first."""
        self.stop_kernel()
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        key = secrets.token_hex(16)
        connection = {
            "transport": "ipc",
            "ip": f"{zygote.KERNEL}/k",
            **{f"{channel}_port": i for i, channel in enumerate(("shell", "iopub", "stdin", "hb", "control"), 1)},
            "key": key,
            "signature_scheme": "hmac-sha256",
            "kernel_name": "deepul",
        }
        (folder / "connection.json").write_text(json.dumps(connection), encoding="utf-8")
        request = {"folder": folder.name, "limits": self.limits.as_rlimits()}
        print(json.dumps(request), file=self._lines, flush=True)
        self._answer(timeout=10)  # {"pid": ...}
        self._kernel = folder
        return {**connection, "ip": str(folder / "k"), "key": key.encode()}

    def stop_kernel(self) -> None:
        """End the kernel and everything that it started; nothing of it stays."""
        if self._kernel is None:
            return
        folder, self._kernel = self._kernel, None
        for process in self.kernel_processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._answer(timeout=30)  # {"exited": ...}
        shutil.rmtree(folder, ignore_errors=True)

    def kernel_processes(self) -> list[psutil.Process]:
        """The processes of the running kernel, as this system sees them: all that descend from the zygote."""
        with contextlib.suppress(psutil.NoSuchProcess, IndexError):
            first = psutil.Process(self._process.pid).children()[0]  # bwrap's own first process in its namespace
            zygote_process = first.children()[0]
            return zygote_process.children(recursive=True)
        return []

    def memory(self) -> int:
        """Resident bytes of all the kernel's processes together."""
        total = 0
        for process in self.kernel_processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total

    def close(self) -> None:
        """End the sandbox and all in it, and remove its folder."""
        self._process.kill()
        self._process.wait()
        for stream in (self._lines, self._control, self._process.stderr):
            if stream is not None:
                stream.close()
        cgroup.remove(self._group)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
