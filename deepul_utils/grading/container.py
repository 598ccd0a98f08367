"""Students' kernels in containers of docker or podman, for a system where bubblewrap cannot run.

A container for each kernel, from the image that Containerfile describes: no network, a read-only system, no
capabilities, limits on memory, processes, files and CPU seconds. Each imports torch anew, so this is slower than
bubblewrap's warm starts. As there, a kernel's sockets lie in a small folder of its own, which this system reaches
through /proc: the containers run on this machine, and it runs Linux.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Literal

import psutil

from deepul_utils.grading import cgroup, keeper, zygote
from deepul_utils.grading.edition import Editions
from deepul_utils.grading.sandbox import (
    ENVIRONMENT,
    WATCHED,
    Limits,
    SandboxUnavailable,
    as_seen_here,
    bubblewrap,
    connection,
)
from deepul_utils.grading.warm_start import WarmStart

IMAGE = "deepul-sandbox"
SANDBOXES = ("bubblewrap", "docker", "podman", "none")

Program = Literal["docker", "podman"]

_USER = 1000  # for root, who is not to be the container's user
_THREADS = 4096  # of the user's, wherever they run: the container's own have a limit of their own


def check(sandbox: str) -> str:
    """What to know of the sandbox of that name, one of `SANDBOXES`, before using it; empty where nothing.

    Raises:
        SandboxUnavailable: they cannot, and the message names the ways out.
    """
    if sandbox == "bubblewrap":
        bubblewrap()
        return "" if cgroup.possible() else WATCHED
    if sandbox != "none":
        _container_program(sandbox)
    return ""


def starts(sandbox: str) -> WarmStart | Containers:
    """What starts kernels in the sandbox of that name."""
    return WarmStart() if sandbox == "bubblewrap" else Containers(sandbox)


def _container_program(name: str) -> str:
    """The path of docker or podman, which works here and has the image."""
    ways_out = "or grade with bubblewrap on Linux, or notebooks that you trust with --unsafe-no-sandbox"
    found = shutil.which(name)
    if found is None:
        raise SandboxUnavailable(f"{name} is missing: install it, {ways_out}.")
    if subprocess.run([found, "image", "inspect", IMAGE], capture_output=True).returncode == 0:
        return found
    state = subprocess.run([found, "info"], capture_output=True, text=True)
    if state.returncode:
        reason = state.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise SandboxUnavailable(f"{name} does not work here ({reason[0]}): start it, {ways_out}.")
    build = f"{name} build --tag {IMAGE} --file Containerfile ."
    raise SandboxUnavailable(f"{name} has no image {IMAGE} yet: build it in the course's folder: {build}")


def command(program: str, name: str, edition: Path, limits: Limits) -> list[str]:
    """What starts a container called `name` whose kernel imports the student's edition in the folder `edition`."""
    private = "rw,nosuid,nodev,mode=1777"
    words = [program, "run", "--rm", "--interactive", "--name", name, "--pull", "never", "--log-driver", "none"]
    words += ["--network", "none", "--hostname", "sandbox", "--user", f"{os.getuid() or _USER}:{os.getgid() or _USER}"]
    words += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"]
    if Path(program).name == "podman":
        words += ["--read-only-tmpfs=false"]  # it adds folders of any size
    for folder in ("/tmp", ENVIRONMENT["HOME"]):
        words += ["--tmpfs", f"{folder}:{private},size={limits.disk}"]
    words += ["--tmpfs", f"{zygote.KERNEL}:{private},noexec,size=64k", "--shm-size", str(limits.disk)]
    words += ["--volume", f"{edition}:{zygote.EDITION}:ro,z"]
    memory = str(limits.memory)
    words += ["--pids-limit", str(limits.processes), "--memory", memory, "--memory-swap", memory]
    rlimits = {"core": 0, "cpu": limits.cpu_seconds, "fsize": limits.disk, "nofile": limits.open_files}
    for limit, most in {**rlimits, "nproc": _THREADS}.items():
        words += ["--ulimit", f"{limit}={most}:{most}"]
    for variable, value in ENVIRONMENT.items():
        words += ["--env", f"{variable}={value}"]
    return [*words, IMAGE, "python", "-c", Path(keeper.__file__).read_text(encoding="utf-8")]


class ContainerProcess:
    """A kernel in a container of its own.

    Raises:
        SandboxUnavailable: the container did not start.
    """

    def __init__(self, program: str, edition: Path, limits: Limits, key: str | None = None) -> None:
        self._program, self._name = program, f"deepul-{secrets.token_hex(6)}"
        self._client = subprocess.Popen(
            command(program, self._name, edition, limits),
            cwd=edition.parent,  # podman writes a file there where memory runs out
            start_new_session=True,  # Ctrl-C is for the grader
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._client.stdin
        assert self._client.stdout
        inside = connection(key)
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(inside), file=self._client.stdin, flush=True)
        try:
            if self._client.stdout.readline() != "started\n":
                raise ValueError
            self._keeper = psutil.Process(int(self._tell("inspect", "--format", "{{.State.Pid}}", self._name)))
            # The kernel's own folders, since its keeper's are closed to a grader who is not root.
            self.connection = as_seen_here(inside, self._keeper.children()[0].pid)
        except (ValueError, IndexError, psutil.NoSuchProcess):
            self._tell("kill", self._name)
            reason = self._client.communicate()[1].strip().splitlines()[-1:] or ["no reason given"]
            name = Path(program).name
            raise SandboxUnavailable(f"{name} could not start a container with the kernel: {reason[0]}") from None

    def _tell(self, *words: str) -> str:
        return subprocess.run([self._program, *words], capture_output=True, text=True).stdout

    def processes(self) -> list[psutil.Process]:
        """The kernel's process and its children."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return self._keeper.children(recursive=True)
        return []

    def interrupt(self) -> None:
        """Send it SIGINT."""
        self._tell("kill", "--signal", "INT", self._name)

    def end(self) -> None:
        """End the container, and so everything in it."""
        if self._client.poll() is None:
            self._tell("kill", self._name)
        self._client.communicate()

    def excess(self) -> str:
        """Nothing: the container itself is held to its limits."""
        return ""


class Containers:
    """Starts kernels in containers, each in its own.

    Args:
        program: docker or podman.
        limits: what each kernel may use.
    """

    def __init__(self, program: str, limits: Limits | None = None) -> None:
        self._name, self._limits = program, limits or Limits()
        self._editions = Editions()
        self._program: str | None = None
        self._latest: ContainerProcess | None = None

    def __call__(self, homework: str, key: str | None = None) -> ContainerProcess:
        """A kernel that nobody has used, for the homework notebook of that name; with the key, where one is given.

        Raises:
            SandboxUnavailable: there can be no containers here.
        """
        if self._program is None:
            self._program = _container_program(self._name)
        self._latest = ContainerProcess(self._program, self._editions.folder(homework), self._limits, key)
        return self._latest

    def close(self) -> None:
        """End the latest container, and remove what it showed to students' code."""
        if self._latest is not None:
            self._latest.end()
        self._editions.close()
