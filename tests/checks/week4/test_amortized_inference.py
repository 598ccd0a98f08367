"""The homework amortized_inference: right answers however written, classic mistakes with their causes."""

import numpy as np
import torch
from answers import Answers
from scipy import special
from torch.distributions import Bernoulli, Categorical, Independent, kl_divergence


def gaps(log_p, searched, amortised):
    best = searched.max(0)
    return np.array([(log_p - best).mean(), (best - amortised).mean()])


def gaps_by_torch(log_p, searched, amortised):
    log_p, searched, amortised = map(torch.as_tensor, (log_p, searched, amortised))
    best = searched.amax(dim=0)
    return torch.stack([torch.mean(log_p - best), torch.mean(best - amortised)])


def of_average(log_p, searched, amortised):
    best = searched[searched.mean(1).argmax()]
    return [(log_p - best).mean(), (best - amortised).mean()]


def parts(log_joint, log_q):
    log_posterior = special.log_softmax(log_joint, 1)
    return np.exp(log_q), np.exp(log_posterior), log_q - log_posterior


def divergences(log_joint, log_q):
    q, p, ratio = parts(log_joint, log_q)
    return np.stack([(q * ratio).sum(1), -(p * ratio).sum(1)], 1)


def divergences_by_torch(log_joint, log_q):
    p, q = Categorical(logits=torch.as_tensor(log_joint)), Categorical(logits=torch.as_tensor(log_q))
    return torch.stack([kl_divergence(q, p), kl_divergence(p, q)], dim=-1)


def without_evidence(log_joint, log_q):
    q, joint = np.exp(log_q), np.exp(log_joint)
    return np.stack([(q * (log_q - log_joint)).sum(1), (joint * (log_joint - log_q)).sum(1)], 1)


def weighed_with_the_joint(log_joint, log_q):
    q, _, ratio = parts(log_joint, log_q)
    return np.stack([(q * ratio).sum(1), -(np.exp(log_joint) * ratio).sum(1)], 1)


def underflowing(log_joint, log_q):
    with np.errstate(all="ignore"):
        posterior = np.exp(log_joint) / np.exp(log_joint).sum(1, keepdims=True)
        ratio = log_q - np.log(posterior)
        return np.stack([(np.exp(log_q) * ratio).sum(1), -(posterior * ratio).sum(1)], 1)


def floored(posterior, log=np.log):
    """Both divergences of a posterior made of the joint, (N, M), in such a way that nothing is infinite."""

    def answer(log_joint, log_q):
        p = posterior(np.exp(log_joint))
        ratio = log_q - log(p)
        return np.stack([(np.exp(log_q) * ratio).sum(1), -(p * ratio).sum(1)], 1)

    return answer


def floored_evidence(log_joint, log_q):
    log_p = np.log(np.exp(log_joint).sum(1, keepdims=True) + 1e-300)
    return divergences_of(log_joint - log_p, log_q)


def divergences_of(log_posterior, log_q):
    ratio = log_q - log_posterior
    return np.stack([(np.exp(log_q) * ratio).sum(1), -(np.exp(log_posterior) * ratio).sum(1)], 1)


def share(joint):
    return joint / joint.sum(1, keepdims=True)


def swapped_columns(log_joint, log_q):
    return divergences(log_joint, log_q)[:, ::-1]


def both_over_q(log_joint, log_q):
    q, _, ratio = parts(log_joint, log_q)
    return np.stack([(q * ratio).sum(1), -(q * ratio).sum(1)], 1)


def unweighted(log_joint, log_q):
    ratio = parts(log_joint, log_q)[2]
    return np.stack([ratio.mean(1), -ratio.mean(1)], 1)


class Phase:
    """Wake or sleep in numpy, with something changed."""

    def __init__(
        self, awake, *, model=None, encoder=None, below=True, drawn=True, prior=True, scale=1.0, ancestral=True
    ):
        self.awake, self.below, self.drawn, self.prior, self.scale = awake, below, drawn, prior, scale
        self.model = awake if model is None else model  # whether the model learns
        self.encoder = not awake if encoder is None else encoder
        self.ancestral = ancestral

    def bits(self, noise, logits):
        p = special.expit(logits)
        if not self.drawn and (self.awake or noise.shape[1] != self.z_bits):
            return p
        return ((noise < p) == self.below).astype(float)

    def __call__(self, first, second, prior, weight, bias, rec_weight, rec_bias):
        self.z_bits = len(prior)
        if self.awake:
            x = first
            z = self.bits(second, x @ rec_weight.T + rec_bias if self.ancestral else prior)
        else:
            z = self.bits(first, prior)
            x = self.bits(second, z @ weight.T + bias)
        n = len(x) / self.scale
        ink, guess = special.expit(z @ weight.T + bias) - x, special.expit(x @ rec_weight.T + rec_bias) - z
        of_prior = (special.expit(prior) - z).sum(0) / n * self.prior
        of_model = [of_prior, ink.T @ z / n, ink.sum(0) / n]
        of_encoder = [guess.T @ x / n, guess.sum(0) / n]
        return [self.model * one for one in of_model] + [self.encoder * one for one in of_encoder]


def by_autograd(loss_of, *arrays):
    """Gradients of all but the first two arrays, which are data and noise."""
    tensors = [torch.as_tensor(one).double() for one in arrays]
    parameters = [one.requires_grad_() for one in tensors[2:]]
    gradients = torch.autograd.grad(loss_of(*tensors[:2], *parameters), parameters, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, gradients, strict=True)]


def law(logits):
    return Independent(Bernoulli(logits=logits), 1)


def wake_by_torch(*arrays):
    def loss(x, noise, prior, weight, bias, rec_weight, rec_bias):
        with torch.no_grad():
            z = (noise < torch.sigmoid(torch.nn.functional.linear(x, rec_weight, rec_bias))).double()
        log_prior = Bernoulli(logits=prior).log_prob(z).sum(1)
        return -(log_prior + law(z @ weight.mT + bias).log_prob(x)).mean()

    return by_autograd(loss, *arrays)


def sleep_by_torch(*arrays):
    def loss(noise_z, noise_x, prior, weight, bias, rec_weight, rec_bias):
        with torch.no_grad():
            z = torch.le(noise_z, prior.sigmoid()).double()
            x = torch.le(noise_x, (z @ weight.mT + bias).sigmoid()).double()
        return -law(torch.nn.functional.linear(x, rec_weight, rec_bias)).log_prob(z).mean()

    return tuple(by_autograd(loss, *arrays))


def negative(phase):
    return lambda *arrays: [-one for one in phase(*arrays)]


class TestAnswers(Answers):
    notebook = "amortized_inference"
    right = (
        ("gaps", "gaps", gaps),
        ("gaps", "gaps", gaps_by_torch),
        ("divergences", "divergences", divergences),
        ("divergences", "divergences", divergences_by_torch),
        ("wake", "wake", Phase(True)),
        ("wake", "wake", wake_by_torch),
        ("sleep", "sleep", Phase(False)),
        ("sleep", "sleep", sleep_by_torch),
    )
    wrong = (
        ("gaps", lambda *a: gaps(*a)[::-1], "the two are exchanged"),
        ("gaps", lambda *a: -gaps(*a), "the sign is wrong"),
        ("gaps", lambda p, s, a: [(p - s.max(0)).mean(), (p - a).mean()], "the second is the sum of both"),
        ("gaps", of_average, "take the best for each example"),
        ("gaps", lambda p, s, a: [(p - s.mean(0)).mean(), (s.mean(0) - a).mean()], "the searches are averaged"),
        ("gaps", lambda p, s, a: gaps(p, s, a) * len(p), "the examples are summed"),
        ("divergences", swapped_columns, "the directions are exchanged"),
        ("divergences", lambda *a: -divergences(*a), "the sign is wrong"),
        ("divergences", without_evidence, "the joint is not the posterior"),
        ("divergences", weighed_with_the_joint, "weighs with the joint"),
        ("divergences", underflowing, "logsumexp"),
        ("divergences", floored_evidence, "a clamp takes its place"),
        ("divergences", floored(lambda joint: share(joint + 1e-300)), "a clamp takes its place"),
        ("divergences", floored(lambda joint: share(joint.clip(1e-30))), "a clamp takes its place"),
        (
            "divergences",
            floored(lambda joint: joint / (joint.sum(1, keepdims=True) + 1e-300), lambda p: np.log(p + 1e-300)),
            "a clamp takes its place",
        ),
        ("divergences", both_over_q, "both average over q"),
        ("divergences", lambda *a: divergences(*a)[:, [0, 0]], "both are KL(q || p)"),
        ("divergences", unweighted, "not weighted"),
        ("divergences", lambda *a: divergences(*a).mean(0), "one row for each"),
        ("wake", Phase(True, model=False, encoder=True), "wake and sleep are swapped"),
        ("wake", Phase(True, encoder=True), "the encoder learns, too"),
        ("wake", negative(Phase(True)), "the loss is minus that"),
        ("wake", Phase(True, prior=False), "the prior learns, too"),
        ("wake", Phase(True, ancestral=False), "z was drawn from the prior"),
        ("wake", Phase(True, drawn=False), "the means of the bits were used"),
        ("wake", Phase(True, below=False), "below its probability, not above"),
        ("wake", lambda x, *a: Phase(True, scale=len(x))(x, *a), "the examples are summed"),
        ("wake", lambda *a: Phase(True)(*a)[:3], "should return the gradient of prior, the gradient of weight"),
        ("sleep", Phase(False, model=True, encoder=False), "wake and sleep are swapped"),
        ("sleep", Phase(False, model=True), "the model learns, too"),
        ("sleep", negative(Phase(False)), "the loss is minus that"),
        ("sleep", Phase(False, drawn=False), "the means of the pixels were used"),
        ("sleep", Phase(False, below=False), "below its probability, not above"),
        ("sleep", lambda u, *a: Phase(False, scale=len(u))(u, *a), "the examples are summed"),
        ("sleep", lambda *a: [one.T for one in Phase(False)(*a)], "should have its shape"),
    )
