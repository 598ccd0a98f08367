"""The checks of this homework accept right answers however written, and name the cause of wrong ones."""

from collections import deque
from typing import ClassVar

import numpy as np
import pytest
import safetensors.torch
import torch
from answers import Answers
from torch import nn
from torch.nn import functional as F

from deepul_utils.checks.question import QUESTIONS
from deepul_utils.checks.student import NotebookStudent
from deepul_utils.checks.week2 import wavenet as checks
from deepul_utils.models.wavenet import WaveNet
from deepul_utils.nn import causal

# Right answers


def field_sum(kernel_size, dilations):
    return 1 + (kernel_size - 1) * sum(dilations)


def field_walked(kernel_size, dilations):
    reached = {0}
    for d in dilations:
        reached |= {t + j * d for t in list(reached) for j in range(kernel_size)}
    return np.int64(max(reached) + 1)


def shifted_numpy(x, start):
    return np.hstack([np.full((len(x), 1), start), x[:, :-1]])


def shifted_torch(x, start):
    return F.pad(torch.as_tensor(x), (1, -1), value=start).float()


def shifted_in_place(x, start):
    x[:, 1:] = x[:, :-1].copy()
    x[:, 0] = start
    return x.tolist()


def conv_torch(x, weight, bias, dilation):
    x, weight, bias = (torch.as_tensor(a, dtype=torch.float32) for a in (x, weight, bias))
    return F.conv1d(F.pad(x, ((weight.shape[-1] - 1) * dilation, 0)), weight, bias, dilation=dilation)


def conv_loop(x, weight, bias, dilation):
    (B, _, T), (outputs, _, k) = x.shape, weight.shape
    y = np.zeros((B, outputs, T))
    for t in range(T):
        y[:, :, t] = bias
        for j in range(k):
            back = t - (k - 1 - j) * dilation
            if back >= 0:
                y[:, :, t] += x[:, :, back] @ weight[:, :, j].T
    return y


def conv_trimmed(x, weight, bias, dilation):
    """Padded on both sides, and then the outputs that see the future are cut off."""
    x, weight, bias = (torch.as_tensor(a) for a in (x, weight, bias))
    reach = (weight.shape[-1] - 1) * dilation
    return F.conv1d(x, weight, bias, padding=reach, dilation=dilation)[..., : x.shape[-1]].numpy()


def blocks_torch(h, blocks):
    h, total = torch.as_tensor(h), 0.0
    for block in blocks:
        a, b = (
            torch.as_tensor(conv_trimmed(h, block[name], np.zeros(len(block[name])), block["dilation"]))
            for name in ("filter", "gate")
        )
        z = a.tanh() * b.sigmoid()
        total = total + torch.as_tensor(block["skip"]) @ z
        h = h + torch.as_tensor(block["residual"]) @ z
    return total


def blocks_recursive(h, blocks):
    if not blocks:
        return np.zeros(h.shape)
    block, *rest = blocks
    a, b = (conv_loop(h, block[name], np.zeros(len(h[0])), block["dilation"]) for name in ("filter", "gate"))
    z = np.tanh(a) / (1 + np.exp(-b))
    skip, residual = (np.einsum("oi,bit->bot", block[name], z) for name in ("skip", "residual"))
    return skip + blocks_recursive(h + residual, rest)


class QueueDeque:
    def __init__(self, weight, bias, dilation):
        self.weight, self.bias, self.dilation = weight, bias, dilation
        self.reach = (weight.shape[2] - 1) * dilation
        self.queue = deque(maxlen=self.reach + 1)

    def step(self, x):
        if not self.queue:
            self.queue.extend([np.zeros_like(x)] * (self.reach + 1))
        self.queue.append(x)
        taps = [self.queue[t] for t in range(0, self.reach + 1, self.dilation)]
        return sum(tap @ self.weight[:, :, j].T for j, tap in enumerate(taps)) + self.bias


class QueueRing(nn.Module):
    """A ring buffer, in torch."""

    def __init__(self, weight, bias, dilation):
        super().__init__()
        self.register_buffer("weight", torch.as_tensor(weight).float())
        self.register_buffer("bias", torch.as_tensor(bias).float())
        self.k, self.d, self.t, self.ring = weight.shape[-1], dilation, 0, None

    def step(self, x):
        x = torch.as_tensor(x).float()
        size = (self.k - 1) * self.d + 1
        if self.ring is None:
            self.ring = torch.zeros(size, *x.shape)
        self.ring[self.t % size] = x
        taps = [self.ring[(self.t - (self.k - 1 - j) * self.d) % size] for j in range(self.k)]
        self.t += 1
        return torch.einsum("kbc,ock->bo", torch.stack(taps), self.weight) + self.bias


RIGHT = [
    ("receptive_field", "receptive_field", field_sum),
    ("receptive_field", "receptive_field", field_walked),
    ("shifted", "shifted", shifted_numpy),
    ("shifted", "shifted", shifted_torch),
    ("shifted", "shifted", shifted_in_place),
    ("causal_conv", "causal_conv", conv_torch),
    ("causal_conv", "causal_conv", conv_loop),
    ("causal_conv", "causal_conv", conv_trimmed),
    ("blocks", "blocks", blocks_torch),
    ("blocks", "blocks", blocks_recursive),
    ("queued_conv", "QueuedConv", QueueDeque),
    ("queued_conv", "QueuedConv", QueueRing),
]


# Wrong answers


def conv(weight=lambda w: w, dilation=lambda d: d, pad=lambda reach: (reach, 0), bias=1.0, mode="constant"):
    """causal_conv in torch with a slip in it."""

    def answer(x, w, b, d):
        x, w, b = (torch.as_tensor(a) for a in (x, w, b))
        d = dilation(d)
        padded = F.pad(x, pad((w.shape[-1] - 1) * d), mode=mode)
        return F.conv1d(padded, weight(w), b * bias, dilation=d)

    return answer


def every_layer_shifts(x, w, b, d):
    return conv_torch(np.concatenate([np.zeros((*x.shape[:2], 1)), x[..., :-1]], -1), w, b, d)


def too_little_padding(x, w, b, d):
    x, w, b = (torch.as_tensor(a) for a in (x, w, b))
    return F.conv1d(F.pad(x, (w.shape[-1] - 1, 0)), w, b, dilation=d)


def stack(
    gate=lambda a, b: np.tanh(a) / (1 + np.exp(-b)),
    dilation=lambda d: d,
    on=lambda h, residual, skip: h + residual,
    out=lambda total, skip, residual, of_next: total + skip,
):
    """blocks with a slip in it."""

    def answer(h, blocks):
        total = np.zeros_like(h)
        for block in blocks:
            a, b = (
                conv_loop(h, block[name], np.zeros(h.shape[1]), dilation(block["dilation"]))
                for name in ("filter", "gate")
            )
            residual, skip = (np.einsum("oi,bit->bot", block[name], gate(a, b)) for name in ("residual", "skip"))
            total = out(total, skip, residual, np.einsum("oi,bit->bot", block["skip"], h + residual))
            h = on(h, residual, skip)
        return total

    return answer


def returns_h(h, blocks):
    for block in blocks:
        h = h + stack()(h, [block | {"skip": block["residual"]}])
    return h


class Short(QueueDeque):
    def __init__(self, weight, bias, dilation):
        super().__init__(weight, bias, dilation)
        self.dilation = 1
        self.reach = weight.shape[2] - 1
        self.queue = deque(maxlen=self.reach + 1)


class FirstRepeated(QueueDeque):
    def step(self, x):
        if not self.queue:
            self.queue.extend([x] * (self.reach + 1))
        return super().step(x)


class Reversed(QueueDeque):
    def __init__(self, weight, bias, dilation):
        super().__init__(weight[..., ::-1], bias, dilation)


class NoBias(QueueDeque):
    def __init__(self, weight, bias, dilation):
        super().__init__(weight, 0 * bias, dilation)


def of_another_length(late):
    """The past in a queue without the newest input, so many inputs too long."""

    class Past(QueueDeque):
        def step(self, x):
            if not self.queue:
                past = self.reach + late
                self.queue = deque([np.zeros_like(x)] * past, maxlen=past)
            taps = [*(self.queue[t] for t in range(0, self.reach, self.dilation)), x]
            self.queue.append(x)
            return sum(tap @ self.weight[:, :, j].T for j, tap in enumerate(taps)) + self.bias

    return Past


class Forgets(QueueDeque):
    def step(self, x):
        self.queue.clear()
        return super().step(x)


class Late(QueueDeque):
    def step(self, x):
        self.held, x = x, getattr(self, "held", np.zeros_like(x))
        return super().step(x)


class Shared(QueueDeque):
    """One queue for all: a second sequence begins with what the first left."""

    kept: ClassVar[dict] = {}

    def __init__(self, weight, bias, dilation):
        super().__init__(weight, bias, dilation)
        self.queue = self.kept.setdefault((weight.shape, dilation), self.queue)


class Unpadded(QueueDeque):
    """Rows without padding: while the queue fills, the oldest input meets the first weight, wherever it stands."""

    def step(self, x):
        self.queue.append(x)
        taps = list(self.queue)[:: self.dilation]
        return sum(tap @ self.weight[:, :, j].T for j, tap in enumerate(taps)) + self.bias


WRONG = [
    ("receptive_field", lambda k, d: (k - 1) * sum(d), "add 1"),
    ("receptive_field", lambda k, d: 1 + k * sum(d), "k - 1 dilations back"),
    ("receptive_field", lambda k, d: 1 + (k - 1) * len(d), "ignored"),
    ("receptive_field", lambda k, d: k ** len(d), "dilations 1, k, k**2"),
    ("receptive_field", lambda k, d: 1 + (k - 1) * int(np.prod(d)), "do not multiply"),
    ("receptive_field", lambda k, d: 1 + (k - 1) * sum(d[-1:]), "only the last layer"),
    ("receptive_field", lambda k, d: sum(1 + (k - 1) * each for each in d), "counted in every layer"),
    ("shifted", lambda x, start: x, "not shifted"),
    ("shifted", lambda x, start: np.roll(x, 1, 1), "come round"),
    ("shifted", lambda x, start: np.hstack([x[:, 1:], np.full((len(x), 1), start)]), "the wrong way"),
    ("shifted", lambda x, start: shifted_numpy(shifted_numpy(x, start), start), "shifted twice"),
    ("shifted", lambda x, start: shifted_numpy(x, 0), "not the value 0"),
    ("shifted", lambda x, start: np.hstack([np.full((len(x), 1), start), x]), "one step too many"),
    ("shifted", lambda x, start: x[:, :-1], "one step too few"),
    ("shifted", lambda x, start: shifted_numpy(x.T, start).T, "the examples are shifted"),
    ("causal_conv", conv(weight=lambda w: w.flip(-1)), "wrong way round"),
    ("causal_conv", conv(pad=lambda reach: (reach - reach // 2, reach // 2)), "on both sides"),
    ("causal_conv", conv(pad=lambda reach: (0, reach)), "on the right"),
    ("causal_conv", conv(dilation=lambda d: 1), "the dilation is ignored"),
    ("causal_conv", conv(bias=0.0), "the bias is missing"),
    ("causal_conv", conv(pad=lambda reach: (0, 0)), "the padding is missing"),
    ("causal_conv", conv(mode="replicate"), "not with the first value"),
    ("causal_conv", every_layer_shifts, "the present is left out"),
    ("causal_conv", too_little_padding, "pad so many zeros, not k - 1"),
    ("blocks", stack(gate=lambda a, b: np.tanh(b) / (1 + np.exp(-a))), "exchanged"),
    ("blocks", stack(gate=lambda a, b: 1 / (1 + np.exp(-a)) / (1 + np.exp(-b))), "not through a sigmoid"),
    ("blocks", stack(dilation=lambda d: 1), "its own dilation"),
    ("blocks", stack(on=lambda h, residual, skip: residual), "the residual is missing"),
    (
        "blocks",
        stack(on=lambda h, residual, skip: h + skip, out=lambda total, skip, residual, _: total + residual),
        "exchanged: U z goes on",
    ),
    ("blocks", stack(out=lambda total, skip, residual, of_next: total + of_next), "computed from z"),
    ("blocks", stack(out=lambda total, skip, *_: skip), "add those of all blocks"),
    ("blocks", stack(gate=lambda a, b: np.maximum(a, 0)), "the filter and the gate are multiplied"),
    ("blocks", returns_h, "this is what would go on to a next block"),
    ("blocks", lambda h, blocks: stack()(h, blocks) + returns_h(h, blocks), "return the sum of the skips alone"),
    ("queued_conv", Short, "every d-th is used"),
    ("queued_conv", NoBias, "the bias is missing"),
    ("queued_conv", of_another_length(1), "one input too long"),
    ("queued_conv", of_another_length(-1), "one input too short"),
    ("queued_conv", FirstRepeated, "not with the first input"),
    ("queued_conv", Reversed, "wrong way round"),
    ("queued_conv", Forgets, "nothing is remembered"),
    ("queued_conv", Late, "the newest input is not used"),
    ("queued_conv", Unpadded, "the queue starts empty: fill it with zeros"),
    ("queued_conv", Shared, "of a second sequence"),
]


class TestAnswers(Answers):
    notebook = "wavenet"
    right = RIGHT
    wrong = WRONG

    @pytest.fixture(autouse=True)
    def _another_kernel(self):
        Shared.kept = {}


def test_the_library_is_what_the_homework_asks_for():
    rng = np.random.default_rng(0)
    x, weight, bias = rng.normal(size=(2, 3, 9)), rng.normal(size=(4, 3, 2)), rng.normal(size=4)
    layer = causal.CausalConv1d(3, 4, 2, dilation=3).double()
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(weight))
        layer.bias.copy_(torch.as_tensor(bias))
        np.testing.assert_allclose(conv_loop(x, weight, bias, 3), layer(torch.as_tensor(x)), atol=1e-12)
    model = WaveNet((6,), num_values=3)
    assert torch.equal(
        model.embed.table(torch.as_tensor(shifted_numpy(np.ones((1, 6), int), 3))),
        model.embed(torch.ones(1, 6, dtype=torch.long)),
    )


# The trained model: here, instead of MNIST, pixels that are ink with probability p


class Independent(nn.Module):
    def __init__(self):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(2))

    def forward(self, x):
        return self.logits.expand(*x.shape, 2)


def trained(monkeypatch, model, ink):
    """The outcome for a model of independent pixels on images with so much ink."""
    test = (np.random.default_rng(0).random((4000, 28, 28)) < ink).astype(np.uint8)
    monkeypatch.setattr(checks, "thresholded_mnist", lambda: (test, test))
    files = {"wavenet.safetensors": safetensors.torch.save({"logits": torch.tensor([1 - ink, ink]).log()})}
    return QUESTIONS["wavenet.trained"].judge(NotebookStudent({"build_model": model}), 0, files)


@pytest.mark.parametrize(("ink", "score"), [(0.03, 0), (0.0205, 1), (0.019, 2), (0.017, 4), (0.005, 0)])
def test_the_trained_model_gets_points_by_its_test_loss(monkeypatch, ink, score):
    """The entropy of a pixel is 0.135, 0.100, 0.094, 0.086, and 0.031 nats, which is below what is plausible."""
    assert trained(monkeypatch, Independent, ink).score == score


def test_a_trained_model_that_is_not_shifted_gets_nothing(monkeypatch):
    class Unshifted(Independent):
        def forward(self, x):
            return self.logits + 9.0 * F.one_hot(x, 2)

    outcome = trained(monkeypatch, Unshifted, 0.018)
    assert outcome.score == 0
    assert "which it should predict" in outcome.cases[0].message


def test_without_weights_the_remedy_is_told():
    outcome = QUESTIONS["wavenet.trained"].judge(NotebookStudent({"build_model": Independent}), 0, {})
    assert outcome.score == 0
    assert 'save("wavenet.safetensors", model.state_dict())' in outcome.cases[0].message
