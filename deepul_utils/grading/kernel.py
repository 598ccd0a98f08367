"""A kernel of its own for each submission, which runs one cell after another and says how each ended."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Protocol

import psutil
import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.manager import KernelManager
from nbformat import NotebookNode, validate
from nbformat.v4 import new_output, output_from_msg

from deepul_utils.checks.student import Reference, StudentFailed
from deepul_utils.checks.wire import Malformed, dumps, loads

MESSAGE_LIMIT = 32 << 20  # bytes of one message from a kernel
MESSAGES_LIMIT = 8  # how many of them may wait here; more wait in the kernel's own memory, which is limited
SHOWN = ("text/plain", "text/latex", "text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg")
OUTPUT_LIMIT = 200_000  # characters that one cell may print
_TOO_MUCH = "... more was printed than a grader keeps ...\n"
# Over there: what is too large to be kept is not sent, since a message above `MESSAGE_LIMIT` would end the connection.
_CUT = f"""
from IPython import get_ipython

session = get_ipython().kernel.session
whole = session.serialize

def serialize(message, ident=None):
    parts, kind, content = whole(message, ident), message["msg_type"], message["content"]
    if len(parts[-1]) < {MESSAGE_LIMIT // 4}:
        return parts
    if "evalue" in content:
        short = {{"ename": content["ename"][:100], "evalue": content["evalue"][:1000], "traceback": []}}
        message = message | {{"content": content | short}}
    elif kind in ("stream", "display_data", "update_display_data", "execute_result"):
        header = message["header"] | {{"msg_type": "stream"}}
        message = message | {{"header": header, "content": {{"name": "stdout", "text": {_TOO_MUCH!r}}}}}
    return whole(message, ident)

session.serialize = serialize
"""
GRACE = 5.0  # seconds for a cell to stop after it was interrupted
READY = 60.0  # seconds for Python to start
PATIENCE = 5  # how many times its limit a cell may take by the clock, on a busy machine
_ASLEEP = 0.02  # of the time by the clock: what computes less waits for something that will hardly come


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


class CallStopped(StudentFailed):
    """A call was stopped, or stopped the process."""


class Process(Protocol):
    """The Python process, and its children, behind a kernel: on this system as it is, or in a sandbox."""

    connection: KernelConnectionInfo

    def processes(self) -> list[psutil.Process]:
        """All of them, the kernel's own first; empty once it has ended."""

    def interrupt(self) -> None:
        """What Ctrl-C does."""

    def end(self) -> None:
        """End them all."""

    def excess(self) -> str:
        """What they have used too much of, as the end of a sentence; empty where nothing."""


class LocalProcess:
    """A kernel on this system, with all that its user may do: for notebooks that one trusts.

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
        self.connection = self._manager.get_connection_info()

    def processes(self) -> list[psutil.Process]:
        """The kernel's process and its children."""
        if not self._manager.is_alive():
            return []
        try:
            kernel = psutil.Process(self._pid)
            return [kernel, *kernel.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def interrupt(self) -> None:
        """Send it SIGINT."""
        self._manager.interrupt_kernel()

    def end(self) -> None:
        """End the process and everything that it started in its process group."""
        if self._manager.has_kernel:
            self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()
        self._sockets.cleanup()

    def excess(self) -> str:
        """Nothing: it may use what there is."""
        return ""


class Kernel:
    """Runs code in a Python process as a notebook would, and asks its functions on behalf of a check."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.computed = 0.0  # seconds of the process and its children, at the last look
        context = zmq.Context()
        context.setsockopt(zmq.MAXMSGSIZE, MESSAGE_LIMIT)
        context.setsockopt(zmq.RCVHWM, MESSAGES_LIMIT)
        context.setsockopt(zmq.SNDTIMEO, int(1000 * GRACE))
        self._client = BlockingKernelClient(context=context)
        self._client.load_connection_info(process.connection)
        self._client.start_channels(hb=False)
        deadline = time.monotonic() + READY
        while not self._answers():
            if time.monotonic() > deadline or not self.alive:
                self.stop()
                raise RuntimeError("Python did not start; is there enough memory?")
        self._execute(f"exec({_CUT!r}, {{}})", silent=True)

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _answers(self) -> bool:
        """Whether both channels are through: the one for replies, and the one for outputs."""
        request = self._client.kernel_info()
        try:
            while self._client.get_shell_msg(timeout=1)["parent_header"].get("msg_id") != request:
                pass
            while self._client.get_iopub_msg(timeout=1)["parent_header"].get("msg_id") != request:
                pass
        except Empty:
            return False
        return True

    @property
    def alive(self) -> bool:
        """Whether it can run more code."""
        return bool(self._process.processes())

    def stop(self) -> None:
        """End the process and everything that it started."""
        self._client.stop_channels()
        self._client.context.destroy(linger=0)
        self._process.end()

    def run(self, code: str, timeout: float) -> Run:
        """Run `code` for at most `timeout` seconds of computing; then interrupt it, or kill the process if need be.

        Code after which the process answers no more, since it broke what Jupyter needs, ends it, too.
        """
        outputs = _Outputs()
        stopped = self._wait(self._execute(code), timeout, outputs)
        if not stopped and not self._still_answers(timeout):
            stopped = "broke the Python that ran it"
        if stopped:
            return Run([o for o in outputs.nodes if o.output_type != "error"], stopped)
        return Run(outputs.nodes)

    def ask(
        self,
        target: Reference | None,
        name: str,
        args: tuple[Any, ...] | None,
        kwargs: dict[str, Any],
        timeout: float,
    ) -> Any:
        """What a `Desk` over there answers; see `checks.student.Ask`.

        Raises:
            StudentFailed: as a `Desk` does; or there is no answer that can be read.
            CallStopped: it computed for more than `timeout` seconds, used too much, or ended the process.
        """
        said = name or target.type if target else name
        expression = _ASK.format(dumps([target, name, args, kwargs]))
        request = self._execute("", silent=True, user_expressions={"answer": expression})
        if stopped := self._wait(request, timeout, _Outputs()):
            raise CallStopped(f"`{said}` {stopped}")
        if (reply := self._reply(request)) is None:
            raise CallStopped(f"`{said}` gave no answer, or one larger than a check takes")
        try:
            found, answer = loads(reply["user_expressions"]["answer"]["data"]["text/plain"])
        except (Malformed, KeyError, TypeError, ValueError):
            raise StudentFailed(f"`{said}` gave no answer that could be read") from None
        if found is not True:
            raise StudentFailed(str(answer))
        return answer

    def _still_answers(self, timeout: float) -> bool:
        request = self._execute("", silent=True)
        if not self._wait(request, timeout, _Outputs()):
            return self._reply(request) is not None
        self._process.end()
        return False

    def _execute(self, code: str, **options: Any) -> str:
        """Send code to the kernel, which ends where it takes nothing any more."""
        try:
            return str(self._client.execute(code, allow_stdin=False, stop_on_error=False, **options))
        except zmq.Again:
            self._process.end()
            return ""

    def _reply(self, request: str) -> Any:
        """What the kernel replied to a request. Where no reply comes, nothing, and the kernel ends.

        ZeroMQ closes a connection over which a message above `MESSAGE_LIMIT` comes, and opens it no more.
        """
        deadline = time.monotonic() + GRACE
        while (left := deadline - time.monotonic()) > 0:
            with contextlib.suppress(Empty):
                if message := self._message(self._client.get_shell_msg, request, left):
                    return message["content"]
        self._process.end()
        return None

    def _message(self, receive: Callable[..., Any], request: str, timeout: float) -> dict[str, Any] | None:
        """The next message if it belongs to `request`; code in the kernel's process can send anything at all."""
        try:
            message: dict[str, Any] = receive(timeout=timeout)
            belongs = message["parent_header"].get("msg_id") == request and isinstance(message["content"], dict)
        except Empty:
            raise
        except Exception:  # no signature, no JSON, no message
            return None
        return message if belongs else None

    def _wait(self, request: str, timeout: float, outputs: _Outputs) -> str:
        """Take a request's outputs until it is done, and return how it was stopped, empty where it was not."""
        began, computed = time.monotonic(), self._look()
        interrupted: float | None = None  # when
        while True:
            try:
                message = self._message(self._client.get_iopub_msg, request, min(0.5, timeout))
                if message and message["content"].get("execution_state") == "idle":
                    break
                if message:
                    outputs.take(message)
            except Empty:
                if not self.alive:
                    return "ended the Python that ran it"
            if excess := self._process.excess():
                self._process.end()
                return excess
            now = time.monotonic()
            if interrupted is None and is_late(now - began, self._look() - computed, timeout):
                self._process.interrupt()
                interrupted = now
            elif interrupted is not None and now - interrupted > GRACE:
                self._process.end()
                break
        return f"took longer than {timeout:g} seconds" if interrupted is not None else ""

    def _look(self) -> float:
        """Seconds that the process and its children have computed."""
        seconds = 0.0
        for process in self._process.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                seconds += times.user + times.system
        self.computed = max(self.computed, seconds)
        return seconds


def is_late(waited: float, computed: float, timeout: float) -> bool:
    """Whether code has had its `timeout`: seconds of computing, with patience where others compute, but not asleep.

    Args:
        waited: seconds by the clock.
        computed: seconds that it has computed.
        timeout: seconds that it may compute.

    Example:
        >>> is_late(waited=200, computed=50, timeout=60), is_late(waited=200, computed=0.1, timeout=60)
        (False, True)
    """
    asleep = computed < _ASLEEP * waited and waited > timeout + GRACE
    return computed >= timeout or waited >= PATIENCE * timeout or asleep


# Works whatever became of the notebook's names and imports.
_ASK = "__import__('deepul_utils.checks.desk', fromlist=['desk']).answer(globals(), {!r})"


class _Outputs:
    """A cell's outputs as they come in: streams joined, and no more of them than `OUTPUT_LIMIT`."""

    def __init__(self) -> None:
        self.nodes: list[NotebookNode] = []
        self._room = OUTPUT_LIMIT

    def take(self, message: dict[str, Any]) -> None:
        output = _output(message)
        if output is None:
            return
        kind, size = output.output_type, len(json.dumps(output))
        if kind in ("error", "execute_result"):  # a cell has one of each at most; they stay after a flood
            if any(kind == node.output_type for node in self.nodes):
                return
            if size > OUTPUT_LIMIT and kind == "error":
                output = new_output("error", ename=output.ename[:100], evalue=output.evalue[:1000])
            elif size > OUTPUT_LIMIT:
                output = new_output("stream", name="stdout", text=_TOO_MUCH)
        else:
            if self._room <= 0:
                return
            self._room -= size
            if self._room <= 0:
                output = new_output("stream", name="stdout", text=_TOO_MUCH)
        last = self.nodes[-1] if self.nodes else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            self.nodes.append(output)


def _output(message: dict[str, Any]) -> NotebookNode | None:
    """A message's output with what a page can show of it; None where it is none, or no honest kernel sent it."""
    if message["msg_type"] not in ("stream", "display_data", "execute_result", "error"):
        return None
    try:
        output = output_from_msg(message)
        if "data" in output:
            data = {mime: output.data[mime] for mime in SHOWN if isinstance(output.data.get(mime), str)}
            output.data, output.metadata = NotebookNode(data), NotebookNode()
        validate(output, ref="output", version=4)
    except Exception:
        return None
    return output if isinstance(output.get("text", ""), str) else None
