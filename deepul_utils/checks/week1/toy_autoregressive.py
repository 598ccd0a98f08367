"""The checks of the homework on the toy autoregressive model: Bayes nets, log p(x), ancestral sampling."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from deepul_utils.checks import laws
from deepul_utils.checks.question import question


@question("toy_autoregressive.parameters", points=1)
def parameters(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    D, K = int(rng.integers(4, 7)), int(rng.integers(3, 6))
    some = [sorted(rng.choice(i, rng.integers(i // 2, i + 1), replace=False).tolist()) for i in range(D)]
    nets: list[tuple[str, list[list[int]], int]] = [
        ("no arrows", [[] for _ in range(D)], K),
        ("a chain of four binary variables", [[], [0], [1], [2]], 2),
        ("every earlier variable is a parent", [list(range(i)) for i in range(D)], K),
        ("some arrows", some, K),
    ]
    for name, parents, num_values in nets:
        numbers, right = [len(p) for p in parents], sum((num_values - 1) * num_values ** len(p) for p in parents)
        causes = {
            "K probabilities that sum to 1 have K - 1 free ones": sum(num_values ** (n + 1) for n in numbers),
            "n parents of K values have K**n joint values, not n * K": sum(
                (num_values - 1) * max(1, n * num_values) for n in numbers
            ),
            "n parents of K values have K**n joint values, not 2**n": sum((num_values - 1) * 2**n for n in numbers),
            "a variable has one law for each joint value of its parents": (num_values - 1) * len(parents),
            "this is the table over all variables, whatever the arrows": num_values ** len(parents) - 1,
            "this is the number of the first variable's parameters alone": num_values - 1,
        }
        with case(name):
            got = student.free_parameters(parents, num_values)
            laws.matches(got, right, what="the number of parameters", tolerance=1e-9, causes=causes)


@question("toy_autoregressive.log_joint", points=2)
def log_joint(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    K = int(rng.integers(4, 8))

    def judge(logits0: np.ndarray, logits1: np.ndarray, x: np.ndarray) -> None:
        x0, x1 = x.T
        log_p, log_rows = special.log_softmax(logits0), special.log_softmax(logits1, axis=1)
        first, second = log_p[x0], log_rows[x0, x1]
        right = first + second
        with np.errstate(all="ignore"):
            causes = {
                "the table is read transposed: x0 names the row and x1 the column": first + log_rows[x1, x0],
                "the softmax runs down the columns: each row of logits1 is one law of x1": (
                    first + special.log_softmax(logits1, axis=0)[x0, x1]
                ),
                "the softmax runs over the whole table: each row of logits1 is one law of x1": (
                    first + special.log_softmax(logits1)[x0, x1]
                ),
                "logits are not log-probabilities: subtract their log-sum-exp": logits0[x0] + logits1[x0, x1],
                "logits0 is not normalised: subtract its log-sum-exp": logits0[x0] + second,
                "logits1 is not normalised: subtract each row's log-sum-exp": first + logits1[x0, x1],
                "exp of large logits overflows: subtract the largest one first, as log_softmax does": (
                    np.log(np.exp(logits0) / np.exp(logits0).sum())[x0]
                    + np.log(np.exp(logits1) / np.exp(logits1).sum(1, keepdims=True))[x0, x1]
                ),
                "this is log p(x0) + log p(x1), as if x1 did not depend on x0": (
                    first + special.logsumexp(log_p[:, None] + log_rows, axis=0)[x1]
                ),
                "log p(x0) is missing": second,
                "log p(x1 | x0) is missing": first,
                "logarithms are multiplied: add them": first * second,
                "the two dimensions are averaged: add them": right / 2,
                "this is the probability: return its logarithm": np.exp(right),
                "these are bits: use the natural logarithm": right / np.log(2),
                "the sign is wrong: return log p, not -log p": -right,
                "the examples are summed: return one number for each": right.sum(),
                "the examples are averaged: return one number for each": right.mean(),
            }
        laws.matches(student.log_joint(logits0, logits1, x), right, what="log p(x0, x1)", causes=causes)

    logits0, logits1 = rng.normal(size=K) + 1, 2 * rng.normal(size=(K, K)) + rng.normal(size=(K, 1))
    every_x = np.stack(np.meshgrid(np.arange(K), np.arange(K), indexing="ij"), -1).reshape(-1, 2)
    with case("two values, probabilities that are powers of 1/2"):
        judge(np.log([4.0, 4.0]), np.log([[1.0, 1.0], [6.0, 2.0]]), np.array([[0, 0], [0, 1], [1, 0], [1, 1]]))
    with case("a random batch"):
        judge(logits0, logits1, rng.integers(K, size=(9, 2)))
    with case("a batch of one"):
        judge(logits0, logits1, np.array([[K - 1, 0]]))
    with case("all K * K pairs sum to 1"):
        laws.normalised(student.log_joint(logits0, logits1, every_x), what="the probabilities of all pairs")
    with case("logits in the thousands"):
        judge(logits0 + 2000, logits1 - 3000, every_x)


@question("toy_autoregressive.log_prob", points=2)
def log_prob(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    N, D, K = int(rng.integers(5, 8)), int(rng.integers(8, 11)), int(rng.integers(3, 5))  # three different sizes

    def picked(table: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.take_along_axis(table, x[..., None], axis=-1)[..., 0]  # (N, D)

    def judge(logits: np.ndarray, x: np.ndarray) -> None:
        log_p = special.log_softmax(logits, axis=-1)
        each = picked(log_p, x)
        right = each.sum(1)
        with np.errstate(divide="ignore"):
            product = np.log(np.exp(each).prod(1))
        causes = {
            "a product of many probabilities rounds to 0: add their logarithms": product,
            "the softmax runs over the dimensions: it belongs on the last axis, the K values": (
                picked(special.log_softmax(logits, axis=1), x).sum(1)
            ),
            "the softmax runs over the examples: it belongs on the last axis, the K values": (
                picked(special.log_softmax(logits, axis=0), x).sum(1)
            ),
            "logits are not log-probabilities: subtract their log-sum-exp": picked(logits, x).sum(1),
            "logits[:, i] belong to x[:, i]: here they are read one dimension late": (
                picked(log_p, np.roll(x, 1, axis=1)).sum(1)
            ),
            "logits[:, i] belong to x[:, i]: here they are read one dimension early": (
                picked(log_p, np.roll(x, -1, axis=1)).sum(1)
            ),
            "the last dimension is left out": each[:, :-1].sum(1),
            "the first dimension is left out": each[:, 1:].sum(1),
            "the dimensions are averaged: add them": each.mean(1),
            "logarithms are multiplied: add them": each.prod(1),
            "this is the probability: return its logarithm": np.exp(right),
            "probabilities are added: add their logarithms": np.exp(each).sum(1),
            "the sign is wrong: return log p, not -log p": -right,
            "sum over the dimensions: return one number for each example": each,
            "sum over the dimensions, not over the examples": each.sum(0),
            "the examples are summed too: return one number for each": right.sum(),
            "the examples are averaged: return one number for each": right.mean(),
        }
        laws.matches(student.log_prob(logits, x), right, what="log p(x)", causes=causes)

    with case("one dimension"):
        judge(rng.normal(size=(N, 1, K)) + 1, rng.integers(K, size=(N, 1)))
    with case("several dimensions"):
        judge(rng.normal(size=(N, D, K)) + 1, rng.integers(K, size=(N, D)))
    with case("a thousand dimensions: the product of the probabilities would round to 0"):
        judge(rng.normal(size=(2, 1000, K)), rng.integers(K, size=(2, 1000)))


@question(
    "toy_autoregressive.sample",
    points=3,
    withholds=("deepul_utils.models.toy_autoregressive.ToyAutoregressive.sample",),
)
def sample(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    K = int(rng.integers(5, 9))

    def inverse(p: np.ndarray, u: np.ndarray, below: Any = np.less_equal) -> np.ndarray:
        """How many of each row's cumulative sums lie below u, at most up to the last possible value."""
        sums = np.cumsum(np.broadcast_to(p, (len(u), p.shape[-1])), axis=-1)
        last = p.shape[-1] - 1 - np.argmax((p > 0)[..., ::-1], axis=-1)
        return np.minimum(below(sums, u[:, None]).sum(-1), last)

    def judge(logits0: np.ndarray, logits1: np.ndarray, u: np.ndarray) -> None:
        p, rows = special.softmax(logits0), special.softmax(logits1, axis=1)
        u0, u1 = u.T
        x0 = inverse(p, u0)
        right = np.stack([x0, inverse(rows[x0], u1)], axis=1)

        def second(x1: np.ndarray, x0: np.ndarray = x0) -> np.ndarray:
            return np.stack([x0, x1], axis=1)

        with np.errstate(invalid="ignore"):
            columns = special.softmax(logits1, axis=0)
        not_above = inverse(p, u0, np.less)
        causes = {
            "a value of probability 0 was drawn: take the smallest k with F(k) > u, not F(k) >= u": second(
                inverse(rows[not_above], u1, np.less), not_above
            ),
            "x1 is drawn from its marginal: draw it from the row of the x0 just drawn": second(inverse(p @ rows, u1)),
            "x1 is drawn from the row of another example's x0": second(inverse(rows[np.roll(x0, 1)], u1)),
            "x1 is drawn from the law of x0": second(inverse(p, u1)),
            "one uniform draws both: x0 takes u[:, 0] and x1 takes u[:, 1]": second(inverse(rows[x0], u0)),
            "the uniforms are swapped: x0 takes u[:, 0] and x1 takes u[:, 1]": second(
                inverse(rows[inverse(p, u1)], u0), inverse(p, u1)
            ),
            "the table is read transposed: x0 names the row": second(inverse(rows.T[x0], u1)),
            "the softmax runs down the columns: each row of logits1 is one law of x1": second(inverse(columns[x0], u1)),
            "always the likeliest value: use the uniforms": second(rows[x0].argmax(1), np.full_like(x0, p.argmax())),
            "the second is always the likeliest value: use its uniform": second(rows[x0].argmax(1)),
            "a cumulative sum rounds to just below 1: never return K": second(
                (np.cumsum(rows[x0], axis=1) <= u1[:, None]).sum(1), (np.cumsum(p) <= u0[:, None]).sum(1)
            ),
            "one too many: the smallest k with F(k) > u counts from 0": right + 1,
            "one too few: take the smallest k with F(k) > u, not the one before it": right - 1,
            "x0 and x1 are in the wrong columns": right[:, ::-1],
            "one row an example: return (N, 2)": right.T,
        }
        laws.matches(student.sample(logits0, logits1, u), right, what="the sample", causes=causes)

    def uniforms(logits0: np.ndarray, logits1: np.ndarray, n: int) -> np.ndarray:
        """Uniforms that keep clear of the steps of F, where rounding would decide."""
        p, rows = special.softmax(logits0), special.softmax(logits1, axis=1)
        x0 = rng.choice(K, n, p=p)
        x1 = np.array([rng.choice(K, p=rows[a]) for a in x0])
        start0, start1 = np.cumsum(p) - p, np.cumsum(rows, axis=1) - rows
        share0, share1 = rng.uniform(0.01, 0.99, (2, n))
        return np.stack([start0[x0] + share0 * p[x0], start1[x0, x1] + share1 * rows[x0, x1]], axis=1)

    logits0, logits1 = rng.normal(size=K) + 1, 2 * rng.normal(size=(K, K))
    with case("one sample"):
        judge(logits0, logits1, uniforms(logits0, logits1, 1))
    with case("sixty samples", weight=3):
        judge(logits0, logits1, uniforms(logits0, logits1, 60))
    with case("u = 0 where the first value has probability 0"):
        judge(np.append(-np.inf, logits0[1:]), np.column_stack([np.full(K, -np.inf), logits1[:, 1:]]), np.zeros((3, 2)))
    with case("u just below 1"):
        sixths = np.zeros(6), np.zeros((6, 6))  # six times 1/6 adds up to 1 - 1e-16
        judge(*sixths, np.full((3, 2), np.nextafter(1, 0)))
