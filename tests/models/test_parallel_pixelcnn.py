from functools import partial

import pytest
import torch

from deepul_utils.checks import laws
from deepul_utils.models.gated_pixelcnn import GatedPixelCNN
from deepul_utils.models.parallel_pixelcnn import ParallelPixelCNN
from deepul_utils.nn.resnet import ResNet


def made(shape=(8, 4), levels=2, **options):
    torch.manual_seed(0)
    base, net = partial(GatedPixelCNN, width=12, layers=2), partial(ResNet, width=16, blocks=2)
    return ParallelPixelCNN(shape, 3, levels, base, net, **options).double()


def test_the_groups_of_two_doublings():
    """2 x 1 pixels of the base, 0 and 1; then right, below, between, at distance 2 and at distance 1."""
    order = made().order.view(8, 4).tolist()
    assert order == [
        [0, 5, 2, 5],
        [6, 7, 6, 7],
        [3, 5, 4, 5],
        [6, 7, 6, 7],
        [1, 5, 2, 5],
        [6, 7, 6, 7],
        [3, 5, 4, 5],
        [6, 7, 6, 7],
    ]


@pytest.mark.parametrize("shape", [(8, 4), (2, 4, 4)])
def test_a_group_sees_all_groups_before_and_not_itself(shape):
    model = made(shape)
    x = torch.randint(3, (64, model.order.numel())).numpy()
    laws.autoregressive(
        lambda x: model.conditionals(torch.from_numpy(x).view(-1, *shape)).detach().flatten(1, -2).numpy(),
        x,
        model.order.numpy(),
    )


def test_a_doubling_takes_three_passes_a_channel():
    model, passes = made((2, 8, 8)), []
    for net in model.nets:
        net.register_forward_hook(lambda *_: passes.append(1))
    model.sample(3)
    assert len(passes) == 2 * 3 * 2


def test_its_likelihood_is_that_of_the_base_and_the_groups():
    model, x = made(), torch.randint(3, (5, 8, 4))
    log_p = model.conditionals(x).log_softmax(-1).gather(-1, x[..., None]).squeeze(-1)
    base = model.base.log_prob(x[:, ::4, ::4])
    torch.testing.assert_close(model.log_prob(x), base + log_p.flatten(1)[:, model.order >= 2].sum(1))


def test_sizes_that_cannot_be_halved_are_one_clear_sentence():
    with pytest.raises(ValueError, match=r"multiples of 2\^levels = 4, got 8 and 6"):
        made((8, 6))
