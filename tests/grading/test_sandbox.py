"""What a student's kernel in the sandbox can do, and what it cannot."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deepul_utils.grading import edition, sandbox
from deepul_utils.grading.kernel import Kernel
from deepul_utils.grading.sandbox import Limits, Sandbox, SandboxedProcess, SandboxUnavailable, WarmStart


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    os.environ["DEEPUL_SECRET"] = "SECRET"
    editions = tmp_path_factory.mktemp("editions")
    edition.build(editions / "histograms", "histograms")
    with Sandbox(editions, Limits(memory=3 << 30, disk=8 << 20, processes=64)) as box:
        yield box
    del os.environ["DEEPUL_SECRET"]


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


@pytest.mark.parametrize("path", ["/usr/mine", "/run/edition/mine", "/zygote.py", "/etc/mine", "/mine"])
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


def test_memory_disk_files_and_processes_are_limited(student: Student) -> None:
    assert student.run("try:\n    bytearray(4 << 30)\nexcept MemoryError:\n    print('too much')") == "too much\n"
    assert "No space left" in student.run("for i in range(9): open(f'/tmp/{i}', 'wb').write(bytes(1 << 20))")
    assert "Too many open files" in student.run("files = [open('/dev/null') for _ in range(600)]")
    student.run("files = None")
    said = student.run(
        "import os\nfor i in range(500):\n    pid = os.fork()\n    if pid == 0:\n        import time; time.sleep(100)"
    )
    assert "Resource temporarily unavailable" in said


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
from deepul_utils.grading.kernel import Kernel
from deepul_utils.grading.sandbox import Sandbox, SandboxedProcess
Path(sys.argv[1], "empty").mkdir()
with Sandbox(Path(sys.argv[1])) as box:
    run = Kernel(SandboxedProcess(box, "empty")).run("import sys; print(sys.prefix)", 30)
    print(run.outputs[0]["text"], end="")
"""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        prefix = Path(folder, "a course")
        prefix.symlink_to(sys.prefix)
        command = [prefix / "bin" / "python", "-c", code, tmp_path]
        run = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert run.stdout == f"{prefix}\n", run.stderr


def test_without_bubblewrap_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    with pytest.raises(SandboxUnavailable, match=r"bubblewrap is missing: install it \(`apt-get install bubblewrap`\)"):
        sandbox.bubblewrap()
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: "/bin/false")
    with pytest.raises(SandboxUnavailable, match="cannot make a sandbox on this system"):
        sandbox.bubblewrap()
