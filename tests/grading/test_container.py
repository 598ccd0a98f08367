"""Kernels in containers: podman for real, with this machine's Python in an image made here; docker by its command."""

import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_homework
from jupyter_client.manager import KernelManager

from deepul_utils.grading import container, edition, engine, sandbox
from deepul_utils.grading.container import IMAGE, Containers
from deepul_utils.grading.kernel import Kernel, Run
from deepul_utils.grading.sandbox import Limits, SandboxUnavailable

pytestmark = [pytest.mark.xdist_group("container"), pytest.mark.timeout(600)]

LIMITS = Limits(memory=1 << 30, disk=8 << 20, processes=64)


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Podman with the image: empty folders, over which it mounts this machine's Python."""
    if not (found := shutil.which("podman")):
        pytest.fail("these tests need podman: run `make test`, or install the package podman", pytrace=False)
    folder = tmp_path_factory.mktemp("podman")
    places = [place for place in sandbox._python_folders() if Path(place).is_dir()]
    with tarfile.open(folder / "image.tar", "w") as image:
        for name in ("dev", "etc", "home", "proc", "run", "sys", "tmp", *(place[1:] for place in places)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            image.addfile(entry)
        for name in ("bin", "lib", "lib64", "sbin"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{name}"
            image.addfile(entry)
        users = b"root:x:0:0::/:/bin/sh\n"
        entry = tarfile.TarInfo("etc/passwd")
        entry.size = len(users)
        image.addfile(entry, io.BytesIO(users))
    volumes = json.dumps([f"{place}:{place}:ro" for place in places])
    # Debian's crun refuses a system with control groups of both versions.
    runtime = 'runtime = "runc"' if shutil.which("runc") else ""
    (folder / "containers.conf").write_text(
        f'[containers]\nvolumes = {volumes}\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n{runtime}\n'
    )
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERS_CONF", str(folder / "containers.conf"))
        patch.setenv("CONTAINERS_STORAGE_CONF", str(folder / "storage.conf"))
        patch.setenv("DEEPUL_SECRET", "SECRET")
        path = f"ENV PATH={Path(sys.executable).parent}:/usr/bin:/bin"
        subprocess.run([found, "import", "--quiet", "--change", path, folder / "image.tar", IMAGE], check=True)
        yield found
        subprocess.run([found, "kill", "--all"], capture_output=True)


@pytest.fixture(scope="module")
def kernel(podman: str) -> Iterator[Kernel]:
    start = Containers("podman", LIMITS)
    kernel = Kernel(start("histograms"))
    yield kernel
    kernel.stop()
    start.close()
    assert containers(podman) == []


def containers(podman: str) -> list[str]:
    listed = subprocess.run([podman, "ps", "--all", "--format", "{{.Names}}"], capture_output=True, text=True)
    assert listed.returncode == 0, listed.stderr
    return listed.stdout.split()


def said(run: Run) -> str:
    return "".join(output.get("text", output.get("evalue", "")) for output in run.outputs).strip()


def test_a_kernel_in_podman_is_isolated(kernel: Kernel) -> None:
    root = Path(__file__).parents[2]
    hidden = [str(root / "solutions"), str(root / "tests"), str(Path.home() / ".ssh"), "/etc/shadow"]
    assert said(kernel.run(f"import os; print([place for place in {hidden} if os.path.exists(place)])", 30)) == "[]"
    assert said(kernel.run("import deepul_utils; print(deepul_utils.__file__)", 30)).startswith("/run/edition/")
    assert said(kernel.run("print('SECRET' in str(os.environ), os.getuid() > 0)", 30)) == "False True"
    assert said(kernel.run("import socket; print(socket.socket().connect_ex(('192.0.2.1', 80)))", 30)) == "101"
    status = said(kernel.run("print(open('/proc/self/status').read())", 30))
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    for path in ("/usr/mine", "/run/edition/mine", "/mine"):
        assert "Read-only file system" in said(kernel.run(f"open({path!r}, 'w')", 30))
    assert "Permission denied" in said(kernel.run("os.listdir('/proc/1/root')", 30))  # its keeper


def test_a_kernel_in_podman_keeps_to_its_limits(kernel: Kernel) -> None:
    full = "for number in range(99):\n    open(f'{folder}/{number}', 'wb').write(bytes(1 << 20))"
    for folder in ("/tmp", "/dev/shm", "/home/student", "/run/kernel"):
        assert "No space left" in said(kernel.run(f"folder = {folder!r}\n{full}", 30))
    files = kernel.run("files = [open('/dev/null') for _ in range(600)]", 30)
    assert "Too many open files" in said(files)
    bomb = "import time\nfor number in range(99):\n    if os.fork() == 0:\n        time.sleep(100)"
    assert "Resource temporarily unavailable" in said(kernel.run(f"files = None\n{bomb}", 30))


def test_a_kernel_in_podman_is_interrupted_and_ends_with_too_much_memory(podman: str) -> None:
    before = containers(podman)
    start = Containers("podman", LIMITS)
    kernel = Kernel(start("histograms"))
    assert kernel.run("while True: pass", 1).stopped == "took longer than 1 seconds"
    assert said(kernel.run("print(2 + 2)", 30)) == "4"
    assert kernel.run("bytearray(2 << 30)", 60).stopped == "ended the Python that ran it"
    assert not kernel.alive
    kernel.stop()
    start.close()
    assert containers(podman) == before


def test_jupyters_own_tools_start_a_kernel_in_podman(
    podman: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = containers(podman)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    spec = json.loads(Path(container.__file__).with_name("kernelspec").joinpath("kernel.json").read_text())
    spec["metadata"]["kernel_provisioner"]["config"] = {"sandbox": "podman"}
    place = tmp_path / "kernels" / "in-podman"
    place.mkdir(parents=True)
    place.joinpath("kernel.json").write_text(json.dumps(spec))
    manager = KernelManager(kernel_name="in-podman")
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    reply = client.execute_interactive("import os", user_expressions={"user": "os.getuid()"}, timeout=60)
    assert reply["content"]["user_expressions"]["user"]["data"]["text/plain"] == str(os.getuid() or 1000)
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    assert containers(podman) == before


def test_a_container_ends_with_a_killed_grader(podman: str, tmp_path: Path) -> None:
    code = """
import sys, time
from deepul_utils.grading.container import Containers
start = Containers("podman")
start("histograms")
print("started", flush=True)
time.sleep(100)
"""
    before = containers(podman)
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as grader:
        assert grader.stdout
        assert grader.stdout.readline() == "started\n"
        assert len(containers(podman)) == len(before) + 1
        grader.send_signal(signal.SIGKILL)
    for _ in range(60):
        if containers(podman) == before:
            break
        time.sleep(0.5)
    assert containers(podman) == before


def test_a_submission_is_graded_in_podman(podman: str, course) -> None:
    course.submit("ada", course.answered())
    course.submit("eve", course.answered(half="    import os; os._exit(0)"))
    results = engine.grade(
        course.root, tiny_homework.WEEK, ["ada", "eve"], course=course.root, sandbox="podman", jobs=1
    )
    assert {one.student: one.score for one in results} == {"ada": 5, "eve": 2}


def test_docker_is_told_to_isolate(tmp_path: Path) -> None:
    edition.build(tmp_path / "histograms", "histograms")
    words = container.command("/usr/bin/docker", "deepul-x", tmp_path / "histograms", LIMITS)
    line = " ".join(words)
    for flags in (
        "--rm --interactive --name deepul-x --pull never --log-driver none",
        "--network none",
        f"--user {os.getuid() or 1000}:{os.getgid() or 1000}",
        "--cap-drop ALL --security-opt no-new-privileges --read-only --tmpfs",
        f"--tmpfs /tmp:rw,nosuid,nodev,mode=1777,size={8 << 20}",
        f"--tmpfs /home/student:rw,nosuid,nodev,mode=1777,size={8 << 20}",
        "--tmpfs /run/kernel:rw,nosuid,nodev,mode=1777,noexec,size=64k",
        f"--volume {tmp_path}/histograms:/run/edition:ro,z",
        f"--pids-limit 64 --memory {1 << 30} --memory-swap {1 << 30}",
        "--ulimit core=0:0 --ulimit cpu=600:600",
    ):
        assert flags in line
    assert words[-4:-1] == [IMAGE, "python", "-c"]
    assert [word for word in words if word.startswith(("--privileged", "--mount", "--device"))] == []
    assert line.count("--volume") == 1
    assert "read-only-tmpfs" in " ".join(container.command("podman", "x", tmp_path, LIMITS))
    others = stat.S_IROTH
    assert all(path.stat().st_mode & others for path in (tmp_path / "histograms").rglob("*"))


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            None,
            r"docker is missing: install it, or grade with bubblewrap on Linux, or notebooks .* --unsafe-no-sandbox",
        ),
        ("echo Is the daemon running? >&2; exit 1", r"docker does not work here \(Is the daemon running\?\): start it"),
        (
            '[ "$1" = info ]',
            r"no image deepul-sandbox yet: .*: \S*docker build --tag deepul-sandbox --file Containerfile",
        ),
    ],
)
def test_what_is_missing_is_said(
    script: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script:
        (tmp_path / "docker").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxUnavailable, match=said):
        container.check("docker")
    with pytest.raises(SandboxUnavailable, match=said):
        Containers("docker")("histograms")
