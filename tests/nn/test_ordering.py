import numpy as np
import pytest
import torch

from deepul_utils.nn.ordering import as_order, columns, even_odd, image_sizes, raster, shuffled


@pytest.mark.parametrize("shape", [(1,), (7,), (3, 4), (2, 3, 5), (3, 1, 1)])
@pytest.mark.parametrize("ordering", [raster, columns, even_odd, shuffled])
def test_every_dimension_has_a_position_of_its_own(ordering, shape):
    assert as_order(ordering(shape), int(np.prod(shape))).sort().values.tolist() == list(range(int(np.prod(shape))))


def test_the_visits_of_a_coloured_image():
    """Where each visit of a 2 x 2 x 3 image goes: (channel, row, column), written out."""
    pixels = {
        raster: [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)],
        columns: [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)],
        even_odd: [(0, 0), (0, 2), (1, 1), (0, 1), (1, 0), (1, 2)],
    }
    for ordering, expected in pixels.items():
        visits = ordering((2, 2, 3)).argsort()
        where = torch.stack(torch.unravel_index(visits, (2, 2, 3)), -1).tolist()
        assert where == [[channel, *pixel] for pixel in expected for channel in range(2)]


def test_shuffles_depend_on_the_seed_alone():
    assert torch.equal(shuffled((28, 28), seed=3), shuffled((28, 28), seed=3))
    assert not torch.equal(shuffled((28, 28), seed=3), shuffled((28, 28), seed=4))


@pytest.mark.parametrize("order", [[0, 1], [0, 1, 1], [1, 2, 3], [0, 1, 2, 3]])
def test_what_is_no_ordering_is_refused(order):
    with pytest.raises(ValueError, match="a position of its own from 0 to 2"):
        as_order(order, 3)


@pytest.mark.parametrize(("shape", "sizes"), [((5,), (1, 1, 5)), ((4, 5), (1, 4, 5)), ((3, 4, 5), (3, 4, 5))])
def test_sizes_of_an_image(shape, sizes):
    assert image_sizes(shape) == sizes
