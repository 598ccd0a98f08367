"""MNIST: 70,000 handwritten digits of 28 x 28 pixels, from a folder of yours or from a public mirror."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pooch
import requests

# The md5 of each file as it is when uncompressed, so that it does not matter who compressed it.
FILES = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
# pooch reports each download on stderr, which nbgrader takes for an error.
pooch.get_logger().setLevel("WARNING")


class DataUnavailable(Exception):
    """A data set cannot be had; the message says why and what to do."""


def mnist() -> tuple[np.ndarray, np.ndarray]:
    """Return MNIST's images, downloaded once (11 MB) where they are not at hand.

    They are looked for in the folder that the environment variable DEEPUL_DATA names and in its subfolder `mnist`, as
    the original IDX files, gzipped or not; then in this user's cache; then on public mirrors. Every file is checked.

    Returns:
        train (60000, 28, 28) and test (10000, 28, 28), uint8 in 0..255; 0 is the paper and 255 the ink.

    Raises:
        DataUnavailable: no connection, or a file that is truncated or damaged.

    Paper: LeCun et al., "Gradient-Based Learning Applied to Document Recognition" (1998).
    """
    return _read("train-images-idx3-ubyte"), _read("t10k-images-idx3-ubyte")


def thresholded_mnist() -> tuple[np.ndarray, np.ndarray]:
    """Return MNIST's images in black and white: 1 where the ink is 128 or more.

    Returns:
        train (60000, 28, 28) and test (10000, 28, 28), uint8, 0 or 1.

    Raises:
        DataUnavailable: as `mnist`.
    """
    train, test = mnist()
    return (train > 127).astype(np.uint8), (test > 127).astype(np.uint8)


def mnist_labels() -> tuple[np.ndarray, np.ndarray]:
    """Return which digit each image of `mnist()` shows.

    Returns:
        train (60000,) and test (10000,), uint8 in 0..9.

    Raises:
        DataUnavailable: as `mnist`.
    """
    return _read("train-labels-idx1-ubyte"), _read("t10k-labels-idx1-ubyte")


def locate(name: str) -> Path | None:
    """Return the path of one of `FILES` in DEEPUL_DATA or in the cache, unchecked; None where it is in neither.

    Raises:
        DataUnavailable: DEEPUL_DATA names no folder.
    """
    folders = [_cache()]
    if os.environ.get("DEEPUL_DATA"):
        own = Path(os.environ["DEEPUL_DATA"]).expanduser()
        if not own.is_dir():
            raise DataUnavailable(f"DEEPUL_DATA names {own}, which is not a folder: create it or correct the variable")
        folders = [own / "mnist", own, *folders]
    paths = (folder / file for folder in folders for file in (name, f"{name}.gz"))
    return next((path for path in paths if path.is_file()), None)


def _cache() -> Path:
    return Path(pooch.os_cache("deepul")) / "mnist"


def _read(name: str) -> np.ndarray:
    path = locate(name)
    if path is None or path.parent == _cache():
        path = _download(name)
    content = path.read_bytes()
    try:
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (EOFError, OSError, zlib.error):
        content = b""
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != FILES[name]:
        raise DataUnavailable(f"{path} is truncated or damaged: delete it, and MNIST is downloaded instead")
    dims = content[3]  # IDX: two zeros, the type, the number of dimensions, the dimensions, the data
    shape = np.frombuffer(content, ">u4", count=dims, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dims).reshape(shape).copy()


def _download(name: str) -> Path:
    """The path of a checked, uncompressed file in the cache; pooch puts it there in one piece or not at all."""
    failures = []
    for mirror in MIRRORS:
        try:
            url = f"{mirror}{name}.gz"
            path = pooch.retrieve(url, f"md5:{FILES[name]}", fname=name, path=_cache(), downloader=_gunzipped)
            return Path(path)
        except requests.RequestException as error:
            answer = "cannot be reached" if error.response is None else f"answers {error.response.status_code}"
            failures.append(f"{urlsplit(mirror).netloc} {answer}")
        except (EOFError, gzip.BadGzipFile, zlib.error, ValueError):
            failures.append(f"{urlsplit(mirror).netloc} sent a truncated or damaged file")
        except OSError as error:
            raise DataUnavailable(f"MNIST cannot be stored in {_cache()}: {error.strerror or error}") from None
    raise DataUnavailable(
        f"MNIST cannot be downloaded ({', '.join(failures)}): try again with a connection to the internet, "
        f"or set DEEPUL_DATA to a folder that holds {name}.gz"
    )


def _gunzipped(url: str, output_file: str, downloader: Any) -> None:
    packed = io.BytesIO()
    pooch.HTTPDownloader()(url, packed, downloader)
    Path(output_file).write_bytes(gzip.decompress(packed.getvalue()))
