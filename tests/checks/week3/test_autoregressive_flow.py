"""The checks of this homework accept right answers however written, and name the cause of wrong ones."""

import numpy as np
import torch
from answers import Answers
from scipy import special
from torch.distributions import Categorical, MixtureSameFamily, Normal

from deepul_utils.checks.week3 import autoregressive_flow as checks  # noqa: F401  registers the questions
from deepul_utils.transforms.bisection import bisect
from deepul_utils.transforms.mixture_cdf import MixtureCDF


def mlp(x, weights):
    W1, b1, W2, b2 = weights
    return np.tanh(x @ W1.T + b1) @ W2.T + b2


def network(x, weights):
    A, b, C, d = weights
    return np.tanh(x) @ A.T + b, np.tanh(np.tanh(x) @ C.T + d)


# Right answers


def mixture_numpy(x, params):
    logits, loc, log_scale = np.split(params, 3, axis=-1)
    log_pi = special.log_softmax(logits, axis=-1)
    t = (x[:, None] - loc) / np.exp(log_scale)
    return (np.exp(log_pi) * special.ndtr(t)).sum(-1), special.logsumexp(
        log_pi - t**2 / 2 - np.log(2 * np.pi) / 2 - log_scale, axis=-1
    )


def flow_numpy(x, first, weights):
    z0, f0 = mixture_numpy(x[:, 0], first[None])
    z1, f1 = mixture_numpy(x[:, 1], mlp(x[:, :1], weights))
    return np.stack([z0, z1], 1), f0 + f1


def flow_torch(x, first, weights):
    """By torch's own mixture, with the log-determinant accumulated."""
    z, log_det = [], torch.zeros(len(x), dtype=torch.float64)
    for i, params in enumerate((np.tile(first, (len(x), 1)), mlp(x[:, :1], weights))):
        logits, loc, log_scale = torch.tensor(params).chunk(3, -1)
        law = MixtureSameFamily(Categorical(logits=logits), Normal(loc, log_scale.exp()))
        z.append(law.cdf(torch.tensor(x[:, i])))
        log_det += law.log_prob(torch.tensor(x[:, i]))
    return torch.stack(z, 1), log_det


def quantile(u, params):
    low, high = np.full(len(u), -50.0), np.full(len(u), 50.0)
    for _ in range(70):
        middle = (low + high) / 2
        below = mixture_numpy(middle, params)[0] < u
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return middle


def sample_numpy(u, first, weights):
    x0 = quantile(u[:, 0], first[None])
    return np.stack([x0, quantile(u[:, 1], mlp(x0[:, None], weights))], 1)


def sample_torch(u, first, weights):
    """By the library's element, whose means are counted from places of its own."""
    element = MixtureCDF(len(first) // 3).double()

    def inverse(u, params):
        params = torch.tensor(params) - torch.cat([0 * element.start, element.start, 0 * element.start])
        low, high = torch.full((len(u),), -50.0).double(), torch.full((len(u),), 50.0).double()
        return bisect(lambda x: element(x, params)[0], torch.tensor(u), low, high).numpy()

    x0 = inverse(u[:, 0], np.tile(first, (len(u), 1)))
    return [[a, b] for a, b in zip(x0, inverse(u[:, 1], mlp(x0[:, None], weights)), strict=True)]


def af_forward_numpy(x, weights):
    m, a = network(x, weights)
    return (x - m) * np.exp(-a), -a.sum(1)


def af_forward_torch(x, weights):
    """Dimension by dimension, the log-determinant by automatic differentiation."""
    A, b, C, d = (torch.tensor(w) for w in weights)

    def z_of(x):
        return (x - torch.tanh(x) @ A.T - b) / torch.exp(torch.tanh(torch.tanh(x) @ C.T + d))

    each = [torch.autograd.functional.jacobian(z_of, row) for row in torch.tensor(x)]
    return z_of(torch.tensor(x)), torch.stack([torch.linalg.slogdet(J)[1] for J in each])


def af_inverse_numpy(z, weights, order):
    x = np.zeros_like(z)
    for i in np.argsort(order):
        m, a = network(x, weights)
        x[:, i] = z[:, i] * np.exp(a[:, i]) + m[:, i]
    return x


def af_inverse_rounds(z, weights, order):
    """All dimensions at once, D times over: after round t, those of positions below t are right."""
    x = torch.zeros(z.shape, dtype=torch.float64)
    for _ in order:
        m, a = network(x.numpy(), weights)
        x = torch.tensor(z * np.exp(a) + m)
    return x


def iaf_forward_numpy(x, weights, order):
    z = np.zeros_like(x)
    for i in np.argsort(order):
        m, a = network(z, weights)
        z[:, i] = (x[:, i] - m[:, i]) * np.exp(-a[:, i])
    return z, -network(z, weights)[1].sum(1)


def iaf_forward_accumulated(x, weights, order):
    """The log-derivatives are kept while z is found."""
    z, log_det = np.zeros_like(x), np.zeros(len(x))
    for position in range(len(order)):
        i = list(order).index(position)
        m, a = (part[:, i] for part in network(z, weights))
        z[:, i] = (x[:, i] - m) / np.exp(a)
        log_det -= a
    return z.tolist(), log_det.tolist()


def passes_short(kind, direction, dims):
    return 1 if (kind, direction) in {("AF", "density"), ("IAF", "sample")} else dims


def passes_array(kind, direction, dims):
    slow = {"AF": "sample", "IAF": "density"}[kind] == direction
    return np.array(dims if slow else 1)


# Wrong answers


def flowed(z=lambda z: z, log_det=lambda f0, f1: f0 + f1, second=lambda x, z0, first: x[:, :1]):
    def answer(x, first, weights):
        z0, f0 = mixture_numpy(x[:, 0], first[None])
        z1, f1 = mixture_numpy(x[:, 1], mlp(second(x, z0, first), weights))
        return z(np.stack([z0, z1], 1)), log_det(f0, f1)

    return answer


def overwritten(x, first, weights):
    for i, params in enumerate((first[None], mlp(x[:, :1], weights))):
        _, log_det = mixture_numpy(x[:, i], params)
    return flow_numpy(x, first, weights)[0], log_det


def one_mixture(x, first, weights):
    parts = [mixture_numpy(x[:, i], first[None]) for i in (0, 1)]
    return np.stack([z for z, _ in parts], 1), sum(f for _, f in parts)


def logs_as_scales(x, first, weights):
    z = []
    for i, params in enumerate((first[None], mlp(x[:, :1], weights))):
        logits, loc, scale = np.split(params, 3, axis=-1)
        z.append((special.softmax(logits, -1) * special.ndtr((x[:, i, None] - loc) / scale)).sum(-1))
    return np.stack(z, 1), flow_numpy(x, first, weights)[1]


def logs_of_zero(x, first, weights):
    """Right near the means; far away the density rounds to 0."""
    z, log_det = flow_numpy(x, first, weights)
    with np.errstate(divide="ignore"):
        return z, np.log(np.exp(log_det))


def sampled(read, column=1, end=lambda x: x):
    def answer(u, first, weights):
        x0 = quantile(u[:, 0], first[None])
        x1 = quantile(u[:, column], mlp(read(x0, u)[:, None], weights))
        return end(np.stack([x0, x1], 1))

    return answer


def af(z=lambda x, m, a: (x - m) * np.exp(-a), log_det=lambda a: -a.sum(1)):
    def answer(x, weights):
        m, a = network(x, weights)
        return z(x, m, a), log_det(a)

    return answer


def visited(visits):
    def answer(z, weights, order):
        x = np.zeros_like(z)
        for i in visits(order):
            m, a = network(x, weights)
            x[:, i] = z[:, i] * np.exp(a[:, i]) + m[:, i]
        return x

    return answer


def at_once(read):
    def answer(z, weights, order):
        m, a = network(read(z), weights)
        return z * np.exp(a) + m

    return answer


def iaf(visits=np.argsort, log_det=lambda x, z, a, weights: -a.sum(1)):
    def answer(x, weights, order):
        z = np.zeros_like(x)
        for i in visits(order):
            m, a = network(z, weights)
            z[:, i] = (x[:, i] - m[:, i]) * np.exp(-a[:, i])
        return z, log_det(x, z, network(z, weights)[1], weights)

    return answer


class TestAnswers(Answers):
    notebook = "autoregressive_flow"
    right = (
        ("flow", "flow", flow_numpy),
        ("flow", "flow", flow_torch),
        ("sample", "sample", sample_numpy),
        ("sample", "sample", sample_torch),
        ("af_forward", "af_forward", af_forward_numpy),
        ("af_forward", "af_forward", af_forward_torch),
        ("af_inverse", "af_inverse", af_inverse_numpy),
        ("af_inverse", "af_inverse", af_inverse_rounds),
        ("iaf_forward", "iaf_forward", iaf_forward_numpy),
        ("iaf_forward", "iaf_forward", iaf_forward_accumulated),
        ("passes", "passes", passes_short),
        ("passes", "passes", passes_array),
    )
    wrong = (
        ("flow", flowed(log_det=lambda f0, f1: f0), "the log-derivative of z_1 is missing"),
        ("flow", overwritten, "or was overwritten"),
        ("flow", flowed(log_det=lambda f0, f1: (f0 + f1) / 2), "are averaged"),
        ("flow", flowed(log_det=lambda f0, f1: -f0 - f1), "the sign is that of the inverse"),
        ("flow", flowed(log_det=lambda f0, f1: np.exp(f0 + f1)), "this is the determinant"),
        ("flow", flowed(log_det=lambda f0, f1: np.log(np.exp(f0) + np.exp(f1))), "the logarithm of a sum"),
        ("flow", flowed(log_det=lambda f0, f1: np.stack([f0, f1], 1)), "return one sum for each point"),
        ("flow", flowed(log_det=lambda f0, f1: (f0 + f1).mean()), "one number for each"),
        ("flow", flowed(second=lambda x, z0, first: z0[:, None]), "not z_0"),
        ("flow", flowed(second=lambda x, z0, first: x[:, 1:]), "not x_1"),
        ("flow", flowed(z=lambda z: z[:, ::-1]), "the columns are exchanged"),
        ("flow", one_mixture, "a mixture of its own for each x_0"),
        ("flow", logs_as_scales, "the third part holds logarithms"),
        (
            "flow",
            lambda *given: (np.exp(flowed(log_det=lambda *f: np.stack(f, 1))(*given)[1]), flow_numpy(*given)[1]),
            "these are the densities",
        ),
        ("flow", logs_of_zero, "-inf"),
        ("flow", lambda *given: flow_numpy(*given)[1], "z and log_det"),
        ("sample", sampled(lambda x0, u: 0 * x0), "x_1 does not see the x_0 that was drawn"),
        ("sample", sampled(lambda x0, u: u[:, 0]), "not the noise u_0"),
        ("sample", sampled(lambda x0, u: x0, column=0), "noise of its own"),
        ("sample", sampled(lambda x0, u: x0, end=lambda x: x[:, ::-1]), "the columns are exchanged"),
        ("sample", lambda u, first, weights: np.stack([quantile(c, first[None]) for c in u.T], 1), "for its own"),
        ("af_forward", af(log_det=lambda a: a.sum(1)), "the sign is that of the inverse"),
        ("af_forward", af(log_det=lambda a: -a.mean(1)), "are averaged over the dimensions"),
        ("af_forward", af(log_det=lambda a: -a[:, -1]), "accumulate"),
        ("af_forward", af(log_det=lambda a: -a), "one sum for each example"),
        ("af_forward", af(log_det=lambda a: -a.sum()), "the examples are added"),
        ("af_forward", af(log_det=lambda a: np.exp(-a.sum(1))), "this is the determinant"),
        ("af_forward", af(z=lambda x, m, a: x * np.exp(a) + m), "this is the map from z to x"),
        ("af_forward", af(z=lambda x, m, a: x * np.exp(-a) - m), "the other way round"),
        ("af_forward", af(z=lambda x, m, a: (x - m) / a), "the logarithm of the scale"),
        ("af_inverse", visited(lambda order: order), "walk through order.argsort()"),
        ("af_inverse", visited(lambda order: range(len(order))), "visit them by their positions"),
        ("af_inverse", visited(lambda order: np.argsort(order)[::-1]), "nor backwards"),
        ("af_inverse", at_once(lambda z: z), "reads x, not z"),
        ("af_inverse", at_once(np.zeros_like), "not one pass for all"),
        ("iaf_forward", lambda x, weights, order: af_forward_numpy(x, weights), "this is the AF"),
        ("iaf_forward", iaf(log_det=lambda x, z, a, w: a.sum(1)), "has the other sign"),
        ("iaf_forward", iaf(log_det=lambda x, z, a, w: -network(x, w)[1].sum(1)), "are functions of z"),
        ("iaf_forward", iaf(log_det=lambda x, z, a, w: network(x, w)[1].sum(1)), "with the wrong sign, at x"),
        ("iaf_forward", iaf(log_det=lambda x, z, a, w: -a.mean(1)), "are averaged over the dimensions"),
        ("iaf_forward", iaf(log_det=lambda x, z, a, w: -a), "return one sum for each example"),
        ("iaf_forward", iaf(log_det=lambda x, z, a, w: -a[:, -1]), "only the last dimension counts"),
        ("iaf_forward", iaf(log_det=lambda x, z, a, w: np.exp(-a.sum(1))), "this is the determinant"),
        ("iaf_forward", lambda *given: (af_inverse_numpy(*given), iaf_forward_numpy(*given)[1]), "this is the sampler"),
        ("iaf_forward", iaf(visits=lambda order: order), "walk through order.argsort()"),
        ("iaf_forward", iaf(visits=lambda order: range(len(order))), "visit them by their positions"),
        ("passes", lambda kind, direction, dims: passes_short(kind, direction, dims) - (dims > 1), "that is a pass"),
        (
            "passes",
            lambda kind, direction, dims: passes_short({"AF": "IAF", "IAF": "AF"}[kind], direction, dims),
            "one pass knows every parameter",
        ),
        ("passes", lambda kind, direction, dims: 1, "each dimension waits"),
        (
            "passes",
            lambda kind, direction, dims: passes_short(kind, direction, dims) + (kind == "IAF"),
            "no pass of its own",
        ),
    )
