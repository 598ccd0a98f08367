import numpy as np
import pytest
import torch

from deepul_utils.training import Batches


@pytest.mark.parametrize(
    ("rows", "batch_size", "sizes"), [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (3, 5, [3]), (1, 1, [1])]
)
def test_every_row_comes_once_an_epoch(rows, batch_size, sizes):
    batches = Batches(np.arange(rows), batch_size=batch_size)
    assert len(batches) == len(sizes)
    for _ in range(3):
        drawn = list(batches)
        assert [len(batch) for batch in drawn] == sizes
        assert sorted(torch.cat(drawn).tolist()) == list(range(rows))


def test_the_order_depends_on_seed_and_epoch_alone():
    def epochs(seed):
        batches = Batches(np.arange(50), batch_size=7, seed=seed)
        return [torch.cat(list(batches)).tolist() for _ in range(3)]

    first, again, other = epochs(1), epochs(1), epochs(2)
    assert first == again
    assert len({tuple(order) for order in first + other}) == 6

    batches = Batches(np.arange(50), batch_size=13, seed=1)
    batches.epoch = 2
    assert torch.cat(list(batches)).tolist() == first[2]


def test_leaving_an_epoch_early_does_not_change_the_next():
    whole, early = Batches(np.arange(20), batch_size=3), Batches(np.arange(20), batch_size=3)
    list(whole)
    next(iter(early))
    assert torch.equal(torch.cat(list(whole)), torch.cat(list(early)))


def test_several_arrays_stay_in_step():
    x = np.arange(12).reshape(6, 2)
    for rows, labels in Batches(x, 10 * x[:, 0], batch_size=4):
        assert torch.equal(10 * rows[:, 0], labels)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.int64, bool])
def test_whole_numbers_come_as_int64(dtype):
    (batch,) = Batches(np.array([0, 1, 1], dtype=dtype))
    assert batch.dtype == torch.int64
    assert sorted(batch.tolist()) == [0, 1, 1]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_real_numbers_come_in_the_default_dtype(monkeypatch, dtype):
    (batch,) = Batches(np.ones(3, dtype=dtype))
    assert batch.dtype == torch.float32
    torch.set_default_dtype(torch.float64)
    try:
        (batch,) = Batches(np.ones(3, dtype=dtype))
    finally:
        torch.set_default_dtype(torch.float32)
    assert batch.dtype == torch.float64


def test_arrays_of_any_layout_and_tensors_will_do():
    frozen = np.arange(4)
    frozen.flags.writeable = False
    for x in (frozen, np.arange(4)[::-1], np.arange(8)[::2] // 2, [0, 1, 2, 3], torch.arange(4)):
        (batch,) = Batches(x)
        assert sorted(batch.tolist()) == [0, 1, 2, 3]


def test_in_order_keeps_the_order():
    batches = Batches(np.arange(5), batch_size=2)
    assert [batch.tolist() for batch in batches.in_order(3)] == [[0, 1, 2], [3, 4]]
    assert batches.epoch == 0


@pytest.mark.parametrize("arrays", [([],), (np.zeros(3), np.zeros(4)), (np.float64(1.0),), (np.zeros((0, 2)),)])
def test_arrays_need_the_same_number_of_rows(arrays):
    with pytest.raises(ValueError, match="same number of rows, at least one"):
        Batches(*arrays)


def test_a_batch_has_a_row():
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        Batches([1, 2], batch_size=0)
