import numpy as np

from deepul_utils.data.shapes import FACTORS, SIDE, shapes


def test_every_combination_comes_once_and_no_two_images_are_alike():
    images, factors = shapes()
    assert images.shape == (324, SIDE, SIDE)
    assert np.unique(images).tolist() == [0, 1]
    assert len(np.unique(factors, axis=0)) == len(np.unique(images.reshape(324, -1), axis=0)) == 324
    assert (factors.max(0) + 1).tolist() == list(FACTORS.values())


def test_a_place_moves_the_image_and_changes_nothing_else():
    images, factors = shapes()
    by_factors = {tuple(row): image for row, image in zip(factors.tolist(), images, strict=True)}
    for (shape, size, across, down), image in by_factors.items():
        origin = by_factors[shape, size, 0, 0]
        assert np.array_equal(image, np.roll(origin, (down, across), (0, 1)))


def test_a_size_is_a_width():
    images, factors = shapes()
    for width, height, size in zip(images.any(1).sum(1), images.any(2).sum(1), factors[:, 1], strict=True):
        assert width == height == 4 + size
