"""The homework iwae: right answers however written, classic mistakes with their causes."""

import functools
import re

import numpy as np
import pytest
import safetensors.torch
import torch
from answers import Answers
from scipy import special
from torch import nn
from torch.distributions import Normal

from deepul_utils.checks.question import QUESTIONS
from deepul_utils.checks.student import NotebookStudent
from deepul_utils.checks.trained_vae import evidence_loss
from deepul_utils.checks.week4 import iwae as questions
from deepul_utils.distributions.base import StandardNormal
from deepul_utils.distributions.independent import IndependentBernoulli
from deepul_utils.models.vae import VAE


def log_mean(log_w, axis=0):
    return special.logsumexp(log_w, axis=axis) - np.log(log_w.shape[axis])


def bound(likelihood, prior, q):
    return log_mean(likelihood + prior - q)


def bound_by_torch(likelihood, prior, q):
    log_w = torch.as_tensor(likelihood) + torch.as_tensor(prior) - torch.as_tensor(q)
    return torch.logsumexp(log_w - np.log(len(log_w)), dim=0)


def bound_in_a_loop(likelihood, prior, q):
    result = []
    for column in (likelihood + prior - q).T:
        top = max(column)
        result.append(top + np.log(sum(np.exp(w - top) for w in column) / len(column)))
    return result


def weights(log_w):
    return special.softmax(log_w, axis=0)


def weights_in_place(log_w):
    log_w -= log_w.max(0)
    np.exp(log_w, out=log_w)
    log_w /= log_w.sum(0)
    return log_w


def autodiff(objective, sampled=False, halved=False, landing=False):
    """The gradient of an objective of the log-weights, by torch."""

    def gradient(x, loc, log_scale, noise, slope, scale):
        x, noise = torch.as_tensor(x), torch.as_tensor(noise)
        q = torch.tensor(np.stack([loc, log_scale]), requires_grad=True)
        law = Normal(q[0], (q[1] / 2 if halved else q[1]).exp())
        z = law.loc + law.scale * noise
        z = z.detach() if sampled else z
        law = Normal(law.loc.detach(), law.scale.detach()) if landing else law
        log_w = Normal(0.0, 1.0).log_prob(z) + Normal(slope * z, scale).log_prob(x) - law.log_prob(z)
        return torch.autograd.grad(objective(log_w).sum(), q)[0]

    return gradient


gradient = autodiff(lambda w: w.logsumexp(0))


def gradient_by_hand(x, loc, log_scale, noise, slope, scale):
    s = np.exp(log_scale)
    z = loc + s * noise
    log_w = -(z**2) / 2 - ((x - slope * z) / scale) ** 2 / 2 + noise**2 / 2
    share = np.exp(log_w - special.logsumexp(log_w, axis=0))
    by_z = slope * (x - slope * z) / scale**2 - z
    return np.stack([np.sum(share * by_z, 0), 1 + np.sum(share * by_z * s * noise, 0)])


def in_chunks(chunks):
    return log_mean(np.concatenate(chunks))


def in_chunks_one_by_one(chunks):
    total, count = None, 0
    for log_w in map(torch.as_tensor, chunks):
        here = log_w.logsumexp(0)
        total = here if total is None else torch.logaddexp(total, here)
        count += len(log_w)
    return total - np.log(count)


def binarized(train, test, epochs, seed):
    rng = np.random.default_rng(seed)
    return rng.random((epochs, *train.shape)) < train / 255, rng.random(test.shape) < test / 255


def binarized_by_torch(train, test, epochs, seed):
    train, test = torch.tensor(train) / 255, torch.tensor(test) / 255
    generators = torch.Generator().manual_seed(2 * seed), torch.Generator().manual_seed(2 * seed + 1)
    shown = [torch.bernoulli(train, generator=generators[0]).int() for _ in range(epochs)]
    return [torch.stack(shown), torch.bernoulli(test, generator=generators[1])]


def binarized_in_lists(train, test, epochs, seed):
    shown, seen = binarized(train, test, epochs, seed)
    return list(shown), [list(image.astype(int)) for image in seen]


def drawn(rng_of_epoch, rng_of_test, noise=lambda rng, shape: rng.random(shape), share=lambda grey: grey / 255):
    """Binarization with generators of a kind for each epoch and for the test images."""

    def binarized(train, test, epochs, seed):
        shown = [noise(rng_of_epoch(seed, e), train.shape) < share(train) for e in range(epochs)]
        return np.stack(shown), noise(rng_of_test(seed), test.shape) < share(test)

    return binarized


def own(seed, e=-1):
    return np.random.default_rng([seed, e + 1])


def overflowing(likelihood, prior, q):
    with np.errstate(all="ignore"):
        return np.log(np.exp(likelihood + prior - q).mean(0))


def propped(likelihood, prior, q, small=1e-300):
    with np.errstate(all="ignore"):
        return np.log(np.exp(likelihood + prior - q).mean(0) + small)


def clamped(likelihood, prior, q):
    with np.errstate(all="ignore"):
        return np.log(np.maximum(np.exp(likelihood + prior - q).sum(0), 1e-30) / len(q))


def shared_maximum(likelihood, prior, q):
    log_w = likelihood + prior - q
    with np.errstate(all="ignore"):
        return np.log(np.exp(log_w - log_w.max()).mean(0)) + log_w.max()


def direct(log_w, of=lambda w: w / w.sum(0)):
    with np.errstate(all="ignore"):
        return of(np.exp(log_w))


def each(chunks):
    return np.stack([log_mean(chunk) for chunk in chunks])


class TestAnswers(Answers):
    notebook = "iwae"
    right = (
        ("bound", "bound", bound),
        ("bound", "bound", bound_by_torch),
        ("bound", "bound", bound_in_a_loop),
        ("weights", "weights", weights),
        ("weights", "weights", weights_in_place),
        ("weights", "weights", lambda w: torch.softmax(torch.as_tensor(w), 0)),
        ("gradient", "gradient", gradient),
        ("gradient", "gradient", gradient_by_hand),
        ("gradient", "gradient", autodiff(lambda w: (w.softmax(0).detach() * w).sum(0))),
        ("in_chunks", "in_chunks", in_chunks),
        ("in_chunks", "in_chunks", in_chunks_one_by_one),
        ("binarized", "binarized", binarized),
        ("binarized", "binarized", binarized_by_torch),
        ("binarized", "binarized", binarized_in_lists),
        ("binarized", "binarized", drawn(own, own)),
    )
    wrong = (
        ("bound", lambda p, r, q: special.logsumexp(p + r - q, axis=0), "- log K is left out"),
        ("bound", lambda p, r, q: (p + r - q).mean(0), "mean of logarithms"),
        ("bound", lambda p, r, q: log_mean(p + r - q, 1), "runs over the batch: it runs"),
        ("bound", lambda p, r, q: special.logsumexp(p + r - q, axis=1), "without - log N"),
        ("bound", lambda p, r, q: bound(p, r, q) + np.log(len(p) / p.shape[1]), "subtracts log N"),
        ("bound", lambda p, r, q: special.logsumexp(p + r - q, axis=0) - len(p), "subtracts K"),
        ("bound", lambda p, r, q: special.logsumexp(p + r - q) - np.log(p.size), "put together"),
        ("bound", lambda p, r, q: bound(p, r, q).mean(), "one number for each"),
        ("bound", lambda p, r, q: -bound(p, r, q), "minus the bound"),
        ("bound", lambda p, r, q: bound(p, r, -q), "log q is added"),
        ("bound", lambda p, r, q: bound(p, r, 0), "log q is left out"),
        ("bound", lambda p, r, q: bound(p, 0, q), "the prior is left out"),
        ("bound", lambda p, r, q: bound(p, 0, 0), "neither prior nor q"),
        ("bound", lambda p, r, q: (p + r - q).max(0) - np.log(len(p)), "only the largest"),
        ("bound", lambda p, r, q: torch.as_tensor(bound(p, r, q)).exp(), "this is the mean weight"),
        ("bound", overflowing, "round to 0 or overflow"),
        ("bound", propped, "a small number"),
        ("bound", clamped, "a small number"),
        ("bound", shared_maximum, "of all examples is subtracted"),
        ("weights", direct, "round to 0 or overflow"),
        ("weights", functools.partial(direct, of=lambda w: w / w.sum(0).clip(1e-12)), "a clamp hides"),
        ("weights", functools.partial(direct, of=lambda w: w), "these are not normalised"),
        ("weights", lambda w: direct(w - w.max()), "of all examples is subtracted"),
        ("weights", lambda w: special.softmax(w, axis=1), "of each draw sum to 1"),
        ("weights", special.softmax, "of all examples sum to 1 together"),
        ("weights", lambda w: len(w) * weights(w), "divided by their mean"),
        ("weights", lambda w: special.log_softmax(w, axis=0), "these are logarithms"),
        ("weights", lambda w: np.full_like(w, 1 / len(w)), "the same weight"),
        ("weights", lambda w: w / w.sum(0), "take exp first"),
        ("gradient", autodiff(lambda w: (w.softmax(0) * w).sum(0)), "differentiated, too"),
        ("gradient", autodiff(lambda w: w.mean(0)), "mean of logarithms"),
        ("gradient", autodiff(lambda w: w.sum(0)), "left undivided"),
        ("gradient", autodiff(lambda w: -w.logsumexp(0)), "gradient of the loss"),
        ("gradient", autodiff(lambda w: (w.softmax(1).detach() * w).sum(0)), "runs over the batch"),
        ("gradient", autodiff(lambda w: w.logsumexp(1)), "runs over the batch"),
        ("gradient", autodiff(lambda w: w.logsumexp(0).mean()), "its own gradient"),
        ("gradient", autodiff(lambda w: w.logsumexp(0) / len(w)), "sum to 1 already"),
        ("gradient", autodiff(lambda w: w.logsumexp(0), sampled=True), "cut off"),
        ("gradient", autodiff(lambda w: w.logsumexp(0), halved=True), "of the variance"),
        ("gradient", autodiff(lambda w: w.logsumexp(0), landing=True), "log q is cut off"),
        ("gradient", autodiff(lambda w: w.exp().mean(0)), "of the mean weight"),
        ("gradient", autodiff(lambda w: w.exp().mean(0).log()), "NaN where all weights"),
        ("gradient", autodiff(lambda w: (w.exp() / w.exp().sum(0)).detach() * w), "NaN where all weights"),
        ("gradient", lambda x, m, s, *rest: gradient_by_hand(x, m, s, *rest)[::-1], "exchanged"),
        (
            "gradient",
            lambda x, m, s, *rest: gradient_by_hand(x, m, s, *rest) / np.stack([np.ones_like(s), np.exp(s)]),
            "asked for log_scale",
        ),
        ("in_chunks", lambda chunks: each(chunks).mean(0), "bounds are averaged: that"),
        (
            "in_chunks",
            lambda chunks: np.average(each(chunks), axis=0, weights=[len(chunk) for chunk in chunks]),
            "weighted by their draws",
        ),
        ("in_chunks", lambda chunks: log_mean(each(chunks)), "counts the same"),
        ("in_chunks", lambda chunks: special.logsumexp(np.concatenate(chunks), axis=0), "- log K is left out"),
        (
            "in_chunks",
            lambda chunks: special.logsumexp(np.concatenate(chunks), axis=0) - np.log(len(chunks)),
            "not of draws",
        ),
        (
            "in_chunks",
            lambda chunks: (
                np.logaddexp(0, special.logsumexp(np.concatenate(chunks), axis=0)) - np.log(sum(map(len, chunks)))
            ),
            "begin at -inf",
        ),
        ("in_chunks", lambda chunks: np.concatenate(chunks).mean(0), "logarithms are averaged"),
        ("in_chunks", lambda chunks: each(chunks).max(0), "best of the chunks"),
        ("in_chunks", lambda chunks: each(chunks)[-1], "only the last"),
        ("in_chunks", lambda chunks: each(chunks)[0], "only the first"),
        ("in_chunks", lambda chunks: overflowing(np.concatenate(chunks), 0, 0), "round to 0: add up in log space"),
        (
            "in_chunks",
            lambda chunks: sum(special.logsumexp(chunk, axis=0) for chunk in chunks) - np.log(sum(map(len, chunks))),
            "are added up: their product",
        ),
        (
            "in_chunks",
            lambda chunks: special.logsumexp(np.concatenate(chunks), axis=0) - np.log(len(chunks) * len(chunks[0])),
            "may be shorter",
        ),
        ("binarized", lambda *a: [np.stack([a[0] > 127] * a[2]), a[1] > 127], "thresholded"),
        ("binarized", drawn(own, own, share=lambda grey: 1 - grey / 255), "exchanged"),
        ("binarized", drawn(own, own, share=lambda grey: grey), "divided by 255"),
        ("binarized", drawn(lambda seed, e: own(seed), lambda seed: own(seed, 9)), "static"),
        ("binarized", drawn(lambda seed, e: own(seed, e % 5), own), "some epochs have"),
        ("binarized", drawn(lambda seed, e: own(seed, (e + 1) // 2), own), "repeats the draws of the one before"),
        ("binarized", drawn(lambda seed, e: own(seed, e), lambda seed: own(seed, 0)), "seed of their own"),
        ("binarized", drawn(own, own, lambda rng, shape: rng.random((shape[0], 1))), "for each pixel"),
        ("binarized", drawn(own, own, lambda rng, shape: rng.random((1, shape[1]))), "for each image"),
        ("binarized", drawn(lambda seed, e: own(0, e), lambda seed: own(0)), "the seed is not used"),
        ("binarized", drawn(lambda *a: np.random.default_rng(), lambda *a: np.random.default_rng()), "same seed"),
        ("binarized", lambda *a: binarized(*a)[0], "training images and test images"),
        ("binarized", lambda *a: binarized(a[0], a[1].T, *a[2:]), "the test images should have shape"),
        ("binarized", lambda *a: [part * 255 for part in binarized(*a)], "0 or 1"),
    )


@pytest.mark.parametrize(
    "answer",
    [
        drawn(lambda seed, e: own(seed), lambda seed: own(seed, 9)),
        drawn(own, lambda seed: own(seed, 0)),
        drawn(own, own, share=lambda grey: 1 - grey / 255),
    ],
    ids=["static", "the training images' seed for the test", "ink and paper exchanged"],
)
def test_the_central_mistakes_of_binarization_lose_at_least_half(answer):
    outcome = TestAnswers.judge("binarized", answer)
    assert outcome.score <= outcome.points / 2


def test_divided_by_the_draws_is_not_taken_for_an_average_of_the_examples():
    outcome = TestAnswers.judge("gradient", autodiff(lambda w: w.logsumexp(0) / len(w)))
    assert "its own gradient" not in "".join(case.message for case in outcome.cases)


# The trained model: here, instead of MNIST, one of two patterns in greys that leave 87.4 nats to chance


@pytest.fixture
def pattern(monkeypatch):
    pattern = np.random.default_rng(0).random((2, 784)) < 0.5
    kinds = np.random.default_rng(1).integers(2, size=6000)
    images = np.where(pattern[kinds], 249, 6).astype(np.uint8).reshape(-1, 28, 28)
    monkeypatch.setattr(questions, "mnist", lambda: (images, images))
    monkeypatch.setattr(questions, "evidence_loss", functools.partial(evidence_loss, draws=500))  # for speed
    return pattern


class Plain(nn.Module):
    """No more than the two networks that are asked for."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(784, 2)
        self.decoder = nn.Sequential(nn.Linear(1, 1), nn.Tanh(), nn.Linear(1, 784))


def vae():
    return VAE(Plain().encoder, Plain().decoder, IndependentBernoulli, prior=StandardNormal(1))


def handed_in(build_model, pattern, p):
    """Weights where the sign of z, near 1 or -1, tells the pattern, and a pixel is as the pattern says with p."""
    model = build_model()
    apart = pattern[0] * 1.0 - pattern[1]
    first, second = pattern @ apart
    logits = special.logit(np.where(pattern, p, 1 - p))
    values = {
        model.encoder.weight: [2 * apart / (first - second), 0 * apart],
        model.encoder.bias: [-(first + second) / (first - second), np.log(0.6)],
        model.decoder[0].weight: [[50.0]],
        model.decoder[0].bias: [0.0],
        model.decoder[2].weight: (logits[0] - logits[1])[:, None] / 2,
        model.decoder[2].bias: logits.mean(0),
    }
    with torch.no_grad():
        for parameter, value in values.items():
            parameter.copy_(torch.tensor(np.array(value)))
    return {"iwae.safetensors": safetensors.torch.save(model.state_dict())}


@pytest.mark.parametrize(
    ("build_model", "p", "score"),
    [
        (vae, 0.952, 4),
        (Plain, 0.952, 4),
        (vae, 0.949, 2),
        (vae, 0.945, 2),
        (vae, 0.942, 1),
        (vae, 0.932, 1),
        (vae, 0.929, 0),
    ],
)
def test_the_trained_model_gets_points_by_its_bound(pattern, build_model, p, score):
    """It costs the pixels' cross entropy and log 2 for the pattern: about a nat below or above each limit."""
    student = NotebookStudent({"build_model": build_model})
    outcome = QUESTIONS["iwae.trained"].judge(student, 0, handed_in(build_model, pattern, p))
    cost = -784 * (6 / 255 * np.log(1 - p) + 249 / 255 * np.log(p)) + np.log(2)
    assert (outcome.score, outcome.points) == (score, 4)
    if score < 4:
        loss = re.search(r"the test loss is ([\d.]+) nats per image", outcome.cases[-1].message)
        assert float(loss[1]) == pytest.approx(cost, abs=0.3)


def test_no_weights_no_points(pattern):
    outcome = QUESTIONS["iwae.trained"].judge(NotebookStudent({"build_model": vae}), 0, {})
    assert outcome.score == 0
    assert "there is no iwae.safetensors" in outcome.cases[0].message
