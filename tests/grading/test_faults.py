"""Whatever dies, fills up, is locked or never answers: every submission is graded, once, and what happened is said."""

import contextlib
import dataclasses
import errno
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import nbformat
import psutil
import pytest
import tiny_homework
from typer.testing import CliRunner

from deepul_utils.cli import app
from deepul_utils.grading import engine, pool, recorder
from deepul_utils.grading.engine import GradingError
from deepul_utils.grading.job import Job, JobFailed
from deepul_utils.grading.report import Graded
from deepul_utils.grading.sandbox import bubblewrap

# Without a sandbox, so that notebooks can say that they run, and what they do to others is real.
pytestmark = [pytest.mark.xdist_group("faults"), pytest.mark.timeout(600)]

WEEK = tiny_homework.WEEK
CLASS = ["ada", "ben", "cora", "dan"]


class Class:
    """Students who are all right; each notebook says in a file when it runs."""

    def __init__(self, course, names=CLASS):
        self.course, self.log = course, course.root / "ran"
        self.log.touch()
        for name in names:
            self.submit(name)

    def submit(self, name, code="pass"):
        notebook = self.course.answered()
        [imports] = [cell for cell in notebook.cells if cell.id == "imports"]
        imports.source += f"\nwith open({str(self.log)!r}, 'a') as log:\n    log.write('{name}\\n')\n{code}"
        self.course.submit(name, notebook)

    def grade(self, **options):
        """The score of each student."""
        root = self.course.root
        students = engine.submissions(root, WEEK)
        options = {"course": root, "timeout": 20, "sandbox": "none", "jobs": 2} | options
        results = list(engine.grade(root, WEEK, students, **options))
        assert len({result.student for result in results}) == len(results)
        return {result.student: result.score for result in results}

    @property
    def ran(self):
        """How many times each notebook ran."""
        return Counter(self.log.read_text().split())

    @property
    def judged(self):
        """How many notebooks are kept as judged."""
        files = (self.course.root / "judged" / WEEK).glob("*.json")
        return sum(isinstance(json.loads(path.read_text()), list) for path in files)


@pytest.fixture
def students(course):
    return Class(course)


def wait_until(true, seconds=240):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_worker_that_is_killed_is_replaced(students):
    """One notebook kills the process that judges it, at its first run."""
    killed = str(students.course.root / "killed")
    kill = f"import os\nif not os.path.exists({killed!r}):\n    os.mkdir({killed!r})\n    os.kill(os.getppid(), 9)"
    students.submit("ben", kill)
    assert students.grade() == dict.fromkeys(CLASS, 5)
    assert students.ran == {"ada": 1, "ben": 2, "cora": 1, "dan": 1}


def test_a_notebook_that_always_kills_its_worker_is_said_and_touches_nobody_else(students):
    students.submit("ben", "import os\nos.kill(os.getppid(), 9)")
    root = students.course.root
    results = engine.grade(root, WEEK, CLASS, course=root, timeout=20, sandbox="none", jobs=2)
    results = {result.student: result for result in results}
    assert {name: result.score for name, result in results.items()} == {**dict.fromkeys(CLASS, 5), "ben": None}
    [said] = results["ben"].problems
    assert said.startswith("the process that judged it ended 3 times: ")


def test_a_kernel_that_never_answers_costs_nobody_else_anything(students):
    students.submit("ben", "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True:\n    pass")
    root = students.course.root
    results = engine.grade(root, WEEK, CLASS, course=root, timeout=8, sandbox="none", jobs=2)  # some to import torch
    results = {result.student: result for result in results}
    assert {name: result.score for name, result in results.items()} == dict.fromkeys(CLASS, 5)
    assert {name: result.problems for name, result in results.items()} == {
        **dict.fromkeys(CLASS, ()),
        "ben": ("a cell took longer than 8 seconds",),
    }


def start(course, *options):
    """`deepul grade` in a process of its own."""
    options = options or ("--jobs", "1", "--timeout", "20")
    arguments = ["grade", "week1", "--course", str(course.root), "--unsafe-no-sandbox", *options]
    code = f"import tiny_homework; from deepul_utils.cli import app; app({arguments!r})"
    return psutil.Popen([sys.executable, "-c", code], cwd=course.root, stdout=-1, stderr=-1, start_new_session=True)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_stopped_goes_on(students, how):
    """Killed, or stopped with Ctrl-C: what was judged is not judged again, and nothing runs on."""
    with start(students.course) as process:
        wait_until(lambda: students.judged >= 2 or process.poll() is not None)
        everything = process.children(recursive=True)
        process.send_signal(how)
        said = process.communicate()[1].decode()
    if how == signal.SIGINT:
        assert process.returncode == 1
        assert said.startswith("stopped after ")
        assert said.endswith(" of 4; what was judged is kept: give the command again to go on\n")
    assert psutil.wait_procs(everything, timeout=30)[1] == []
    before, kept = students.ran, students.judged
    assert 2 <= kept < 4
    assert students.grade() == dict.fromkeys(CLASS, 5)
    assert sum((students.ran - before).values()) - (4 - kept) in (0, 1)  # one that was under way says so late
    assert all(students.ran[name] == 1 for name in CLASS[:kept])


def test_ctrl_c_is_not_lost_where_its_exception_is(students, monkeypatch):
    """As in a finalizer, of which Python only says that its exception is ignored."""

    def losing(root, week, names, **options):
        for name in names:
            if name == "ben":
                with contextlib.suppress(KeyboardInterrupt):
                    signal.raise_signal(signal.SIGINT)
            yield Graded(name, 5.0, 5.0, 0, ())

    monkeypatch.chdir(students.course.root)
    monkeypatch.setattr(engine, "grade", losing)
    before = signal.getsignal(signal.SIGINT)  # a shell's background jobs ignore it
    result = CliRunner().invoke(app, ["grade", "week1", "--course", str(students.course.root)])
    assert result.exit_code == 1
    assert "stopped after 2 of 4; what was judged is kept" in result.output
    assert signal.getsignal(signal.SIGINT) is before


def test_a_full_disk_stops_the_run_and_it_goes_on(students, monkeypatch):
    fsync, left = os.fsync, [1, 1]

    def full(descriptor):
        if not left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left.pop()
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(GradingError, match=r"cannot be written to \(No space left on device\); what was judged"):
            students.grade()
    kept = students.judged
    assert kept in (1, 2)
    assert not list((students.course.root / "judged" / WEEK).glob("*.part"))
    before = students.ran
    assert students.grade() == dict.fromkeys(CLASS, 5)
    assert sum((students.ran - before).values()) == 4 - kept


def test_a_locked_gradebook_is_said_and_nothing_is_judged_twice(students, monkeypatch):
    assert students.grade()["ada"] == 5
    students.submit("ada", "'again'")
    monkeypatch.setattr(recorder, "_LOCKED", 0.2)
    monkeypatch.setattr(engine, "generate", lambda *args, **kwargs: None)  # which meets the lock first
    with contextlib.closing(sqlite3.connect(students.course.root / "gradebook.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(GradingError, match=r"the gradebook cannot be used \(database is locked\); what was"):
            students.grade()
    assert students.grade() == dict.fromkeys(CLASS, 5)
    assert students.ran["ada"] <= 2


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextlib.contextmanager
def dask(*arguments, without=None):
    """A process of Dask's command line, to which the folder `without` is empty."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [Path(sys.executable).with_name("dask"), *arguments]
    if without:
        command = [bubblewrap(), "--dev-bind", "/", "/", "--tmpfs", without, *command]
    process = psutil.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
        process.wait()


def test_a_dask_worker_is_killed_and_every_submission_is_graded_once(course):
    """Over TCP, with processes of `dask scheduler` and `dask worker`."""
    students = Class(course, [*CLASS, "emmy"])
    address = f"tcp://127.0.0.1:{(port := free_port())}"
    options = ("--nthreads", "1", "--no-nanny", "--no-dashboard")
    with (
        dask("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"),
        dask("worker", address, *options) as first,
        dask("worker", address, *options) as second,
    ):
        root = course.root
        names = engine.submissions(root, WEEK)
        results = {}
        running = engine.grade(root, WEEK, names, course=root, timeout=60, sandbox="none", scheduler=address)
        with contextlib.closing(running):
            for number, result in enumerate(running):
                assert result.student not in results
                assert result.score == 5, result.problems
                results[result.student] = result.score
                if number == 0:
                    doomed = next(one for one in (first, second) if one.children())
                    judges = doomed.children(recursive=True)
                    doomed.kill()
        assert psutil.wait_procs(judges, timeout=30)[1] == []  # nothing of it runs on
    assert results == dict.fromkeys(names, 5)
    assert all(students.ran[name] in (1, 2) for name in names)
    assert sum(students.ran.values()) <= len(names) + 2  # what the killed worker had


def test_the_command_grades_on_a_cluster(course):
    students = Class(course, names := CLASS[:2])
    address = f"tcp://127.0.0.1:{(port := free_port())}"
    with (
        dask("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"),
        dask("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard") as worker,
    ):
        wait_until(lambda: any(one.status == "ESTABLISHED" for one in worker.net_connections()))
        with start(course, "--scheduler", address) as command:
            wait_until(lambda: worker.children() or command.poll() is not None)  # it judges, in a process beside it
            printed, said = (text.decode() for text in command.communicate())
    assert (command.returncode, said) == (0, "")
    assert [printed.count(f"│ {name} ") for name in names] == [1, 1]
    assert printed.count("5 of 6") == 2
    assert students.ran == dict.fromkeys(names, 1)


def test_a_worker_needs_no_file_of_the_coordinators(course):
    students = Class(course, names := CLASS[:2])
    address = f"tcp://127.0.0.1:{(port := free_port())}"
    options = ("--nthreads", "1", "--no-nanny", "--no-dashboard")
    with (
        dask("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"),
        dask("worker", address, *options, without=course.root),
    ):
        assert students.grade(scheduler=address) == dict.fromkeys(names, 5)
    assert not students.ran  # where the coordinator looks


def test_a_cluster_without_workers_is_said(course, monkeypatch):
    monkeypatch.setattr(engine, "_LOOK", 1)
    students = Class(course, ["ada", "ben"])
    students.submit("ben", "import time\ntime.sleep(1000)")
    address = f"tcp://127.0.0.1:{(port := free_port())}"
    with (
        dask("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"),
        dask("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard") as worker,
    ):
        root = course.root
        running = engine.grade(root, WEEK, ["ada", "ben"], course=root, timeout=60, sandbox="none", scheduler=address)
        assert next(running).score == 5
        worker.kill()
        with pytest.raises(GradingError, match="the Dask cluster has no workers any more; what was judged is kept"):
            list(running)


def test_without_a_cluster_the_command_says_what_to_start(students, monkeypatch):
    monkeypatch.setattr(pool, "_JOIN", 1)
    with pytest.raises(GradingError, match=r"there is no Dask scheduler at tcp://127\.0\.0\.1:\d+; start"):
        students.grade(scheduler=f"tcp://127.0.0.1:{free_port()}")


def test_a_worker_with_another_version_does_not_judge(course):
    job = Job.of(nbformat.v4.new_notebook(), "sums", {}, timeout=1, seed=0, sandbox="none")
    with pytest.raises(JobFailed, match="has another version of deepul_utils; install the same as here"):
        pool.judge_elsewhere(dataclasses.replace(job, version="old"))
