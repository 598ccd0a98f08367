"""The homework latent_mixtures: right answers however written, classic mistakes with their causes."""

import math

import numpy as np
import torch
from answers import Answers
from scipy import special, stats


def components(x, probs):
    """log p(x | z), (N, M)."""
    return x @ np.log(probs).T + (1 - x) @ np.log(1 - probs).T


def joint(x, log_prior, probs):
    return log_prior + components(x, probs)


def log_likelihood(*given):
    return special.logsumexp(joint(*given), axis=1)


def log_likelihood_by_torch(x, log_prior, probs):
    x, log_prior, probs = map(torch.as_tensor, (x, log_prior, probs))
    each = torch.distributions.Independent(torch.distributions.Bernoulli(probs), 1)
    mixture = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(logits=log_prior), each)
    return mixture.log_prob(x.double())


def log_likelihood_in_a_loop(x, log_prior, probs):
    answers = []
    for row in x:
        terms = []
        for prior, p in zip(log_prior, probs, strict=True):
            terms.append(
                prior + sum(math.log(p_i) if x_i else math.log(1 - p_i) for x_i, p_i in zip(row, p, strict=True))
            )
        top = max(terms)
        answers.append(top + math.log(sum(math.exp(t - top) for t in terms)))
    return answers


def responsibilities(*given):
    return special.softmax(joint(*given), axis=1)


def responsibilities_by_division(*given):
    log_joint = torch.as_tensor(joint(*given))
    return (log_joint - log_joint.logsumexp(1, keepdim=True)).exp()


def log_weights(x, slope, scale, q_loc, q_scale, noise):
    z = q_loc[:, None] + q_scale[:, None] * noise
    log_q = stats.norm.logpdf(noise) - np.log(q_scale)[:, None]
    return stats.norm.logpdf(z) + stats.norm.logpdf(x[:, None], slope * z, scale) - log_q


def importance_estimate(*given):
    log_w = log_weights(*given)
    return special.logsumexp(log_w, axis=1) - np.log(log_w.shape[1])


def importance_estimate_by_torch(x, slope, scale, q_loc, q_scale, noise):
    x, q_loc, q_scale, noise = map(torch.as_tensor, (x, q_loc, q_scale, noise))
    normal = torch.distributions.Normal
    q = normal(q_loc[:, None], q_scale[:, None])
    z = q.mean + q.stddev * noise
    log_w = normal(0.0, 1.0).log_prob(z) + normal(slope * z, scale).log_prob(x[:, None]) - q.log_prob(z)
    return log_w.logsumexp(1) - math.log(noise.shape[1])


def effective_sample_size(log_w):
    return np.exp(2 * special.logsumexp(log_w, axis=1) - special.logsumexp(2 * log_w, axis=1))


def effective_sample_size_by_shares(log_w):
    return torch.as_tensor(log_w).softmax(1).square().sum(1).reciprocal()


quiet = np.errstate(all="ignore")


@quiet
def summed(*given):
    return np.log(np.exp(joint(*given)).sum(1))


@quiet
def divided(*given):
    return np.exp(joint(*given)) / np.exp(joint(*given)).sum(1, keepdims=True)


@quiet
def summed_together(*given):
    log_joint = joint(*given)
    return log_joint.max() + np.log(np.exp(log_joint - log_joint.max()).sum(1))


@quiet
def divided_together(*given):
    shares = np.exp(joint(*given) - joint(*given).max())
    return shares / shares.sum(1, keepdims=True)


@quiet
def clamped(*given):
    return np.exp(joint(*given)) / (np.exp(joint(*given)).sum(1, keepdims=True) + 1e-12)


@quiet
def averaged(*given):
    return np.log(np.exp(log_weights(*given)).mean(1))


@quiet
def ratio(log_w):
    w = np.exp(log_w)
    return w.sum(1) ** 2 / (w**2).sum(1)


class Parts:
    """Importance estimates with one part changed; each part maps (x, slope, scale, q_loc, q_scale, noise, z) to it."""

    def __init__(self, **changed):
        self.parts = {
            "prior": lambda x, a, s, m, t, e, z: stats.norm.logpdf(z),
            "likelihood": lambda x, a, s, m, t, e, z: stats.norm.logpdf(x[:, None], a * z, s),
            "q": lambda x, a, s, m, t, e, z: stats.norm.logpdf(z, m[:, None], t[:, None]),
            "total": lambda prior, likelihood, q: prior + likelihood - q,
            "reduce": lambda log_w: special.logsumexp(log_w, axis=1) - np.log(log_w.shape[1]),
        } | changed

    def __call__(self, x, a, s, m, t, e):
        z = m[:, None] + t[:, None] * e
        parts = [self.parts[name](x, a, s, m, t, e, z) for name in ("prior", "likelihood", "q")]
        return self.parts["reduce"](self.parts["total"](*parts))


def zero(*args):
    return 0.0


class TestAnswers(Answers):
    notebook = "latent_mixtures"
    right = (
        ("log_likelihood", "log_likelihood", log_likelihood),
        ("log_likelihood", "log_likelihood", log_likelihood_by_torch),
        ("log_likelihood", "log_likelihood", log_likelihood_in_a_loop),
        ("responsibilities", "responsibilities", responsibilities),
        ("responsibilities", "responsibilities", responsibilities_by_division),
        ("importance_estimate", "importance_estimate", importance_estimate),
        ("importance_estimate", "importance_estimate", importance_estimate_by_torch),
        ("effective_sample_size", "effective_sample_size", effective_sample_size),
        ("effective_sample_size", "effective_sample_size", effective_sample_size_by_shares),
    )
    wrong = (
        ("log_likelihood", summed, "use log-sum-exp"),
        ("log_likelihood", summed_together, "subtract each row's own"),
        ("log_likelihood", lambda *g: np.log(np.maximum(np.exp(joint(*g)).sum(1), 1e-12)), "a clamp hides"),
        ("log_likelihood", lambda *g: np.exp(log_likelihood(*g)), "return its logarithm"),
        ("log_likelihood", lambda x, w, p: components(x, p) @ np.exp(w), "logarithms are averaged"),
        ("log_likelihood", lambda x, w, p: special.logsumexp(components(x, p), axis=1), "the prior is left out"),
        ("log_likelihood", lambda x, w, p: log_likelihood(x, 0 * w - np.log(len(w)), p), "same prior"),
        ("log_likelihood", lambda x, w, p: log_likelihood(x, np.exp(w), p), "add its logarithm"),
        ("log_likelihood", lambda *g: joint(*g).max(1), "only the likeliest component"),
        ("log_likelihood", lambda x, w, p: special.logsumexp(w + x @ np.log(p).T, axis=1), "zeros of x say"),
        (
            "log_likelihood",
            lambda x, w, p: special.logsumexp(w + components(x, p) / x.shape[1], axis=1),
            "the dimensions are averaged",
        ),
        ("log_likelihood", lambda *g: special.logsumexp(joint(*g), axis=0), "runs over the examples"),
        ("log_likelihood", lambda *g: -log_likelihood(*g), "the sign is that of the loss"),
        (
            "log_likelihood",
            lambda x, w, p: components(x, (np.exp(w) @ p)[None])[:, 0],
            "z is drawn once for all of x",
        ),
        (
            "responsibilities",
            divided,
            "subtract log p(x) before",
        ),
        ("responsibilities", divided_together, "subtract each row's own"),
        ("responsibilities", clamped, "a clamp hides 0 / 0"),
        ("responsibilities", lambda *g: special.log_softmax(joint(*g), axis=1), "take exp"),
        ("responsibilities", lambda *g: np.exp(joint(*g)), "divide by p(x)"),
        ("responsibilities", lambda x, w, p: np.exp(components(x, p)), "multiply by the prior"),
        ("responsibilities", lambda x, w, p: responsibilities(x, 0 * w, p), "the prior is left out"),
        ("responsibilities", lambda x, w, p: responsibilities(x, np.exp(w), p), "add its logarithm"),
        ("responsibilities", lambda *g: special.softmax(joint(*g), axis=0), "each column sums to 1"),
        ("responsibilities", lambda *g: np.eye(len(g[1]))[joint(*g).argmax(1)], "takes all"),
        ("responsibilities", lambda x, w, p: np.tile(np.exp(w), (len(x), 1)), "this is the prior"),
        ("importance_estimate", averaged, "use log-sum-exp"),
        ("importance_estimate", lambda *g: special.logsumexp(log_weights(*g), axis=1), "1/K is left out"),
        ("importance_estimate", lambda *g: log_weights(*g).mean(1), "logarithms are averaged"),
        ("importance_estimate", lambda *g: np.exp(importance_estimate(*g)), "return its logarithm"),
        (
            "importance_estimate",
            lambda *g: special.logsumexp(log_weights(*g), axis=0) - np.log(len(g[0])),
            "average over the draws",
        ),
        ("importance_estimate", Parts(q=zero), "divide by q(z)"),
        ("importance_estimate", Parts(prior=zero), "the prior is left out"),
        ("importance_estimate", Parts(prior=zero, q=zero), "right only for draws from the prior"),
        ("importance_estimate", Parts(total=lambda prior, likelihood, q: q - prior - likelihood), "upside down"),
        ("importance_estimate", Parts(total=lambda prior, likelihood, q: prior + likelihood + q), "q(z) is multiplied"),
        ("importance_estimate", Parts(q=lambda x, a, s, m, t, e, z: stats.norm.logpdf(e)), "that of the noise"),
        ("importance_estimate", Parts(prior=lambda x, a, s, m, t, e, z: stats.norm.logpdf(e)), "it belongs at z"),
        ("importance_estimate", lambda x, a, s, *q: importance_estimate(x, a, np.sqrt(s), *q), "for a variance"),
        (
            "importance_estimate",
            lambda *g: log_weights(*g).max(1) - np.log(g[-1].shape[1]),
            "only the largest weight",
        ),
        ("effective_sample_size", ratio, "subtract each row's largest"),
        ("effective_sample_size", quiet(lambda v: ratio(v - v.max())), "subtract each row's own"),
        ("effective_sample_size", lambda v: 1 / np.exp(2 * v).sum(1), "not normalised"),
        ("effective_sample_size", lambda v: v.sum(1) ** 2 / (v**2).sum(1), "taken for weights"),
        ("effective_sample_size", lambda v: effective_sample_size(v) / v.shape[1], "this is a share"),
        ("effective_sample_size", lambda v: 1 / effective_sample_size(v), "upside down"),
        ("effective_sample_size", lambda v: effective_sample_size(v.T), "run over the examples"),
        (
            "effective_sample_size",
            lambda v: np.exp(special.entr(special.softmax(v, axis=1)).sum(1)),
            "exp of the entropy",
        ),
        ("effective_sample_size", lambda v: np.full(len(v), effective_sample_size(v.reshape(1, -1))[0]), "together"),
        ("effective_sample_size", lambda v: 1 / special.softmax(v, axis=1).max(1), "1 / the largest share"),
    )


def test_sums_that_round_to_0_fail_only_in_many_dimensions():
    outcome = TestAnswers.judge("log_likelihood", summed)
    assert [case.name for case in outcome.cases if not case.passed] == [
        "3000 dimensions, whose probabilities round to 0"
    ]
