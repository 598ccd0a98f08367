import numpy as np
import pytest
import torch
from scipy import special, stats

from deepul_utils.models.pixelcnn_pp import PixelCNNPP
from deepul_utils.nn.gradient_field import gradient_field


def made(shape=(3, 2, 2), num_values=5, components=3, **options):
    torch.manual_seed(0)
    model = PixelCNNPP(shape, num_values, width=12, blocks=1, components=components, **options).double()
    with torch.no_grad():
        model.out.weight *= 5
        model.out.bias += torch.randn_like(model.out.bias)
    return model


def test_log_prob_is_the_mixture_written_out():
    """With scipy's logistic: the edge values take the tails, later channels lean on earlier ones."""
    model, x = made(), torch.randint(5, (4, 3, 2, 2))
    with torch.no_grad():
        raw = model.network(model._pixels(x)).numpy()
    expected = np.zeros(4)
    for n, r, c in np.ndindex(4, 2, 2):
        each = raw[n, :, r, c].reshape(3, 10)  # 1 weight, 3 mu, 3 log s, 3 a
        values = x[n, :, r, c].numpy()
        z = values / 2 - 1
        joint = special.log_softmax(each[:, 0])
        for m in range(3):
            mu, s, a = each[m, 1:4], np.exp(np.maximum(each[m, 4:7], -7)), np.tanh(each[m, 7:])
            locs = [mu[0], mu[1] + a[0] * z[0], mu[2] + a[1] * z[0] + a[2] * z[1]]
            for k, loc, scale in zip(values, locs, s, strict=True):
                edges = stats.logistic(2 * (1 + loc), 2 * scale).cdf([k - 0.5, k + 0.5])
                upper, lower = 1 if k == 4 else edges[1], 0 if k == 0 else edges[0]
                joint[m] += np.log(upper - lower)
        expected[n] += special.logsumexp(joint)
    np.testing.assert_allclose(model.log_prob(x).detach(), expected, rtol=1e-9)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_it_asks_for_as_many_numbers_as_it_uses(channels):
    model = made((channels, 2, 2), components=4)
    assert model.out.out_channels == 4 * (1 + 2 * channels + channels * (channels - 1) // 2)


@pytest.mark.parametrize("num_values", [2, 256])
def test_extreme_images_have_a_finite_loss_and_gradient(num_values):
    model = PixelCNNPP((8, 8), num_values, width=8, blocks=1)
    torch.nn.init.normal_(model.out.bias, std=20)
    x = torch.cat([torch.zeros(1, 8, 8), torch.full((1, 8, 8), num_values - 1)]).long()
    loss = model.loss(x)
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_halved_it_sees_further_and_with_a_few_blocks_every_pixel_before():
    torch.manual_seed(0)
    image = torch.rand(4, 1, 14, 9).double() * 2 - 1
    fields = [
        gradient_field(PixelCNNPP((14, 9), width=8, blocks=blocks, levels=levels).double().network, image, (13, 4))[0]
        for blocks, levels in [(1, 0), (1, 2), (3, 2)]
    ]
    earlier = torch.arange(14 * 9).view(14, 9) < 13 * 9 + 4
    assert (fields[0] > 0).sum() < (fields[1] > 0).sum() <= earlier.sum()
    assert torch.equal(fields[2] > 0, earlier)
    assert not any((field[~earlier] > 0).any() for field in fields)
