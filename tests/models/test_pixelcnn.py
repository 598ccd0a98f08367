import pytest
import torch

from deepul_utils.checks import laws
from deepul_utils.models.pixelcnn import PixelCNN
from deepul_utils.nn.masked import pixel_mask

SIZE, AT = (9, 13), (6, 5)


@pytest.mark.parametrize("layers", [1, 3, 8])
def test_it_has_a_blind_spot_of_just_this_shape(layers, seen, earlier):
    """A step to the right costs a row: what lies further to the right than up is never seen, however many layers."""
    model = PixelCNN(SIZE, width=16, layers=layers, kernel_size=3)
    reached = {AT}
    for layer in range(layers + 1):
        steps = [(1, -1), (1, 0), (1, 1), (0, 1)] + [(0, 0)] * (layer > 0)  # rows down, columns right
        reached = {(r - down, c - right) for r, c in reached for down, right in steps}
    expected = torch.tensor([[(r, c) in reached for c in range(SIZE[1])] for r in range(SIZE[0])])
    got = seen(model, AT)
    assert torch.equal(got, expected)
    blind = earlier(model, AT) & ~got
    assert blind[5].nonzero().flatten().tolist() == [c for c in range(13) if c > 6 or c < 4 - layers]


def test_it_takes_the_mask_of_another():
    """Here a classic slip: kind A in every layer hides from G what its own features know of R."""

    def always_a(outputs, inputs, kernel_size, kind, channels):
        return pixel_mask(outputs, inputs, kernel_size, "A", channels)

    torch.manual_seed(0)
    model, x = PixelCNN((3, 2, 2), width=24, mask=always_a).double(), torch.randint(2, (64, 12)).numpy()
    with pytest.raises(laws.LawBroken, match="does not see"):
        laws.autoregressive(
            lambda x: model.conditionals(torch.from_numpy(x).view(-1, 3, 2, 2)).detach().flatten(1, -2).numpy(),
            x,
            model.order.numpy(),
        )


def test_a_width_that_does_not_divide_is_one_clear_sentence():
    with pytest.raises(ValueError, match="a multiple of the 3 channels, got 3 in and 64 out"):
        PixelCNN((3, 8, 8), width=64)
