import numpy as np
import pytest
from matplotlib import pyplot as plt

from deepul_utils.training import History


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_steps_and_tests_share_an_axis_of_epochs(ax):
    history = History(steps_per_epoch=2, train=[5.0, 4.0, 3.0, 2.0], test=[5.5, 3.5, 2.5])
    assert history.plot(floor=1.5, ax=ax) is ax
    train, test, floor = ax.lines
    assert np.array_equal(train.get_xydata(), [[0, 5], [0.5, 4], [1, 3], [1.5, 2]])
    assert np.array_equal(test.get_xydata(), [[0, 5.5], [1, 3.5], [2, 2.5]])
    assert set(floor.get_ydata()) == {1.5}
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["train", "test", "true law"]
    assert all(tick == round(tick) for tick in ax.get_xticks())
    assert ax.get_ylabel() == "loss (nats per example)"


def test_only_what_was_recorded_is_drawn(ax):
    plt.sca(ax)
    assert History(steps_per_epoch=1, train=[2.0, 1.0]).plot() is ax
    assert [line.get_label() for line in ax.lines] == ["train"]


@pytest.mark.parametrize(("steps", "epochs"), [(0, 0), (2, 0), (3, 1), (7, 2)])
def test_epochs_counts_complete_ones(steps, epochs):
    assert History(steps_per_epoch=3, train=[1.0] * steps).epochs == epochs
