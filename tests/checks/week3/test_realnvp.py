"""The checks of this homework accept right answers however written, and name the cause of wrong ones."""

import math

import numpy as np
import pytest
import safetensors.torch
import torch
from answers import Answers
from torch import nn
from torch.nn import functional as F

from deepul_utils.checks.question import QUESTIONS
from deepul_utils.checks.student import NotebookStudent
from deepul_utils.checks.week3 import realnvp

# What the notebook gives


class Net(nn.Module):
    def __init__(self, W, b, V, c):
        super().__init__()
        self.W, self.b, self.V, self.c = W, b, V, c

    def forward(self, x):
        return torch.tanh(x @ self.W.T + self.b) @ self.V.T + self.c


class Linear(nn.Module):
    def __init__(self, A):
        super().__init__()
        self.A = A

    def forward(self, x):
        return x @ self.A.T, torch.linalg.slogdet(self.A)[1].expand(len(x))

    def inverse(self, z):
        return torch.linalg.solve(self.A, z.T).T


def scale_and_shift(net, seen):
    s, t = net(seen).chunk(2, dim=1)
    return 2 * torch.tanh(s / 2), t


# Right answers, and wrong ones that differ from them in a line


def board(height, width, parity):
    i, j = torch.arange(height)[:, None], torch.arange(width)
    return ((i + j + parity) % 2 == 0).float()


def board_loop(height, width, parity):
    return [[1 - (i + j + parity) % 2 for j in range(width)] for i in range(height)]


class Coupling(nn.Module):
    def __init__(self, mask, net):
        super().__init__()
        self.register_buffer("mask", mask)
        self.net = net

    def forward(self, x):
        s, t = scale_and_shift(self.net, self.mask * x)
        s, t = (1 - self.mask) * s, (1 - self.mask) * t
        return s.exp() * x + t, s.flatten(1).sum(1)

    def inverse(self, z):
        s, t = scale_and_shift(self.net, self.mask * z)
        return self.mask * z + (1 - self.mask) * (z - t) * (-s).exp()


class CouplingInParts:
    """By indices, in place, and no torch module."""

    def __init__(self, mask, net):
        self.stays, self.net = mask.bool(), net

    def conditioned(self, x):
        seen = torch.where(self.stays, x, 0.0)
        s, t = scale_and_shift(self.net, seen)
        return s[:, ~self.stays], t[:, ~self.stays]

    def forward(self, x):
        s, t = self.conditioned(x)
        z = x.clone()
        z[:, ~self.stays] *= s.exp()
        z[:, ~self.stays] += t
        return [z.numpy(), [float(row.sum()) for row in s]]

    def inverse(self, z):
        s, t = self.conditioned(z)
        x = z.clone()
        x[:, ~self.stays] = (z[:, ~self.stays] - t) / s.exp()
        return x


def coupled(forward=None, inverse=None):
    """`Coupling` with another direction: a function of (layer, m, x)."""

    class Wrong(Coupling):
        pass

    if forward is not None:
        Wrong.forward = lambda self, x: forward(self, self.mask, x)
    if inverse is not None:
        Wrong.inverse = lambda self, z: inverse(self, self.mask, z)
    return Wrong


def st(layer, seen):
    return scale_and_shift(layer.net, seen)


def with_log_det(change):
    """Right z and another log_det: `change(s, m)`."""

    def forward(layer, m, x):
        s, t = st(layer, m * x)
        return m * x + (1 - m) * (s.exp() * x + t), change(s, m)

    return coupled(forward)


def with_z(change):
    """Right log_det and another z."""

    def forward(layer, m, x):
        s, t = st(layer, m * x)
        return change(layer, m, x, s, t), ((1 - m) * s).sum(1)

    return coupled(forward)


def other_half(layer, m, x):
    return Coupling.forward(Coupling(1 - m, layer.net), x)


def complementary(layer, m, z):
    s, t = st(layer, (1 - m) * z)
    return (1 - m) * z + m * (z - t) * (-s).exp()


def first_half(direction):
    """One direction of a coupling that keeps the first half, whatever its mask is."""

    def answer(layer, m, x):
        half = (torch.arange(len(m)) < len(m) // 2).to(m)
        return direction(Coupling(half, layer.net), x)

    return answer


FIRST_HALF = coupled(first_half(Coupling.forward), first_half(Coupling.inverse))


def undone(change):
    def inverse(layer, m, z):
        s, t = st(layer, m * z)
        return m * z + (1 - m) * change(z, s, t)

    return coupled(inverse=inverse)


def seeing_the_changed(layer, m, z):
    s, t = st(layer, (1 - m) * z)
    return m * z + (1 - m) * (z - t) * (-s).exp()


def with_shift(layer, m, x):
    s, t = st(layer, m * x)
    return m * x + (1 - m) * (s.exp() * x + t), ((1 - m) * (s + t)).sum(1)


def seeing_all(layer, m, z):
    s, t = st(layer, z)
    return m * z + (1 - m) * (z - t) * (-s).exp()


def seeing_changed(layer, m, z):
    s, t = st(layer, (1 - m) * z)
    return m * z + (1 - m) * (z - t) * (-s).exp()


class Squeeze(nn.Module):
    def forward(self, x):
        return F.pixel_unshuffle(x, 2), x.new_zeros(len(x))

    def inverse(self, z):
        return F.pixel_shuffle(z, 2)


class SqueezeSlices:
    def forward(self, x):
        parts = [x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        return torch.stack(parts, 2).flatten(1, 2).numpy(), np.zeros(len(x))

    def inverse(self, z):
        B, C, H, W = z.shape
        x = torch.empty(B, C // 4, 2 * H, 2 * W, dtype=z.dtype)
        for k in range(4):
            x[:, :, k // 2 :: 2, k % 2 :: 2] = z[:, k::4]
        return x


def squeezed(order=None, back=None, log_det=None):
    class Wrong(Squeeze):
        def forward(self, x):
            z, zeros = Squeeze.forward(self, x)
            z = z if order is None else order(x, z.shape)
            return z, zeros if log_det is None else log_det(x)

        def inverse(self, z):
            return Squeeze.inverse(self, z) if back is None else back(z)

    return Wrong


def permuted(*axes):
    def order(x, shape):
        B, C, H, W = x.shape
        return x.reshape(B, C, H // 2, 2, W // 2, 2).permute(*axes).reshape(shape)

    return order


def unlike(z):
    B, C, H, W = z.shape
    return z.reshape(B, 2, 2, C // 4, H, W).permute(0, 3, 4, 1, 5, 2).reshape(B, C // 4, 2 * H, 2 * W)


def turned(z):
    B, C, H, W = z.shape
    return F.pixel_shuffle(z.view(B, C // 4, 2, 2, H, W).transpose(2, 3).reshape(z.shape), 2)


def grown(z):
    return z.reshape(len(z), z.shape[1] // 4, 2 * z.shape[2], 2 * z.shape[3])


class ActNorm(nn.Module):
    correction = 0

    def __init__(self, channels):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        self.register_buffer("initialised", torch.tensor(False))

    def statistics(self, x):
        return torch.std_mean(x.transpose(0, 1).flatten(1), dim=1, correction=self.correction)

    def started(self, std, mean):
        return -std.log(), -mean / std

    def share(self, x):
        return (x.shape[2:].numel() * self.log_scale.sum()).expand(len(x))

    def each(self, x):
        wide = (-1, *[1] * (x.dim() - 2))
        return self.log_scale.view(wide), self.shift.view(wide)

    def forward(self, x):
        if not self.initialised:
            self.log_scale.data, self.shift.data = self.started(*self.statistics(x))
            self.initialised.fill_(True)
        a, b = self.each(x)
        return a.exp() * x + b, self.share(x)

    def inverse(self, z):
        a, b = self.each(z)
        return (z - b) * (-a).exp()


class ActNormGlow(nn.Module):
    """Shift first, then scale, with N - 1, in single precision, and with other names."""

    def __init__(self, channels):
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(1, channels))
        self.scale = nn.Parameter(torch.ones(1, channels))
        self.register_buffer("ready", torch.zeros(1))

    def wide(self, p, x):
        return p.reshape(1, -1, *[1] * (x.dim() - 2))

    def forward(self, x):
        if self.ready.item() == 0:
            rows = x.float().movedim(1, -1).reshape(-1, x.shape[1])
            self.loc.data[0], self.scale.data[0] = -rows.mean(0), 1 / rows.std(0)
            self.ready += 1
        z = (x + self.wide(self.loc, x)) * self.wide(self.scale, x)
        return z, torch.ones(len(x)) * self.scale.log().sum() * (x[0, 0].numel() if x.dim() > 2 else 1)

    def inverse(self, z):
        return z / self.wide(self.scale, z) - self.wide(self.loc, z)


def normed(**methods):
    return type("Wrong", (ActNorm,), methods)


def of_the_batch(self, x):
    return [moment.expand(x.shape[1]) for moment in torch.std_mean(x, correction=0)]


def of_each_pixel(self, x):
    std, mean = torch.std_mean(x, 0, correction=0)
    return (x - mean) / std, x.new_zeros(len(x))


def every_time(self, x):
    self.initialised.fill_(False)
    return ActNorm.forward(self, x)


class Forgets(ActNorm):
    def __init__(self, channels):
        super().__init__(channels)
        del self.initialised
        self.initialised = torch.tensor(False)  # no buffer


class Stack(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x):
        total = x.new_zeros(len(x))
        for layer in self.layers:
            x, log_det = layer(x)
            total = total + log_det
        return x, total

    def inverse(self, z):
        for layer in reversed(self.layers):
            z = layer.inverse(z)
        return z


class StackRecursive:
    def __init__(self, layers):
        self.first, self.rest = layers[0], StackRecursive(layers[1:]) if layers[1:] else None

    def forward(self, x):
        z, log_det = self.first.forward(x)
        if self.rest is None:
            return z, log_det
        z, more = self.rest.forward(z)
        return z, log_det + more

    def inverse(self, z):
        return self.first.inverse(z if self.rest is None else self.rest.inverse(z))


def stacked(total=None, inverse=None, forward=None):
    class Wrong(Stack):
        def forward(self, x):
            if forward is not None:
                return forward(self, x)
            each = []
            for layer in self.layers:
                x, log_det = layer(x)
                each.append(log_det)
            return x, torch.stack(each).sum(0) if total is None else total(torch.stack(each))

        def inverse(self, z):
            return Stack.inverse(self, z) if inverse is None else inverse(self, z)

    return Wrong


def in_forward_order(self, z):
    for layer in self.layers:
        z = layer.inverse(z)
    return z


def log_prob_flat(latents, log_det):
    z = torch.cat([part.flatten(1) for part in latents], 1)
    return -0.5 * z.square().sum(1) - 0.5 * z.shape[1] * math.log(2 * math.pi) + log_det


def log_prob_normal(latents, log_det):
    normal = torch.distributions.Normal(0.0, 1.0)
    return sum((normal.log_prob(z).sum(tuple(range(1, z.dim()))) for z in latents), log_det).numpy()


def each_term(latents):
    return [log_prob_flat([z], 0) for z in latents]


class TestAnswers(Answers):
    notebook = "realnvp"
    right = (
        ("masks", "checkerboard", board),
        ("masks", "checkerboard", board_loop),
        ("coupling", "Coupling", Coupling),
        ("coupling", "Coupling", CouplingInParts),
        ("squeeze", "Squeeze", Squeeze),
        ("squeeze", "Squeeze", SqueezeSlices),
        ("act_norm", "ActNorm", ActNorm),
        ("act_norm", "ActNorm", ActNormGlow),
        ("stack", "Stack", Stack),
        ("stack", "Stack", StackRecursive),
        ("log_prob", "log_prob", log_prob_flat),
        ("log_prob", "log_prob", log_prob_normal),
    )
    wrong = (
        ("masks", lambda H, W, parity: board(H, W, 0), "the parity is ignored"),
        ("masks", lambda H, W, parity: 1 - board(H, W, parity), "1 and 0 are exchanged"),
        ("masks", lambda H, W, parity: board(1, W, parity).repeat(H, 1), "these are columns, as in reading order"),
        ("masks", lambda H, W, parity: board(H, 1, parity).repeat(1, W), "these are rows"),
        ("masks", lambda H, W, parity: board(1, H * W, parity).view(H, W), "use row + column"),
        ("masks", lambda H, W, parity: board(W, H, parity), "height and width are exchanged"),
        ("coupling", with_log_det(lambda s, m: -((1 - m) * s).sum(1)), "the sign is that of the inverse"),
        ("coupling", with_log_det(lambda s, m: s.sum(1)), "the s of what stays count for nothing"),
        ("coupling", with_log_det(lambda s, m: (m * s).sum(1)), "over the half that stays"),
        ("coupling", with_log_det(lambda s, m: ((1 - m) * s).mean(1)), "no mean"),
        ("coupling", with_log_det(lambda s, m: ((1 - m) * s).sum(1).exp()), "this is the determinant"),
        ("coupling", with_log_det(lambda s, m: ((1 - m) * s).sum()), "not over the batch"),
        ("coupling", with_log_det(lambda s, m: (1 - m) * s), "one number for each example"),
        ("coupling", coupled(with_shift), "the shift has no part in it"),
        (
            "coupling",
            coupled(lambda layer, m, x: (Coupling.forward(layer, x)[0], ((1 - m) * sum(st(layer, m * x))).sum(1))),
            "the shift has no part in it",
        ),
        ("coupling", coupled(other_half), "what stays and what changes are exchanged"),
        ("coupling", FIRST_HALF, "keep the dimensions where it is 1"),
        ("coupling", coupled(inverse=first_half(Coupling.inverse)), "what stayed is where it is 1"),
        ("coupling", with_z(lambda layer, m, x, s, t: s.exp() * x + t), "what stays is scaled and shifted"),
        ("coupling", with_z(lambda layer, m, x, s, t: m * x + (1 - m) * s.exp() * x + t), "what stays is shifted"),
        ("coupling", with_z(lambda layer, m, x, s, t: m * x + (1 - m) * s.exp() * x + t), "what stays is shifted: t"),
        ("coupling", with_z(lambda layer, m, x, s, t: m * x + (1 - m) * (s * x + t)), "s is a logarithm"),
        (
            "coupling",
            with_z(lambda layer, m, x, s, t: m * x + (1 - m) * (x - t) * (-s).exp()),
            "this is the inverse",
        ),
        (
            "coupling",
            with_z(lambda layer, m, x, s, t: m * x + (1 - m) * (st(layer, x)[0].exp() * x + st(layer, x)[1])),
            "the network sees all of x",
        ),
        ("coupling", with_z(lambda layer, m, x, s, t: (1 - m) * (s.exp() * x + t)), "the half that stays is missing"),
        ("coupling", coupled(lambda layer, m, x: m * x), "should return z and log_det"),
        ("coupling", coupled(inverse=complementary), "the complementary mask"),
        ("coupling", coupled(inverse=seeing_the_changed), "the network sees the half that was changed"),
        ("coupling", coupled(inverse=seeing_all), "the network sees all of z"),
        ("coupling", coupled(inverse=seeing_changed), "the network sees the half that was changed"),
        ("coupling", undone(lambda z, s, t: z * s.exp() + t), "this is forward again"),
        ("coupling", undone(lambda z, s, t: z * (-s).exp() - t), "the wrong order"),
        ("coupling", undone(lambda z, s, t: (z - t) * s.exp()), "multiply by exp(-s)"),
        ("squeeze", squeezed(lambda x, shape: x.reshape(shape)), "a reshape alone"),
        ("squeeze", squeezed(permuted(0, 3, 5, 1, 2, 4)), "the channels of x run fastest"),
        ("squeeze", squeezed(permuted(0, 1, 5, 3, 2, 4)), "rows and columns of the block are exchanged"),
        ("squeeze", squeezed(lambda x, shape: F.pixel_unshuffle(x, 2).mT), "height and width are exchanged"),
        ("squeeze", squeezed(back=unlike), "they must match"),
        ("squeeze", squeezed(back=turned), "inverse exchanges rows and columns of the blocks"),
        ("squeeze", squeezed(back=grown), "the same axes, permuted back"),
        ("squeeze", squeezed(log_det=lambda x: torch.zeros(())), "(B,) zeros"),
        ("squeeze", squeezed(log_det=lambda x: torch.full((len(x),), math.log(4.0))), "only change their places"),
        ("act_norm", normed(started=lambda self, std, mean: (-std.log(), -mean)), "the shift is not scaled"),
        ("act_norm", normed(started=lambda self, std, mean: (-std.log(), 0 * mean)), "the mean is not subtracted"),
        (
            "act_norm",
            normed(started=lambda self, std, mean: (-2 * std.log(), -mean / std**2)),
            "not by the variance",
        ),
        ("act_norm", normed(started=lambda self, std, mean: (0 * std, -mean)), "the scale is missing"),
        ("act_norm", normed(started=lambda self, std, mean: (0 * std, 0 * mean)), "x leaves as it came"),
        ("act_norm", normed(share=lambda self, x: self.log_scale.sum().expand(len(x))), "H W is missing"),
        ("act_norm", normed(share=lambda self, x: -ActNorm.share(self, x)), "the sign: the scale is 1 / s"),
        ("act_norm", normed(statistics=of_the_batch), "one mean and deviation for each channel"),
        ("act_norm", normed(forward=of_each_pixel), "over examples *and* pixels"),
        (
            "act_norm",
            normed(share=lambda self, x: ActNorm.share(self, x) / x.shape[1]),
            "sum over the channels, no mean",
        ),
        (
            "act_norm",
            normed(share=lambda self, x: (x.shape[2:].numel() * self.log_scale.exp().sum()).expand(len(x))),
            "not the scale itself",
        ),
        ("act_norm", normed(share=lambda self, x: len(x) * ActNorm.share(self, x)), "examples of a batch do not count"),
        ("act_norm", normed(share=lambda self, x: ActNorm.share(self, x)[0]), "should have shape"),
        ("act_norm", normed(forward=every_time), "only the first one may"),
        ("act_norm", Forgets, "must be in its state, as a buffer"),
        ("act_norm", type("Wrong", (Forgets,), {"correction": 1}), "must be in its state, as a buffer"),
        ("act_norm", normed(correction=1, forward=every_time), "only the first one may"),
        (
            "act_norm",
            normed(correction=1, started=lambda self, std, mean: (-std.log(), -mean)),
            "the shift is not scaled",
        ),
        ("act_norm", normed(inverse=lambda self, z: ActNorm.forward(self, z)[0]), "inverse(z)"),
        ("stack", stacked(lambda each: each[-1]), "the last layer's log_det alone"),
        ("stack", stacked(lambda each: each[0]), "the first layer's log_det alone"),
        ("stack", stacked(lambda each: each.prod(0)), "added, not multiplied"),
        ("stack", stacked(lambda each: each.mean(0)), "the mean over the layers"),
        ("stack", stacked(lambda each: -each.sum(0)), "the sign"),
        ("stack", stacked(forward=lambda self, x: self.layers[-1](x)), "only the last layer"),
        ("stack", stacked(inverse=in_forward_order), "inverted in forward order"),
        ("stack", stacked(inverse=lambda self, z: Stack.forward(self, z)[0]), "this is forward"),
        (
            "stack",
            stacked(forward=lambda self, x: Stack.forward(Stack(list(self.layers)[::-1]), x)),
            "the layers run from last to first",
        ),
        ("log_prob", lambda latents, log_det: each_term(latents)[-1] + log_det, "lack their term of the prior"),
        ("log_prob", lambda latents, log_det: each_term(latents)[0] + log_det, "the first latent alone"),
        ("log_prob", lambda latents, log_det: log_prob_flat(latents, -log_det), "log_det is subtracted"),
        ("log_prob", lambda latents, log_det: log_prob_flat(latents, 0), "log_det is missing"),
        ("log_prob", lambda latents, log_det: -log_prob_flat(latents, log_det), "the sign of all"),
        ("log_prob", lambda latents, log_det: log_prob_flat(latents, log_det).mean(), "no mean over the batch"),
        (
            "log_prob",
            lambda latents, log_det: log_det - sum(z.flatten(1).square().sum(1) for z in latents) / 2,
            "log(2 pi) is missing",
        ),
        (
            "log_prob",
            lambda latents, log_det: (
                log_det - sum((z**2).flatten(1).sum(1) for z in latents) / 2 - math.log(math.tau) / 2
            ),
            "the constant is there once",
        ),
        (
            "log_prob",
            lambda latents, log_det: sum(each_term(latents)) / sum(z[0].numel() for z in latents) + log_det,
            "the mean over the dimensions",
        ),
    )

    @classmethod
    def judge(cls, question, answer, seed=0, name=None):
        student = NotebookStudent({"Net": Net, "Linear": Linear, name or cls.names()[question]: answer})
        return QUESTIONS[f"{cls.notebook}.{question}"].judge(student, seed)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "answer", [coupled(other_half), coupled(first_half(Coupling.forward)), coupled(inverse=complementary), FIRST_HALF]
)
def test_the_wrong_half_even_in_one_direction_costs_half_of_the_points(answer, seed):
    assert TestAnswers.judge("coupling", answer, seed).score <= 2


def test_without_weights_the_remedy_is_told():
    outcome = QUESTIONS["realnvp.trained"].judge(NotebookStudent({"build_model": Stack}), 0, {})
    assert outcome.score == 0
    assert 'save("realnvp.safetensors", model.state_dict())' in outcome.cases[0].message


# The trained model: here, instead of MNIST, images of 4 x 4 pixels that are 100 or 101, 1 bit each


class Quantile(nn.Module):
    """z = Phi^-1((y - low) / width): a uniform density, of log2(width) bits for each pixel."""

    def __init__(self):
        super().__init__()
        self.low, self.width = nn.Parameter(torch.zeros(())), nn.Parameter(torch.ones(()))

    def forward(self, y):
        z = torch.special.ndtri((y - self.low) / self.width)
        log_slope = z.square() / 2 + math.log(2 * math.pi) / 2 - self.width.log()
        return z, log_slope.flatten(1).sum(1)

    def inverse(self, z):
        return self.low + self.width * torch.special.ndtr(z)


def layered():
    """The homework's layers, which the first batch makes a Gaussian of the data's variance, of 1.25 bits."""
    coupling = Coupling(board(2, 2, 0).expand(4, 2, 2).clone(), nn.Conv2d(4, 8, 1))
    for parameter in coupling.net.parameters():
        nn.init.zeros_(parameter)
    return Stack([AsImage(), Squeeze(), ActNorm(4), coupling])


class AsImage(nn.Module):
    def forward(self, x):
        return x[:, None], x.new_zeros(len(x))

    def inverse(self, z):
        return z[:, 0]


class Lying(Quantile):
    def forward(self, y):
        z, log_det = super().forward(y)
        return z, log_det + y[0].numel() * math.log(2)


@pytest.fixture
def grey(monkeypatch):
    images = np.random.default_rng(0).integers(100, 102, (600, 4, 4)).astype(np.uint8)
    monkeypatch.setattr(realnvp, "mnist", lambda: (images[:200], images[200:]))
    return torch.tensor(images[:200]).double()


def judged(build, state, seed=0):
    weights = {"realnvp.safetensors": safetensors.torch.save(state)}
    return QUESTIONS["realnvp.trained"].judge(NotebookStudent({"build_model": build}), seed, weights)


@pytest.mark.parametrize(
    ("width", "score", "told"),
    [
        (2.0, 4, ""),
        (2.7, 4, ""),
        (2.8, 2, "the test loss is 1.48"),
        (3.0, 2, "the test loss is 1.58"),
        (3.1, 1, "the test loss is 1.63"),
        (3.4, 1, "the test loss is 1.76"),
        (3.6, 0, "the test loss is 1.84"),
    ],
)
def test_points_go_by_the_bits_of_the_model(grey, width, score, told):
    outcome = judged(Quantile, {"low": torch.tensor(100.0), "width": torch.tensor(width)})
    assert outcome.score == score
    assert told in outcome.cases[-1].message


def test_a_model_of_other_layers_gets_its_points(grey):
    model = layered().double()
    model(grey + torch.rand(grey.shape, dtype=torch.float64))
    outcome = judged(layered, model.float().state_dict())
    assert [case.message for case in outcome.cases if not case.passed] == []
    assert outcome.score == 4


def test_a_log_det_that_lies_gets_no_point(grey):
    """It has 2.58 bits for each pixel and claims 1.58, which two points are given for."""
    outcome = judged(Lying, {"low": torch.tensor(100.0), "width": torch.tensor(6.0)})
    assert outcome.score == 0
    assert "log_det of a test image should be" in outcome.cases[0].message


def test_what_no_honest_model_reaches_gets_no_point(grey, monkeypatch):
    monkeypatch.setattr(realnvp, "mnist", lambda: (None, np.full((400, 4, 4), 100)))
    outcome = judged(Quantile, {"low": torch.tensor(100.0), "width": torch.tensor(1.0)})
    assert outcome.score == 0
    assert "train on the training data only" in outcome.cases[0].message


def test_nobody_knows_which_images_are_tested(monkeypatch):
    asked = []

    def loss(_, test, *rest, **more):
        asked.append(test)
        return 1.0

    monkeypatch.setattr(realnvp, "flow_loss", loss)
    monkeypatch.setattr(realnvp, "mnist", lambda: (None, np.arange(10_000)))
    weights = {"realnvp.safetensors": safetensors.torch.save(nn.Linear(1, 1).state_dict())}
    for seed in (0, 0, 1):
        QUESTIONS["realnvp.trained"].judge(NotebookStudent({}), seed, weights)
    first, again, other = asked
    assert len(set(first)) == 304
    assert (first == again).all()
    assert len(set(first) & set(other)) < 100
