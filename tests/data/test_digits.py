import numpy as np
from sklearn.datasets import load_digits

from deepul_utils.data.digits import GREY_LEVELS, digit_labels, digits


def test_shapes_and_grey_levels():
    train, test = digits()
    assert train.shape == (1437, 8, 8)
    assert test.shape == (360, 8, 8)
    assert train.dtype == test.dtype == np.uint8
    assert np.unique(np.concatenate([train, test])).tolist() == list(range(GREY_LEVELS))


def test_each_image_comes_once_with_its_label():
    images, labels = (np.concatenate(parts) for parts in (digits(seed=3), digit_labels(seed=3)))
    source = load_digits()
    pairs = sorted((image.tobytes(), label) for image, label in zip(images, labels, strict=True))
    assert pairs == sorted(
        (image.tobytes(), label) for image, label in zip(source.images.astype(np.uint8), source.target, strict=True)
    )


def test_the_seed_alone_decides_the_split():
    assert np.array_equal(digits(seed=1)[0], digits(seed=1)[0])
    assert not np.array_equal(digits(seed=1)[0], digits(seed=2)[0])
