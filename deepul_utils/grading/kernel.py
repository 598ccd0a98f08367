"""A kernel of its own for each submission, which runs one cell after another and says how each ended."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import psutil
from jupyter_client.manager import KernelManager
from nbformat import NotebookNode
from nbformat.v4 import new_output, output_from_msg

OUTPUT_LIMIT = 200_000  # characters that one cell may print
GRACE = 5.0  # seconds for a cell to stop after it was interrupted
PATIENCE = 5  # how many times its limit a cell may take by the clock, on a busy machine or asleep


@dataclass(frozen=True)
class Run:
    """What one piece of code printed and showed, and why it did not run to its end, where it did not."""

    outputs: list[NotebookNode]
    stopped: str = ""

    def data(self, mime: str) -> Any:
        """What the code's last expression showed as `mime`; None where there is nothing of the kind."""
        return next((o.data[mime] for o in self.outputs if o.output_type == "execute_result" and mime in o.data), None)

    @property
    def error(self) -> str:
        """The exception that ended the code, or how it was stopped; empty where all went well."""
        raised = next((f"{o.ename}: {o.evalue}" for o in self.outputs if o.output_type == "error"), "")
        return self.stopped or raised


class Kernel:
    """A Python process that runs code in `folder`, as a notebook would.

    Args:
        folder: its working directory.
        execution: the value of NBGRADER_EXECUTION, by which code can tell that it is not in a student's hands.
    """

    def __init__(self, folder: Path, execution: str) -> None:
        self._sockets = TemporaryDirectory(prefix="deepul-")  # instead of open ports
        self._manager = KernelManager(kernel_name="python3", transport="ipc", ip=f"{self._sockets.name}/kernel")
        self._manager.start_kernel(
            cwd=str(folder),
            env=os.environ | {"NBGRADER_EXECUTION": execution, "OMP_NUM_THREADS": "1"},
            extra_arguments=["--HistoryManager.hist_file=:memory:"],
        )
        self._pid = getattr(self._manager.provisioner, "pid", None)
        self._client = self._manager.client()
        self._client.start_channels()
        try:
            self._client.wait_for_ready(timeout=60)
        except RuntimeError:
            self.stop()
            raise

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def alive(self) -> bool:
        """Whether it can run more code."""
        return bool(self._manager.is_alive())

    def stop(self) -> None:
        """End the process and everything that it started in its process group."""
        self._client.stop_channels()
        if self._manager.has_kernel:
            self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()
        self._sockets.cleanup()

    def _computed(self) -> float:
        """Seconds that the process and its children have computed."""
        try:
            process = psutil.Process(self._pid)
            times = [p.cpu_times() for p in (process, *process.children(recursive=True))]
        except psutil.NoSuchProcess:
            return 0.0
        return sum(each.user + each.system for each in times)

    def run(self, code: str, timeout: float) -> Run:
        """Run `code` for at most `timeout` seconds of computing; then interrupt it, or kill the process if need be."""
        request = self._client.execute(code, allow_stdin=False, stop_on_error=False)
        outputs = _Outputs()
        deadline, computed = time.monotonic() + PATIENCE * timeout, self._computed()
        interrupted = False
        while True:
            try:
                message = self._client.get_iopub_msg(timeout=min(0.5, max(0.0, deadline - time.monotonic())))
            except Empty:
                message = None
            if message is not None and message["parent_header"].get("msg_id") == request:
                if message["content"].get("execution_state") == "idle":
                    break
                outputs.take(message)
            elif message is None and not self.alive:
                return Run(outputs.nodes, "ended the Python that ran it")
            if time.monotonic() < deadline and (interrupted or self._computed() - computed < timeout):
                continue
            if interrupted:
                self._manager.shutdown_kernel(now=True)
                break
            self._manager.interrupt_kernel()
            deadline, interrupted = time.monotonic() + GRACE, True
        if interrupted:
            return Run([o for o in outputs.nodes if o.output_type != "error"], f"took longer than {timeout:g} seconds")
        return Run(outputs.nodes)


class _Outputs:
    """A cell's outputs as they come in: streams joined, and no more of them than `OUTPUT_LIMIT`."""

    def __init__(self) -> None:
        self.nodes: list[NotebookNode] = []
        self._room = OUTPUT_LIMIT

    def take(self, message: dict[str, Any]) -> None:
        if message["msg_type"] not in ("stream", "display_data", "execute_result", "error"):
            return
        output = output_from_msg(message)
        if self._room <= 0 and output.output_type in ("stream", "display_data"):
            return
        self._room -= len(json.dumps(output))
        if self._room <= 0 and output.output_type in ("stream", "display_data"):
            output = new_output("stream", name="stdout", text="... more was printed than a grader keeps ...\n")
        last = self.nodes[-1] if self.nodes else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            self.nodes.append(output)
