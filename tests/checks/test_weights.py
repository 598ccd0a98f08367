"""Weights that were handed in: read without trust, and refused with what to do."""

import json
import os
import struct

import pytest
import torch
from safetensors.torch import save

from deepul_utils.checks import weights
from deepul_utils.checks.student import StudentFailed

GOOD = {"w": torch.arange(6.0).reshape(2, 3), "mask": torch.tensor([True, False]), "order": torch.arange(3)}


def crafted(header, body=b""):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def test_tensors_come_back_and_brief_floats_grow():
    back = weights.load("made", {"made.safetensors": save(GOOD | {"h": torch.ones(2, dtype=torch.bfloat16)})})
    assert all(torch.equal(back[name], GOOD[name]) and back[name].dtype == GOOD[name].dtype for name in GOOD)
    assert back["h"].dtype == torch.float32


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no made.safetensors beside the notebook: train the model"),
        (b"", "is damaged"),
        (b"PK\x03\x04 a zip or a pickle", "is damaged"),
        (save(GOOD)[:-3], "is damaged"),
        (crafted({"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}), "is damaged"),
        (crafted({"w": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}, bytes(8)), "is damaged"),
        (struct.pack("<Q", 2**63) + b"{}", "is damaged"),
        (crafted([]), "is damaged"),
        (save({"w": torch.tensor([0.0, torch.inf])}), "holds NaN or infinity in `w`: did the training diverge?"),
        (save({"w": torch.ones(2, dtype=torch.complex64)}), "holds `w` as torch.complex64: save it as float32"),
        (save({str(i): torch.ones(1) for i in range(10_001)}), "holds 10001 tensors"),
    ],
)
def test_what_is_no_trained_model_is_refused(content, said):
    files = {} if content is None else {"made.safetensors": content}
    with pytest.raises(StudentFailed) as failure:
        weights.load("made", files)
    assert said in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_huge_file_is_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "LIMIT", 1 << 20)
    (tmp_path / "made.safetensors").write_bytes(bytes(5 << 20))
    files = weights.read(tmp_path, ["made", "absent"])
    assert {name: len(content) for name, content in files.items()} == {"made.safetensors": (1 << 20) + 1}
    with pytest.raises(StudentFailed, match=r"made\.safetensors is larger than 1 MiB: hand in a smaller model"):
        weights.load("made", files)


def test_links_and_folders_are_no_weights(tmp_path):
    (tmp_path / "secret").write_bytes(save(GOOD))
    (tmp_path / "a.safetensors").symlink_to(tmp_path / "secret")
    (tmp_path / "b.safetensors").mkdir()
    os.mkfifo(tmp_path / "c.safetensors")
    assert weights.read(tmp_path, ["a", "b", "c"]) == {}
