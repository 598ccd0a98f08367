"""Squeeze, split and the masks: nothing is lost on the way, and every latent gets to the base once."""

import numpy as np
import pytest
import torch

from deepul_utils.checks import laws
from deepul_utils.models.flow import Flow
from deepul_utils.transforms.act_norm import ActNorm
from deepul_utils.transforms.partition import channels, checkerboard, every_second, upper_half
from deepul_utils.transforms.split import Split
from deepul_utils.transforms.squeeze import Squeeze
from deepul_utils.transforms.transform import Composition


def test_a_squeeze_takes_blocks_apart_and_puts_them_together():
    x = torch.arange(2 * 4 * 6.0).view(1, 2, 4, 6)
    z, log_det = Squeeze()(x)
    assert z.shape == (1, 8, 2, 3)
    for c, i, j in np.ndindex(2, 2, 2):
        assert torch.equal(z[0, 4 * c + 2 * i + j], x[0, c, i::2, j::2])
    assert torch.equal(Squeeze().inverse(z), x)
    assert not log_det.any()
    with pytest.raises(ValueError, match="7 x 8 pixels cannot be cut into blocks of 2 x 2"):
        Squeeze().latent_shape((1, 7, 8))


def nested():
    """Three scales, each with a scaling of its own, of (1, 8, 8) images."""
    norms = [ActNorm(c) for c in (4, 8, 16)]
    for k, norm in enumerate(norms):
        norm.log_scale.data.fill_(k + 1.0)
    last = Composition(Squeeze(), norms[2])
    middle = Composition(Squeeze(), norms[1], Split((8, 2, 2), last))
    return Composition(Squeeze(), norms[0], Split((4, 4, 4), middle)).eval().double()


def test_a_multi_scale_flow_keeps_the_laws():
    flow = nested()
    x = np.random.default_rng(0).normal(size=(3, 1, 8, 8))
    forward = lambda x: [part.detach().numpy() for part in flow(torch.tensor(x))]  # noqa: E731
    laws.invertible(forward, lambda z: flow.inverse(torch.tensor(z)).detach().numpy(), x)
    laws.log_det(forward, x)
    z, log_det = flow(torch.tensor(x))
    assert z.shape == (3, 64)
    assert flow.latent_shape((1, 8, 8)) == (64,)
    # 64 numbers are scaled by e, the 32 that go on by e^2, the 16 after the second split by e^3.
    torch.testing.assert_close(log_det, torch.full((3,), 64.0 + 64 + 48, dtype=torch.float64))


def test_every_latent_has_its_term_of_the_prior():
    model = Flow((1, 8, 8), nested())
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64)
    z, log_det = model.transform(x)
    right = torch.distributions.Normal(0, 1).log_prob(z).sum(1) + log_det
    torch.testing.assert_close(model.log_prob(x), right)
    drawn = torch.randn(3, 64, dtype=torch.float64)
    torch.testing.assert_close(model.transform(model.sample(3, drawn))[0], drawn, atol=1e-9, rtol=0)


def test_one_channel_cannot_be_split():
    with pytest.raises(ValueError, match="squeeze first"):
        Split((1, 4, 4), Squeeze())


@pytest.mark.parametrize(
    ("partition", "shape"),
    [(every_second, (5,)), (every_second, (3, 2, 2)), (checkerboard, (2, 4, 3)), (channels, (4, 2, 2))],
)
def test_both_parities_together_change_everything_once(partition, shape):
    both = partition(shape, 0) + partition(shape, 1)
    assert torch.equal(both, torch.ones(shape))


def test_masks_are_what_their_names_say():
    rows, columns = torch.arange(4)[:, None], torch.arange(6)
    assert torch.equal(checkerboard((2, 4, 6), 1), (((rows + columns) % 2) == 1).float().expand(2, 4, 6))
    assert channels((4, 2, 2)).flatten(1).tolist() == [[1.0] * 4, [1.0] * 4, [0.0] * 4, [0.0] * 4]
    assert upper_half((1, 4, 2), 1).flatten(1).tolist() == [[0.0] * 4 + [1.0] * 4]
