"""The checks of this homework accept right answers however written, and name the cause of wrong ones."""

import math

import numpy as np
import torch
from answers import Answers
from scipy import special, stats
from torch.nn import functional as F

from deepul_utils.distributions.bits import bits_per_dim
from deepul_utils.transforms.elementwise import Logit, Sigmoid

# Right answers


def dequantize_numpy(x, u, K):
    return (x + u) / K


def dequantize_torch(x, u, K):
    return torch.as_tensor(u).add(torch.as_tensor(x).double()).div_(K)


def logits_numpy(y, alpha):
    t = alpha + (1 - 2 * alpha) * y
    log_det = np.log(1 - 2 * alpha) - np.log(t) - np.log(1 - t)
    return np.log(t / (1 - t)), log_det.sum(axis=tuple(range(1, y.ndim)))


def logits_autograd(y, alpha):
    y = torch.tensor(y, requires_grad=True)
    z = torch.logit((1 - alpha) * y + alpha * (1 - y))
    (slope,) = torch.autograd.grad(z.sum(), y)
    return [z, slope.log().flatten(1).sum(1)]


def logits_library(y, alpha):
    return Logit(alpha)(torch.tensor(y))


def images_numpy(z, alpha, K):
    y = (1 / (1 + np.exp(-z)) - alpha) / (1 - 2 * alpha)
    return np.clip(np.floor(K * y).astype(int), 0, K - 1)


def images_torch(z, alpha, K):
    return (Logit(alpha).inverse(torch.tensor(z)) * K).clamp(0, K - 1).long()


def bits_numpy(log_p_z, log_det, shape, K):
    D = np.prod(shape)
    return np.log2(K) - (log_p_z + log_det) / (D * np.log(2))


def bits_library(log_p_z, log_det, shape, K):
    D = math.prod(shape)
    return bits_per_dim(D * math.log(K) - torch.tensor(log_p_z + log_det), D)


def mass_scipy(x, weights, loc, scale):
    law = stats.logistic(loc, scale)
    return np.log((law.cdf(x[:, None] + 1) - law.cdf(x[:, None])) @ weights)


def mass_torch(x, weights, loc, scale):
    x, weights, loc, scale = map(torch.tensor, (x, weights, loc, scale))
    a, b = (x[:, None] - loc) / scale, (x[:, None] + 1 - loc) / scale
    inner = F.logsigmoid(b) + F.logsigmoid(-a) + torch.log(-torch.expm1(a - b))
    return torch.logsumexp(weights.log() + inner, 1)


def noise_numpy(eps, mu, log_scale):
    v = mu + np.exp(log_scale) * eps
    each = -0.5 * (eps**2 + np.log(2 * np.pi)) - log_scale + np.logaddexp(0, v) + np.logaddexp(0, -v)
    return special.expit(v), each.reshape(len(v), -1).sum(1)


def noise_torch(eps, mu, log_scale):
    eps, mu, log_scale = map(torch.tensor, (eps, mu, log_scale))
    normal = torch.distributions.Normal(mu, log_scale.exp())
    v = mu + log_scale.exp() * eps
    u, log_det = Sigmoid()(v)
    return u, normal.log_prob(v).flatten(1).sum(1) - log_det


def bound_numpy(log_p, log_q):
    return np.mean(log_p - log_q, axis=0)


def bound_loop(log_p, log_q):
    total = torch.zeros(log_p.shape[1], dtype=torch.float64)
    for p, q in zip(log_p, log_q, strict=True):
        total += torch.tensor(p) - torch.tensor(q)
    return total / len(log_p)


# Wrong answers


def logits_with(each=None, total=lambda each: each.reshape(len(each), -1).sum(1), squeeze=None, z=special.logit):
    """to_logits from each dimension's log-derivative, a function of t and alpha, and how they are put together."""

    def answer(y, alpha):
        t = alpha + (1 - 2 * alpha) * y if squeeze is None else squeeze(y, alpha)
        log_slope = -np.log(t) - np.log1p(-t)
        return z(t), total(log_slope + np.log1p(-2 * alpha) if each is None else each(log_slope, alpha, y))

    return answer


def images_with(undo, last=lambda y, K: np.clip(np.floor(K * y), 0, K - 1)):
    return lambda z, alpha, K: last(undo(special.expit(z), alpha), K)


def undone(s, alpha):
    return (s - alpha) / (1 - 2 * alpha)


def bits_with(nats=lambda p, d, D, K: -(p + d - D * np.log(K)), per=lambda D, K: D * np.log(2), dims=math.prod):
    def answer(log_p_z, log_det, shape, K):
        D = dims(shape)
        return nats(log_p_z, log_det, D, K) / per(D, K)

    return answer


def pixels(shape):
    return math.prod(shape[1:]) if len(shape) > 1 else shape[0]


def mass_with(a=0.0, b=1.0, scale=lambda s: s, weights=lambda w: w):
    def answer(x, w, loc, s):
        law = stats.logistic(loc, scale(s))
        return np.log((law.cdf(x[:, None] + b) - law.cdf(x[:, None] + a)) @ weights(w))

    return answer


def mean_log_density(x, weights, loc, scale):
    u = (np.arange(64) + 0.5) / 64
    y = (x[:, None] + u).ravel()
    density = (weights * stats.logistic.pdf(y[:, None], loc, scale)).sum(1)
    return np.log(density).reshape(len(x), -1).mean(1)


def noise_with(each, u=special.expit, total=lambda each: each.reshape(len(each), -1).sum(1)):
    """log q from log N(eps), log sigma and log u (1 - u) of each dimension."""

    def answer(eps, mu, log_scale):
        v = mu + np.exp(log_scale) * eps
        log_slope = -np.logaddexp(0, v) - np.logaddexp(0, -v)
        return u(v), total(each(stats.norm.logpdf(eps), log_scale, log_slope))

    return answer


def right_q(n, s, slope):
    return n - s - slope


class TestAnswers(Answers):
    notebook = "dequantization"
    right = (
        ("dequantize", "dequantize", dequantize_numpy),
        ("dequantize", "dequantize", dequantize_torch),
        ("to_logits", "to_logits", logits_numpy),
        ("to_logits", "to_logits", logits_autograd),
        ("to_logits", "to_logits", logits_library),
        ("from_logits", "from_logits", images_numpy),
        ("from_logits", "from_logits", images_torch),
        ("bits", "bits_per_dim", bits_numpy),
        ("bits", "bits_per_dim", bits_library),
        ("log_mass", "log_mass", mass_scipy),
        ("log_mass", "log_mass", mass_torch),
        ("noise", "variational_noise", noise_numpy),
        ("noise", "variational_noise", noise_torch),
        ("bound", "bound", bound_numpy),
        ("bound", "bound", bound_loop),
    )
    wrong = (
        ("dequantize", lambda x, u, K: x / K + u, "the noise is as wide as the whole range"),
        ("dequantize", lambda x, u, K: x / (K - 1) + u, "scaled to [0, 1] with K - 1, and noise as wide"),
        ("dequantize", lambda x, u, K: (x + u) / (K - 1), "the last cell lies beyond 1"),
        ("dequantize", lambda x, u, K: x / (K - 1) + u / K, "add them first, then divide"),
        ("dequantize", lambda x, u, K: (x + u) / 255, "y: wrong in"),
        ("dequantize", lambda x, u, K: x / K, "there is no noise"),
        ("dequantize", lambda x, u, K: (x + u - 0.5) / K, "the noise has mean 0"),
        ("dequantize", lambda x, u, K: x + u, "divide by K"),
        ("dequantize", lambda x, u, K: x / K + np.random.default_rng(0).random(x.shape) / K, "y: wrong in"),
        ("to_logits", logits_with(lambda s, a, y: -s - np.log1p(-2 * a)), "the sign"),
        ("to_logits", logits_with(lambda s, a, y: -s), "that of the sigmoid"),
        ("to_logits", logits_with(lambda s, a, y: np.log1p(-2 * a) - s), "log t (1 - t) has the wrong sign"),
        ("to_logits", logits_with(lambda s, a, y: s), "the share of the squeezing, is missing"),
        ("to_logits", logits_with(lambda s, a, y: s - np.log1p(-2 * a)), "squeezing makes volumes smaller"),
        (
            "to_logits",
            lambda y, a: (logits_numpy(y, a)[0], logits_numpy(y, a)[1] - (y[0].size - 1) * np.log1p(-2 * a)),
            "is counted once",
        ),
        ("to_logits", logits_with(total=lambda e: e.reshape(len(e), -1).mean(1)), "log-derivatives are added"),
        ("to_logits", logits_with(total=lambda e: e), "one number for each example"),
        ("to_logits", logits_with(total=lambda e: e.sum()), "the sum runs over the batch as well"),
        ("to_logits", logits_with(total=lambda e: e.sum(0)), "the sum runs over the batch"),
        ("to_logits", logits_with(total=lambda e: e.sum(-1)), "leaves out an axis"),
        ("to_logits", logits_with(total=lambda e: e.sum(1)), "leaves out axes"),
        ("to_logits", logits_with(total=lambda e: np.exp(e.reshape(len(e), -1).sum(1))), "return its logarithm"),
        (
            "to_logits",
            logits_with(lambda s, a, y: np.log1p(-2 * a) - np.log(y) - np.log1p(-y)),
            "with y in the place of t",
        ),
        ("to_logits", logits_with(squeeze=lambda y, a: y), "y is not squeezed"),
        ("to_logits", logits_with(squeeze=lambda y, a: a + (1 - a) * y), "1 - alpha for 1 - 2 alpha"),
        ("to_logits", logits_with(z=lambda t: t), "take its logit"),
        ("to_logits", logits_with(z=special.expit), "sigmoid for its inverse"),
        ("to_logits", logits_with(z=lambda t: np.log2(t / (1 - t))), "a base other than e"),
        ("to_logits", lambda y, a: logits_numpy(y, a)[0], "return z and log_det"),
        ("from_logits", images_with(lambda s, a: s), "alpha is not undone"),
        ("from_logits", images_with(lambda s, a: s - a), "division by 1 - 2 alpha is missing"),
        ("from_logits", images_with(lambda s, a: s / (1 - 2 * a)), "alpha is not subtracted"),
        ("from_logits", images_with(lambda s, a: (s - a) / (1 - a)), "1 - alpha for 1 - 2 alpha"),
        ("from_logits", images_with(undone, lambda y, K: np.clip(np.round(K * y), 0, K - 1)), "so round down"),
        ("from_logits", images_with(undone, lambda y, K: np.clip(np.floor(y * (K - 1)), 0, K - 1)), "there are K"),
        ("from_logits", images_with(undone, lambda y, K: np.clip(np.round(y * (K - 1)), 0, K - 1)), "and rounded"),
        ("from_logits", images_with(undone, lambda y, K: np.floor(K * y)), "so clip to"),
        ("from_logits", images_with(undone, lambda y, K: np.clip(K * y, 0, K - 1)), "these are not integers"),
        ("from_logits", images_with(undone, lambda y, K: y), "this is y"),
        ("bits", bits_with(lambda p, d, D, K: -(p + d)), "log K is forgotten"),
        ("bits", bits_with(lambda p, d, D, K: -(p + d - np.log(K))), "the log K of one dimension"),
        ("bits", bits_with(lambda p, d, D, K: -(p + d - D * np.log(K - 1))), "log(K - 1) for log K"),
        ("bits", bits_with(lambda p, d, D, K: -(p + d + D * np.log(K))), "D log K has the wrong sign"),
        ("bits", bits_with(per=lambda D, K: D), "these are nats"),
        ("bits", bits_with(per=lambda D, K: D / np.log(2)), "multiplied by log 2"),
        ("bits", bits_with(per=lambda D, K: D * np.log(K)), "divided by log K for log 2"),
        ("bits", bits_with(lambda p, d, D, K: -(p - D * np.log(K))), "the log-determinant is left out"),
        ("bits", bits_with(lambda p, d, D, K: -(p - d - D * np.log(K))), "the log-determinant has the wrong sign"),
        ("bits", bits_with(lambda p, d, D, K: p + d - D * np.log(K)), "this is minus the answer"),
        ("bits", bits_with(per=lambda D, K: np.log(2)), "per image"),
        (
            "bits",
            lambda p, d, shape, K: -(p + d - math.prod(shape) * np.log(K)) / (pixels(shape) * np.log(2)),
            "channels are dimensions too: divide by",
        ),
        ("bits", bits_with(dims=sum), "the product of all sides, not their sum"),
        ("bits", bits_with(dims=lambda shape: shape[-1]), "the product of all sides, not the last of them"),
        ("bits", bits_with(dims=pixels), "channels are dimensions too, in D log K"),
        (
            "bits",
            lambda p, d, shape, K: -(p + d - pixels(shape) * np.log(K)) / (math.prod(shape) * np.log(2)),
            "counts C * H * W of them",
        ),
        ("bits", lambda *a: bits_numpy(*a).mean(), "the mean over the batch"),
        ("log_mass", mass_with(-0.5, 0.5), "not from x - 1/2"),
        ("log_mass", mass_with(-1, 0), "not from x - 1 to x"),
        ("log_mass", lambda x, w, m, s: np.log(stats.logistic.pdf(x[:, None], m, s) @ w), "this is the density at x"),
        ("log_mass", mass_with(-np.inf, 1), "subtract F(x)"),
        ("log_mass", mean_log_density, "which is the bound"),
        ("log_mass", mass_with(scale=lambda s: 1 / s), "the scale multiplies"),
        ("log_mass", mass_with(weights=np.ones_like), "the weights are left out"),
        (
            "log_mass",
            lambda x, w, m, s: (
                np.log(stats.logistic.cdf(x[:, None] + 1, m, s) - stats.logistic.cdf(x[:, None], m, s)) @ w
            ),
            "logarithms are averaged",
        ),
        ("log_mass", lambda *a: np.exp(mass_scipy(*a)), "return its logarithm"),
        ("noise", noise_with(lambda n, s, slope: n - s + slope), "the sign of log u (1 - u)"),
        ("noise", noise_with(lambda n, s, slope: n - s), "the slope of the sigmoid"),
        ("noise", noise_with(lambda n, s, slope: n + s - slope), "a wider law is less dense"),
        ("noise", noise_with(lambda n, s, slope: n - slope), "log_scale is left out"),
        ("noise", noise_with(lambda n, s, slope: n + s + slope), "both log-derivatives"),
        ("noise", noise_with(lambda n, s, slope: -s - slope), "the density of eps is left out"),
        ("noise", noise_with(lambda n, s, slope: n + np.log(2 * np.pi) / 2 - s - slope), "the 2 pi"),
        ("noise", noise_with(lambda n, s, slope: s + slope - n), "this is -log q"),
        (
            "noise",
            lambda e, m, s: (
                noise_numpy(e, m, s)[0],
                noise_numpy(e, m, s)[1]
                + (stats.norm.logpdf(m + np.exp(s) * e) - stats.norm.logpdf(e)).reshape(len(e), -1).sum(1),
            ),
            "eps is what was drawn",
        ),
        ("noise", noise_with(right_q, total=lambda e: e.reshape(len(e), -1).mean(1)), "add them"),
        ("noise", noise_with(right_q, total=lambda e: e), "one number for each example"),
        ("noise", noise_with(right_q, u=lambda v: v), "the whole line"),
        (
            "noise",
            lambda e, m, s: (noise_numpy(e, m, s)[0], np.log(special.expit(m + np.exp(s) * e)).sum(1)),
            "log q(u | x)",
        ),
        ("noise", lambda e, m, s: (special.expit(m + s * e), noise_numpy(e, m, s)[1]), "log_scale is a logarithm"),
        ("noise", lambda e, m, s: noise_numpy(e, 0 * m, s), "mu is left out"),
        (
            "noise",
            lambda e, m, s: (m + noise_numpy(e, 0 * m, s)[0], noise_numpy(e, m, s)[1]),
            "added after the sigmoid",
        ),
        ("noise", lambda e, m, s: noise_numpy(e, m, 0 * s), "the scale is left out"),
        ("bound", lambda p, q: (p + q).mean(0), "the sign of log q"),
        ("bound", lambda p, q: p.mean(0), "log q is left out"),
        ("bound", lambda p, q: special.logsumexp(p - q, axis=0) - np.log(len(p)), "importance sampling"),
        ("bound", lambda p, q: np.log(np.exp(p - q).mean(0)), "importance sampling"),
        ("bound", lambda p, q: (p - q).sum(0), "the sum over the draws"),
        ("bound", lambda p, q: (p - q).mean(1), "the first axis"),
        ("bound", lambda p, q: (p - q).mean(), "the draws alone"),
        ("bound", lambda p, q: (q - p).mean(0), "this is the loss"),
        ("bound", lambda p, q: (np.exp(q) * (p - q)).mean(0), "weighted by q"),
        ("bound", lambda p, q: (p / q).mean(0), "divided by log q"),
    )
