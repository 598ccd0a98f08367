import numpy as np
import pytest
import torch
from torch import nn

from deepul_utils.checks import laws
from deepul_utils.models.flow import Flow
from deepul_utils.nn.masked_mlp import MaskedMLP
from deepul_utils.transforms.autoregressive import MaskedAutoregressive
from deepul_utils.transforms.element import ScaleAndShift
from deepul_utils.transforms.logistic_mixture import LogisticMixture
from deepul_utils.transforms.transform import Inverse

ORDER = [2, 0, 3, 1]
X = np.random.default_rng(0).normal(size=(5, 4))


def transform(element=ScaleAndShift, order=ORDER, dims=4, size=2):
    torch.manual_seed(1)
    element = element()
    net = MaskedMLP(dims, element.num_params, [16], order).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(size)  # of the weights that nn.Linear starts with
    return MaskedAutoregressive(net, element).double()


def forward(module):
    def answer(x):
        with torch.no_grad():
            return tuple(part.numpy() for part in module(torch.tensor(x)))

    return answer


def inverse(module):
    def answer(z):
        with torch.no_grad():
            return module.inverse(torch.tensor(z)).numpy()

    return answer


@pytest.mark.parametrize("wrap", [lambda t: t, Inverse], ids=["AF", "IAF"])
@pytest.mark.parametrize("element", [ScaleAndShift, LogisticMixture])
def test_laws(element, wrap):
    module = wrap(transform(element))
    laws.invertible(forward(module), inverse(module), X, tolerance=1e-8 if element is LogisticMixture else 1e-12)
    laws.log_det(forward(module), X)


@pytest.mark.parametrize(
    ("element", "wrap"), [(ScaleAndShift, lambda t: t), (ScaleAndShift, Inverse), (LogisticMixture, lambda t: t)]
)
def test_mass_is_1(element, wrap):
    flow = Flow((2,), wrap(transform(element, [1, 0], dims=2, size=1)))

    def log_prob(x):
        with torch.no_grad():
            return flow.log_prob(torch.tensor(x)).numpy()

    # In the box lies all but 1e-12, as the samples of a standard normal stay within seven deviations.
    z = torch.tensor([[a, b] for a in np.linspace(-7.5, 7.5, 31) for b in np.linspace(-7.5, 7.5, 31)])
    reach = np.abs(inverse(flow.transform)(z.numpy())).max(0) + 0.5
    laws.mass(log_prob, -reach, reach, points=700)


def test_the_jacobian_is_triangular_in_the_ordering():
    module = transform()
    J = torch.autograd.functional.jacobian(lambda x: module(x[None])[0][0], torch.tensor(X[0]))
    order = np.array(ORDER)
    assert torch.equal(J != 0, torch.tensor(order[None, :] <= order[:, None]))


@pytest.mark.parametrize("order", [None, ORDER])
def test_the_inverse_with_a_memory_is_that_of_whole_passes(order):
    module = transform(order=order)
    z = torch.tensor(X)
    naive = module.inverse_naively(z)
    assert torch.allclose(module(naive)[0], z, atol=1e-12)
    with torch.no_grad():
        assert torch.allclose(module.inverse(z), naive, atol=1e-12)


class Counting(nn.Module):
    """Counts the passes of a network."""

    def __init__(self, net):
        super().__init__()
        self.net, self.order, self.passes = net, net.order, 0

    def forward(self, x):
        self.passes += 1
        return self.net(x)


def test_one_direction_is_one_pass_and_the_other_d():
    module = transform()
    module.net = net = Counting(module.net)
    x = torch.tensor(X)

    def passes(call, argument):
        before = net.passes
        call(argument)
        return net.passes - before

    assert passes(module, x) == 1
    assert passes(module.inverse, x) == 4
    assert passes(Inverse(module).inverse, x) == 1
    assert passes(Inverse(module), x) == 4 + 1


@pytest.mark.parametrize("element", [ScaleAndShift, LogisticMixture])
def test_the_gradient_passes_through_the_slow_direction(element):
    module = transform(element, dims=4)
    weights = list(module.parameters())

    def total(x):
        z, log_det = Inverse(module)(x)
        return (z.sin().sum(1) + log_det).sum()

    x = torch.tensor(X)
    got = torch.autograd.grad(total(x), weights)
    h = 1e-6
    for parameter, gradient in zip(weights, got, strict=True):
        index = tuple(int(i) for i in np.unravel_index(int(gradient.abs().argmax()), gradient.shape))
        values = []
        for step in (h, -h):
            with torch.no_grad():
                parameter[index] += step
                values.append(float(total(x)))
                parameter[index] -= step
        assert float(gradient[index]) == pytest.approx((values[0] - values[1]) / (2 * h), rel=1e-5)


def test_what_is_not_known_yet_has_no_influence():
    """The inverse finds the dimensions in the order of their positions, each from those before it."""
    module = transform()
    z = torch.tensor(X)
    x = module.inverse(z)
    changed = z.clone()
    changed[:, 3] += 1  # at position 1: dimension 1, at position 0, stays
    moved = (module.inverse(changed) != x).any(0)
    assert moved.tolist() == [True, False, True, True]
