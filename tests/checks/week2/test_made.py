"""The checks of this homework accept right answers however written, and name the cause of wrong ones."""

from itertools import pairwise

import numpy as np
import pytest
import safetensors.torch
import torch
from answers import Answers
from scipy.special import log_softmax, logsumexp, softmax
from torch import nn
from torch.nn import functional as F

from deepul_utils.checks.question import QUESTIONS
from deepul_utils.checks.student import NotebookStudent
from deepul_utils.checks.week2 import made as checks
from deepul_utils.models.made import MADE
from deepul_utils.nn.masked import made_degrees, made_masks

# Right answers


def degrees_even(dims, hidden, order):
    return [order, *(np.arange(units) * (dims - 1) // units for units in hidden)]


def degrees_cyclic(dims, hidden, order):
    return [torch.tensor(order), *(torch.arange(units) % (dims - 1) for units in hidden)]


def degrees_loop(dims, hidden, order):
    return [[int(o) for o in order], *([min(k, dims - 2) for k in range(units)] for units in hidden)]


def masks_numpy(degrees):
    inner = [(b[:, None] >= a[None, :]).astype(float) for a, b in pairwise(degrees)]
    return [*inner, (degrees[0][:, None] > degrees[-1][None, :]).astype(float)]


def masks_torch(degrees):
    degrees = [torch.tensor(d) for d in degrees]
    masks = [torch.ge(b[:, None], a) for a, b in pairwise(degrees)]
    return [*masks, ~(degrees[0][:, None] <= degrees[-1])]


def masks_loop(degrees):
    layers = [*degrees, degrees[0]]
    masks = []
    for number, (before, after) in enumerate(pairwise(layers)):
        strict = number == len(layers) - 2
        masks.append([[int(k < d if strict else k <= d) for k in before] for d in after])
    return masks


class LinearBuffer(nn.Linear):
    def __init__(self, mask):
        mask = torch.as_tensor(mask)
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.to(self.weight.dtype))

    def forward(self, x):
        return F.linear(x, self.weight * self.mask, self.bias)


class LinearOwn(nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.keep = torch.from_numpy(np.array(mask, dtype=np.float32))
        self.weight = nn.Parameter(torch.randn(self.keep.shape))
        self.bias = nn.Parameter(torch.zeros(len(self.keep)))

    def forward(self, x):
        return x @ torch.where(self.keep > 0, self.weight, 0.0).T + self.bias


def conditionals_numpy(x, weights, biases, masks, num_values):
    masks = [np.repeat(masks[0], num_values, axis=1), *masks[1:]]
    masks[-1] = np.repeat(masks[-1], num_values, axis=0)
    h = np.eye(num_values)[x].reshape(len(x), -1)
    for layer, (W, b, mask) in enumerate(zip(weights, biases, masks, strict=True)):
        h = (np.maximum(h, 0) if layer else h) @ (W * mask).T + b
    return h.reshape(*x.shape, num_values)


def conditionals_torch(x, weights, biases, masks, num_values):
    weights, biases, masks = ([torch.tensor(a) for a in arrays] for arrays in (weights, biases, masks))
    masks[0] = masks[0].repeat_interleave(num_values, dim=1)
    masks[-1] = masks[-1].repeat_interleave(num_values, dim=0)
    h = F.one_hot(torch.tensor(x), num_values).double().flatten(1)
    for W, b, mask in list(zip(weights, biases, masks, strict=True))[:-1]:
        h = F.linear(h, W * mask, b).relu()
    return F.linear(h, weights[-1] * masks[-1], biases[-1]).unflatten(1, (-1, num_values))


def conditionals_library(x, weights, biases, masks, num_values):
    """The library's model, given the masks and the weights."""
    hidden = [len(b) for b in biases[:-1]]
    model = MADE(x.shape[1], hidden, num_values, masks=lambda *sizes: [torch.tensor(m) for m in masks]).double()
    with torch.no_grad():
        for layer, W, b in zip(model.layers, weights, biases, strict=True):
            layer.weight.copy_(torch.tensor(W))
            layer.bias.copy_(torch.tensor(b))
    return model(torch.tensor(x))


def log_prob_numpy(x, weights, biases, masks_by_order, num_values):
    joint = []
    for masks in masks_by_order:
        log_p = log_softmax(conditionals_numpy(x, weights, biases, masks, num_values), axis=-1)
        joint.append(np.take_along_axis(log_p, x[..., None], -1).sum((1, 2)))
    return logsumexp(joint, axis=0) - np.log(len(joint))


def log_prob_torch(x, weights, biases, masks_by_order, num_values):
    total = torch.full((len(x),), -torch.inf, dtype=torch.float64)
    for masks in masks_by_order:
        logits = conditionals_torch(x, weights, biases, masks, num_values)
        cost = F.cross_entropy(logits.movedim(-1, 1), torch.tensor(x), reduction="none").sum(1)
        total = torch.logaddexp(total, -cost)
    return total - torch.log(torch.tensor(len(masks_by_order)))


def sample_numpy(weights, biases, masks, order, uniforms, num_values):
    x = np.zeros(uniforms.shape, dtype=int)
    for i in np.argsort(order):
        p = softmax(conditionals_numpy(x, weights, biases, masks, num_values)[:, i], axis=-1)
        x[:, i] = (np.cumsum(p, axis=1)[:, :-1] <= uniforms[:, [i]]).sum(1)
    return x


def sample_positions(weights, biases, masks, order, uniforms, num_values):
    """Looks the dimension of each position up, and starts from other values."""
    x = torch.randint(num_values, uniforms.shape)
    for position in range(len(order)):
        i = list(order).index(position)
        logits = conditionals_torch(x.numpy(), weights, biases, masks, num_values)[:, i]
        for n in range(len(x)):
            cdf = logits[n].softmax(0).cumsum(0)
            x[n, i] = min(int(torch.searchsorted(cdf, float(uniforms[n, i]), right=True)), num_values - 1)
    return x


RIGHT = [
    ("degrees", "made_degrees", degrees_even),
    ("degrees", "made_degrees", degrees_cyclic),
    ("degrees", "made_degrees", degrees_loop),
    ("degrees", "made_degrees", made_degrees),
    ("masks", "made_masks", masks_numpy),
    ("masks", "made_masks", masks_torch),
    ("masks", "made_masks", masks_loop),
    ("linear", "MaskedLinear", LinearBuffer),
    ("linear", "MaskedLinear", LinearOwn),
    ("conditionals", "conditionals", conditionals_numpy),
    ("conditionals", "conditionals", conditionals_torch),
    ("conditionals", "conditionals", conditionals_library),
    ("log_prob", "log_prob", log_prob_numpy),
    ("log_prob", "log_prob", log_prob_torch),
    ("sample", "sample", sample_numpy),
    ("sample", "sample", sample_positions),
]


# Wrong answers


def hidden_up_to(last):
    return lambda dims, hidden, order: [order, *(np.arange(units) % (dims + last) for units in hidden)]


def masks_with(into_hidden=np.greater_equal, into_outputs=np.greater, outputs=lambda o: o):
    def answer(degrees):
        inner = [into_hidden(b[:, None], a[None, :]) for a, b in pairwise(degrees)]
        return [*inner, into_outputs(outputs(degrees[0])[:, None], degrees[-1][None, :])]

    return answer


class LinearOnce(nn.Linear):
    """Cuts the weights once, when it is made."""

    def __init__(self, mask):
        mask = torch.as_tensor(mask)
        super().__init__(mask.shape[1], mask.shape[0])
        with torch.no_grad():
            self.weight *= mask


class LinearInverted(LinearBuffer):
    def forward(self, x):
        return F.linear(x, self.weight * (1 - self.mask), self.bias)


class LinearNoBias(LinearBuffer):
    def forward(self, x):
        return F.linear(x, self.weight * self.mask)


class LinearRenamed(nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.inner = LinearBuffer(mask)

    def forward(self, x):
        return self.inner(x)


def tile(mask, times, axis):
    return np.tile(mask, (1, times) if axis else (times, 1))


def narrow(mask, times, axis):
    return mask


def network(into=np.repeat, out=np.repeat, activation=lambda h: np.maximum(h, 0), last=lambda h: h, cut=True, end=None):
    def answer(x, weights, biases, masks, K):
        masks = [into(masks[0], K, 1), *masks[1:]]
        masks[-1] = out(masks[-1], K, 0)
        h = np.eye(K)[x].reshape(len(x), -1)
        for layer, (W, b, mask) in enumerate(zip(weights, biases, masks, strict=True)):
            h = (activation(h) if layer else h) @ (W * mask if cut else W).T + b
        h = last(h)
        return h.reshape(len(x), -1, K) if end is None else end(h, len(x), K)

    return answer


def not_widened(x, weights, biases, masks, K):
    h = F.one_hot(torch.tensor(x), K).double().flatten(1)
    for W, b, mask in zip(weights, biases, masks, strict=True):
        h = F.linear(h.relu(), torch.tensor(W) * torch.tensor(mask), torch.tensor(b))
    return h


def mixed(combine):
    """log_prob from `combine(joint (O, N), each (O, N, D), logits at x (O, N, D))`."""

    def answer(x, weights, biases, masks_by_order, K):
        logits = np.stack([conditionals_numpy(x, weights, biases, masks, K) for masks in masks_by_order])
        at_x = np.take_along_axis(logits, x[None, ..., None], -1)[..., 0]
        each = at_x - logsumexp(logits, axis=-1)
        with np.errstate(divide="ignore"):
            return combine(each.sum(-1), each, at_x)

    return answer


def walked(visits, uniform=lambda t, i: i, draw=None):
    """sample from the dimensions in the order in which they are visited."""

    def answer(weights, biases, masks, order, u, K):
        x = np.zeros(u.shape, dtype=int)
        for t, i in enumerate(visits(order)):
            logits = conditionals_numpy(x, weights, biases, masks, K)[:, i]
            sums = np.cumsum(softmax(logits, axis=-1), axis=1)[:, :-1]
            x[:, i] = (sums <= u[:, [uniform(t, i)]]).sum(1) if draw is None else draw(logits)
        return x

    return answer


def in_passes(number):
    """sample with all dimensions drawn in each pass."""

    def answer(weights, biases, masks, order, u, K):
        x = np.zeros(u.shape, dtype=int)
        for _ in range(number):
            p = softmax(conditionals_numpy(x, weights, biases, masks, K), axis=-1)
            x = (np.cumsum(p, axis=-1)[..., :-1] <= u[..., None]).sum(-1)
        return x

    return answer


WRONG = [
    ("degrees", hidden_up_to(0), "go up to D - 2, not D - 1"),
    ("degrees", lambda dims, hidden, order: [order + 1, *degrees_even(dims, hidden, order)[1:]], "count from 0"),
    ("degrees", lambda dims, hidden, order: [np.argsort(order), *degrees_even(dims, hidden, order)[1:]], "no argsort"),
    ("degrees", lambda dims, hidden, order: degrees_even(dims, hidden, np.arange(dims)), "ordering is ignored"),
    ("degrees", hidden_up_to(-2), "spread the degrees"),
    ("degrees", lambda dims, hidden, order: [order], "expected a list of"),
    ("degrees", lambda dims, hidden, order: degrees_even(dims, [h + 1 for h in hidden], order), "should have shape"),
    ("degrees", lambda dims, hidden, order: [order, *(-np.ones(h) for h in hidden)], "degrees are integers from 0"),
    ("masks", masks_with(into_outputs=np.greater_equal), ">= into the outputs"),
    ("masks", masks_with(into_hidden=np.greater), "they may see their own degree"),
    ("masks", masks_with(into_hidden=np.less_equal), "the wrong way round"),
    ("masks", masks_with(outputs=lambda o: np.arange(len(o))), "not 0, 1, 2"),
    ("masks", masks_with(outputs=np.argsort), "no argsort"),
    ("masks", lambda degrees: [m.T for m in masks_numpy(degrees)], "transposed"),
    ("masks", lambda degrees: [1 - m for m in masks_numpy(degrees)], "the other way round"),
    ("masks", lambda degrees: [np.ones_like(m) for m in masks_numpy(degrees)], "every connection stays"),
    ("masks", lambda degrees: masks_numpy(degrees)[:-1], "expected a list of"),
    ("linear", LinearOnce, "multiply by it in `forward`"),
    ("linear", LinearInverted, "the other way round"),
    ("linear", LinearNoBias, "the bias is missing"),
    ("linear", LinearRenamed, "call them `weight` and `bias`"),
    ("linear", lambda mask: mask, "is it a class?"),
    ("conditionals", network(into=tile), "the first mask is tiled"),
    ("conditionals", network(out=tile), "the last mask is tiled"),
    ("conditionals", network(into=tile, out=tile), "the masks are tiled"),
    ("conditionals", network(into=narrow), "from D to D K"),
    ("conditionals", network(out=narrow), "from D to D K"),
    ("conditionals", network(into=narrow, out=narrow), "from D to D K"),
    ("conditionals", not_widened, "from D to D K"),
    ("conditionals", network(cut=False), "the masks are not used"),
    ("conditionals", network(activation=lambda h: h), "the ReLU is missing"),
    ("conditionals", network(last=lambda h: np.maximum(h, 0)), "no ReLU after the last layer"),
    ("conditionals", network(end=lambda h, N, K: h.reshape(N, K, -1).transpose(0, 2, 1)), "one group a dimension"),
    ("conditionals", lambda x, w, b, *rest: conditionals_numpy(x, w, [0 * c for c in b], *rest), "biases are missing"),
    ("conditionals", network(end=lambda h, N, K: log_softmax(h.reshape(N, -1, K), -1)), "these are log-probabilities"),
    ("conditionals", network(end=lambda h, N, K: softmax(h.reshape(N, -1, K), -1)), "these are probabilities"),
    ("log_prob", mixed(lambda joint, each, at_x: joint.mean(0)), "take the mean of p itself"),
    ("log_prob", mixed(lambda joint, each, at_x: logsumexp(joint, axis=0)), "subtract log O"),
    ("log_prob", mixed(lambda joint, each, at_x: np.log(np.exp(joint).mean(0))), "use logsumexp over the orderings"),
    (
        "log_prob",
        mixed(lambda joint, each, at_x: (logsumexp(each, axis=0) - np.log(len(each))).sum(-1)),
        "mixed in every dimension",
    ),
    ("log_prob", mixed(lambda joint, each, at_x: joint.sum(0)), "log p of the orderings is added"),
    ("log_prob", mixed(lambda joint, each, at_x: joint[0]), "only the first ordering"),
    ("log_prob", mixed(lambda joint, each, at_x: joint[-1]), "only the last ordering"),
    ("log_prob", mixed(lambda joint, each, at_x: joint.max(0)), "the best ordering of each"),
    (
        "log_prob",
        mixed(lambda joint, each, at_x: logsumexp(at_x.sum(-1), axis=0) - np.log(len(each))),
        "logits are not log-probabilities",
    ),
    ("log_prob", lambda *given: -log_prob_numpy(*given), "the sign"),
    ("log_prob", lambda *given: np.exp(log_prob_numpy(*given)), "return its logarithm"),
    ("log_prob", lambda *given: log_prob_numpy(*given) / np.log(2), "these are bits"),
    ("log_prob", lambda x, *net: log_prob_numpy(x, *net) / x.shape[1], "the dimensions are averaged"),
    ("log_prob", lambda *given: log_prob_numpy(*given).mean(), "the examples are averaged: return one number for each"),
    ("log_prob", lambda *given: log_prob_numpy(*given).sum(), "the examples are summed: return one number for each"),
    ("sample", walked(lambda order: order), "walk through order.argsort()"),
    ("sample", walked(lambda order: range(len(order))), "visited 0, 1, 2"),
    ("sample", walked(lambda order: np.argsort(order)[::-1]), "nor backwards"),
    ("sample", walked(np.argsort, uniform=lambda t, i: t), "not to the i-th step"),
    ("sample", walked(np.argsort, draw=lambda logits: logits.argmax(-1)), "always the likeliest"),
    ("sample", in_passes(1), "not one pass for all"),
    ("sample", in_passes(2), "two passes are not enough"),
    ("sample", lambda *given: sample_numpy(*given).T, "return (N, D)"),
    ("sample", lambda *given: sample_numpy(*given) + 1, "one too many"),
]


class TestAnswers(Answers):
    notebook = "made"
    right = RIGHT
    wrong = WRONG


def test_degrees_and_masks_of_the_library_are_right_answers_together():
    order = np.array([2, 0, 3, 1])
    for ours, theirs in zip(masks_numpy(degrees_even(4, [6, 5], order)), made_masks(4, [6, 5], order), strict=True):
        np.testing.assert_array_equal(ours, theirs)


# The trained model: here, instead of MNIST, pixels that are ink with probability 0.03


class Independent(nn.Module):
    def __init__(self):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(784, 2))

    def forward(self, x):
        return self.logits.expand(len(x), 784, 2)


@pytest.fixture
def ink(monkeypatch):
    test = (np.random.default_rng(0).random((2000, 28, 28)) < 0.03).astype(np.uint8)
    monkeypatch.setattr(checks, "thresholded_mnist", lambda: (test, test))
    return test


def handed_in(p):
    logits = torch.tensor([1 - p, p]).log().expand(784, 2).contiguous()
    return {"made.safetensors": safetensors.torch.save({"logits": logits})}


@pytest.mark.parametrize(("p", "score"), [(0.03, 1), (0.5, 0)])
def test_the_trained_model_gets_points_by_its_test_loss(ink, p, score):
    """The entropy of the ink is 0.1347 nats a pixel, between the first limit and the second."""
    outcome = QUESTIONS["made.trained"].judge(NotebookStudent({"build_model": Independent}), 0, handed_in(p))
    assert outcome.score == score
    assert "the test loss is " in outcome.cases[-1].message


def test_a_model_that_copies_gets_nothing(ink):
    class Copies(Independent):
        def forward(self, x):
            return self.logits + 9 * F.one_hot(x, 2)

    outcome = QUESTIONS["made.trained"].judge(NotebookStudent({"build_model": Copies}), 0, handed_in(0.03))
    assert outcome.score == 0
    assert "which it should predict" in outcome.cases[0].message


def test_without_weights_the_remedy_is_told():
    outcome = QUESTIONS["made.trained"].judge(NotebookStudent({"build_model": Independent}), 0, {})
    assert outcome.score == 0
    assert 'save("made.safetensors", model.state_dict())' in outcome.cases[0].message
