"""The checks of this homework accept right answers however written, and name the cause of wrong ones."""

from itertools import product

import numpy as np
import pytest
import safetensors.torch
import torch
from answers import Answers
from scipy.special import softmax
from torch import nn
from torch.nn import functional as F

from deepul_utils.checks.question import QUESTIONS
from deepul_utils.checks.student import NotebookStudent
from deepul_utils.checks.week2 import pixelcnn as checks
from deepul_utils.models.gated_pixelcnn import GatedLayer
from deepul_utils.models.pixelcnn import PixelCNN
from deepul_utils.nn import masked

# Right answers


def mask_slices(k, kind):
    mask = np.zeros((k, k))
    mask[: k // 2] = 1
    mask[k // 2, : k // 2 + (kind == "B")] = 1
    return mask


def mask_by_number(k, kind):
    """By the pixels' place in the raster."""
    place, centre = torch.arange(k * k).view(k, k), k * k // 2
    return place < centre + (kind == "B")


def channel_mask_loop(outputs, inputs, k, kind, channels):
    mask = np.zeros((outputs, inputs, k, k), dtype=bool)
    for o, i in np.ndindex(outputs, inputs):
        after, before = o // (outputs // channels), i // (inputs // channels)
        mask[o, i] = mask_slices(k, "A")
        mask[o, i, k // 2, k // 2] = before < after or (kind == "B" and before == after)
    return mask


def channel_mask_kron(outputs, inputs, k, kind, channels):
    groups = np.tril(np.ones((channels, channels)), 0 if kind == "B" else -1)
    centre = np.kron(groups, np.ones((outputs // channels, inputs // channels)))
    mask = np.tile(mask_slices(k, "A"), (outputs, inputs, 1, 1))
    mask[:, :, k // 2, k // 2] = centre
    return mask.tolist()


def channel_mask_library(outputs, inputs, k, kind, channels):
    return masked.pixel_mask(outputs, inputs, k, kind, channels)


class Masked(nn.Conv2d):
    def __init__(self, mask):
        mask = torch.as_tensor(np.array(mask)).float()
        super().__init__(mask.shape[1], mask.shape[0], mask.shape[2], padding=mask.shape[2] // 2)
        self.register_buffer("mask", mask)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class Net(nn.Module):
    """A plain one; what the wrong answers change are arguments."""

    def __init__(
        self,
        shape,
        K,
        width,
        layers,
        kernel_size,
        mask=channel_mask_loop,
        norm=None,
        first_residual=False,
        tail_mask=True,
        residual=True,
    ):
        super().__init__()
        self.shape, self.K, C = shape, K, shape[0] if len(shape) == 3 else 1
        self.C, self.first_residual, self.residual = C, first_residual, residual
        self.first = Masked(mask(width, C, kernel_size, "A", C))
        self.blocks = nn.ModuleList(Masked(mask(width, width, kernel_size, "B", C)) for _ in range(layers))
        self.norms = nn.ModuleList(nn.Identity() if norm is None else norm(width) for _ in range(layers))
        last = mask(C * K, width, 1, "B", C)
        self.last = Masked(last if tail_mask else np.ones_like(last))

    def forward(self, x, y=None):
        image = x.view(len(x), self.C, *x.shape[-2:]).float() / (self.K - 1)
        h = self.first(image)
        if self.first_residual:
            h = h + image.repeat_interleave(h.shape[1] // self.C, 1)
        for block, norm in zip(self.blocks, self.norms, strict=True):
            out = block(norm(h).relu())
            h = h + out if self.residual else out
        return self.last(h.relu()).unflatten(1, (self.C, self.K)).movedim(2, -1).reshape(*x.shape, self.K)


def net_library(shape, K, width, layers, kernel_size):
    return PixelCNN(shape, K, width, layers, kernel_size)


def net_without_residuals(*args):
    return Net(*args, residual=False)


def bias_numpy(h, y, table):
    return h + table[y][:, :, None, None]


def bias_one_hot(h, y, table):
    one_hot = F.one_hot(torch.as_tensor(y), len(table)).double()
    return torch.as_tensor(h) + (one_hot @ torch.as_tensor(table)).unsqueeze(-1).unsqueeze(-1)


def bias_in_place(h, y, table):
    for image, label in zip(h, y, strict=True):
        image += table[label].reshape(-1, 1, 1)
    return h.astype(np.float32)


def logits(x, weights, biases):
    return np.einsum("crskdtu,ndtu->ncrsk", weights, x) + biases


def sample_numpy(weights, biases, uniforms, loop=None):
    (_, C, H, W), x = uniforms.shape, np.zeros(uniforms.shape)
    for r, s, c in loop or product(range(H), range(W), range(C)):
        sums = np.cumsum(softmax(logits(x, weights, biases)[:, c, r, s], -1), -1)
        x[:, c, r, s] = (sums[:, :-1] <= uniforms[:, c, r, s, None]).sum(-1)
    return x


def sample_torch(weights, biases, uniforms):
    """One example after the other, and values found by search."""
    weights, biases = torch.tensor(weights), torch.tensor(biases)
    images = []
    for u in torch.tensor(uniforms):
        x = torch.zeros(u.shape, dtype=torch.long)
        C, H, W = x.shape
        for place in range(C * H * W):
            r, s, c = place // C // W, place // C % W, place % C
            p = (torch.einsum("kdtu,dtu->k", weights[c, r, s], x.double()) + biases[c, r, s]).softmax(0)
            x[c, r, s] = min(int(torch.searchsorted(p.cumsum(0), u[c, r, s], right=True)), len(p) - 1)
        images.append(x)
    return torch.stack(images)


def gated_torch(v, h, weights, kind):
    v, h = torch.as_tensor(v), torch.as_tensor(h)
    down, across, right, out = (torch.as_tensor(weights[n]).clone() for n in ("down", "across", "right", "out"))
    k = down.shape[-1]
    half = k // 2
    z = F.conv2d(F.pad(v, (half, half, half, 0)), down[:, :, : half + 1])
    own = half + 1 if kind == "B" else half
    s = F.conv2d(F.pad(h, (half, own - half - 1)), right[..., :own])
    s = s + torch.einsum("oi,bihw->bohw", across, z)

    def gate(t):
        a, b = t.chunk(2, 1)
        return a.tanh() * b.sigmoid()

    after = torch.einsum("oi,bihw->bohw", out, gate(s))
    return gate(z), after + h if kind == "B" else after


def gated_library(v, h, weights, kind):
    width = v.shape[1]
    layer = GatedLayer(width, width, weights["down"].shape[-1], kind).double()
    with torch.no_grad():
        for conv, weight in [
            (layer.down, "down"),
            (layer.across, "across"),
            (layer.right, "right"),
            (layer.out, "out"),
        ]:
            conv.weight.copy_(torch.as_tensor(weights[weight]).view_as(conv.weight))
            conv.bias.zero_()
        v, told = layer.vertical(torch.as_tensor(v), None)
        return [v, layer.horizontal(torch.as_tensor(h), told, None)]


def gated_numpy(v, h, weights, kind):
    """Loops over the kernel's places."""
    (_, width, H, W), k = v.shape, weights["down"].shape[-1]
    half = k // 2

    def shifted(x, up, left):
        moved = np.zeros_like(x)
        for r, s in product(range(H), range(W)):
            if 0 <= r - up < H and 0 <= s - left < W:
                moved[:, :, r, s] = x[:, :, r - up, s - left]
        return moved

    def mixed(matrix, x):
        return np.einsum("oi,bihw->bohw", matrix, x)

    def gate(t):
        return np.tanh(t[:, :width]) / (1 + np.exp(-t[:, width:]))

    z = sum(
        mixed(weights["down"][:, :, a, b], shifted(v, half - a, half - b)) for a in range(half + 1) for b in range(k)
    )
    s = mixed(weights["across"], z)
    for b in range(half + (kind == "B")):
        s = s + mixed(weights["right"][:, :, 0, b], shifted(h, 0, half - b))
    return gate(z), mixed(weights["out"], gate(s)) + h * (kind == "B")


RIGHT = [
    ("mask", "pixel_mask", mask_slices),
    ("mask", "pixel_mask", mask_by_number),
    ("channel_mask", "channel_mask", channel_mask_loop),
    ("channel_mask", "channel_mask", channel_mask_kron),
    ("channel_mask", "channel_mask", channel_mask_library),
    ("network", "PixelNet", Net),
    ("network", "PixelNet", net_library),
    ("network", "PixelNet", net_without_residuals),
    ("class_bias", "class_bias", bias_numpy),
    ("class_bias", "class_bias", bias_one_hot),
    ("class_bias", "class_bias", bias_in_place),
    ("sample", "sample", sample_numpy),
    ("sample", "sample", sample_torch),
    ("gated_layer", "gated_layer", gated_torch),
    ("gated_layer", "gated_layer", gated_library),
    ("gated_layer", "gated_layer", gated_numpy),
]


# Wrong answers


def rows_below(k, kind):
    mask = mask_slices(k, kind)
    mask[k // 2 + 1 :] = 1
    return mask


def centre_row(value):
    def mask(k, kind):
        answer = mask_slices(k, kind)
        answer[k // 2] = value
        return answer

    return mask


def at_centre(keeps):
    """channel_mask with another rule for the groups at the centre."""

    def mask(outputs, inputs, k, kind, channels):
        answer = channel_mask_loop(outputs, inputs, k, kind, channels)
        for o, i in np.ndindex(outputs, inputs):
            after, before = o * channels // outputs, i * channels // inputs
            answer[o, i, k // 2, k // 2] = keeps(before, after, kind)
        return answer

    return mask


def interleaved(outputs, inputs, k, kind, channels):
    answer = channel_mask_loop(outputs, inputs, k, kind, channels)
    for o, i in np.ndindex(outputs, inputs):
        before, after = i % channels, o % channels
        answer[o, i, k // 2, k // 2] = before < after or (kind == "B" and before == after)
    return answer


def everywhere(outputs, inputs, k, kind, channels):
    """The rule of the centre for all places."""
    answer = channel_mask_loop(outputs, inputs, k, kind, channels)
    return answer & answer[:, :, k // 2, k // 2][:, :, None, None]


def net(**slip):
    return lambda *args: Net(*args, **slip)


def spatial(rule):
    """The masks of a network from a mask of places that ignores the channels."""

    def mask(outputs, inputs, k, kind, channels):
        answer = channel_mask_loop(outputs, inputs, k, kind, channels)
        return answer & np.array(rule(k, kind), dtype=bool) if k > 1 else answer

    return mask


def always(kind):
    return lambda outputs, inputs, k, _, channels: channel_mask_loop(outputs, inputs, k, kind, channels)


def narrow_a(outputs, inputs, k, kind, channels):
    """Kind A in 1 x 1 layers, too, but for grey images."""
    return channel_mask_loop(outputs, inputs, k, "A" if k == 1 and channels > 1 else kind, channels)


class PlaneNorm(nn.GroupNorm):
    def __init__(self, width):
        super().__init__(1, width)


class PixelNorm(nn.LayerNorm):
    """Over all features of a pixel: R's see B's."""

    def forward(self, h):
        return super().forward(h.movedim(1, -1)).movedim(-1, 1)


def hides_red(outputs, inputs, k, kind, channels):
    answer = channel_mask_loop(outputs, inputs, k, kind, channels)
    if kind == "A":
        answer[:, :, k // 2, k // 2] = 0
    else:
        groups = np.arange(outputs)[:, None] * channels // outputs == np.arange(inputs) * channels // inputs
        answer[:, :, k // 2, k // 2] = groups
    return answer


def walk(loop):
    return lambda w, b, u: sample_numpy(w, b, u, loop(*u.shape[1:]))


def one_pass(whole):
    """All channels of a pixel, or all dimensions of the image, from one pass."""

    def answer(weights, biases, uniforms):
        (_, _, H, W), x = uniforms.shape, np.zeros(uniforms.shape)
        for r, s in [(None, None)] if whole else product(range(H), range(W)):
            p = softmax(logits(x, weights, biases), -1)
            drawn = (np.cumsum(p, -1)[..., :-1] <= uniforms[..., None]).sum(-1)
            at = (slice(None),) * 4 if whole else (slice(None), slice(None), r, s)
            x[at] = drawn[at]
        return x

    return answer


def likeliest(weights, biases, uniforms):
    x = np.zeros(uniforms.shape)
    _, C, H, W = x.shape
    for r, s, c in product(range(H), range(W), range(C)):
        x[:, c, r, s] = logits(x, weights, biases)[:, c, r, s].argmax(-1)
    return x


def uniforms_in_turn(weights, biases, uniforms):
    """The first visit takes the first number of each example, and so on."""
    N, C, H, W = uniforms.shape
    return sample_numpy(weights, biases, uniforms.reshape(N, H, W, C).transpose(0, 3, 1, 2))


def gated(
    gate=lambda a, b: a.tanh() * b.sigmoid(),
    prepare=lambda v: v,
    down=lambda w: w,
    told="z",
    kinds=None,
    residual=None,
    v_residual=False,
):
    """gated_layer with a slip in it."""

    def answer(v, h, weights, kind):
        v, h = prepare(torch.as_tensor(v)), torch.as_tensor(h)
        W = {name: torch.as_tensor(weight).clone() for name, weight in weights.items()}
        half = W["down"].shape[-1] // 2
        W["down"][:, :, half + 1 :] = 0
        z = F.conv2d(v, down(W["down"]) if callable(down) else torch.as_tensor(weights["down"]), padding=half)
        W["right"][..., half + ((kinds or "AB")[kind == "B"] == "B") :] = 0
        width = v.shape[1]
        message = {
            "z": lambda: F.conv2d(z, W["across"][:, :, None, None]),
            "gate": lambda: F.conv2d(gate(*z.chunk(2, 1)), W["across"][:, :width, None, None]),
            "nothing": lambda: 0.0,
        }[told]()
        s = F.conv2d(h, W["right"], padding=(0, half)) + message
        after = F.conv2d(gate(*s.chunk(2, 1)), W["out"][:, :, None, None])
        adds = (kind == "B") if residual is None else residual
        return gate(*z.chunk(2, 1)) + v * v_residual, after + h * adds

    return answer


def cut_own_row(w):
    w[:, :, w.shape[-1] // 2] = 0
    return w


def cut_right(w):
    w[:, :, w.shape[-1] // 2, w.shape[-1] // 2 + 1 :] = 0
    return w


WRONG = [
    ("mask", centre_row(0), "the centre's row is zero"),
    ("mask", centre_row(1), "the centre's row is kept whole"),
    ("mask", lambda k, kind: mask_slices(k, "A"), "kind B keeps the centre"),
    ("mask", lambda k, kind: mask_slices(k, "B"), "kind A covers the centre"),
    ("mask", lambda k, kind: mask_slices(k, kind).T, "rows and columns are exchanged"),
    ("mask", lambda k, kind: 1 - mask_slices(k, kind), "should be kept"),
    ("mask", lambda k, kind: mask_slices(k, kind)[::-1], "upside down"),
    ("mask", lambda k, kind: mask_slices(k, kind)[:, ::-1], "mirrored"),
    ("mask", rows_below, "the rows below the centre come after it"),
    ("channel_mask", at_centre(lambda b, a, kind: kind == "B" and b <= a), "R is hidden from G"),
    (
        "channel_mask",
        at_centre(lambda b, a, kind: b == a if kind == "B" else b < a),
        "keeps the groups before its own, too",
    ),
    ("channel_mask", at_centre(lambda b, a, kind: True), "the groups after"),
    ("channel_mask", at_centre(lambda b, a, kind: b <= a), "R would see itself"),
    ("channel_mask", at_centre(lambda b, a, kind: b < a), "kind B keeps a feature's own group"),
    ("channel_mask", at_centre(lambda b, a, kind: b > a or (kind == "B" and b == a)), "the wrong way"),
    ("channel_mask", interleaved, "the groups are blocks"),
    ("channel_mask", everywhere, "only the centre depends on the groups"),
    ("channel_mask", lambda o, i, *rest: channel_mask_loop(o, i, *rest).swapaxes(0, 1), "the outputs come first"),
    ("network", net(first_residual=True), "without a residual around it"),
    ("network", net(mask=always("B")), "is the first layer of kind A"),
    ("network", net(mask=always("A"), residual=False), "is not seen"),
    ("network", net(mask=spatial(centre_row(0))), "is the centre's row kept to its left"),
    ("network", net(mask=hides_red), "G does not see R at its own pixel"),
    ("network", net(mask=narrow_a), "is every layer but the first of kind B, 1 x 1 layers too?"),
    ("network", net(mask=narrow_a), "and only the first layer is of kind A"),
    ("network", net(tail_mask=False), "do 1 x 1 convolutions have masks, too"),
    ("network", net(norm=PlaneNorm), "or a normalisation span positions"),
    ("network", net(norm=nn.BatchNorm2d), "or a normalisation span positions"),
    ("network", net(norm=PixelNorm), "does a normalisation mix the groups?"),
    ("class_bias", lambda h, y, table: h + table[np.arange(len(y)) % len(table)][:, :, None, None], "by the place"),
    ("class_bias", lambda h, y, table: h + table[y[0]][None, :, None, None], "of the first one's class"),
    ("class_bias", lambda h, y, table: h + table[y][:, None, :, None], "to the rows"),
    ("class_bias", lambda h, y, table: h + table[y][:, None, None, :], "to the columns"),
    ("class_bias", lambda h, y, table: h * table[y][:, :, None, None], "multiplied"),
    ("class_bias", lambda h, y, table: h + y[:, None, None, None], "the class number itself"),
    ("class_bias", lambda h, y, table: h, "unchanged"),
    ("class_bias", lambda h, y, table: bias_numpy(0 * h, y, table), "h is missing"),
    (
        "sample",
        walk(lambda C, H, W: [(r, s, c) for r, s in product(range(H), range(W)) for c in reversed(range(C))]),
        "G is drawn before R is known",
    ),
    (
        "sample",
        walk(lambda C, H, W: [(r, s, c) for c, r, s in product(range(C), range(H), range(W))]),
        "all of R is drawn",
    ),
    (
        "sample",
        walk(lambda C, H, W: [(r, s, c) for s, r, c in product(range(W), range(H), range(C))]),
        "column by column",
    ),
    ("sample", one_pass(whole=False), "G is drawn before R is known"),
    ("sample", one_pass(whole=True), "all pixels are drawn from one pass"),
    ("sample", likeliest, "use the uniforms"),
    ("sample", uniforms_in_turn, "the uniform at its own place"),
    ("gated_layer", gated(prepare=lambda v: F.pad(v, (0, 0, 1, -1))), "shifted down once more"),
    ("gated_layer", gated(down=cut_own_row), "leaves out its own row"),
    ("gated_layer", gated(down=None), "the vertical kernel is not masked"),
    ("gated_layer", gated(down=cut_right), "whole rows are kept"),
    ("gated_layer", gated(told="gate"), "before the gate"),
    ("gated_layer", gated(told="nothing"), "is told nothing"),
    ("gated_layer", gated(kinds="BA"), "covers its centre"),
    ("gated_layer", gated(residual=True), "around the first layer"),
    ("gated_layer", gated(v_residual=True), "the vertical stack has no residual"),
    ("gated_layer", gated(gate=lambda a, b: b.tanh() * a.sigmoid()), "the sigmoid to the second"),
    ("gated_layer", gated(gate=lambda a, b: a.sigmoid() * b.sigmoid()), "goes through tanh"),
]


class TestAnswers(Answers):
    notebook = "pixelcnn"
    right = RIGHT
    wrong = WRONG


# The trained model: here, instead of MNIST, pixels that are ink with probability p


class Independent(nn.Module):
    def __init__(self):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(2))

    def forward(self, x):
        return self.logits.expand(*x.shape, 2)


class Copies(Independent):
    def forward(self, x):
        return self.logits + 9.0 * F.one_hot(x, 2)


def trained(monkeypatch, model, ink, p=None):
    """The outcome for a model of independent pixels on images with so much ink."""
    test = (np.random.default_rng(0).random((4000, 28, 28)) < ink).astype(np.uint8)
    monkeypatch.setattr(checks, "thresholded_mnist", lambda: (test, test))
    logits = torch.tensor([1 - (p or ink), p or ink]).log()
    files = {"pixelcnn.safetensors": safetensors.torch.save({"logits": logits})}
    return QUESTIONS["pixelcnn.trained"].judge(NotebookStudent({"build_model": model}), 0, files)


@pytest.mark.parametrize(("ink", "score"), [(0.03, 0), (0.021, 1), (0.018, 2), (0.0145, 4), (0.005, 0)])
def test_the_trained_model_gets_points_by_its_test_loss(monkeypatch, ink, score):
    """The entropy of a pixel is 0.135, 0.102, 0.090, 0.076, and 0.031 nats, which is below what is plausible."""
    assert trained(monkeypatch, Independent, ink).score == score


def test_a_trained_model_that_copies_gets_nothing(monkeypatch):
    outcome = trained(monkeypatch, Copies, 0.0145)
    assert outcome.score == 0
    assert "which it should predict" in outcome.cases[0].message


def test_without_weights_the_remedy_is_told():
    outcome = QUESTIONS["pixelcnn.trained"].judge(NotebookStudent({"build_model": Independent}), 0, {})
    assert outcome.score == 0
    assert 'save("pixelcnn.safetensors", model.state_dict())' in outcome.cases[0].message
