"""What every test shares: one thread, no window, no network; and a browser."""

import contextlib
import os
import shutil
import socket

# Before NumPy and torch are imported, and for the processes that tests start.
os.environ.update(OMP_NUM_THREADS="1", JUPYTER_PLATFORM_DIRS="1")

import matplotlib
import pytest
import torch

pytest.register_assert_rewrite("answers")
torch.set_num_threads(1)
matplotlib.use("Agg")

# What Chromium asks other hosts on its own account, switched off.
QUIET = ["background-networking", "component-update", "default-apps", "quic", "sync"]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """A test that reaches for another machine fails, with or without a network here."""
    connect = socket.socket.connect

    def local_only(self, address):
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"a test asked for {address[0]}; tests run without a network")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)


@pytest.fixture
def float64():
    """Laws are tested in double precision, on the same draws every time."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="session")
def offline():
    """Put before a command, it runs without any network."""
    if not shutil.which("bwrap"):
        pytest.fail("bubblewrap is missing: run `make test`, or install the package bubblewrap")
    return ["bwrap", "--die-with-parent", "--dev-bind", "/", "/", "--unshare-net"]


# Of the module, not of the session: Playwright's event loop would stand in the way of other tests.
@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
    if chromium is None:
        pytest.fail(
            "these tests look at the site in Chromium, which is not here; try: apt-get install chromium", pytrace=False
        )
    flags = ["--no-sandbox", "--no-first-run", *(f"--disable-{feature}" for feature in QUIET)]
    with (
        sync_playwright() as playwright,
        contextlib.closing(playwright.chromium.launch(executable_path=chromium, args=flags)) as opened,
    ):
        yield opened
