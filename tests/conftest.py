"""What every test shares: one thread, no window, no network."""

import os
import shutil
import socket

# Before NumPy and torch are imported, and for the processes that tests start.
os.environ.update(OMP_NUM_THREADS="1", JUPYTER_PLATFORM_DIRS="1")

import matplotlib
import pytest
import torch

torch.set_num_threads(1)
matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """A test that reaches for another machine fails, with or without a network here."""
    connect = socket.socket.connect

    def local_only(self, address):
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"a test asked for {address[0]}; tests run without a network")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)


@pytest.fixture(scope="session")
def offline():
    """Put before a command, it runs without any network."""
    if not shutil.which("bwrap"):
        pytest.fail("bubblewrap is missing: run `make test`, or install the package bubblewrap")
    return ["bwrap", "--die-with-parent", "--dev-bind", "/", "/", "--unshare-net"]
