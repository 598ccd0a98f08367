import numpy as np
import pytest
from matplotlib import pyplot as plt

from deepul_utils.plotting.density import density_map, heat_map


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


def test_the_darkest_cell_is_the_likeliest_and_an_impossible_one_is_white():
    image = heat_map([[0.0, 0.1], [0.3, 0.6]], role="truth").images[0]
    luminance = image.to_rgba(image.get_array())[..., :3].mean(-1)  # rows upwards
    assert luminance[0, 0] == 1
    assert luminance.argmin() == 3
    assert len(np.unique(luminance)) == 4


def test_only_a_table_can_be_drawn():
    with pytest.raises(ValueError, match=r"must be \(K0, K1\), got \(4,\)"):
        heat_map(np.ones(4))


def test_a_density_is_drawn_at_its_place():
    ax = density_map(lambda x: np.log(np.asarray((x[:, 0] > 1) & (x[:, 1] < 0)) + 1e-300), (0, -1), (2, 1), cells=4)
    assert ax.images[0].get_extent() == [0, 2, -1, 1]
    drawn = np.asarray(ax.images[0].get_array())  # rows upwards
    assert np.array_equal(drawn > 0.5, [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]])
    other = density_map(lambda x: x[:, 0], (0, 0), (1, 1), plt.subplots()[1], top=9.0)
    assert other.images[0].get_clim() == (0, 9)
