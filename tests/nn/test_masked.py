import numpy as np
import pytest
import torch
from torch.nn import functional as F

from deepul_utils.nn.cache import Cache
from deepul_utils.nn.masked import MaskedConv2d, MaskedLinear, made_degrees, made_masks, pixel_mask, vertical_mask
from deepul_utils.nn.ordering import raster, shuffled


@pytest.mark.parametrize(
    ("dims", "hidden"), [(1, [4]), (2, [1]), (3, [2]), (6, [5]), (6, [8, 9]), (9, [16, 8, 31]), (4, [])]
)
@pytest.mark.parametrize("seed", range(3))
def test_paths_through_the_masks_lead_from_every_earlier_input_and_no_other(dims, hidden, seed):
    """D - 1 units a layer are enough, and with no hidden layer too."""
    order = shuffled((dims,), seed)
    masks = made_masks(dims, hidden, order)
    assert [tuple(mask.shape) for mask in masks] == list(zip([*hidden, dims], [dims, *hidden], strict=True))
    paths = torch.eye(dims, dtype=torch.long)
    for mask in masks:
        paths = mask.long() @ paths
    assert torch.equal(paths > 0, order[:, None] > order[None, :])


def test_degrees_by_hand():
    inputs, first, second = made_degrees(3, [5, 2], order=[2, 0, 1])
    assert (inputs.tolist(), first.tolist(), second.tolist()) == ([2, 0, 1], [0, 0, 0, 1, 1], [0, 1])


@pytest.mark.parametrize(("dims", "units"), [(784, 512), (5, 4), (5, 17), (10, 3), (1, 3)])
def test_degrees_are_spread_evenly_and_none_is_wasted(dims, units):
    degrees = made_degrees(dims, [units])[1]
    counts = torch.bincount(degrees, minlength=max(dims - 1, 1))
    assert len(counts) == max(dims - 1, 1)
    assert counts.max() - counts.min() <= 1


def test_linear_uses_the_weights_that_the_mask_keeps():
    mask = torch.rand(2, 4, 3) < 0.5
    layer, x = MaskedLinear(mask).double(), torch.randn(7, 3).double()
    for which in (0, 1):
        kept = torch.where(mask[which], layer.weight, 0)
        torch.testing.assert_close(layer(x, which), x @ kept.T + layer.bias)
    layer(x, 1).sum().backward()
    assert torch.equal(layer.weight.grad != 0, mask[1])


def test_a_mask_of_numpy_and_of_numbers_will_do():
    mask = np.array([[1, 0, 1]])
    assert MaskedLinear(mask).mask.tolist() == [[[True, False, True]]]


@pytest.mark.parametrize("kind", ["A", "B"])
@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (3, 3), (1, 5), (5, 3)])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixel_mask_keeps_exactly_what_comes_before(kind, rows, cols, channels):
    """Against the raster order of a patch of the kernel's size, in which the centre stands for the output."""
    features = 2 * channels
    mask = pixel_mask(features, features, (rows, cols), kind, channels)
    order = raster((channels, rows, cols)).view(channels, rows, cols)
    for out in range(features):
        for into in range(features):
            centre = order[out // 2, rows // 2, cols // 2]
            before = order[into // 2] < centre
            if kind == "B":
                before |= order[into // 2] == centre
            assert torch.equal(mask[out, into], before)


def test_input_and_output_may_have_other_numbers_of_features():
    """R, G, B in, two features each out: of its own pixel R sees nothing, G sees R, B sees R and G."""
    assert pixel_mask(6, 3, 1, "A", 3)[:, :, 0, 0].int().tolist() == [[0, 0, 0]] * 2 + [[1, 0, 0]] * 2 + [[1, 1, 0]] * 2


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ((1, 1, 4, "A"), "must be odd, got 4 x 4"),
        ((1, 1, (1, 2), "A"), "must be odd, got 1 x 2"),
        ((64, 3, 7, "A", 3), "a multiple of the 3 channels, got 3 in and 64 out"),
        ((1, 1, 3, "C"), "kind must be A"),
    ],
)
def test_a_mask_that_cannot_be_is_one_clear_sentence(arguments, remedy):
    with pytest.raises(ValueError, match=remedy):
        pixel_mask(*arguments)


MASKS = {
    "A 7x7": pixel_mask(4, 2, 7, "A", 2),
    "B 7x7": pixel_mask(4, 2, 7, "B", 2),
    "B 5x3": pixel_mask(4, 2, (5, 3), "B"),
    "A 1x5": pixel_mask(4, 2, (1, 5), "A", 2),
    "B 1x1": pixel_mask(4, 2, 1, "B", 2),
    "vertical 3x3": vertical_mask(4, 2, 3),
    "no mask 3x3": torch.ones(4, 2, 3, 3),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_convolution_is_the_full_one_with_zeroed_weights(mask):
    conv, x = MaskedConv2d(mask).double(), torch.randn(3, 2, 6, 5).double()
    expected = F.conv2d(x, conv.weight * mask, conv.bias, padding=(mask.shape[2] // 2, mask.shape[3] // 2))
    torch.testing.assert_close(conv(x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("mask", "kernel"), [("A 7x7", (4, 7)), ("A 1x5", (1, 3)), ("vertical 3x3", (2, 3)), ("no mask 3x3", (3, 3))]
)
def test_what_no_mask_uses_is_not_computed(mask, kernel):
    assert MaskedConv2d(MASKS[mask]).kernel().shape[2:] == kernel


@pytest.mark.parametrize("mask", [m for m in MASKS if "B" in m or "A" in m])
@pytest.mark.parametrize("size", [(4, 6), (1, 5), (5, 1)])
def test_pixel_by_pixel_it_gives_the_same(mask, size):
    """Each pixel comes twice, as it does for each channel: the second visit replaces the first."""
    conv, cache, (H, W) = MaskedConv2d(MASKS[mask]).double(), Cache(*size), size
    x = torch.randn(2, 2, H, W).double()
    whole = conv(x)
    with torch.no_grad():
        for r, c in np.ndindex(H, W):
            cache.at = r, c
            conv(torch.randn(2, 2, 1, 1).double(), cache)
            got = conv(x[:, :, r : r + 1, c : c + 1], cache)
            torch.testing.assert_close(got, whole[:, :, r : r + 1, c : c + 1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("width", [1, 5])
@pytest.mark.parametrize("mask", ["vertical 3x3", "B 7x7"])
def test_row_by_row_it_gives_the_same(mask, width):
    conv, cache, x = MaskedConv2d(MASKS[mask]).double(), Cache(4, width), torch.randn(2, 2, 4, width).double()
    whole = conv(x)
    with torch.no_grad():
        for r in range(4):
            cache.at = r, 0
            got = conv(x[:, :, r : r + 1], cache)
            torch.testing.assert_close(got, whole[:, :, r : r + 1], rtol=1e-12, atol=1e-12)
