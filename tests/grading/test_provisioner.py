"""The sandbox as a kernel that Jupyter's own tools start by its name."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from deepul_utils.grading import provisioner

pytestmark = [pytest.mark.xdist_group("provisioner"), pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
NAME = "deepul-sandbox"
HOMEWORK = f"{NAME}-histograms"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The kernelspec, and one for a homework, where Jupyter looks for them."""
    prefix = tmp_path_factory.mktemp("prefix")
    source = Path(provisioner.__file__).with_name("kernelspec")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(prefix / "share" / "jupyter"))
        for name in (NAME, HOMEWORK):
            place = Path(KernelSpecManager().install_kernel_spec(str(source), name, prefix=str(prefix)), "kernel.json")
        spec = json.loads(place.read_text())
        spec["metadata"]["kernel_provisioner"]["config"]["homework"] = "histograms"
        place.write_text(json.dumps(spec))
        patch.setenv("DEEPUL_SECRET", "SECRET")
        yield


def test_jupyter_execute_runs_a_notebook_in_isolation(installed: None, tmp_path: Path) -> None:
    hidden = [str(ROOT / "solutions"), str(tmp_path), str(Path.home() / ".ssh")]
    code = f"""
import os, socket
import deepul_utils
from deepul_utils.models.histogram import empirical
print(deepul_utils.__file__)
print([place for place in {hidden} if os.path.exists(place)])
print("SECRET" in str(os.environ))
print(socket.socket().connect_ex(("192.0.2.1", 80)) == 101)
try:
    empirical([1], 2)
except RuntimeError as error:
    print(error)
"""
    path = tmp_path / "notebook.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code, id="look")]), path)
    command = [Path(sys.executable).with_name("jupyter"), "execute", "--inplace", f"--kernel_name={HOMEWORK}", path]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    [cell] = nbformat.read(path, as_version=4).cells
    assert cell.outputs[0].text.splitlines() == [
        "/run/edition/deepul_utils/__init__.py",
        "[]",
        "False",
        "True",
        "models.histogram.empirical is what a question asks for: write it yourself",
    ]


@pytest.fixture
def manager(installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KernelManager]:
    """A manager whose kernel runs; what it leaves behind is looked for."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    manager = KernelManager(kernel_name=NAME)
    manager.start_kernel()
    yield manager
    manager.shutdown_kernel(now=True)
    assert list(tmp_path.iterdir()) == []
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before


@pytest.fixture
def client(manager: KernelManager) -> Iterator[BlockingKernelClient]:
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield client
    client.stop_channels()


def said(client: BlockingKernelClient, code: str) -> str:
    """What the code's last expression shows, or the name of its error."""
    reply = client.execute_interactive(f"shown = str({code})", user_expressions={"shown": "shown"}, timeout=60)
    content = reply["content"]
    return content.get("ename") or content["user_expressions"]["shown"]["data"]["text/plain"].strip("'")


def test_a_kernel_is_interrupted_restarted_and_ended(manager: KernelManager, client: BlockingKernelClient) -> None:
    assert said(client, "__import__('os').getpid()") == "2"
    request = client.execute("mine = 1\nwhile True: pass")
    time.sleep(1)
    manager.interrupt_kernel()
    assert client.get_shell_msg(timeout=30)["content"]["ename"] == "KeyboardInterrupt", request
    assert said(client, "mine") == "1"

    manager.restart_kernel(now=True)
    client.wait_for_ready(timeout=60)  # the client of before
    assert said(client, "mine") == "NameError"
    assert manager.is_alive()


def test_a_kernel_that_ends_itself_is_seen_to_have_ended(manager: KernelManager, client: BlockingKernelClient) -> None:
    client.execute("__import__('os')._exit(0)")
    for _ in range(100):
        if not manager.is_alive():
            break
        time.sleep(0.1)
    assert not manager.is_alive()
