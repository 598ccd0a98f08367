"""What is kept is there whole or not at all."""

import errno
import os

import pytest

from deepul_utils.grading.cache import Cache, DiskFailed


def test_what_was_kept_comes_back(tmp_path):
    cache = Cache(tmp_path / "judged")
    assert cache.get("ada") is None
    cache.put("ada", "[1, 2]")
    assert (cache.get("ada"), cache.load("ada")) == ("[1, 2]", [1, 2])
    cache.put("ada", "[3]")
    assert cache.load("ada") == [3]
    cache.drop("ada")
    cache.drop("ada")
    assert cache.load("ada") is None


@pytest.mark.parametrize("damaged", [b"", b'{"a": ', b"\xff\xfe"])
def test_what_is_damaged_is_as_if_it_were_not_there(tmp_path, damaged):
    cache = Cache(tmp_path)
    cache.put("ada", "[1]")
    (tmp_path / "ada.json").write_bytes(damaged)
    assert cache.get("ada") is None


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path, monkeypatch):
    cache = Cache(tmp_path / "judged")
    cache.put("ada", "[1]")

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFailed, match=r"judged cannot be written to \(No space left on device\); what was judged"):
        cache.put("ada", "[2]")
    assert [path.name for path in (tmp_path / "judged").iterdir()] == ["ada.json"]
    assert cache.load("ada") == [1]
