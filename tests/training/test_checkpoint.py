import os

import pytest
import torch
from safetensors.torch import save_file

from deepul_utils.training.checkpoint import CheckpointError, load, save


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "run.safetensors"


def test_tensors_and_notes_come_back_exactly(path):
    tensors = {
        "real": torch.randn(3, 4, dtype=torch.float64),
        "whole": torch.tensor(7),
        "turned": torch.arange(6).reshape(2, 3).T,
        "learned": torch.nn.Parameter(torch.ones(2)),
        "empty": torch.zeros(0, 2),
    }
    notes = {"losses": [0.1 + 0.2, 1e-300, -0.0], "name": "größer", "none": None}
    save(path, tensors, notes)
    got, got_notes = load(path)
    assert got.keys() == tensors.keys()
    assert all(torch.equal(got[name], tensors[name]) and got[name].dtype == tensors[name].dtype for name in tensors)
    assert got_notes == notes


def test_tensors_that_share_memory_are_written_twice(path):
    w = torch.arange(3.0)
    save(path, {"encoder": w, "decoder": w, "part": w[1:]})
    assert {name: t.tolist() for name, t in load(path)[0].items()} == {
        "encoder": [0, 1, 2],
        "decoder": [0, 1, 2],
        "part": [1, 2],
    }


def test_a_crash_leaves_the_file_that_was_there(path, monkeypatch):
    save(path, {"w": torch.ones(2)}, "old")

    def crash(*args):
        raise OSError("no space left on device")

    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, crash)
            with pytest.raises(OSError, match="no space"):
                save(path, {"w": torch.zeros(2)}, "new")
        assert load(path)[1] == "old"
    save(path, {"w": torch.zeros(2)}, "new")
    assert load(path)[1] == "new"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_notes_are_finite(path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        save(path, {"w": torch.ones(2)}, float("nan"))
    assert not path.exists()


def foreign(path):
    save_file({"w": torch.ones(2)}, path)


def strange_notes(path):
    save_file({"w": torch.ones(2)}, path, metadata={"notes": "not json"})


def cut_off(path):
    save(path, {"w": torch.ones(100)})
    path.write_bytes(path.read_bytes()[:-50])


@pytest.mark.parametrize(
    "write", [foreign, strange_notes, cut_off, lambda path: path.write_bytes(b""), lambda path: path.write_text("text")]
)
def test_a_file_that_is_no_checkpoint_is_named(tmp_path, write):
    path = tmp_path / "run.safetensors"
    write(path)
    with pytest.raises(CheckpointError, match=r"run\.safetensors is damaged, or no checkpoint of this course: delete"):
        load(path)


def test_a_missing_file_is_missing(path):
    with pytest.raises(FileNotFoundError):
        load(path)
