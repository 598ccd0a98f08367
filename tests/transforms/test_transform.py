"""A composition keeps the laws of its parts, in the right order."""

import pytest
import torch

from deepul_utils.checks import laws
from deepul_utils.transforms.transform import Composition, Transform


class Shear(Transform):
    """One half of the dimensions stretches and moves the other: two of them do not commute."""

    def __init__(self, first):
        super().__init__()
        self.first = first

    def forward(self, x):
        a, b = x.chunk(2, 1) if self.first else x.chunk(2, 1)[::-1]
        b = (b + a) * a.exp()
        return torch.cat((a, b) if self.first else (b, a), 1), a.sum(1)

    def inverse(self, z):
        a, b = z.chunk(2, 1) if self.first else z.chunk(2, 1)[::-1]
        b = b * (-a).exp() - a
        return torch.cat((a, b) if self.first else (b, a), 1)


class Fold(Transform):
    """(D,) as (2, D / 2)."""

    def forward(self, x):
        return x.view(len(x), 2, -1), x.new_zeros(len(x))

    def inverse(self, z):
        return z.flatten(1)

    def latent_shape(self, shape):
        return (2, shape[0] // 2)


@pytest.fixture
def composition():
    return Composition(Shear(True), Shear(False), Fold())


def on_arrays(transform):
    return (
        lambda x: [part.numpy() for part in transform(torch.as_tensor(x))],
        lambda z: transform.inverse(torch.as_tensor(z)).numpy(),
    )


def test_laws(composition):
    x = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).numpy() / 2
    forward, inverse = on_arrays(composition)
    laws.invertible(forward, inverse, x)
    laws.log_det(forward, x)


def test_the_first_named_comes_first():
    first, second, x = Shear(True), Shear(False), torch.tensor([[0.5, -1.0]])
    middle, a = first(x)
    z, b = second(middle)
    got, log_det = Composition(first, second)(x)
    assert torch.equal(got, z)
    assert torch.equal(log_det, a + b)


def test_of_nothing_is_the_identity():
    x = torch.randn(3, 2, dtype=torch.float64)
    z, log_det = Composition()(x)
    assert torch.equal(z, x)
    assert torch.equal(Composition().inverse(z), x)
    assert torch.equal(log_det, torch.zeros(3))


def test_precision_is_that_of_the_parts():
    z, log_det = Composition(Shear(True))(torch.ones(1, 2, dtype=torch.float64))
    assert z.dtype == log_det.dtype == torch.float64


def test_latent_shape(composition):
    assert composition.latent_shape((6,)) == (2, 3)
    assert Composition().latent_shape((6,)) == (6,)
