import gzip
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from deepul_utils.data import mnist as module
from deepul_utils.data.mnist import DataUnavailable, locate, mnist, mnist_labels

RNG = np.random.default_rng(0)
TRAIN, TEST = (RNG.integers(0, 256, (n, 28, 28), dtype=np.uint8) for n in (5, 3))
TRAIN_LABELS, TEST_LABELS = (RNG.integers(0, 10, n, dtype=np.uint8) for n in (5, 3))


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


CONTENT = {
    "train-images-idx3-ubyte": idx(TRAIN),
    "train-labels-idx1-ubyte": idx(TRAIN_LABELS),
    "t10k-images-idx3-ubyte": idx(TEST),
    "t10k-labels-idx1-ubyte": idx(TEST_LABELS),
}


class Mirror(BaseHTTPRequestHandler):
    """Serve `files`, a dict of bytes, and remember what was asked for."""

    def do_GET(self):
        self.server.asked.append(self.path)
        body = self.server.files.get(self.path.removeprefix("/mnist/"))
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"") + self.server.missing_bytes))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *args):
        pass


@pytest.fixture
def mirror():
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        server.files = {f"{name}.gz": gzip.compress(content) for name, content in CONTENT.items()}
        server.asked, server.missing_bytes = [], 0
        server.url = f"http://127.0.0.1:{server.server_port}/mnist/"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """Small files in place of MNIST's, an empty cache, no mirror, and no folder of the person who runs the tests."""
    monkeypatch.setattr(module, "FILES", {name: hashlib.md5(content).hexdigest() for name, content in CONTENT.items()})
    monkeypatch.setattr(module, "MIRRORS", ("http://127.0.0.1:9/mnist/",))  # the discard port: nobody listens
    monkeypatch.setattr(module.pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("DEEPUL_DATA", raising=False)
    return tmp_path / "cache" / "deepul" / "mnist"


@pytest.fixture
def own(monkeypatch, tmp_path):
    """The folder that DEEPUL_DATA names."""
    folder = tmp_path / "own"
    (folder / "mnist").mkdir(parents=True)
    monkeypatch.setenv("DEEPUL_DATA", str(folder))
    return folder


def assert_all_there():
    for got, expected in zip((*mnist(), *mnist_labels()), (TRAIN, TEST, TRAIN_LABELS, TEST_LABELS), strict=True):
        assert got.dtype == np.uint8
        assert np.array_equal(got, expected)
        assert got.flags.writeable


@pytest.mark.parametrize("below", ["mnist", ""])
@pytest.mark.parametrize("gzipped", [True, False])
def test_a_folder_of_ones_own_comes_first(own, cache, below, gzipped):
    for name, content in CONTENT.items():
        path = own / below / (f"{name}.gz" if gzipped else name)
        path.write_bytes(gzip.compress(content, 1) if gzipped else content)
    assert_all_there()
    assert not cache.exists()


def test_a_mirror_is_asked_once_for_each_file(monkeypatch, mirror, cache):
    monkeypatch.setattr(module, "MIRRORS", (mirror.url,))
    assert_all_there()
    assert_all_there()
    assert sorted(mirror.asked) == sorted(f"/mnist/{name}.gz" for name in CONTENT)
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == CONTENT


def test_a_folder_without_mnist_leads_to_the_mirror(monkeypatch, mirror, own):
    monkeypatch.setattr(module, "MIRRORS", (mirror.url,))
    assert_all_there()
    assert not any((own / "mnist").iterdir())


def test_the_next_mirror_is_asked_when_one_fails(monkeypatch, mirror):
    monkeypatch.setattr(module, "MIRRORS", ("http://127.0.0.1:9/mnist/", f"{mirror.url}moved/", mirror.url))
    assert_all_there()


def test_a_damaged_cache_is_downloaded_again(monkeypatch, mirror, cache):
    monkeypatch.setattr(module, "MIRRORS", (mirror.url,))
    cache.mkdir(parents=True)
    (cache / "t10k-images-idx3-ubyte").write_bytes(b"half of it")
    assert_all_there()


def test_a_folder_of_ones_own_comes_before_the_cache(own, cache):
    cache.mkdir(parents=True)
    for name, content in CONTENT.items():
        (own / name).write_bytes(content)
        (cache / name).write_bytes(b"an old download")
    assert_all_there()


def test_downloading_says_nothing(monkeypatch, mirror, caplog):
    monkeypatch.setattr(module, "MIRRORS", (mirror.url,))
    monkeypatch.setattr(module.pooch.get_logger(), "handlers", [caplog.handler])
    mnist()
    assert not caplog.records


def test_no_connection_is_one_sentence(cache):
    with pytest.raises(DataUnavailable) as caught:
        mnist()
    message = str(caught.value)
    assert "127.0.0.1:9 cannot be reached" in message
    assert "DEEPUL_DATA" in message
    assert "train-images-idx3-ubyte.gz" in message
    assert "\n" not in message
    assert not any(cache.iterdir())


BROKEN = {
    "another file": gzip.compress(CONTENT["train-labels-idx1-ubyte"]),
    "cut off": gzip.compress(CONTENT["train-images-idx3-ubyte"])[:-20],
    "no archive": b"<html>please log in</html>",
    "bits flipped": gzip.compress(CONTENT["train-images-idx3-ubyte"])[:40] + b"\x00" * 400,
    "empty": b"",
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_mirror_that_sends_rubbish_is_named(monkeypatch, mirror, cache, body):
    mirror.files["train-images-idx3-ubyte.gz"] = body
    monkeypatch.setattr(module, "MIRRORS", (mirror.url,))
    with pytest.raises(DataUnavailable, match="sent a truncated or damaged file"):
        mnist()
    assert not any(cache.iterdir())


def test_a_connection_that_breaks_off_leaves_nothing(monkeypatch, mirror, cache):
    mirror.missing_bytes = 1000
    monkeypatch.setattr(module, "MIRRORS", (mirror.url,))
    with pytest.raises(DataUnavailable, match="MNIST cannot be downloaded"):
        mnist()
    assert not any(cache.iterdir())


def test_a_missing_file_on_the_mirror_is_named(monkeypatch, mirror):
    mirror.files.clear()
    monkeypatch.setattr(module, "MIRRORS", (mirror.url,))
    with pytest.raises(DataUnavailable, match="answers 404"):
        mnist()


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_damaged_file_of_ones_own_is_named_and_kept(own, body):
    path = own / "mnist" / "train-images-idx3-ubyte.gz"
    path.write_bytes(body)
    with pytest.raises(DataUnavailable, match=r"train-images-idx3-ubyte\.gz is truncated or damaged: delete it"):
        mnist()
    assert path.read_bytes() == body


def test_deepul_data_that_is_no_folder_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("DEEPUL_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataUnavailable, match="nowhere, which is not a folder"):
        mnist()


def test_a_cache_that_cannot_be_written_is_named(monkeypatch, mirror, cache):
    monkeypatch.setattr(module, "MIRRORS", (mirror.url,))
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder should be")
    with pytest.raises(DataUnavailable, match="MNIST cannot be stored in"):
        mnist()


def test_locate_finds_without_fetching(own, mirror, monkeypatch):
    monkeypatch.setattr(module, "MIRRORS", (mirror.url,))
    name = "t10k-labels-idx1-ubyte"
    assert locate(name) is None
    (own / f"{name}.gz").write_bytes(b"anything")
    assert locate(name) == own / f"{name}.gz"
    assert not mirror.asked
