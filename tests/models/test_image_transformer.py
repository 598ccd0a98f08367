import pytest
import torch

from deepul_utils.checks import laws
from deepul_utils.models.image_transformer import ImageTransformer
from deepul_utils.nn.attention import attention_mask, attention_weights
from deepul_utils.nn.ordering import shuffled


def test_one_layer_sees_all_that_comes_before():
    torch.manual_seed(0)
    order = shuffled((6, 6))
    model = ImageTransformer((6, 6), width=16, layers=1, order=order).double()
    x = torch.randint(2, (64, 36)).numpy()
    laws.autoregressive(
        lambda x: model.conditionals(torch.from_numpy(x).view(-1, 6, 6)).detach().flatten(1, -2).numpy(),
        x,
        order.numpy(),
    )


@pytest.mark.parametrize(
    ("mask", "slip"),
    [
        (lambda order: attention_mask(order).T, "sees input"),  # transposed
        (lambda order: torch.ones(len(order), len(order)), "sees input"),  # none
        (lambda order: torch.eye(len(order)), "does not see input"),
    ],
)
def test_it_takes_the_mask_of_another(mask, slip):
    torch.manual_seed(0)
    model = ImageTransformer((6,), width=16, layers=1, mask=mask).double()
    with pytest.raises(laws.LawBroken, match=slip):
        laws.autoregressive(
            lambda x: model.conditionals(torch.from_numpy(x)).detach().numpy(), torch.randint(2, (64, 6)).numpy()
        )


def test_position_matters():
    """The same values before them, and yet other predictions: a position has a vector of its own."""
    logits = ImageTransformer((5,), width=16).conditionals(torch.zeros(1, 5, dtype=torch.long))[0]
    assert logits.unique(dim=0).shape[0] == 5


def test_maps_are_those_that_make_the_logits():
    """Attention replaced by a fixed mixture in each block: with the maps it gives the same, with others not."""
    torch.manual_seed(0)
    order = shuffled((3, 3))
    model = ImageTransformer((3, 3), width=8, layers=2, heads=2, order=order).double()
    x = torch.randint(2, (4, 3, 3))
    maps = model.attention_maps(x)
    assert maps.shape == (4, 2, 2, 9, 9)
    assert torch.equal(maps > 0, attention_mask(order).expand(4, 2, 2, 9, 9))
    logits = model.conditionals(x)
    for block, weights in zip(model.blocks, maps.unbind(1), strict=True):
        block.attention.attend = lambda q, k, v, mask, weights=weights: weights @ v
    torch.testing.assert_close(model.conditionals(x), logits, rtol=1e-9, atol=1e-9)
    model.blocks[1].attention.attend = lambda q, k, v, mask: maps[:, 0] @ v
    assert not torch.allclose(model.conditionals(x), logits, rtol=1e-3)


def test_it_takes_the_attention_of_another():
    torch.manual_seed(0)
    model = ImageTransformer((6,), width=8, layers=2)
    logits, u = model.conditionals(torch.ones(2, 6).long()), torch.rand(5, 6)
    drawn = model.sample(5, u=u)
    for block in model.blocks:
        block.attention.attend = lambda q, k, v, mask: attention_weights(q, k, mask) @ v
    torch.testing.assert_close(model.conditionals(torch.ones(2, 6).long()), logits)
    assert torch.equal(model.sample(5, u=u), drawn)
