import pytest
import torch

from deepul_utils.checks import laws
from deepul_utils.models.image_transformer import ImageTransformer
from deepul_utils.nn.attention import attention_mask
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
