"""The built site, a server for it and a Chromium to look at it with."""

import contextlib
import functools
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import filelock
import pytest
from playwright.sync_api import sync_playwright

from deepul_utils.course.book import build

ROOT = Path(__file__).parents[2]
# What Chromium asks other hosts on its own account, switched off.
QUIET = ["background-networking", "component-update", "default-apps", "quic", "sync"]


@pytest.fixture(scope="session")
def site(tmp_path_factory, worker_id):
    """The folder of the built pages; built once, by whichever worker comes first."""
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "site"
    shared.mkdir(exist_ok=True)
    with filelock.FileLock(shared / "lock"):
        return build(ROOT, into=shared).parent


@pytest.fixture(scope="module")
def server(site):
    """The address of the site on this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site)) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


# Of the module, not of the session: Playwright's event loop would stand in the way of other tests.
@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
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
