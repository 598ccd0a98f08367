"""ActNorm: the first batch sets it, once, and saving keeps that."""

import copy

import pytest
import safetensors.torch
import torch

from deepul_utils.transforms import act_norm
from deepul_utils.transforms.act_norm import ActNorm


def far_batch(*shape, seed=0):
    noise = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    channel = torch.arange(1, shape[1] + 1, dtype=torch.float64).view(-1, *[1] * (len(shape) - 2))
    return 30 * channel + channel**2 * noise


def by_channel(z):
    values = z.detach().transpose(0, 1).flatten(1)
    return values.mean(1), values.std(1, correction=0)


@pytest.mark.parametrize("shape", [(50, 3), (50, 3, 4, 5)])
def test_the_first_batch_leaves_with_mean_0_and_deviation_1(shape, monkeypatch):
    monkeypatch.setattr(act_norm, "_EPS", 0)
    norm = ActNorm(3).double()
    z, log_det = norm(far_batch(*shape))
    mean, std = by_channel(z)
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-12, rtol=0)
    torch.testing.assert_close(std, torch.ones_like(std))
    pixels = far_batch(*shape)[0, 0].numel()
    torch.testing.assert_close(log_det, (pixels * norm.log_scale.sum()).expand(50))


def test_a_later_batch_changes_nothing():
    norm = ActNorm(3)
    norm(far_batch(50, 3).float())
    before = copy.deepcopy(norm.state_dict())
    norm(torch.randn(50, 3))
    torch.testing.assert_close(norm.state_dict(), before, rtol=0, atol=0)


def test_in_evaluation_mode_it_learns_nothing_from_data():
    norm = ActNorm(3).eval()
    x = far_batch(50, 3).float()
    z, log_det = norm(x)
    assert torch.equal(z, x)
    assert not log_det.any()
    assert not norm.initialised


def test_the_initialisation_survives_save_and_load(tmp_path):
    norm = ActNorm(3)
    norm(far_batch(50, 3).float())
    safetensors.torch.save_file(norm.state_dict(), tmp_path / "norm.safetensors")
    loaded = ActNorm(3)
    loaded.load_state_dict(safetensors.torch.load_file(tmp_path / "norm.safetensors"))
    x = torch.randn(20, 3)
    assert torch.equal(loaded.train()(x)[0], norm(x)[0])  # not initialised a second time, on x


def test_a_constant_channel_stays_finite_and_a_single_row_is_refused():
    norm = ActNorm(2)
    z, log_det = norm(torch.ones(5, 2))
    assert z.isfinite().all()
    assert log_det.isfinite().all()
    assert ActNorm(2)(torch.randn(1, 2, 4, 4))[0].isfinite().all()
    with pytest.raises(ValueError, match="one value a channel"):
        ActNorm(2)(torch.ones(1, 2))
