"""The homework vqvae: right answers however written, classic mistakes with their causes."""

import functools

import numpy as np
import pytest
import torch
from answers import Answers
from scipy.spatial.distance import cdist


def nearest(h, codes):
    return ((codes**2).sum(1) - 2 * h @ codes.T).argmin(1)


def nearest_by_torch(h, codes):
    return torch.cdist(torch.tensor(h), torch.tensor(codes)).argmin(1)


def nearest_by_scipy(h, codes):
    return [int(np.argmin(row)) for row in cdist(h, codes)]


def leaves(*arrays):
    return [torch.tensor(a, requires_grad=True) for a in arrays]


def slopes(value, of):
    value = value + 0 * sum(one.sum() for one in of)
    return torch.autograd.grad(value, of, allow_unused=True, materialize_grads=True)


def through(of):
    """straight_through with z = of(h, code)."""

    def answer(h, code, slope):
        h, code = leaves(h, code)
        z = of(h, code)
        return z, *slopes((torch.tensor(slope) * z).sum(), [h, code])

    return answer


def through_without_autograd(h, code, slope):
    return [code, slope.copy(), np.zeros_like(code)]


class Copied(torch.autograd.Function):
    @staticmethod
    def forward(ctx, h, code):
        return code.clone()

    @staticmethod
    def backward(ctx, slope):
        return slope, None


class Loss:
    """The loss, with one part changed."""

    def __init__(self, **changed):
        self.changed = {
            "z": lambda h, e: h + (e - h).detach(),
            "reconstruction": lambda missed: missed.square().sum(1).mean() / 2,
            "codebook": lambda h, e, z: (h.detach() - e).square().sum(1).mean(),
            "commitment": lambda h, e, z: (h - e.detach()).square().sum(1).mean(),
            "loss": lambda r, b, c, beta: r + b + beta * c,
            "parts": lambda loss, r, b, c, beta: [loss, r, b, c],
        } | changed

    def __call__(self, h, codes, x, weight, beta):
        h, codes, weight = of = leaves(h, codes, weight)
        e = codes[torch.cdist(h, codes).argmin(1)]
        z = self.changed["z"](h, e)
        r = self.changed["reconstruction"](torch.tensor(x) - z @ weight.T)
        b, c = self.changed["codebook"](h, e, z), self.changed["commitment"](h, e, z)
        loss = self.changed["loss"](r, b, c, beta)
        return torch.stack(self.changed["parts"](loss, r, b, c, beta)), *slopes(loss, of)


def loss_by_hand(h, codes, x, weight, beta):
    k = nearest(h, codes)
    hot = np.eye(len(codes))[k]
    e, n = hot @ codes, len(h)
    missed = e @ weight.T - x
    squares = ((h - e) ** 2).sum() / n
    error = (missed**2).sum() / (2 * n)
    for_h = (missed @ weight + 2 * beta * (h - e)) / n
    values = np.array([error + squares + beta * squares, error, squares, squares])
    return values, for_h, hot.T @ (2 * (e - h)) / n, missed.T @ e / n


def late(h, e, z):
    return (h.detach() - z).square().sum(1).mean()


def unstopped(h, e, z):
    return (h - e).square().sum(1).mean()


exchanged = Loss(
    codebook=lambda h, e, z: (h - e.detach()).square().sum(1).mean(),
    commitment=lambda h, e, z: (h.detach() - e).square().sum(1).mean(),
)


def shares(k, num_codes):
    return np.bincount(np.ravel(k), minlength=num_codes) / np.size(k)


def entropy(k, num_codes):
    u = shares(k, num_codes)
    u = u[u > 0]
    return -(u * np.log(u)).sum()


def perplexity(k, num_codes):
    return np.exp(entropy(k, num_codes))


def perplexity_by_torch(k, num_codes):
    return torch.distributions.Categorical(probs=torch.tensor(shares(k, num_codes))).entropy().exp()


def perplexity_in_bits(k, num_codes):
    return 2 ** -sum(u * np.log2(u) for u in shares(k, num_codes) if u)


def with_nan(k, num_codes):
    with np.errstate(all="ignore"):
        u = shares(k, num_codes)
        return np.exp(-(u * np.log(u)).sum())


def of_counts(k, num_codes):
    n = np.unique(k, return_counts=True)[1]
    return np.exp(-(n * np.log(n)).sum())


def sums_of(h, codes):
    k = nearest(h, codes)
    total = np.zeros_like(codes)
    np.add.at(total, k, h)
    return np.bincount(k, minlength=len(codes)), total


def averaged(keep=lambda d: d, new=lambda d: 1 - d, total=lambda n, s: s, codes=lambda N, S, n, s, e: S / N[:, None]):
    def answer(h, e, counts, sums, decay):
        n, s = sums_of(h, e)
        N = keep(decay) * counts + new(decay) * n
        S = keep(decay) * sums + new(decay) * total(n, s)
        with np.errstate(all="ignore"):
            return codes(N, S, n, s, e), N, S

    return answer


def averaged_by_torch(h, codes, counts, sums, decay):
    h, codes, counts, sums = map(torch.tensor, (h, codes, counts, sums))
    hot = torch.nn.functional.one_hot(torch.cdist(h, codes).argmin(1), len(codes)).double()
    counts.lerp_(hot.sum(0), 1 - decay)
    sums.lerp_(hot.T @ h, 1 - decay)
    return [sums / counts[:, None], counts, sums]


def indexed(h, codes, counts, sums, decay, count=False):
    """The sums, and the counts if asked, by S[k] += h, which keeps one vector of several."""
    k = nearest(h, codes)
    S, n = np.zeros_like(sums), np.zeros_like(counts)
    S[k] += h
    n[k] += 1
    n = n if count else np.bincount(k, minlength=len(codes))
    N, S = decay * counts + (1 - decay) * n, decay * sums + (1 - decay) * S
    return S / N[:, None], N, S


def smoothed(h, codes, counts, sums, decay, shown=False):
    _, N, S = averaged()(h, codes, counts, sums, decay)
    smooth = (N + 1e-5) / (N.sum() + 1e-5 * len(N)) * N.sum()
    return S / smooth[:, None], smooth if shown else N, S


def means(n, s):
    return s / np.maximum(n, 1)[:, None]


def or_before(n, s, e):
    return np.where(n[:, None] > 0, means(n, s), e)


def kept(N, S, n, s, e):
    return np.where(n[:, None] > 0, S / N[:, None], e)


def averaged_codes(h, e, counts, sums, decay):
    _, N, S = averaged()(h, e, counts, sums, decay)
    return decay * e + (1 - decay) * means(*sums_of(h, e)), N, S


class TestAnswers(Answers):
    notebook = "vqvae"
    right = (
        ("nearest", "nearest", nearest),
        ("nearest", "nearest", nearest_by_torch),
        ("nearest", "nearest", nearest_by_scipy),
        ("straight_through", "straight_through", through(lambda h, e: h + (e - h).detach())),
        ("straight_through", "straight_through", through(lambda h, e: e.detach() + h - h.detach())),
        ("straight_through", "straight_through", through(Copied.apply)),
        ("straight_through", "straight_through", through_without_autograd),
        ("loss", "loss", Loss()),
        ("loss", "loss", loss_by_hand),
        ("perplexity", "perplexity", perplexity),
        ("perplexity", "perplexity", perplexity_by_torch),
        ("perplexity", "perplexity", perplexity_in_bits),
        ("moving_average", "moving_average", averaged()),
        ("moving_average", "moving_average", averaged(codes=kept)),
        ("moving_average", "moving_average", averaged_by_torch),
    )
    wrong = (
        ("nearest", lambda h, e: ((h**2).sum(1)[:, None] + (e**2).sum(1)).argmin(1), "the cross term is missing"),
        ("nearest", lambda h, e: (2 * h @ e.T + (e**2).sum(1)).argmin(1), "the cross term has the wrong sign"),
        ("nearest", lambda h, e: ((e**2).sum(1) - h @ e.T).argmin(1), "factor 2"),
        ("nearest", lambda h, e: (h @ e.T).argmax(1), "|e|^2 is missing"),
        ("nearest", lambda h, e: (h @ e.T / np.linalg.norm(e, axis=1)).argmax(1), "most similar direction"),
        ("nearest", lambda h, e: cdist(h, e, "cityblock").argmin(1), "absolute differences"),
        ("nearest", lambda h, e: ((h[:, None] - e).sum(2) ** 2).argmin(1), "summed before"),
        ("nearest", lambda h, e: cdist(h, e).argmax(1), "farthest"),
        ("nearest", lambda h, e: e[nearest(h, e)], "these are the codes"),
        ("nearest", lambda h, e: cdist(h, e, "sqeuclidean").min(1), "these are the distances"),
        ("nearest", lambda h, e: cdist(h, e, "sqeuclidean"), "these are all distances"),
        ("nearest", lambda h, e: cdist(h, e).argmin(0), "nearest vector"),
        ("nearest", lambda h, e: nearest(h, e) + 1, "count from 0"),
        ("straight_through", through(lambda h, e: e.detach()), "no gradient reaches h"),
        ("straight_through", through(lambda h, e: e), "no gradient reaches h"),
        ("straight_through", through(lambda h, e: e), "reaches the code"),
        ("straight_through", through(lambda h, e: h), "this is h"),
        ("straight_through", through(lambda h, e: h + e.detach()), "subtract h"),
        ("straight_through", through(lambda h, e: h + e - h.detach()), "reaches the code"),
        ("straight_through", through(lambda h, e: e - h + h.detach()), "wrong sign"),
        ("straight_through", through(lambda h, e: 2 * h + (e - 2 * h).detach()), "twice"),
        ("straight_through", through(lambda h, e: h + (2 * e - h).detach() - e), "a minus"),
        ("loss", Loss(codebook=unstopped, commitment=unstopped), "no stop-gradient"),
        ("loss", Loss(loss=lambda r, b, c, beta: r + beta * b + c), "beta is on the codebook term"),
        ("loss", exchanged, "the two stop-gradients are exchanged"),
        ("loss", Loss(z=lambda h, e: h), "the decoder takes h"),
        ("loss", Loss(codebook=late), "pushes h away"),
        ("loss", Loss(codebook=late), "no term moves the codes"),
        ("loss", Loss(codebook=late, commitment=lambda h, e, z: (h - z).square().sum(1).mean()), "vanishes"),
        ("loss", Loss(codebook=lambda h, e, z: (h - z).square().sum(1).mean()), "no term moves the codes"),
        ("loss", Loss(z=lambda h, e: e), "the reconstruction moves the codes"),
        ("loss", Loss(z=lambda h, e: e), "does not reach h"),
        ("loss", Loss(z=lambda h, e: e, codebook=unstopped, commitment=unstopped), "h instead; and no stop-gradient"),
        ("loss", Loss(z=lambda h, e: e.detach(), commitment=late), "should both bring one"),
        ("loss", lambda *given: [*Loss()(*given)[:3], 0 * given[3]], "no gradient reaches the decoder"),
        ("loss", Loss(z=lambda h, e: e.detach()), "straight-through passes no gradient"),
        (
            "loss",
            Loss(z=lambda h, e: e.detach(), codebook=unstopped, commitment=unstopped),
            "and there is no stop-gradient",
        ),
        (
            "loss",
            Loss(
                codebook=lambda h, e, z: unstopped(h, e, z) / h.shape[1],
                commitment=lambda h, e, z: unstopped(h, e, z) / h.shape[1],
            ),
            "the squares are averaged over the dimensions",
        ),
        (
            "loss",
            Loss(
                reconstruction=lambda m: m.square().mean() / 2,
                codebook=lambda h, e, z: (h.detach() - e).square().mean(),
                commitment=lambda h, e, z: (h - e.detach()).square().mean(),
            ),
            "squares and reconstruction are averaged",
        ),
        ("loss", Loss(reconstruction=lambda m: m.square().mean() / 2), "the reconstruction is averaged"),
        (
            "loss",
            Loss(
                reconstruction=lambda m: m.square().sum() / 2,
                codebook=lambda h, e, z: (h.detach() - e).square().sum(),
                commitment=lambda h, e, z: (h - e.detach()).square().sum(),
            ),
            "the loss is a mean over them",
        ),
        (
            "loss",
            Loss(
                codebook=lambda h, e, z: (h.detach() - e).square().sum(),
                commitment=lambda h, e, z: (h - e.detach()).square().sum(),
            ),
            "the squares are summed over the vectors",
        ),
        ("loss", Loss(loss=lambda r, b, c, beta: r + b), "the commitment is not in the loss"),
        ("loss", Loss(loss=lambda r, b, c, beta: r + beta * c), "the codebook term is not in the loss"),
        ("loss", Loss(loss=lambda r, b, c, beta: r + b + c), "beta is left out"),
        ("loss", Loss(loss=lambda r, b, c, beta: r + beta * (b + c)), "beta weighs both"),
        ("loss", Loss(loss=lambda r, b, c, beta: r + 0 * b), "the two terms are not in the loss"),
        ("loss", Loss(reconstruction=lambda m: m.square().sum(1).mean()), "lacks its 1/2"),
        (
            "loss",
            Loss(
                codebook=lambda h, e, z: unstopped(h.detach(), e, z) / 2,
                commitment=lambda h, e, z: unstopped(h, e.detach(), z) / 2,
            ),
            "the terms are halved",
        ),
        (
            "loss",
            Loss(
                codebook=lambda h, e, z: (h.detach() - e).norm(dim=1).mean(),
                commitment=lambda h, e, z: (h - e.detach()).norm(dim=1).mean(),
            ),
            "the square root was taken",
        ),
        ("loss", Loss(parts=lambda loss, r, b, c, beta: [loss, r, b, beta * c]), "report it without"),
        ("perplexity", with_nan, "0 log 0"),
        ("perplexity", entropy, "the entropy in nats"),
        ("perplexity", lambda k, n: entropy(k, n) / np.log(2), "the entropy in bits"),
        ("perplexity", lambda k, n: 2 ** entropy(k, n), "2 to the nats"),
        ("perplexity", lambda k, n: np.exp(entropy(k, n) / np.log(2)), "e to the bits"),
        ("perplexity", lambda k, n: np.exp(-entropy(k, n)), "the sign is wrong"),
        ("perplexity", lambda k, n: len(np.unique(k)), "codes in use"),
        ("perplexity", of_counts, "these are counts"),
        ("perplexity", lambda k, n: np.exp(entropy(k, n) / n), "divided by K"),
        ("moving_average", averaged(keep=lambda d: 1 - d, new=lambda d: d), "exchanged"),
        ("moving_average", averaged(new=lambda d: 1), "without 1 - decay"),
        ("moving_average", averaged(keep=lambda d: 1), "without decay"),
        ("moving_average", averaged(total=means), "where its sums belong"),
        ("moving_average", averaged(codes=lambda N, S, n, s, e: S / np.maximum(n, 1)[:, None]), "this batch alone"),
        ("moving_average", averaged(codes=lambda N, S, n, s, e: or_before(n, s, e)), "the means of this batch"),
        ("moving_average", averaged(codes=lambda N, S, n, s, e: s / n[:, None]), "divides 0 by 0"),
        ("moving_average", averaged_codes, "are averaged themselves"),
        ("moving_average", lambda *given: [averaged()(*given)[i] for i in (1, 0, 2)], "should have the shapes"),
        ("moving_average", indexed, "only the last is added"),
        ("moving_average", functools.partial(indexed, count=True), "for the counts too"),
        ("moving_average", smoothed, "smoothed by an epsilon"),
        ("moving_average", functools.partial(smoothed, shown=True), "and return it so"),
    )


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("straight_through", through(lambda h, e: (h + (e - h)).detach())),
        ("straight_through", through(lambda h, e: h)),
        ("straight_through", through(lambda h, e: e + h - h.detach())),
        ("loss", Loss(z=lambda h, e: e.detach())),
        ("loss", Loss(codebook=unstopped)),
        ("loss", Loss(commitment=unstopped)),
        ("loss", Loss(codebook=unstopped, commitment=unstopped)),
        ("loss", Loss(codebook=late)),
        ("loss", Loss(loss=lambda r, b, c, beta: r + beta * b + c)),
    ],
)
def test_the_central_mistakes_lose_at_least_half(question, answer):
    outcome = TestAnswers.judge(question, answer)
    assert outcome.score <= outcome.points / 2


def test_every_decay_tells_the_old_from_the_new():
    assert TestAnswers.judge("moving_average", averaged(keep=lambda d: 1 - d, new=lambda d: d)).score == 0
