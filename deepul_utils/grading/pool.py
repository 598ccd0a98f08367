"""Who judges: processes of this machine, or the workers of a Dask cluster, each with processes of its own beside it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from tempfile import TemporaryFile

from deepul_utils.grading.job import Job, JobFailed

_LIVES = 3  # how many processes a job may take with it
_GRACE = 10  # seconds for a process to remove its sandbox
_JOIN = 30  # seconds for a first Dask worker to join


class ClusterUnavailable(Exception):
    """There is no Dask cluster to be had, or no more; the message says what to do."""


@dataclass(frozen=True)
class Pool:
    """Who runs jobs, and how many at once."""

    executor: Executor
    size: int
    judge: Callable[[Job], str]
    alive: Callable[[], bool] = lambda: True  # whether there is anybody left

    def submit(self, job: Job) -> Future[str]:
        """Have it judged."""
        return self.executor.submit(self.judge, job)


class Judge:
    """A process that judges one job after another, and that is started again where it has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._stderr = TemporaryFile()  # noqa: SIM115 - for as long as there are processes
        self._stopped = False

    def run(self, job: Job) -> str:
        """What `job.run()` returns over there.

        Raises:
            JobFailed: it raised, or its process ended again and again.
        """
        for _ in range(_LIVES):
            with contextlib.suppress(EOFError, OSError):
                connection = self._start()
                connection.send(job)
                judged, text = connection.recv()
                if not judged:
                    raise JobFailed(text)
                return str(text)
            self._end()
            if self._stopped:
                raise JobFailed("the run was stopped")
        self._stderr.seek(0)
        said = self._stderr.read().decode(errors="replace").split("\n")
        why = next((line.strip() for line in reversed(said) if line.strip()), "is there enough memory?")
        raise JobFailed(f"the process that judged it ended {_LIVES} times: {why}")

    def _start(self) -> Connection:
        """The connection to the process, which is started where there is none."""
        if self._connection is None:
            ours, theirs = socket.socketpair()
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.PIPE,  # it ends where this process does
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                start_new_session=True,  # Ctrl-C is for the coordinator
            )
            theirs.close()
            self._connection = Connection(ours.detach())
        return self._connection

    def stop(self) -> None:
        """End the process; what it judges fails."""
        self._stopped = True
        if self._process is not None:
            self._process.terminate()

    def close(self) -> None:
        """Be done with it, when nothing runs any more."""
        self._end()
        self._stderr.close()

    def _end(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.terminate()
            try:
                self._process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process.stdin.close()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None


_judges: list[Judge] = []
_idle: list[Judge] = []


def judge_beside(job: Job) -> str:
    """What `job.run()` returns in a process beside this one, which then waits for the next job.

    Raises:
        JobFailed: as in `Judge.run`.
    """
    try:
        judge = _idle.pop()
    except IndexError:
        _judges.append(judge := Judge())
    try:
        return judge.run(job)
    finally:
        _idle.append(judge)


def judge_elsewhere(job: Job) -> str:
    """The same on another machine.

    Raises:
        JobFailed: it has another version of the course; or as in `Judge.run`.
    """
    if job.load_checks() != job.version:
        raise JobFailed(f"{socket.gethostname()} has another version of deepul_utils; install the same as here")
    return judge_beside(job)


@contextlib.contextmanager
def local(size: int) -> Iterator[Pool]:
    """`size` processes of this machine."""
    executor = ThreadPoolExecutor(size)
    try:
        yield Pool(executor, size, judge_beside)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        for judge in _judges:
            judge.stop()
        executor.shutdown()
        _idle.clear()
        while _judges:
            _judges.pop().close()


@contextlib.contextmanager
def cluster(scheduler: str) -> Iterator[Pool]:
    """The workers of the Dask cluster whose scheduler has this address.

    Raises:
        ClusterUnavailable: it does not answer, or has no workers.
    """
    from distributed import Client

    try:
        client = Client(scheduler, timeout=_JOIN, set_as_default=False)
    except (OSError, ValueError):
        raise ClusterUnavailable(
            f"there is no Dask scheduler at {scheduler}; start `dask scheduler`, and `dask worker` on each machine"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_JOIN)
        except TimeoutError:
            raise ClusterUnavailable(
                f"the Dask scheduler at {scheduler} has no workers; start `dask worker {scheduler}` on each machine"
            ) from None
        yield Pool(
            client.get_executor(pure=False),
            sum(client.nthreads().values()),
            judge_elsewhere,
            lambda: bool(client.nthreads()),
        )


def _serve(connection: Connection) -> None:
    """Judge what comes in until the other end closes."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            job = connection.recv()
            try:
                answer = True, job.run()
            except Exception as error:
                answer = False, " ".join(str(error).rstrip(".").split()) or type(error).__name__
            connection.send(answer)


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that it removes its sandbox and folders
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _serve(Connection(int(sys.argv[1])))
