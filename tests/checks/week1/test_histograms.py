"""The checks of the histograms homework accept right answers however written, and name the cause of wrong ones."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from scipy import special

from deepul_utils.checks.question import QUESTIONS
from deepul_utils.checks.student import NotebookStudent


def empirical_numpy(x, num_values, smoothing=0.0):
    counts = np.bincount(x, minlength=num_values) + smoothing
    return counts / counts.sum()


def empirical_torch(x, num_values, smoothing=0.0):
    one_hot = torch.nn.functional.one_hot(torch.as_tensor(x), num_values).float()
    return (one_hot.sum(0) + smoothing) / (len(x) + smoothing * num_values)


def empirical_plain(x, num_values, smoothing=0.0):
    counts = Counter(x.tolist())
    return [(counts[k] + smoothing) / (len(x) + smoothing * num_values) for k in range(num_values)]


def nll_numpy(probs, x):
    with np.errstate(divide="ignore"):
        return -np.log(np.take_along_axis(probs.T, x, axis=0)).sum(axis=1).mean()


def nll_torch(probs, x):
    probs, x = torch.tensor(probs, dtype=torch.float32), torch.tensor(x)
    return -probs.log().T.gather(0, x).sum(1).mean()


def nll_plain(probs, x):
    total = 0.0
    for row in x.tolist():
        for law, value in zip(probs.tolist(), row, strict=True):
            total += -math.log(law[value]) if law[value] else math.inf
    return total / len(x)


def bits(nll):
    return lambda probs, x: nll(probs, x) / (x.shape[1] * math.log(2))


def kl_numpy(p, q):
    p, q = p[p > 0], q[p > 0]
    with np.errstate(divide="ignore"):
        return (p * (np.log(p) - np.log(q))).sum()


def kl_scipy(p, q):
    return special.rel_entr(p, q).sum()


def kl_torch(p, q):
    p, q = torch.as_tensor(p), torch.as_tensor(q)
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum()


def kl_plain(p, q):
    total = 0.0
    for a, b in zip(p.tolist(), q.tolist(), strict=True):
        if a:
            total += a * math.log(a / b) if b else math.inf
    return total


RIGHT = [
    ("histograms.empirical", {"empirical": empirical_numpy}),
    ("histograms.empirical", {"empirical": empirical_torch}),
    ("histograms.empirical", {"empirical": empirical_plain}),
    ("histograms.nll", {"nll": nll_numpy, "bits_per_dim": bits(nll_numpy)}),
    ("histograms.nll", {"nll": nll_torch, "bits_per_dim": bits(nll_torch)}),
    ("histograms.nll", {"nll": nll_plain, "bits_per_dim": bits(nll_plain)}),
    ("histograms.kl", {"kl": kl_numpy}),
    ("histograms.kl", {"kl": kl_scipy}),
    ("histograms.kl", {"kl": kl_torch}),
    ("histograms.kl", {"kl": kl_plain}),
]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("question", "answers"), RIGHT)
def test_right_answers_get_every_point(question, answers, seed):
    outcome = QUESTIONS[question].judge(NotebookStudent(answers), seed)
    assert [case.message for case in outcome.cases if not case.passed] == []
    assert outcome.score == outcome.points


def nll_categorical(probs, x):
    return -torch.distributions.Categorical(probs=torch.tensor(probs)).log_prob(torch.tensor(x)).sum(1).mean()


def counts(x, num_values, smoothing=0.0):
    return np.bincount(x, minlength=num_values) + smoothing


def costs(probs, x):
    with np.errstate(divide="ignore"):
        return -np.log(probs[np.arange(x.shape[1]), x])


def quietly(function):
    def answer(*args):
        with np.errstate(all="ignore"):
            return function(*args)

    return answer


def empirical(function):
    return "histograms.empirical", {"empirical": function}


def nll(function):
    return "histograms.nll", {"nll": quietly(function), "bits_per_dim": bits(nll_numpy)}


def bits_per_dim(function):
    return "histograms.nll", {"nll": nll_numpy, "bits_per_dim": quietly(function)}


def kl(function):
    return "histograms.kl", {"kl": quietly(function)}


WRONG = [
    (empirical(counts), "divide them by the number of examples"),
    (empirical(lambda x, K, a=0: counts(x, K, a) / K), "divided by the number of values K"),
    (empirical(lambda x, K, a=0: counts(x, 0, a) / counts(x, 0, a).sum()), "minlength"),
    (
        empirical(lambda x, K, a=0: (np.unique(x, return_counts=True)[1] + a) / (len(x) + a * K)),
        "np.unique leaves them out",
    ),
    (
        empirical(lambda x, K, a=0: (np.histogram(x, bins=K)[0] + a) / (len(x) + a * K)),
        "np.histogram took min to max",
    ),
    (empirical(lambda x, K, a=0: counts(x, K) / len(x)), "the smoothing is not used"),
    (empirical(lambda x, K, a=0: counts(x, K, a) / len(x)), "add up to N + alpha K, not to N"),
    (empirical(lambda x, K, a=0: counts(x, K, a) / (len(x) + a)), "every one of the K values gets alpha"),
    (empirical(lambda x, K, a=0: counts(x, K) / len(x) + a), "add it to the counts"),
    (
        empirical(lambda x, K, a=0: np.where(counts(x, K), counts(x, K), a) / (len(x) + a * K)),
        "also for those that occur",
    ),
    (nll(lambda probs, x: -nll_numpy(probs, x)), "the sign"),
    (nll(lambda probs, x: nll_numpy(probs, x) / np.log(2)), "this is in bits"),
    (nll(lambda probs, x: costs(probs, x).sum()), "take their mean"),
    (nll(lambda probs, x: costs(probs, x).sum(1)), "one number for each example"),
    (nll(lambda probs, x: costs(probs, x).mean()), "the mean over dimensions too"),
    (nll(lambda probs, x: -np.log(np.exp(-costs(probs, x)).prod(1).mean())), "logarithm of a mean probability"),
    (nll(lambda probs, x: -np.log(probs[0, x]).sum(1).mean()), "the first law"),
    (nll(lambda probs, x: -np.log(np.exp(-costs(probs, x)).prod(1)).mean()), "underflows"),
    (nll(lambda probs, x: nll_numpy(probs.clip(1e-12), x)), "hides that"),
    (nll(lambda probs, x: nll_numpy(probs + 1e-10, x)), "hides that"),
    (nll(nll_categorical), "torch's Categorical(probs=...) clips too"),
    (nll(lambda probs, x: -(np.eye(probs.shape[1])[x] * np.log(probs)).sum((1, 2)).mean()), "0 times log 0 is NaN"),
    (bits_per_dim(lambda probs, x: nll_numpy(probs, x) / np.log(2)), "divide by the number of dimensions D"),
    (bits_per_dim(lambda probs, x: nll_numpy(probs, x) / x.shape[1]), "divide by log 2"),
    (bits_per_dim(nll_numpy), "divide by D log 2"),
    (bits_per_dim(lambda probs, x: nll_numpy(probs, x) * np.log(2) / x.shape[1]), "so divide"),
    (bits_per_dim(lambda probs, x: nll_numpy(probs, x) / np.log(2) ** 2 / x.shape[1]), "turned into bits twice"),
    (bits_per_dim(lambda probs, x: costs(probs, x).mean() / np.log(2) / x.shape[1]), "divided by D twice"),
    (bits_per_dim(lambda probs, x: nll_numpy(probs, x) / np.log(2) / probs.shape[1]), "number of values K"),
    (kl(lambda p, q: kl_numpy(q, p)), "the laws are reversed"),
    (kl(lambda p, q: kl_numpy(p, q) / np.log(2)), "this is in bits"),
    (kl(lambda p, q: -kl_numpy(p, q)), "the sign"),
    (kl(lambda p, q: special.rel_entr(p, q).mean()), "so add them up"),
    (kl(lambda p, q: -special.xlogy(p, q).sum()), "subtract the entropy"),
    (kl(lambda p, q: (p * np.log(p / q)).sum()), "is NaN"),
    (kl(lambda p, q: kl_numpy(p.clip(1e-10), q.clip(1e-10))), "do not clip q"),
    (kl(lambda p, q: kl_numpy(p[q > 0], q[q > 0])), "do not leave the value out"),
    (kl(lambda p, q: np.nansum(p * np.log(p / q)) if q.all() else math.inf), "only where p(x) > 0"),
]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("answer", "cause"), WRONG, ids=[cause for _, cause in WRONG])
def test_wrong_answers_are_told_the_cause(answer, cause, seed):
    question, answers = answer
    outcome = QUESTIONS[question].judge(NotebookStudent(answers), seed)
    assert outcome.score < outcome.points
    assert cause in "\n".join(case.message for case in outcome.cases)
    assert all("Usual cause" in case.message for case in outcome.cases if not case.passed)


@pytest.mark.parametrize("question", ["histograms.empirical", "histograms.nll", "histograms.kl"])
def test_no_answer_gets_no_point(question):
    def unanswered(*args):
        raise NotImplementedError

    for answers in ({}, dict.fromkeys(("empirical", "nll", "bits_per_dim", "kl"), unanswered)):
        assert QUESTIONS[question].judge(NotebookStudent(answers)).score == 0
