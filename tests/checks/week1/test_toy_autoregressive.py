"""The checks of this homework accept right answers however written, and name the cause of wrong ones."""

import numpy as np
import torch
from answers import Answers
from scipy.special import log_softmax, logsumexp, softmax

from deepul_utils.models.toy_autoregressive import ToyAutoregressive

# Right answers


def parameters_sum(parents, num_values):
    return sum((num_values - 1) * num_values ** len(p) for p in parents)


def parameters_rows(parents, num_values):
    total = 0
    for pa in parents:
        rows = 1
        for _ in pa:
            rows *= num_values
        total += rows * num_values - rows
    return np.int64(total)


def log_joint_numpy(logits0, logits1, x):
    return log_softmax(logits0)[x[:, 0]] + log_softmax(logits1, axis=1)[x[:, 0], x[:, 1]]


def log_joint_table(logits0, logits1, x):
    """The whole joint first, then its entries."""
    joint = (logits0 - logsumexp(logits0))[:, None] + logits1 - logsumexp(logits1, axis=1, keepdims=True)
    return joint.ravel()[x[:, 0] * len(logits0) + x[:, 1]]


def log_joint_torch(logits0, logits1, x):
    x0, x1 = torch.as_tensor(x).T
    rows = torch.as_tensor(logits1)[x0]
    return torch.as_tensor(logits0).log_softmax(0)[x0] - torch.nn.functional.cross_entropy(rows, x1, reduction="none")


def log_joint_loop(logits0, logits1, x):
    answer = []
    for a, b in x.tolist():
        first = logits0[a] - np.logaddexp.reduce(logits0)
        answer.append(float(first + logits1[a][b] - np.logaddexp.reduce(logits1[a])))
    return answer


def log_prob_numpy(logits, x):
    return np.take_along_axis(log_softmax(logits, axis=-1), x[:, :, None], 2)[:, :, 0].sum(axis=1)


def log_prob_one_hot(logits, x):
    one_hot = np.eye(logits.shape[2])[x]  # (N, D, K)
    return (one_hot * logits).sum((1, 2)) - logsumexp(logits, axis=2).sum(1)


def log_prob_torch(logits, x):
    logits, x = torch.tensor(logits, dtype=torch.float32), torch.tensor(x)
    return torch.distributions.Categorical(logits=logits).log_prob(x).sum(-1)


def sample_numpy(logits0, logits1, uniforms):
    sums0, sums1 = np.cumsum(softmax(logits0)), np.cumsum(softmax(logits1, axis=1), axis=1)
    x0 = np.searchsorted(sums0 / sums0[-1], uniforms[:, 0], side="right")
    x1 = (sums1[x0] / sums1[x0, -1:] <= uniforms[:, 1:]).sum(1)
    return np.stack([x0, x1], axis=1)


def sample_loop(logits0, logits1, uniforms):
    def draw(p, u):
        total = 0.0
        for k in range(len(p)):
            total += p[k]
            if total > u:
                return k
        return len(p) - 1

    answer = []
    for u0, u1 in uniforms:
        x0 = draw(softmax(logits0), u0)
        answer.append([x0, draw(softmax(logits1[x0]), u1)])
    return answer


def sample_torch(logits0, logits1, uniforms):
    logits0, logits1, u = (torch.tensor(a) for a in (logits0, logits1, uniforms))
    x0 = torch.searchsorted(logits0.softmax(0).cumsum(0), u[:, 0].contiguous(), right=True).clamp(max=len(logits0) - 1)
    sums = logits1.softmax(1).cumsum(1)[x0]
    x1 = torch.searchsorted(sums, u[:, 1:].contiguous(), right=True).clamp(max=len(logits0) - 1)
    return torch.cat([x0[:, None], x1], dim=1).float()


RIGHT = [
    ("parameters", "free_parameters", parameters_sum),
    ("parameters", "free_parameters", parameters_rows),
    ("log_joint", "log_joint", log_joint_numpy),
    ("log_joint", "log_joint", log_joint_table),
    ("log_joint", "log_joint", log_joint_torch),
    ("log_joint", "log_joint", log_joint_loop),
    ("log_prob", "log_prob", log_prob_numpy),
    ("log_prob", "log_prob", log_prob_one_hot),
    ("log_prob", "log_prob", log_prob_torch),
    ("sample", "sample", sample_numpy),
    ("sample", "sample", sample_loop),
    ("sample", "sample", sample_torch),
]


# Wrong answers


def joint(pick):
    """log_joint from a function of log p, the rows' log p, x0, x1 and the two arrays of logits."""

    def answer(logits0, logits1, x):
        x0, x1 = x.T
        with np.errstate(all="ignore"):
            return pick(log_softmax(logits0), log_softmax(logits1, axis=1), x0, x1, logits0, logits1)

    return answer


def naive_joint(logits0, logits1, x):
    with np.errstate(all="ignore"):
        p, rows = np.exp(logits0), np.exp(logits1)
        return np.log(p / p.sum())[x[:, 0]] + np.log(rows / rows.sum(1, keepdims=True))[x[:, 0], x[:, 1]]


def each(logits, x, axis=-1):
    return np.take_along_axis(log_softmax(logits, axis=axis), x[..., None], -1)[..., 0]


def product(logits, x):
    with np.errstate(all="ignore"):
        return np.log(np.exp(each(logits, x)).prod(1))


def drawn(second, first=None):
    """sample from `second(p, rows, x0, u0, u1, logits1)`, and from `first(p, u0, u1)` where given."""

    def answer(logits0, logits1, u):
        p, rows = softmax(logits0), softmax(logits1, axis=1)
        x0 = invert(p, u[:, 0]) if first is None else first(p, *u.T)
        return np.stack([x0, second(p, rows, x0, *u.T, logits1)], axis=1)

    return answer


def invert(p, u, below=np.less_equal):
    sums = np.cumsum(np.broadcast_to(p, (len(u), p.shape[-1])), axis=1)
    return np.minimum(below(sums, u[:, None]).sum(1), p.shape[-1] - 1)


def beyond(logits0, logits1, u):
    """Returns K where a cumulative sum rounds to just below 1."""
    x0 = np.searchsorted(np.cumsum(softmax(logits0)), u[:, 0], side="right")
    rows = softmax(logits1, axis=1)[np.minimum(x0, len(logits0) - 1)]
    return np.stack([x0, (np.cumsum(rows, axis=1) <= u[:, 1:]).sum(1)], axis=1)


WRONG = [
    ("parameters", lambda pa, K: sum(K ** (len(p) + 1) for p in pa), "K - 1 free ones"),
    ("parameters", lambda pa, K: sum((K - 1) * max(1, len(p) * K) for p in pa), "not n * K"),
    ("parameters", lambda pa, K: sum((K - 1) * 2 ** len(p) for p in pa), "not 2**n"),
    ("parameters", lambda pa, K: (K - 1) * len(pa), "one law for each joint value of its parents"),
    ("parameters", lambda pa, K: K ** len(pa) - 1, "whatever the arrows"),
    ("parameters", lambda pa, K: K - 1, "the first variable's parameters alone"),
    ("log_joint", joint(lambda p, rows, x0, x1, *_: p[x0] + rows[x1, x0]), "read transposed"),
    ("log_joint", joint(lambda p, rows, x0, x1, a, b: p[x0] + log_softmax(b, 0)[x0, x1]), "down the columns"),
    ("log_joint", joint(lambda p, rows, x0, x1, a, b: p[x0] + log_softmax(b)[x0, x1]), "over the whole table"),
    ("log_joint", joint(lambda p, rows, x0, x1, a, b: a[x0] + b[x0, x1]), "logits are not log-probabilities"),
    ("log_joint", joint(lambda p, rows, x0, x1, a, b: a[x0] + rows[x0, x1]), "logits0 is not normalised"),
    ("log_joint", joint(lambda p, rows, x0, x1, a, b: p[x0] + b[x0, x1]), "logits1 is not normalised"),
    (
        "log_joint",
        joint(lambda p, rows, x0, x1, *_: p[x0] + np.log(np.exp(p) @ np.exp(rows))[x1]),
        "as if x1 did not depend on x0",
    ),
    ("log_joint", joint(lambda p, rows, x0, x1, *_: rows[x0, x1]), "log p(x0) is missing"),
    ("log_joint", joint(lambda p, rows, x0, x1, *_: p[x0]), "log p(x1 | x0) is missing"),
    ("log_joint", joint(lambda p, rows, x0, x1, *_: p[x0] * rows[x0, x1]), "multiplied"),
    ("log_joint", joint(lambda p, rows, x0, x1, *_: np.exp(p[x0]) * np.exp(rows[x0, x1])), "return its logarithm"),
    ("log_joint", joint(lambda p, rows, x0, x1, *_: (p[x0] + rows[x0, x1]) / 2), "averaged: add them"),
    ("log_joint", joint(lambda p, rows, x0, x1, *_: (p[x0] + rows[x0, x1]) / np.log(2)), "natural logarithm"),
    ("log_joint", joint(lambda p, rows, x0, x1, *_: -p[x0] - rows[x0, x1]), "the sign"),
    ("log_joint", joint(lambda p, rows, x0, x1, *_: (p[x0] + rows[x0, x1]).mean()), "one number for each"),
    ("log_joint", naive_joint, "overflows"),
    ("log_prob", lambda logits, x: each(logits, x, axis=1).sum(1), "over the dimensions: it belongs on the last"),
    ("log_prob", lambda logits, x: each(logits, x, axis=0).sum(1), "over the examples: it belongs on the last"),
    ("log_prob", lambda logits, x: np.take_along_axis(logits, x[..., None], -1).sum((1, 2)), "subtract"),
    ("log_prob", lambda logits, x: each(logits, np.roll(x, 1, 1)).sum(1), "one dimension late"),
    ("log_prob", lambda logits, x: each(logits, np.roll(x, -1, 1)).sum(1), "one dimension early"),
    ("log_prob", lambda logits, x: each(logits, x)[:, :-1].sum(1), "the last dimension is left out"),
    ("log_prob", lambda logits, x: each(logits, x)[:, 1:].sum(1), "the first dimension is left out"),
    ("log_prob", lambda logits, x: each(logits, x).mean(1), "averaged: add them"),
    ("log_prob", lambda logits, x: each(logits, x).prod(1), "logarithms are multiplied"),
    ("log_prob", product, "rounds to 0"),
    ("log_prob", lambda logits, x: np.exp(each(logits, x)).prod(1), "return its logarithm"),
    ("log_prob", lambda logits, x: np.exp(each(logits, x)).sum(1), "probabilities are added"),
    ("log_prob", lambda logits, x: -each(logits, x).sum(1), "the sign"),
    ("log_prob", lambda logits, x: each(logits, x), "sum over the dimensions"),
    ("log_prob", lambda logits, x: each(logits, x).sum(0), "not over the examples"),
    ("log_prob", lambda logits, x: each(logits, x).sum(), "are summed too"),
    ("log_prob", lambda logits, x: each(logits, x).sum(1).mean(), "the examples are averaged"),
    ("sample", drawn(lambda p, rows, x0, u0, u1, _: invert(p @ rows, u1)), "from its marginal"),
    ("sample", drawn(lambda p, rows, x0, u0, u1, _: invert(rows[np.roll(x0, 1)], u1)), "another example's x0"),
    ("sample", drawn(lambda p, rows, x0, u0, u1, _: invert(p, u1)), "from the law of x0"),
    ("sample", drawn(lambda p, rows, x0, u0, u1, _: invert(rows[x0], u0)), "one uniform draws both"),
    (
        "sample",
        drawn(lambda p, rows, x0, u0, u1, _: invert(rows[x0], u0), lambda p, u0, u1: invert(p, u1)),
        "the uniforms are swapped",
    ),
    ("sample", drawn(lambda p, rows, x0, u0, u1, _: invert(rows.T[x0], u1)), "read transposed"),
    ("sample", drawn(lambda p, rows, x0, u0, u1, b: invert(softmax(b, 0)[x0], u1)), "down the columns"),
    ("sample", drawn(lambda p, rows, x0, u0, u1, _: rows[x0].argmax(1)), "the second is always the likeliest"),
    (
        "sample",
        drawn(lambda p, rows, x0, u0, u1, _: rows[x0].argmax(1), lambda p, u0, u1: np.full(len(u0), p.argmax())),
        "always the likeliest value: use the uniforms",
    ),
    (
        "sample",
        drawn(lambda p, rows, x0, u0, u1, _: invert(rows[x0], u1, np.less), lambda p, u0, u1: invert(p, u0, np.less)),
        "a value of probability 0 was drawn",
    ),
    ("sample", beyond, "never return K"),
    ("sample", lambda a, b, u: sample_numpy(a, b, u) + 1, "one too many"),
    ("sample", lambda a, b, u: sample_numpy(a, b, u) - 1, "one too few"),
    ("sample", lambda a, b, u: sample_numpy(a, b, u)[:, ::-1], "in the wrong columns"),
    ("sample", lambda a, b, u: sample_numpy(a, b, u).T, "return (N, 2)"),
]


class TestAnswers(Answers):
    notebook = "toy_autoregressive"
    right = RIGHT
    wrong = WRONG


def test_random_samples_get_next_to_nothing():
    """A sampler that ignores the uniforms is right by chance in the case of one sample at most."""
    rng = np.random.default_rng(0)
    outcome = TestAnswers.judge("sample", lambda a, b, u: rng.integers(len(a), size=u.shape))
    assert outcome.score <= 0.5


def test_the_library_answers_like_the_homework():
    """The question's tables, put into the library's model, give the law that the right answer gives."""
    rng = np.random.default_rng(0)
    logits0, logits1 = rng.normal(size=4), rng.normal(size=(4, 4))
    model = ToyAutoregressive(4, net=torch.nn.Linear).double()
    with torch.no_grad():
        model.first.logits.copy_(torch.tensor(logits0))
        model.nets[0].weight.copy_(torch.tensor(logits1.T))
        model.nets[0].bias.zero_()
    x = rng.integers(4, size=(50, 2))
    expected = model.log_prob(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(log_joint_numpy(logits0, logits1, x), expected, rtol=1e-12)
    logits = model.conditionals(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(log_prob_numpy(logits, x), expected, rtol=1e-12)
