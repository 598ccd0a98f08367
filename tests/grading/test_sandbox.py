"""What a student's kernel in the sandbox can do, and what it cannot."""

import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

import deepul_utils
from deepul_utils.cli import app
from deepul_utils.grading import cgroup, edition, engine, sandbox
from deepul_utils.grading.kernel import Kernel
from deepul_utils.grading.sandbox import Limits, Sandbox, SandboxUnavailable
from deepul_utils.grading.warm_start import SandboxedProcess, WarmStart


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    os.environ["DEEPUL_SECRET"] = "SECRET"
    editions = tmp_path_factory.mktemp("editions")
    edition.build(editions / "histograms", "histograms")
    with Sandbox(editions, Limits(memory=3 << 30, disk=8 << 20, processes=64)) as box:
        yield box
    del os.environ["DEEPUL_SECRET"]


@pytest.fixture(scope="module", params=["held", "watched"])
def either(request: pytest.FixtureRequest, box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox with the control group that this user gets, and one without, as ordinary users have it."""
    if request.param == "held":
        yield box
        return
    editions = tmp_path_factory.mktemp("editions")
    edition.build(editions / "histograms", "histograms")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cgroup, "make", lambda processes, memory: [])
        with Sandbox(editions, box.limits) as watched:
            yield watched


class Student:
    """Runs code in a fresh kernel of the sandbox and returns what it prints."""

    def __init__(self, box: Sandbox) -> None:
        self.kernel = Kernel(SandboxedProcess(box, "histograms"))

    def run(self, code: str) -> str:
        run = self.kernel.run(code, 30)
        return "".join(output.get("text", output.get("evalue", "")) for output in run.outputs)


@pytest.fixture
def student(box: Sandbox) -> Iterator[Student]:
    student = Student(box)
    yield student
    student.kernel.stop()


def test_the_courses_imports_work(student: Student) -> None:
    code = """
import torch
from deepul_utils.data.toy1d import one_bump
print(torch.ones(2, 2).mm(torch.ones(2, 2)).sum().item(), len(one_bump()[0]))
"""
    assert student.run(code) == "8.0 800\n"


@pytest.mark.parametrize("name", ["course", "grading", "checks.question", "checks.week1", "checks.laws", "cli"])
def test_the_checks_and_the_grader_are_not_there(student: Student, name: str) -> None:
    said = student.run(f"import deepul_utils; print(deepul_utils.__file__); import deepul_utils.{name}")
    assert said.startswith("/run/edition/deepul_utils/__init__.py\n")
    assert f"No module named 'deepul_utils.{name}'" in said


def test_a_withheld_function_raises(student: Student) -> None:
    said = student.run("from deepul_utils.models.histogram import empirical; empirical([1], 2)")
    assert said == "models.histogram.empirical is what a question asks for: write it yourself"


def test_it_has_no_network(student: Student) -> None:
    code = "import socket; socket.create_connection(('127.0.0.1', {port}), timeout=5)"
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert "refused" in student.run(code.format(port=server.getsockname()[1]))
    assert "unreachable" in student.run("socket.create_connection(('192.0.2.1', 80), timeout=5)")


def test_it_sees_nothing_of_this_course_or_this_user(student: Student) -> None:
    root = Path(__file__).parents[2]
    places = [str(root / "solutions"), str(root / "tests"), str(Path.home() / ".ssh"), "/etc/shadow", "/etc/passwd"]
    assert student.run(f"import os; print([p for p in {places} if os.path.exists(p)])") == "[]\n"
    assert "SECRET" not in student.run("print(os.environ, open('/proc/self/environ').read())")


@pytest.mark.parametrize("path", ["/usr/mine", "/run/edition/mine", "/zygote.py", "/etc/mine", "/mine", "/dev/mine"])
def test_the_system_is_read_only(student: Student, path: str) -> None:
    said = student.run(f"open({path!r}, 'w')")
    assert "Read-only file system" in said or "Permission denied" in said


def sleeping() -> bool:
    return any(process.info["cmdline"] == ["sleep", "1234"] for process in psutil.process_iter(["cmdline"]))


def test_nothing_stays_for_the_next(box: Sandbox, student: Student) -> None:
    hide = """
import numpy, os, pathlib, subprocess
for folder in ("/tmp", "/dev/shm", os.environ["HOME"]):
    pathlib.Path(folder, "mine").write_text("x")
subprocess.Popen(["sleep", "1234"], start_new_session=True)
numpy.sum = None
print("hidden")
"""
    assert student.run(hide) == "hidden\n"
    assert sleeping()
    student.kernel.stop()
    after = Student(box)
    look = """
import numpy, os, pathlib
print([f for f in ("/tmp", "/dev/shm", os.environ["HOME"]) if pathlib.Path(f, "mine").exists()], numpy.sum([1, 2]))
"""
    assert after.run(look) == "[] 3\n"
    assert not sleeping()
    after.kernel.stop()


def test_each_process_is_held_to_the_limits(box: Sandbox, student: Student) -> None:
    code = """
import json, resource, subprocess, sys
names = ("AS", "CORE", "CPU", "FSIZE", "NOFILE", "NPROC")
ask = "import resource; print([resource.getrlimit(getattr(resource, f'RLIMIT_{n}')) for n in %r])" % (names,)
print(subprocess.check_output([sys.executable, "-c", ask], text=True), end="")
exec(ask)
"""
    limits = box.limits
    own = [limits.memory, 0, limits.cpu_seconds, limits.disk, limits.open_files, limits.processes]
    assert student.run(code) == f"{[(limit, limit) for limit in own]}\n" * 2
    too_large = f"open('/tmp/large', 'wb').truncate({limits.disk} + 1)"
    assert "File too large" in student.run(f"import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); {too_large}")


def test_memory_disk_and_files_are_limited(student: Student) -> None:
    assert student.run("try:\n    bytearray(4 << 30)\nexcept MemoryError:\n    print('too much')") == "too much\n"
    assert "No space left" in student.run("for i in range(9): open(f'/tmp/{i}', 'wb').write(bytes(1 << 20))")
    assert "Too many open files" in student.run("files = [open('/dev/null') for _ in range(600)]")


def test_processes_are_limited_together(either: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
import os, time
for i in range(150):
    if os.fork() == 0:
        time.sleep(100)
time.sleep(20)
"""
    student = Student(either)
    monkeypatch.setattr(either, "limits", replace(either.limits, memory=1 << 40))  # which a busy machine tells too late
    run = student.kernel.run(code, 30)
    refused = "Resource temporarily unavailable" in run.error
    assert refused or run.stopped == "started more than 64 processes and threads", run
    student.kernel.stop()
    assert either.kernel_processes() == []


HOARDS = {
    "one process": "hoard = bytearray(b'x') * (1 << 30)",
    "its children": """
import os, time
for _ in range(4):
    if os.fork() == 0:
        hoard = bytearray(b"x") * (256 << 20)
        time.sleep(100)
""",
    "its sockets": """
import os, socket, time
for _ in range(8):
    if os.fork() == 0:
        pairs = [socket.socketpair() for _ in range(200)]
        for one, _ in pairs:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 20)
            assert one.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= BUFFER
        time.sleep(100)
""".replace("BUFFER", Path("/proc/sys/net/core/wmem_default").read_text()),
}


@pytest.mark.parametrize("where", HOARDS)
def test_memory_is_limited_together(either: Sandbox, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    student = Student(either)
    monkeypatch.setattr(either, "limits", replace(either.limits, memory=1 << 30))  # less than what one process may
    run = student.kernel.run(HOARDS[where] + "\nimport time\ntime.sleep(20)", 30)
    assert run.stopped == "used more than 1 GiB of memory"
    student.kernel.stop()


HIDING_PLACES = {
    "memfd": "os.memfd_create('hoard')",
    "a shared mapping": "mmap.mmap(-1, 1 << 20)",
    "/dev/zero": "mmap.mmap(os.open('/dev/zero', os.O_RDWR), 1 << 20)",
    "shmget": "linux(libc.shmget(0, 1 << 20, 0o600))",
    "msgget": "linux(libc.msgget(0, 0o600))",
    "semget": "linux(libc.semget(0, 1, 0o600))",
    "io_uring": "linux(libc.syscall(425, 1, ctypes.create_string_buffer(120)))",
    "unshare": "linux(libc.unshare(0x10000000))",
    "clone": "linux(libc.syscall({'x86_64': 56, 'aarch64': 220}[os.uname().machine], 0x10000011, 0, 0, 0, 0))",
}


@pytest.mark.parametrize("where", HIDING_PLACES)
def test_no_memory_can_be_held_out_of_sight(student: Student, where: str) -> None:
    code = """
import ctypes, mmap, os
libc = ctypes.CDLL(None, use_errno=True)

def linux(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

""" + HIDING_PLACES[where]
    assert student.run(code) in ("[Errno 38] Function not implemented", "[Errno 19] No such device")


def test_what_honest_code_needs_of_the_system_works(student: Student) -> None:
    code = """
import multiprocessing, subprocess, torch
from torch.utils.data import DataLoader
rows = sum(len(batch) for batch in DataLoader(torch.ones(100, 3), batch_size=10, num_workers=2))
print(rows, multiprocessing.Value("i", 3).value, subprocess.check_output(["echo", "4"], text=True).strip())
"""
    assert student.run(code) == "100 3 4\n"


def test_the_command_says_once_what_is_watched_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    monkeypatch.setattr(engine, "submissions", lambda *_: ["ada", "ben"])
    monkeypatch.setattr(engine, "grade", lambda *_, **__: (one for one in ()))
    made = cgroup.make
    for make, words, said in (
        (lambda *_: [], [], f"{sandbox.WATCHED}\n"),
        (lambda *_: [], ["--unsafe-no-sandbox"], ""),
        (lambda *_: [tmp_path / "group"], [], ""),
    ):
        monkeypatch.setattr(cgroup, "make", make)
        (tmp_path / "group").mkdir(exist_ok=True)
        result = CliRunner().invoke(app, ["grade", "week1", "--course", str(tmp_path), *words])
        assert (result.exit_code, result.stderr) == (0, said)
    monkeypatch.setattr(cgroup, "make", made)
    group = made(1, 1 << 20)
    cgroup.remove(group)
    assert cgroup.possible() == bool(group)


def test_the_folder_of_its_sockets_is_small_and_its_own(student: Student) -> None:
    full = """
import os
try:
    for number in range(1000):
        with open(f"/run/kernel/{number}", "wb") as file:
            file.write(bytes(SIZE))
except OSError as error:
    print(error.strerror, number < 40)
"""
    for size in ("1 << 17", "0"):
        assert student.run(full.replace("SIZE", size)) == "No space left on device True\n"
    assert student.run("print(2 + 2)") == "4\n"


def test_it_leaves_no_file_on_this_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    start = WarmStart()
    for word in ("once", "again"):
        kernel = Kernel(start("histograms"))
        assert kernel.run(f"import deepul_utils; print('{word}')", 30).outputs[0]["text"] == f"{word}\n"
        [editions] = tmp_path.iterdir()
        assert [path.name for path in editions.iterdir()] == ["histograms"]
        kernel.stop()
        start.close()
        assert list(tmp_path.iterdir()) == []


def test_it_has_no_capabilities_and_cannot_end_its_keeper(student: Student) -> None:
    assert "CapEff:\t0000000000000000" in student.run("print(open('/proc/self/status').read())")
    assert student.run("import os; os.kill(1, 9); print('alive')") == "alive\n"
    assert "Operation not permitted" in student.run("import os; os.chroot('/tmp')")
    assert student.run("print(2 + 2)") == "4\n"


def test_all_of_it_ends_with_the_grader(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    code = """
import sys, time
from pathlib import Path
from deepul_utils.grading.sandbox import Sandbox
box = Sandbox(Path(sys.argv[1]))
box.start_kernel("x")
while not box.kernel_processes():
    time.sleep(0.1)
print("started", flush=True)
time.sleep(100)
"""
    grader = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert grader.stdout is not None
    assert grader.stdout.readline() == "started\n"
    family = psutil.Process(grader.pid).children(recursive=True)
    grader.kill()
    grader.communicate()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive


def test_a_python_that_lies_in_tmp_stays_in_sight(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
import deepul_utils
from deepul_utils.grading.kernel import Kernel
from deepul_utils.grading.sandbox import Sandbox
from deepul_utils.grading.warm_start import SandboxedProcess
Path(sys.argv[1], "empty").mkdir()
deepul_utils.__file__ = next(path for path in map(Path, sys.path) if path.name == "site-packages") / "pip/__init__.py"
with Sandbox(Path(sys.argv[1])) as box:
    look = f"import os, sys; print(sys.prefix, os.listdir({str(deepul_utils.__file__.parent)!r}))"
    run = Kernel(SandboxedProcess(box, "empty")).run(look, 30)
    print(run.outputs[0]["text"], end="")
"""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        prefix = Path(folder, "a course")
        prefix.symlink_to(sys.prefix)
        command = [prefix / "bin" / "python", "-c", code, tmp_path]
        run = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert run.stdout == f"{prefix} []\n", run.stderr


@pytest.mark.parametrize(
    ("package", "places", "covers"),
    [
        ("venv/lib/site-packages/deepul_utils", ["venv"], ["venv/lib/site-packages/deepul_utils"]),
        ("clone/deepul_utils", ["clone/.venv"], []),
        ("usr/src/clone/deepul_utils", ["usr", "usr/src/clone/.venv"], ["usr/src/clone"]),
        ("clone/deepul_utils", ["clone"], ["clone/deepul_utils"]),
        ("venv/lib/site-packages/deepul_utils", ["link", "venv"], ["link/{}", "venv/{}"]),
    ],
)
def test_where_the_reference_lies_is_covered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: str, places: list[str], covers: list[str]
) -> None:
    (tmp_path / package).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "venv")
    for folder in ("clone", "usr/src/clone"):
        (tmp_path / folder / "solutions").mkdir(parents=True)
    monkeypatch.setattr(deepul_utils, "__file__", str(tmp_path / package / "__init__.py"))
    monkeypatch.setattr(sandbox, "_python_folders", lambda: [str(tmp_path / place) for place in places])
    words = Sandbox.__new__(Sandbox)._arguments("bwrap", tmp_path, 3)
    covers = [str(tmp_path / cover.format("lib/site-packages/deepul_utils")) for cover in covers]
    pairs = list(itertools.pairwise(words))
    for word in ("--tmpfs", "--remount-ro"):
        assert [place for it, place in pairs if it == word and place.startswith(str(tmp_path))] == covers
    at = [words.index(str(tmp_path / place)) for place in places]
    assert all(any(place < words.index(cover) for place in at) for cover in covers)
    if len(places) > len(covers) > 0:
        assert words.index(covers[0]) < at[1]  # or the cover would hide the Python


def test_an_installed_reference_is_out_of_sight(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as prefix:
        package = Path(prefix, "lib", "deepul_utils")
        shutil.copytree(Path(deepul_utils.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
        package.with_name("another.py").touch()
        folders = sandbox._python_folders()
        monkeypatch.setattr(sandbox, "_python_folders", lambda: [*folders, prefix])
        monkeypatch.setattr(sandbox, "_WARM_MODULES", ("ipykernel.kernelapp",))
        monkeypatch.setattr(deepul_utils, "__file__", str(package / "__init__.py"))
        edition.build(tmp_path / "histograms", "histograms")
        with Sandbox(tmp_path) as box:
            student = Student(box)
            look = "import os; print(sorted(os.listdir(PLACE)), os.listdir(PLACE + '/deepul_utils'))"
            assert (
                student.run(look.replace("PLACE", repr(str(package.parent)))) == "['another.py', 'deepul_utils'] []\n"
            )
            said = student.run(f"open({str(package / 'mine.py')!r}, 'w')")
            assert "Read-only file system" in said
            assert student.run("import deepul_utils; print(deepul_utils.__file__[:12])") == "/run/edition\n"
            student.kernel.stop()


def test_without_bubblewrap_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    with pytest.raises(SandboxUnavailable, match=r"bubblewrap is missing: install it \(`apt-get install bubblewrap`\)"):
        sandbox.bubblewrap()
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: "/bin/false")
    with pytest.raises(SandboxUnavailable, match="cannot make a sandbox on this system"):
        sandbox.bubblewrap()
