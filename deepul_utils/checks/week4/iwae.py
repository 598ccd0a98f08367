"""Homework `iwae`: the bound of K draws, its weights and gradient, evaluation, binarization, a trained VAE."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from scipy import special
from torch import Tensor

from deepul_utils.checks import laws
from deepul_utils.checks.laws import LawBroken
from deepul_utils.checks.question import question
from deepul_utils.checks.trained import limits, loaded
from deepul_utils.checks.trained_vae import evidence_loss, log_mean
from deepul_utils.data.mnist import mnist

_IWAE = "deepul_utils.models.iwae.IWAE"


@question("iwae.bound", points=3, withholds=("deepul_utils.models.vae.VAE.bound", _IWAE))
def bound(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def parts(K: int, N: int, level: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """log p(x | z), log p(z) and log q(z | x), (K, N) each."""
        return level + 2 * rng.normal(size=(K, N)), -rng.gamma(3.0, size=(K, N)), rng.normal(size=(K, N))

    far = parts(4, 3, -2000.0)
    for name, (likelihood, prior, q) in {
        "a few draws": parts(5, 3),
        "more draws than examples": parts(int(rng.integers(20, 60)), 4),
        "one draw: the ELBO's": parts(1, 6),
        "weights that round to 0": far,
        "weights that overflow": parts(3, 4, 1500.0),
        "one example's weights round to 0, another's overflow": tuple(
            part + np.array([0.0, 0.0, 3000.0]) * (part is far[0]) for part in far
        ),
    }.items():
        log_w = likelihood + prior - q
        right = log_mean(log_w)
        K, N = log_w.shape
        with np.errstate(all="ignore"):
            direct, together = np.log(np.exp(log_w).mean(0)), np.exp(log_w - log_w.max())
            causes = {
                "such weights round to 0 or overflow: stay with logarithms and use log-sum-exp": direct,
                "the largest log-weight of all examples is subtracted: subtract each example's own": (
                    log_w.max() + np.log(together.mean(0))
                ),
                "- log K is left out: the bound is the logarithm of the mean weight": right + np.log(K),
                "this is the mean of logarithms, the bound of one draw: average the weights first": log_w.mean(0),
                "the log-sum-exp runs over the batch: it runs over the draws": log_mean(log_w, 1),
                "the log-sum-exp runs over the batch, and without - log N: it runs over the draws": special.logsumexp(
                    log_w, axis=1
                ),
                "this subtracts log N, of the examples: it is log K, of the draws": right + np.log(K / N),
                "this subtracts K: subtract its logarithm": right + np.log(K) - K,
                "draws and examples are put together: one number for each example": special.logsumexp(log_w)
                - np.log(log_w.size),
                "the examples are averaged, too: one number for each": right.mean(),
                "this is minus the bound": -right,
                "log q is added: a weight is divided by q": log_mean(likelihood + prior + q),
                "log q is left out": log_mean(likelihood + prior),
                "the prior is left out": log_mean(likelihood - q),
                "neither prior nor q is there": log_mean(likelihood),
                "only the largest weight counts here: average them all": log_w.max(0) - np.log(K),
                "this is the mean weight: take its logarithm": np.exp(right),
            }
        with case(name):
            got = student.bound(likelihood, prior, q)
            lost, answer = np.isneginf(direct), laws.numbers(got)
            if lost.any() and answer.shape == right.shape and np.isfinite(answer[lost]).all():
                # Whatever the small number is, examples whose weights round to 0 all come to its logarithm.
                causes[
                    "a small number, or a clamp, inside of the logarithm hides that the weights round to 0: stay with "
                    "logarithms and use log-sum-exp"
                ] = np.where(lost, answer[lost][0], direct)
            laws.matches(got, right, what="the bound", tolerance=1e-8, causes=causes)


@question("iwae.weights", points=2)
def weights(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, log_w in {
        "a few draws": rng.normal(size=(4, 3)),
        "many": 3 * rng.normal(size=(int(rng.integers(20, 60)), 5)),
        "one draw: it has everything": rng.normal(size=(1, 4)),
        "weights that round to 0": rng.normal(size=(5, 3)) - 2000,
        "one example's weights round to 0, another's overflow": (
            rng.normal(size=(6, 3)) + np.array([-2000.0, 0.0, 2000.0])
        ),
    }.items():
        right = special.softmax(log_w, axis=0)
        with np.errstate(all="ignore"):
            w, together = np.exp(log_w), np.exp(log_w - log_w.max())
            causes = {
                "such weights round to 0 or overflow: subtract each example's largest log-weight before exp": (
                    w / w.sum(0)
                ),
                "a clamp hides that the weights round to 0: subtract the largest log-weight before exp": w
                / np.maximum(w.sum(0), 1e-12),
                "the largest log-weight of all examples is subtracted: subtract each example's own": (
                    together / together.sum(0)
                ),
                "the weights of each draw sum to 1 here: those of each example should": special.softmax(log_w, axis=1),
                "the weights of all examples sum to 1 together: those of each example should": special.softmax(log_w),
                "the weights are divided by their mean: by their sum": right * len(log_w),
                "these are not normalised: divide by the sum over draws": w,
                "these are logarithms: take exp": special.log_softmax(log_w, axis=0),
                "every draw has the same weight here": np.full_like(log_w, 1 / len(log_w)),
                "the log-weights themselves are normalised: take exp first": log_w / log_w.sum(0),
            }
        with case(name):
            got = student.weights(log_w)
            laws.matches(got, right, what="the normalised weights", tolerance=1e-8, causes=causes)


def _log_weights(x: Tensor, loc: Tensor, log_scale: Tensor, noise: Tensor, slope: float, scale: float) -> Tensor:
    """log w (K, N): z ~ N(0, 1), x ~ N(slope z, scale^2), q = N(loc, exp(log_scale)^2)."""
    z = loc + log_scale.exp() * noise
    constant = -math.log(2 * math.pi) / 2 - math.log(scale)
    return constant - z**2 / 2 - ((x - slope * z) / scale) ** 2 / 2 + noise**2 / 2 + log_scale


@question("iwae.gradient", points=4)
def gradient(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def judge(K: int, N: int, loc: np.ndarray | None = None, log_scale: np.ndarray | None = None) -> None:
        slope, scale = float(rng.uniform(1, 2)), float(rng.uniform(0.5, 1.0))
        x, noise = rng.normal(size=N), rng.normal(size=(K, N))
        if loc is None or log_scale is None:
            loc, log_scale = rng.normal(size=N), rng.uniform(-1, 0.3, N)
        given: tuple[Any, ...] = (x, loc, log_scale, noise)

        def of(objective: Callable[[Tensor], Tensor], log_weights: Callable[..., Tensor] = _log_weights) -> np.ndarray:
            """The gradient for loc and log_scale, (2, N)."""
            tensors = [torch.from_numpy(np.array(part)) for part in given]
            q = [part.requires_grad_() for part in tensors[1:3]]
            log_w = log_weights(tensors[0], *q, tensors[3], slope, scale)
            return torch.stack(torch.autograd.grad(objective(log_w).sum(), q)).numpy()

        def by_sample(x: Tensor, loc: Tensor, log_scale: Tensor, noise: Tensor, *likelihood: float) -> Tensor:
            """z cut off from its mean and scale, as `sample` does: q alone has a gradient."""
            z = (loc + log_scale.exp() * noise).detach()
            moved = (z - loc) / log_scale.exp()
            return -(z**2) / 2 - ((x - likelihood[0] * z) / likelihood[1]) ** 2 / 2 + moved**2 / 2 + log_scale

        def detached_q(x: Tensor, loc: Tensor, log_scale: Tensor, noise: Tensor, *likelihood: float) -> Tensor:
            """log q with mean and scale cut off: z alone passes gradients on."""
            z, s = loc + log_scale.exp() * noise, log_scale.detach()
            moved = (z - loc.detach()) / s.exp()
            return -(z**2) / 2 - ((x - likelihood[0] * z) / likelihood[1]) ** 2 / 2 + moved**2 / 2 + s

        def scales_for_variances(x: Tensor, loc: Tensor, log_scale: Tensor, *rest: Any) -> Tensor:
            return _log_weights(x, loc, log_scale / 2, *rest)

        right = of(lambda log_w: log_w.logsumexp(0))
        causes = {
            "the normalised weights are differentiated, too: detach them, or differentiate log-sum-exp": of(
                lambda log_w: (log_w.softmax(0) * log_w).sum(0)
            ),
            "this is the gradient of the mean of logarithms, the bound of one draw": of(lambda log_w: log_w.mean(0)),
            "the sum over draws is left undivided: this is K times the gradient of the bound of one draw": of(
                lambda log_w: log_w.sum(0)
            ),
            "this is the gradient of the loss: of the bound it is minus that": -right,
            "the softmax, or log-sum-exp, runs over the batch: it runs over the draws": of(
                lambda log_w: log_w.logsumexp(1)
            ),
            "the examples are averaged: each has its own q, and its own gradient": right / N,
            "divided by K: the normalised weights sum to 1 already": right / K,
            "z is cut off from mean and scale: the gradient passes through it": of(
                lambda log_w: log_w.logsumexp(0), by_sample
            ),
            "log q is cut off from mean and scale: the bound depends on them through log q, too": of(
                lambda log_w: log_w.logsumexp(0), detached_q
            ),
            "NaN where all weights of an example round to 0: log-sum-exp, or a softmax, of the log-weights": of(
                lambda log_w: log_w.exp().mean(0).log()
            ),
            "log_scale is taken for the logarithm of the variance": of(
                lambda log_w: log_w.logsumexp(0), scales_for_variances
            ),
            "this is the gradient for the scale: it is asked for log_scale": right
            / np.stack([0 * loc + 1, np.exp(log_scale)]),
            "the two rows are exchanged: first the mean, then log_scale": right[::-1],
            "this is the gradient of the mean weight, not of its logarithm": of(lambda log_w: log_w.exp().mean(0)),
        }
        got = student.gradient(*given, slope, scale)
        laws.matches(got, right, what="the gradient", tolerance=1e-8, causes=causes)

    with case("one draw"):
        judge(1, 4)
    with case("several draws", weight=2):
        judge(5, 4)
    with case("more examples than draws"):
        judge(4, 5)
    with case("a proposal that is far off"):
        judge(int(rng.integers(6, 12)), 3, np.array([40.0, -30.0, 5.0]), np.array([-2.0, -1.0, 0.5]))


@question("iwae.in_chunks", points=2, withholds=("deepul_utils.models.iwae.log_evidence",))
def in_chunks(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def cut(N: int, *sizes: int, level: float = 0.0) -> list[np.ndarray]:
        return [level + 2 * rng.normal(size=(size, N)) for size in sizes]

    uneven = cut(3, 2, 7, 1, level=-1500.0)
    uneven[1][:, 0] += 900
    for name, chunks in {
        "one chunk": cut(4, 6),
        "equal chunks": cut(3, 5, 5, 5),
        "a shorter chunk at the end": cut(3, 6, 6, int(rng.integers(1, 5))),
        "weights that round to 0, and one chunk that has nearly everything": uneven,
    }.items():
        log_w = np.concatenate(chunks)
        right = log_mean(log_w)
        means = np.stack([log_mean(chunk) for chunk in chunks])
        sums = np.stack([special.logsumexp(chunk, axis=0) for chunk in chunks])
        with np.errstate(all="ignore"):
            causes = {
                "such weights round to 0: add up in log space, as np.logaddexp does": np.log(np.exp(log_w).mean(0)),
                "the chunks' bounds are averaged: that is the bound of one chunk's draws; add up the weights": (
                    means.mean(0)
                ),
                "the chunks' bounds are averaged, weighted by their draws: add up the weights": np.average(
                    means, axis=0, weights=[len(chunk) for chunk in chunks]
                ),
                "every chunk counts the same here, however few draws it has": log_mean(means),
                "- log K is left out": right + np.log(len(log_w)),
                "the sum begins at 0, which is the logarithm of one more weight, of 1: begin at -inf": (
                    np.logaddexp(0, special.logsumexp(log_w, axis=0)) - np.log(len(log_w))
                ),
                "this divides by the number of chunks, not of draws": right + np.log(len(log_w) / len(chunks)),
                "logarithms of the chunks' sums are added up: their product": sums.sum(0) - np.log(len(log_w)),
                "logarithms are averaged: average the weights": log_w.mean(0),
                "this is the best of the chunks' bounds: more draws are better than the best few": means.max(0),
                "only the last chunk is here": means[-1],
                "only the first chunk is here": means[0],
                "K is taken from the first chunk times their number: the last one may be shorter": (
                    right + np.log(len(log_w) / (len(chunks[0]) * len(chunks)))
                ),
            }
        causes = {text: value for text, value in causes.items() if not np.allclose(value, right, rtol=1e-8)}
        with case(name):
            got = student.in_chunks(chunks)
            laws.matches(got, right, what="the bound of all draws", tolerance=1e-8, causes=causes)


@question("iwae.binarized", points=3)
def binarized(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    levels = np.array([0, 51, 102, 153, 255])
    grey = rng.permutation(np.repeat(levels, 400)).reshape(40, 50)  # 40 images of 50 pixels
    E = 25  # epochs
    own = int(rng.integers(1, 1000))

    def drawn(train: np.ndarray, test: np.ndarray, own: int = own) -> tuple[np.ndarray, np.ndarray]:
        parts = laws.parts(student.binarized(train, test, E, own), "binarized", ["training images", "test images"])
        first, second = map(laws.numbers, parts)
        for got, shape, what in ((first, (E, *train.shape), "training"), (second, test.shape, "test")):
            if got.shape != shape:
                raise LawBroken(f"the {what} images should have shape {shape}, got {got.shape}")
            if not np.isin(got, (0, 1)).all():
                raise LawBroken(f"the {what} images should be 0 or 1 everywhere")
        return first.astype(int), second.astype(int)

    def inked(got: np.ndarray, greys: np.ndarray, what: str) -> None:
        """Of each grey as many pixels are ink as its probability says."""
        for level in np.unique(greys):
            found, due = float(got[:, greys == level].mean()), level / 255
            if abs(found - due) > 6 * (due * (1 - due) / 400) ** 0.5:
                usual = {
                    "the greys are thresholded: draw, with the grey / 255 as probability": float(level > 127),
                    "ink and paper are exchanged: ink where a uniform number is below grey / 255": 1 - due,
                    "are the greys divided by 255?": float(level > 0),
                }
                near = next((text for text, value in usual.items() if abs(found - value) < 0.02), "")
                raise LawBroken(
                    f"of the {what} pixels of grey {level}, {due:.2f} should be ink, got {found:.2f}"
                    + (f"\n{laws.CAUSE}{near}" if near else "")
                )

    with case("ink with the grey as its probability", weight=2):
        train, test = drawn(grey, np.tile(grey, (10, 1)))
        inked(train, grey, "training")
        inked(test[None], np.tile(grey, (10, 1)), "test")
    half = np.full((30, 64), 128)
    with case("every pixel has its own draw"):
        train, test = drawn(half, half)
        for got, what in ((train[0], "training"), (test, "test")):
            if got.mean(1).std() > 3 * 0.5 / 8:
                raise LawBroken(
                    f"the pixels of a {what} image go together: draw a uniform number for each pixel, not for an image"
                )
            if (got == got[0]).all():
                raise LawBroken(f"all {what} images of the same greys are alike: draw anew for each image")
    with case("every epoch is drawn anew, and so are the test images", weight=4):
        faint = np.full((30, 64), 102)
        train, test = drawn(faint, faint)
        inked(train, faint, "training")
        inked(test[None], faint, "test")
        agree = [float((train[0] == other).mean()) for other in train[1:]]
        if max(agree) > 0.6:
            which = "every epoch has" if min(agree) > 0.6 else "some epochs have"
            raise LawBroken(
                f"{which} the draws of the first one, so that binarization is static: do not start from the same seed "
                "in every epoch"
            )
        if any(float((a == b).mean()) > 0.6 for a, b in pairwise(train)):
            raise LawBroken("an epoch repeats the draws of the one before: draw anew in each")
        if any(float((epoch == test).mean()) > 0.6 for epoch in train):
            raise LawBroken(
                "where test and training images have the same greys, they come out the same: the test images are drawn "
                "with the training images' seed, so go on with the same generator, or give them a seed of their own"
            )
    with case("a seed can be repeated, and another one differs"):
        first, again, other = drawn(half, half), drawn(half, half), drawn(half, half, own + 1)
        if not all(np.array_equal(a, b) for a, b in zip(first, again, strict=True)):
            raise LawBroken(
                "the same seed gives other images when it comes again: draw from a generator with that seed"
            )
        if any(float((a == b).mean()) > 0.6 for a, b in zip(first, other, strict=True)):
            raise LawBroken("another seed gives the same images: the seed is not used for both")


@question("iwae.trained", points=4, weights="iwae")
def trained(student: Any, case: Any, seed: int, weights: Callable[[], dict[str, Tensor]]) -> None:
    def loss() -> float:
        weights()  # says what is missing, before anything is downloaded
        grey = mnist()[1][::10].reshape(-1, 784) / 255
        test = np.random.default_rng([seed, 1]).random(grey.shape) < grey
        return evidence_loss(lambda: loaded(student.build_model, weights), test, seed=seed, restart=student.restart)

    limits(case, loss, {105: 1, 98: 1, 95: 2}, implausible=65, unit="nats per image")
