"""A kernel provisioner for jupyter_client, with which any Jupyter tool runs a notebook in the grader's sandbox.

The folder kernelspec beside this file names it; installed, its kernel is there for all that start kernels by name:

    jupyter kernelspec install --sys-prefix --name deepul-sandbox deepul_utils/grading/kernelspec
    jupyter execute --kernel_name=deepul-sandbox notebook.ipynb

A homework's withheld functions raise an error where the installed kernel.json says so: {"config": {"homework": NAME}}.
Containers take bubblewrap's place by {"config": {"sandbox": "podman"}}, or "docker".
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from traitlets import Enum, Unicode

from deepul_utils.grading.container import starts
from deepul_utils.grading.kernel import Process


class SandboxProvisioner(KernelProvisionerBase):
    """Starts a kernel in a sandbox of its own, and keeps the sandbox for the kernel's restarts.

    The kernel sees nothing of the notebook's folder. The system holds it to `sandbox.Limits`, and all its processes
    together where there can be a control group (see cgroup.py): nobody watches them here. How long a cell may take and
    how much it may print is for the tool to say.

    Raises:
        SandboxUnavailable: at the kernel's start; there can be no sandbox here.
    """

    homework = Unicode(
        "", help="The homework notebook whose withheld functions raise an error, such as histograms; none without it."
    ).tag(config=True)

    sandbox = Enum(["bubblewrap", "docker", "podman"], "bubblewrap", help="Where it runs.").tag(config=True)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._start = starts(self.sandbox)
        self._process: Process | None = None
        self._folder: TemporaryDirectory | None = None

    @property
    def has_process(self) -> bool:
        """Whether there is a kernel, alive or not yet waited for."""
        return self._process is not None

    async def poll(self) -> int | None:
        """None while the kernel lives."""
        return None if self._process and self._process.processes() else 0

    async def wait(self) -> int | None:
        """Wait for the kernel's end."""
        while await self.poll() is None:
            await asyncio.sleep(0.1)
        await self.kill()
        self._process = None
        return 0

    async def send_signal(self, signum: int) -> None:
        """Interrupt the kernel, or end it: other signals have no meaning here."""
        if self._process and signum == signal.SIGINT:
            self._process.interrupt()
        elif signum in (signal.SIGTERM, signal.SIGKILL):
            await self.kill()

    async def kill(self, restart: bool = False) -> None:
        """End the kernel and everything that it started."""
        if self._process:
            self._process.end()

    async def terminate(self, restart: bool = False) -> None:
        """The same: what students' code wants to do at its end does not count."""
        await self.kill(restart)

    async def pre_launch(self, **settings: Any) -> dict[str, Any]:
        """Nothing of what the tool would start, or of its environment, comes into the sandbox."""
        return await super().pre_launch(cmd=[], **settings)

    async def launch_kernel(self, cmd: list[str], **settings: Any) -> KernelConnectionInfo:
        """Start the kernel at addresses and with a key that outlive a restart, so that clients find the next one.

        It keeps the event loop waiting: a sandbox ends with the thread that started it, so this is no thread's work.
        """
        manager: Any = self.parent
        self._process = self._start(self.homework, manager.session.key.decode())
        within = Path(self._process.connection["ip"])
        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="deepul-")
        link = Path(self._folder.name, "kernel")
        link.unlink(missing_ok=True)
        os.symlink(within.parent, link)
        self.connection_info = self._process.connection | {"ip": str(link / within.name)}
        return self.connection_info

    async def cleanup(self, restart: bool = False) -> None:
        """End the sandbox, where the kernel does not come back."""
        if not restart:
            self._start.close()
            if self._folder is not None:
                self._folder.cleanup()
                self._folder = None
