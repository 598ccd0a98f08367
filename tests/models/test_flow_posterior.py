"""A flow posterior knows the density of what it draws, is a law, and its bound lies below log p(x)."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal

from deepul_utils.checks import bound_laws
from deepul_utils.distributions.base import StandardNormal
from deepul_utils.distributions.independent import DiagonalNormal
from deepul_utils.models.autoregressive_flow import AutoregressiveFlow
from deepul_utils.models.flow import Flow
from deepul_utils.models.flow_posterior import IAF, Flowed
from deepul_utils.models.vae import VAE
from deepul_utils.nn.mlp import MLP
from deepul_utils.transforms.element import ScaleAndShift
from deepul_utils.transforms.elementwise import Scale
from deepul_utils.transforms.spline import RationalQuadraticSpline
from deepul_utils.transforms.transform import Inverse

pytestmark = pytest.mark.usefixtures("float64")


def bent(dims=3, context=2, **options):
    """A posterior far from the identity, and parameters of two examples."""
    posterior = IAF(dims, context, hidden=(8, 8), **options)
    for parameter in posterior.parameters():
        nn.init.normal_(parameter, std=0.5)
    return posterior, torch.randn(2, 2 * dims + context) / 2


@pytest.mark.parametrize("element", [ScaleAndShift(), RationalQuadraticSpline(4)])
@pytest.mark.parametrize("context", [0, 2])
def test_the_density_of_a_draw_against_the_jacobian_of_its_noise(context, element):
    """By automatic differentiation of the whole map, which knows nothing of triangles, orders or contexts."""
    posterior, params = bent(context=context, element=element)
    q = posterior(params)
    torch.manual_seed(1)
    z = q.rsample()
    torch.manual_seed(1)
    noise = DiagonalNormal(params[:, :6]).rsample()
    for row in range(2):
        alone = posterior(params[row : row + 1])
        jacobian = torch.autograd.functional.jacobian(lambda e, alone=alone: alone.transform(e[None])[0][0], noise[row])
        expected = DiagonalNormal(params[row : row + 1, :6]).log_prob(noise[row]) - torch.linalg.slogdet(jacobian)[1]
        assert torch.allclose(q.log_prob(z)[row], expected)


@pytest.mark.parametrize("context", [0, 2])
def test_what_is_remembered_is_what_the_inverse_finds(context):
    posterior, params = bent(context=context)
    q = posterior(params)
    z = q.rsample((5,))  # (5, 2, 3)
    assert z.shape == (5, 2, 3)
    remembered, found = q.log_prob(z), q.log_prob(z.clone())
    assert remembered.shape == (5, 2)
    assert torch.allclose(remembered, found)
    other = q.rsample((5,))
    assert torch.allclose(q.log_prob(z), remembered)  # an older draw is not mistaken for the last one
    assert not torch.allclose(q.log_prob(other), remembered)


def test_a_draw_that_was_changed_in_place_is_another_z():
    posterior, params = bent()
    q = posterior(params)
    with torch.no_grad():
        z = q.rsample()
        z += 1
        assert torch.allclose(q.log_prob(z), q.log_prob(z.clone()))


def test_rows_are_independent_of_their_neighbours():
    """Draws (S, B, Z) use each example's own context, whatever S."""
    posterior, params = bent()
    z = torch.randn(5, 2, 3)
    together = posterior(params).log_prob(z)
    for row in range(2):
        assert torch.allclose(posterior(params[row : row + 1]).log_prob(z[:, row : row + 1])[:, 0], together[:, row])


@pytest.mark.parametrize("layers", [1, 2])
def test_mass_is_one(layers):
    posterior, params = bent(dims=2, layers=layers)
    q = posterior(params / 2)
    side = torch.linspace(-12, 12, 301)
    with torch.no_grad():
        log_q = q.log_prob(torch.cartesian_prod(side, side)[:, None])  # (301^2, 2)
    assert torch.allclose(log_q.exp().sum(0) * 0.08**2, torch.ones(2), atol=2e-3)


def test_the_first_dimension_sees_the_context_in_every_layer():
    net = bent()[0].nets[1]  # in the reverse order, in which dimension 2 comes first
    context = torch.zeros(1, 2, requires_grad=True)
    first = net(torch.zeros(1, 3), context)[0, 2].sum()
    assert torch.autograd.grad(first, context)[0].abs().min() > 0


def test_the_network_reads_noise_in_its_order_alone():
    net = bent()[0].nets[0]
    J = torch.autograd.functional.jacobian(lambda e: net(e[None], torch.ones(1, 2))[0, :, 0], torch.zeros(3))
    assert torch.equal(J != 0, torch.ones(3, 3).tril(-1).bool())


class Bent(nn.Module):
    """z -> the mean z_1 + z_0^2 of one number x and its noise, 0.3: given x, z lies along a parabola."""

    def forward(self, z):
        return torch.stack([z[:, 1] + z[:, 0] ** 2, torch.full_like(z[:, 0], math.log(0.3))], 1)


SIDE = torch.linspace(-6, 6, 241).double()
GRID, CELL = torch.cartesian_prod(SIDE, SIDE), 0.05**2


def exact(x):
    """log p(x), (B,), by quadrature over the plane of z."""
    log_joint = StandardNormal(2).log_prob(GRID) + DiagonalNormal(Bent()(GRID)).log_prob(x[:, None])
    return log_joint.logsumexp(1) + math.log(CELL), log_joint


@pytest.mark.parametrize("context", [0, 3])
def test_the_bound_is_below_log_p_by_the_kl_to_the_posterior(context):
    """The gap that draws show is the KL to the true posterior, by quadrature on a grid."""
    x = torch.tensor([[1.5], [-1.0]])
    log_p, log_joint = exact(x)
    model = VAE(
        MLP(1, 4 + context, [8]),
        Bent(),
        DiagonalNormal,
        prior=StandardNormal(2),
        posterior=IAF(2, context, hidden=(8,)),
    )
    with torch.no_grad():
        log_q = model.encode(x).log_prob(GRID[:, None]).T  # (2, cells)
        gap = (log_q.exp() * (log_q - log_joint + log_p[:, None])).sum(1) * CELL
        draws = model.log_weights(x, 5_000)
        assert (gap > 0.05).all()
        bound_laws.lower_bound(draws, log_p)
        bound_laws.unbiased(draws, log_p - gap, tolerance=1e-3)


def test_gradients_pass_through_draw_and_density():
    posterior, params = bent()
    params.requires_grad_()
    q = posterior(params)
    z = q.rsample()
    got = torch.autograd.grad(q.log_prob(z).sum(), [params, *posterior.parameters()])
    assert all(torch.isfinite(g).all() for g in got)
    assert all(g.abs().sum() > 0 for g in got[:1])


def test_a_flow_prior_is_a_flow_posterior_with_a_longer_decoder():
    """The same bound in every draw: q in the space of the prior's z, or of its noise."""
    flow = AutoregressiveFlow(3, ScaleAndShift(), layers=2, hidden=(8,))
    encoder, decoder = MLP(4, 6, [8]), MLP(3, 8, [8])
    x = torch.randn(5, 4)
    prior = VAE(encoder, decoder, DiagonalNormal, prior=flow)

    class Longer(nn.Module):
        def forward(self, e):
            return decoder(flow.transform.inverse(e))

    posterior = VAE(
        encoder,
        Longer(),
        DiagonalNormal,
        prior=StandardNormal(3),
        posterior=lambda params: Flowed(DiagonalNormal(params), flow.transform),
    )
    bounds = []
    for model in (prior, posterior):
        torch.manual_seed(3)
        bounds.append(model.bound(x))
    assert torch.allclose(*bounds)


def test_a_coupled_or_scaled_start():
    q = Flowed(DiagonalNormal(torch.zeros(1, 4)), Inverse(Scale(2.0)))
    z = torch.randn(7, 1, 2)
    assert torch.allclose(q.log_prob(z), Normal(0, 0.5).log_prob(z).sum(-1))
    assert torch.allclose(Flow((2,), Scale(2.0)).log_prob(z[:, 0]), q.log_prob(z)[:, 0])


def test_the_number_of_parameters_is_checked():
    with pytest.raises(ValueError, match=r"params must be \(B, 6 \+ 2\)"):
        IAF(3, 2)(torch.zeros(5, 6))
