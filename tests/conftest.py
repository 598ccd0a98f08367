"""What every test shares: one thread, no window, no network."""

import os
import socket

# Before NumPy, torch and matplotlib are imported, and for the processes that tests start.
os.environ.update(OMP_NUM_THREADS="1", MPLBACKEND="Agg", JUPYTER_PLATFORM_DIRS="1")

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """A test that reaches for another machine fails, with or without a network here."""
    connect = socket.socket.connect

    def local_only(self, address):
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"a test asked for {address[0]}; tests run without a network")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)
