"""Homework `amortized_inference`: the gaps, both KLs by enumeration, whom the wake and the sleep phase teach."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from deepul_utils.checks import laws
from deepul_utils.checks.question import question

_PARTS = "prior, weight, bias, rec_weight, rec_bias"


@question("amortized_inference.gaps", points=2)
def gaps(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, (searches, n) in {"one search": (1, 4), "several searches": (3, int(rng.integers(5, 12)))}.items():
        log_p = rng.normal(-5, 1, n)
        searched = log_p - rng.gamma(1.0, 0.5, (searches, n))
        amortised = searched.max(0) - rng.gamma(1.0, 0.3, n)
        best = searched.max(0)
        approximation, amortisation = (log_p - best).mean(), (best - amortised).mean()
        right = np.array([approximation, amortisation])
        on_average = searched[searched.mean(1).argmax()]
        causes = {
            "the two are exchanged: the approximation gap comes first": right[::-1],
            "the sign is wrong: a gap is what is missing": -right,
            "the second is the sum of both: take the best q, not log p(x)": np.array(
                [approximation, (log_p - amortised).mean()]
            ),
            "one search is best for all here: take the best for each example": np.array(
                [(log_p - on_average).mean(), (on_average - amortised).mean()]
            ),
            "the searches are averaged: take the best for each example": np.array(
                [(log_p - searched.mean(0)).mean(), (searched.mean(0) - amortised).mean()]
            ),
            "the examples are summed: average over them": right * n,
        }
        with case(name):
            got = student.gaps(log_p, searched, amortised)
            laws.matches(got, right, what="the gaps", tolerance=1e-8, causes=causes)


def _floored(kl: np.ndarray, log_joint: np.ndarray, log_q: np.ndarray) -> bool:
    """Whether KL(q || p), (N,), was taken with a log p(z | x), or a log p(x), that is one number for all examples."""
    q = np.exp(log_q)
    mean = (q * log_q).sum(1) - kl  # of log p(z | x) under q
    return bool(np.ptp(mean) < 1e-6 or np.ptp((q * log_joint).sum(1) - mean) < 1e-6)


@question("amortized_inference.divergences", points=3)
def divergences(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, (n, values, shift) in {
        "three values": (4, 3, 0.0),
        "many values": (3, int(rng.integers(20, 60)), -3.0),
        "log p(x) of -2000": (3, 8, -2000.0),
        "q is the posterior: 0": (3, 5, -1.0),
    }.items():
        log_joint = rng.normal(size=(n, values)) + shift
        log_posterior = special.log_softmax(log_joint, 1)
        log_q = log_posterior if name.startswith("q is") else special.log_softmax(rng.normal(size=(n, values)), 1)
        q, p = np.exp(log_q), np.exp(log_posterior)
        reverse, forward = (q * (log_q - log_posterior)).sum(1), (p * (log_posterior - log_q)).sum(1)
        right = np.stack([reverse, forward], 1)
        joint = np.exp(log_joint)
        causes = {
            "the directions are exchanged: KL(q || p) averages over q and comes first": right[:, ::-1],
            "the sign is wrong: a KL is never negative": -right,
            "the joint is not the posterior: divide by p(x), the sum of p(x, z) over z": np.stack(
                [(q * (log_q - log_joint)).sum(1), (joint * (log_joint - log_q)).sum(1)], 1
            ),
            "the second weighs with the joint: its weights should sum to 1": np.stack(
                [reverse, (joint * (log_posterior - log_q)).sum(1)], 1
            ),
            "both average over q: KL(p || q) averages over the posterior": np.stack([reverse, -reverse], 1),
            "both are KL(q || p): the second averages over the posterior": np.stack([reverse, reverse], 1),
            "the values are not weighted by their probabilities": np.stack(
                [(log_q - log_posterior).mean(1), (log_posterior - log_q).mean(1)], 1
            ),
            "the examples are averaged: one row for each": right.mean(0),
        }
        with case(name):
            got = student.divergences(log_joint, log_q)
            if not np.isfinite(laws.numbers(got)).all() and shift < -700:
                raise laws.LawBroken(
                    f"the divergences are not finite\n{laws.CAUSE}exp(log_joint) is 0 for so small a p(x): "
                    "take the log of the sum by logsumexp"
                )
            answer = laws.numbers(got)
            if shift < -700 and answer.shape == right.shape and _floored(answer[:, 0], log_joint, log_q):
                causes[
                    "exp(log_joint) is 0 for so small a p(x), and a small number added or a clamp takes its place: "
                    "take the log of the sum by logsumexp"
                ] = answer
            laws.matches(got, right, what="the divergences", tolerance=1e-8, causes=causes)


def _machine(rng: np.random.Generator, bits: int, dims: int) -> list[np.ndarray]:
    shapes = (bits,), (dims, bits), (dims,), (bits, dims), (bits,)
    return [1.5 * rng.normal(size=shape) for shape in shapes]


def _of_model(x: np.ndarray, z: np.ndarray, machine: list[np.ndarray]) -> list[np.ndarray]:
    """The gradients of -log p(x, z) in prior, weight and bias."""
    prior, weight, bias = machine[:3]
    error = special.expit(z @ weight.T + bias) - x
    return [(special.expit(prior) - z).mean(0), error.T @ z / len(x), error.mean(0)]


def _of_encoder(x: np.ndarray, z: np.ndarray, machine: list[np.ndarray]) -> list[np.ndarray]:
    """The gradients of -log q(z | x) in rec_weight and rec_bias."""
    error = special.expit(x @ machine[3].T + machine[4]) - z
    return [error.T @ x / len(x), error.mean(0)]


def _as_one(gradients: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.ravel(one) for one in gradients])


def _five(answer: Any, machine: list[np.ndarray], what: str) -> np.ndarray:
    names = _PARTS.split(", ")
    five = [laws.numbers(one) for one in laws.parts(answer, f"`{what}`", [f"the gradient of {one}" for one in names])]
    for name, got, due in zip(names, five, machine, strict=True):
        if got.shape != due.shape:
            raise laws.LawBroken(f"the gradient of {name} should have its shape, {due.shape}, got {got.shape}")
    return _as_one(five)


@question("amortized_inference.wake", points=4)
def wake(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, (n, bits, dims) in {"two bits": (6, 2, 3), "more": (int(rng.integers(20, 40)), 5, 9)}.items():
        machine = _machine(rng, bits, dims)
        prior, _, _, rec_weight, rec_bias = machine
        x, noise = (rng.random((n, dims)) < 0.5).astype(float), rng.random((n, bits))
        guess = special.expit(x @ rec_weight.T + rec_bias)
        z, still = (noise < guess).astype(float), [0 * part for part in machine]
        model, encoder = _of_model(x, z, machine), _of_encoder(x, z, machine)
        right = _as_one([*model, *still[3:]])
        causes = {
            "wake and sleep are swapped: awake, the encoder draws and the model learns": _as_one(
                [*still[:3], *encoder]
            ),
            "the encoder learns, too: awake its gradients are 0": _as_one([*model, *encoder]),
            "these are the gradients of log p: the loss is minus that": -right,
            "the prior learns, too: its gradient is the mean of sigmoid(prior) - z": _as_one(
                [still[0], *model[1:], *still[3:]]
            ),
            "z was drawn from the prior: awake, the encoder draws it": _as_one(
                [*_of_model(x, (noise < special.expit(prior)).astype(float), machine), *still[3:]]
            ),
            "the means of the bits were used: draw them": _as_one([*_of_model(x, guess, machine), *still[3:]]),
            "a bit is 1 where the noise is below its probability, not above": _as_one(
                [*_of_model(x, 1 - z, machine), *still[3:]]
            ),
            "the examples are summed: the loss is a mean": right * n,
        }
        with case(name):
            got = _five(student.wake(x, noise, *machine), machine, "wake")
            laws.matches(got, right, what=f"the gradients, of {_PARTS} in a row,", tolerance=1e-8, causes=causes)


@question("amortized_inference.sleep", points=4)
def sleep(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, (n, bits, dims) in {"two bits": (6, 2, 3), "more": (int(rng.integers(20, 40)), 5, 9)}.items():
        machine = _machine(rng, bits, dims)
        prior, weight, bias, _, _ = machine
        noise_z, noise_x = rng.random((n, bits)), rng.random((n, dims))
        z = (noise_z < special.expit(prior)).astype(float)
        shades = special.expit(z @ weight.T + bias)
        x, still = (noise_x < shades).astype(float), [0 * part for part in machine]
        model, encoder = _of_model(x, z, machine), _of_encoder(x, z, machine)
        right = _as_one([*still[:3], *encoder])
        causes = {
            "wake and sleep are swapped: asleep, the model dreams and the encoder learns": _as_one(
                [*model, *still[3:]]
            ),
            "the model learns, too: asleep its gradients are 0": _as_one([*model, *encoder]),
            "these are the gradients of log q: the loss is minus that": -right,
            "the means of the pixels were used: draw them": _as_one([*still[:3], *_of_encoder(shades, z, machine)]),
            "a bit is 1 where the noise is below its probability, not above": _as_one(
                [*still[:3], *_of_encoder((noise_x > special.expit((1 - z) @ weight.T + bias)) * 1.0, 1 - z, machine)]
            ),
            "the examples are summed: the loss is a mean": right * n,
        }
        with case(name):
            got = _five(student.sleep(noise_z, noise_x, *machine), machine, "sleep")
            laws.matches(got, right, what=f"the gradients, of {_PARTS} in a row,", tolerance=1e-8, causes=causes)
