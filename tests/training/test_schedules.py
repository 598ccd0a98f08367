import numpy as np
import pytest

from deepul_utils.training import cosine


@pytest.mark.parametrize("warmup", [0.0, 0.2])
def test_cosine_rises_straight_and_falls_to_nothing(warmup):
    assert cosine(warmup, warmup) == 1
    assert cosine(1.0, warmup) == pytest.approx(0, abs=1e-15)
    assert cosine((1 + warmup) / 2, warmup) == pytest.approx(0.5)
    fall = [cosine(done, warmup) for done in np.linspace(warmup, 1, 50)]
    assert np.all(np.diff(fall) < 0)
    for share in (0.0, 0.25, 0.5):
        assert cosine(share * warmup, warmup) == pytest.approx(share if warmup else 1)
