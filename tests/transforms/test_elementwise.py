"""Every elementwise map is undone by its inverse, and its log-determinant is that of its Jacobian."""

import math

import numpy as np
import pytest
import torch
from scipy import special, stats

from deepul_utils.checks import laws
from deepul_utils.models.flow import Flow
from deepul_utils.transforms.element import ScaleAndShift
from deepul_utils.transforms.elementwise import Elementwise, LeakyReLU, Logit, NormalQuantile, Scale, Sigmoid
from deepul_utils.transforms.mixture_cdf import MixtureCDF

RNG = np.random.default_rng(0)
LINE, UNIT = RNG.normal(size=(5, 3)), RNG.uniform(0.05, 0.95, (5, 3))


def fitted(element, *shape):
    transform = Elementwise(element, shape).double()
    torch.nn.init.normal_(transform.params, std=0.5, generator=torch.Generator().manual_seed(0))
    return transform


CASES = {
    "affine": (fitted(ScaleAndShift(), 3), LINE),
    "mixture CDF": (fitted(MixtureCDF(4), 3), LINE),
    "mixture CDF of images": (fitted(MixtureCDF(2), 1, 2, 2), RNG.normal(size=(3, 1, 2, 2))),
    "scale": (Scale(-0.3), LINE),
    "logit": (Logit(), UNIT),
    "logit with alpha": (Logit(0.05), UNIT),
    "sigmoid": (Sigmoid(), LINE),
    "normal quantile": (NormalQuantile(), UNIT),
    "leaky ReLU": (LeakyReLU(0.2), LINE),
}


@pytest.mark.parametrize(("transform", "x"), CASES.values(), ids=CASES)
@torch.no_grad()
def test_laws(transform, x):
    def forward(x):
        return [part.numpy() for part in transform(torch.as_tensor(x))]

    laws.invertible(forward, lambda z: transform.inverse(torch.as_tensor(z)).numpy(), x)
    laws.log_det(forward, x)


@pytest.mark.parametrize("x", [-40.0, -8.0, 8.0, 40.0])
def test_sigmoid_keeps_its_logarithm_in_the_tails(x):
    _, log_det = Sigmoid()(torch.tensor([[x]], dtype=torch.float64))
    assert log_det.item() == pytest.approx(special.log_expit(x) + special.log_expit(-x), rel=1e-14)


def test_alpha_keeps_the_ends_finite():
    ends = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    z, log_det = Logit(1e-6)(ends)
    assert z.flatten().tolist() == pytest.approx([-special.logit(1 - 1e-6), special.logit(1 - 1e-6)])
    assert log_det.tolist() == pytest.approx([math.log(1 - 2e-6) - math.log(1e-6 * (1 - 1e-6))] * 2)


def test_uniform_becomes_normal():
    torch.manual_seed(0)
    z, _ = NormalQuantile()(torch.rand(4000, 1, dtype=torch.float64))
    assert stats.kstest(z.flatten().numpy(), "norm").pvalue > 1e-4


def test_each_dimension_learns_its_own_parameters():
    torch.manual_seed(0)
    centre, spread = torch.tensor([3.0, -1.0], dtype=torch.float64), torch.tensor([0.5, 2.0], dtype=torch.float64)
    x = centre + spread * torch.randn(4000, 2, dtype=torch.float64)
    flow = Flow((2,), Elementwise(ScaleAndShift(bound=float("inf")), (2,))).double()
    step = torch.optim.LBFGS(flow.parameters(), max_iter=100, tolerance_change=1e-15)

    def closure():
        step.zero_grad()
        loss = flow.loss(x)
        loss.backward()
        return loss

    step.step(closure)
    s, t = flow.transform.params.detach().unbind(-1)
    # Maximum likelihood has a closed form: the mean and the standard deviation.
    torch.testing.assert_close(-s, x.std(0, correction=0).log(), rtol=0, atol=1e-5)
    torch.testing.assert_close(-t / s.exp(), x.mean(0), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: Scale(0), "factor must not be 0"),
        (lambda: Logit(0.5), "alpha must be from 0 to below 1/2, got 0.5"),
        (lambda: Logit(-0.1), "alpha must be"),
        (lambda: LeakyReLU(0), "a ReLU cannot be undone"),
    ],
)
def test_what_cannot_be_undone_is_refused(build, says):
    with pytest.raises(ValueError, match=says):
        build()
