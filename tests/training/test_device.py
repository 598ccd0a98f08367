from types import SimpleNamespace

import pytest
import torch

from deepul_utils.training import describe_device, device

CARD = SimpleNamespace(name="Tesla T4", total_memory=15 * 2**30)


def test_device_is_where_tensors_can_live():
    assert torch.ones(2, device=device()).sum() == 2


@pytest.mark.parametrize(
    ("kind", "threads", "sentence"),
    [
        ("cuda", 2, "Training runs on the GPU: Tesla T4, 15 GB."),
        ("mps", 2, "Training runs on the GPU of this Mac."),
        ("cpu", 2, "Training runs on the CPU, 2 threads."),
        ("cpu", 1, "Training runs on the CPU, 1 thread."),
    ],
)
def test_the_device_is_described_in_a_sentence(monkeypatch, kind, threads, sentence):
    monkeypatch.setitem(describe_device.__globals__, "device", lambda: torch.device(kind))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: CARD)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert describe_device() == sentence
