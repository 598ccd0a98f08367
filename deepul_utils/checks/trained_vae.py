"""Trained VAEs, judged by a bound of many draws that no model can pretend to.

The encoder may say what it likes, for any proposal gives a bound. The decoder may not: it has to be a function of z
alone. So z is drawn here, after the encoder has answered; it is decoded by a process that never saw an image; and what
counted most is decoded once more, by one that has seen little else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import special
from torch import Tensor
from torch.nn import functional as F

from deepul_utils.checks.laws import LawBroken

_CALL = 1 << 20  # numbers that one call of the model returns at most
_FARTHEST = 1e3  # from 0 that a mean of q may lie
_SCALES = 20.0  # the largest |log s|
_LATENTS = 512  # at most; each of them takes some 6 MB here
_GAIN = 3.0  # nats that many draws may add to few: what an example gains beyond is not counted
_SAME = 1e-3  # of log p(x | z), absolute and relative: rounding, as it differs from batch to batch


def evidence_loss(
    build: Callable[[], Any],
    x: ArrayLike,
    *,
    seed: int,
    draws: int = 5000,
    few: int = 50,
    rows: int = 40,
    restart: Callable[[], None] = lambda: None,
) -> float:
    """-L_K in nats per example, K = `draws`, of a VAE with diagonal normal q, prior N(0, I) and Bernoulli likelihood.

    K draws for every example would take twenty times as long. So all examples get `few` draws, and what K draws add
    to that is measured on `rows` of them: mean L_few + mean min(L_K - L_few, 3), on average at most L_K. Without the
    minimum, a proposal that makes L_few noisy enough would win as often as it loses.

    The model is asked in three processes that know nothing of each other, where it runs in a sandbox:

    1. its encoder, for q of every example;
    2. its decoder, for the logits at every z, those of all examples mixed, so that it cannot make out which belong
       together;
    3. its decoder again, at one z of each example, chosen by its weight. What it remembered, or read off the batch, is
       gone there, and a log p(x | z) that carries weight would be another one.

    Args:
        build: makes the student's model, whose `encoder` maps x (B, D), float32, to (B, 2 Z), the means and then the
            log standard deviations of q, and whose `decoder` maps z (B, Z) to (B, D) logits.
        x: (N, D) test examples, 0 or 1.
        seed: draws z, the order and the rows.
        draws: K.
        few: draws for every example.
        rows: examples that get K draws.
        restart: gives the student's code a process without memory; see `Student.restart`.

    Raises:
        LawBroken: the answers are malformed, or the decoder's depend on more than z.
    """
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.permutation(np.asarray(x)).astype(np.float32))
    loc, log_scale = _encoded(build(), x)  # (N, Z) each
    N, Z = loc.shape

    chosen = rng.permutation(N)[:rows]
    image = np.concatenate([np.repeat(np.arange(N), few), np.repeat(chosen, draws)])
    order = rng.permutation(len(image))
    image = image[order]
    noise = rng.normal(size=(len(image), Z))
    z = (loc[image] + np.exp(log_scale[image]) * noise).astype(np.float32)

    restart()
    log_likelihood = _decoded(build(), x, z, image)
    log_prior = -(z.astype(np.float64) ** 2).sum(1) / 2
    log_w = log_likelihood + log_prior + (noise**2 / 2 + log_scale[image]).sum(1)  # 2 pi cancels
    drawn = np.empty_like(log_w)
    drawn[order] = log_w
    by_few, by_many = drawn[: N * few].reshape(N, few), drawn[N * few :].reshape(-1, draws)
    bound, better = log_mean(by_few, 1), log_mean(by_many, 1)

    # One draw of each example by its share: Gumbel noise makes the largest of the log-weights a draw by weight.
    at = np.argsort(order)  # where each draw stands in the mixed order
    marked = drawn + rng.gumbel(size=len(drawn))
    picked = np.concatenate(
        [
            at[: N * few].reshape(N, few)[np.arange(N), marked[: N * few].reshape(N, few).argmax(1)],
            at[N * few :].reshape(-1, draws)[np.arange(len(chosen)), marked[N * few :].reshape(-1, draws).argmax(1)],
        ]
    )
    again = rng.permutation(picked)
    restart()
    if not np.allclose(_decoded(build(), x, z[again], image[again]), log_likelihood[again], rtol=_SAME, atol=_SAME):
        raise LawBroken(
            "the decoder gives other logits for the same z in another batch: no dropout, nothing random, no batch "
            "normalisation in training mode, and nothing that is kept from earlier calls"
        )
    return -float(bound.mean() + np.minimum(better - bound[chosen], _GAIN).mean())


def log_mean(log_w: np.ndarray, axis: int = 0) -> np.ndarray:
    """log mean exp(log_w) over an axis."""
    return np.asarray(special.logsumexp(log_w, axis=axis) - math.log(log_w.shape[axis]))


def _encoded(model: Any, x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Means and log standard deviations of q, (N, Z) each.

    Raises:
        LawBroken: they are something else.
    """
    answers = [_floats(model.encoder(some), len(some), "the encoder") for some in x.split(256)]
    widths = {answer.shape[1] for answer in answers}
    if len(widths) > 1 or min(widths) % 2 or not min(widths):
        raise LawBroken(
            f"the encoder should return (B, 2 Z), a mean and a log standard deviation for each latent, got "
            f"{' and '.join(str(width) for width in sorted(widths))} columns"
        )
    loc, log_scale = np.split(np.concatenate(answers), 2, axis=1)
    if loc.shape[1] > _LATENTS:
        raise LawBroken(f"the model should have at most {_LATENTS} latents, got {loc.shape[1]}")
    if np.abs(loc).max() > _FARTHEST or np.abs(log_scale).max() > _SCALES:
        raise LawBroken(
            f"the encoder's means should lie within {_FARTHEST:g} of 0 and its log standard deviations within "
            f"{_SCALES:g}; got up to {np.abs(loc).max():.3g} and {np.abs(log_scale).max():.3g}"
        )
    return loc, log_scale


def _decoded(model: Any, x: Tensor, z: np.ndarray, image: np.ndarray) -> np.ndarray:
    """log p(x | z) of each z (S, Z) for its image, (S,).

    Raises:
        LawBroken: the decoder returns something else than logits.
    """
    result = []
    for start in range(0, len(z), max(1, _CALL // x.shape[1])):
        part = slice(start, start + max(1, _CALL // x.shape[1]))
        logits = torch.from_numpy(_floats(model.decoder(torch.from_numpy(z[part])), len(z[part]), "the decoder"))
        if logits.shape[1] != x.shape[1]:
            raise LawBroken(f"the decoder should return {x.shape[1]} logits for each z, got {logits.shape[1]}")
        values = x[image[part]]
        result.append((values * logits - F.softplus(logits)).sum(1, dtype=torch.float64).numpy())
    log_likelihood = np.concatenate(result)
    if not np.isfinite(log_likelihood).all():
        raise LawBroken("the decoder's logits are so large that log p(x | z) is not finite")
    return log_likelihood


def _floats(answer: Any, rows: int, what: str) -> np.ndarray:
    """`answer` as a table with so many rows.

    Raises:
        LawBroken: it is something else.
    """
    got = answer.detach().numpy() if isinstance(answer, Tensor) else answer
    if not isinstance(got, np.ndarray) or got.dtype.kind != "f":
        raise LawBroken(f"{what} should return an array of floats")
    if got.ndim != 2 or len(got) != rows:
        raise LawBroken(f"{what} should return one row for each of {rows}, got an array of shape {got.shape}")
    if not np.isfinite(got).all():
        raise LawBroken(f"{what} returns NaN or infinity")
    return got
