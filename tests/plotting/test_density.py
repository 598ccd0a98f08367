import numpy as np
import pytest
from matplotlib import pyplot as plt

from deepul_utils.plotting.density import heat_map


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_x0_goes_right_and_x1_goes_up():
    probs = np.zeros((3, 2))
    probs[2, 0] = 1.0
    ax = heat_map(probs)
    image = ax.images[0]
    assert image.origin == "lower"
    drawn = np.asarray(image.get_array())  # rows upwards, columns to the right
    assert drawn.shape == (2, 3)
    assert drawn[0, 2] == 1.0
    assert drawn.sum() == 1.0


def test_maps_side_by_side_share_a_scale():
    _, (left, right) = plt.subplots(1, 2)
    assert heat_map(np.full((2, 2), 0.25), left, top=0.5).images[0].get_clim() == (0, 0.5)
    assert heat_map(np.full((2, 2), 0.25), right).images[0].get_clim() == (0, 0.25)


def test_only_a_table_can_be_drawn():
    with pytest.raises(ValueError, match=r"must be \(K0, K1\), got \(4,\)"):
        heat_map(np.ones(4))
