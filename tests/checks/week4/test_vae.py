"""The homework vae: right answers however written, classic mistakes with their causes."""

import math

import numpy as np
import torch
from answers import Answers
from scipy import special
from torch.distributions import Bernoulli, Normal, kl_divergence


def each(loc, log_scale):
    return (loc**2 + np.exp(2 * log_scale) - 1) / 2 - log_scale


def kl(loc, log_scale):
    return each(loc, log_scale).sum(1)


def kl_by_torch(loc, log_scale):
    loc, log_scale = torch.as_tensor(loc), torch.as_tensor(log_scale)
    return kl_divergence(Normal(loc, log_scale.exp()), Normal(0.0, 1.0)).sum(-1)


def kl_in_a_loop(loc, log_scale):
    return [
        sum(0.5 * (m * m + math.exp(s) ** 2) - 0.5 - s for m, s in zip(*row, strict=True))
        for row in zip(loc.tolist(), log_scale.tolist(), strict=True)
    ]


def reparameterised(loc, log_scale, noise):
    return loc + np.exp(log_scale) * noise


def reparameterised_in_place(loc, log_scale, noise):
    z = torch.tensor(log_scale).exp_()
    return z.mul_(torch.tensor(noise)).add_(torch.tensor(loc))


def errors(x, logits):
    return np.logaddexp(0, logits) - x * logits


def reconstruction(x, logits):
    return errors(x, logits).sum(1)


def reconstruction_by_torch(x, logits):
    return -Bernoulli(logits=torch.as_tensor(logits)).log_prob(torch.as_tensor(x).double()).sum(1)


def reconstruction_by_sigmoids(x, logits):
    return -special.log_expit(np.where(x == 1, logits, -logits)).sum(-1)


class Parts:
    """The loss, with one part changed."""

    def __init__(self, **changed):
        self.changed = {
            "z": lambda loc, log_scale, noise: loc + np.exp(log_scale) * noise,
            "error": lambda e: e.sum(1).mean(),
            "price": lambda p: p.sum(1).mean(),
            "parts": lambda error, price: [error + price, error, price],
        } | changed

    def __call__(self, x, loc, log_scale, noise, weight, bias):
        z = self.changed["z"](loc, log_scale, noise)
        error, price = (
            self.changed["error"](errors(x, z @ weight.T + bias)),
            self.changed["price"](each(loc, log_scale)),
        )
        return np.array(self.changed["parts"](error, price))


def loss_by_torch(x, loc, log_scale, noise, weight, bias):
    x, loc, log_scale, noise, weight, bias = map(torch.as_tensor, (x, loc, log_scale, noise, weight, bias))
    logits = torch.nn.functional.linear(loc + log_scale.exp() * noise, weight, bias)
    error = torch.nn.functional.binary_cross_entropy_with_logits(logits, x.double(), reduction="sum") / len(x)
    price = kl_by_torch(loc, log_scale).mean()
    return torch.stack([error + price, error, price])


def free_bits(by_latent, floor):
    return np.maximum(by_latent.mean(0), floor).sum()


def free_bits_by_torch(by_latent, floor):
    return torch.as_tensor(by_latent).mean(0).clamp(min=floor).sum()


def logarithms(x, p):
    with np.errstate(all="ignore"):
        return -np.where(x == 1, np.log(p), np.log(1 - p)).sum(1)


def overflowing(x, a):
    with np.errstate(all="ignore"):
        return (np.log1p(np.exp(a)) - x * a).sum(1)


def stopped(x, a):
    p = torch.as_tensor(a).sigmoid()
    return torch.nn.functional.binary_cross_entropy(p, torch.as_tensor(x).double(), reduction="none").sum(1)


class TestAnswers(Answers):
    notebook = "vae"
    right = (
        ("kl", "kl", kl),
        ("kl", "kl", kl_by_torch),
        ("kl", "kl", kl_in_a_loop),
        ("reparameterised", "reparameterised", reparameterised),
        ("reparameterised", "reparameterised", reparameterised_in_place),
        ("reconstruction", "reconstruction", reconstruction),
        ("reconstruction", "reconstruction", reconstruction_by_torch),
        ("reconstruction", "reconstruction", reconstruction_by_sigmoids),
        ("loss", "loss", Parts()),
        ("loss", "loss", loss_by_torch),
        ("free_bits", "free_bits", free_bits),
        ("free_bits", "free_bits", free_bits_by_torch),
    )
    wrong = (
        ("kl", lambda m, s: each(m, s).mean(1), "the latents are averaged"),
        ("kl", lambda m, s: -kl(m, s), "the sign is wrong"),
        ("kl", lambda m, s: (m**2 + np.exp(2 * s) - 1 - 2 * s).sum(1), "the 1/2 is missing"),
        ("kl", lambda m, s: (m**2 / 2 + np.exp(2 * s) - 0.5 - s).sum(1), "it belongs to s^2 too"),
        ("kl", lambda m, s: (m**2 + np.exp(2 * s) / 2 - 0.5 - s).sum(1), "it belongs to mu^2 too"),
        ("kl", lambda m, s: ((m**2 + np.exp(2 * s)) / 2 - s).sum(1) - 0.5, "the -1/2 is taken once"),
        ("kl", lambda m, s: ((m**2 + np.exp(2 * s)) / 2 - s).sum(1), "the -1/2 is left out"),
        ("kl", lambda m, s: kl(m, s / 2), "taken for log s^2"),
        ("kl", lambda m, s: ((m**2 + np.exp(s) - 1) / 2 - s).sum(1), "square it"),
        ("kl", lambda m, s: ((m**2 + np.exp(2 * s) - 1) / 2 - 2 * s).sum(1), "half of it is log s"),
        ("kl", lambda m, s: ((m**2 + s**2 - 1) / 2 - np.log(np.abs(s) + (s == 0))).sum(1), "taken for s"),
        ("kl", lambda m, s: ((m**2 + np.exp(2 * s) - 1) / 2 + s).sum(1), "sharper codes cost more"),
        ("kl", lambda m, s: ((m + np.exp(2 * s) - 1) / 2 - s).sum(1), "mu is not squared"),
        ("kl", lambda m, s: ((1 + m**2) / (2 * np.exp(2 * s)) - 0.5 + s).sum(1), "KL(p || q)"),
        ("kl", lambda m, s: each(m, s).sum(0), "sum over the latents"),
        ("kl", lambda m, s: kl(m, s).mean(), "one number for each"),
        ("kl", each, "one by one"),
        ("reparameterised", lambda m, s, e: m + np.exp(s / 2) * e, "taken for log s^2"),
        ("reparameterised", lambda m, s, e: m + np.exp(2 * s) * e, "s^2 times the noise"),
        ("reparameterised", lambda m, s, e: m + s * e, "taken for s"),
        ("reparameterised", lambda m, s, e: m - np.exp(s) * e, "an extra minus"),
        ("reparameterised", lambda m, s, e: m + e, "not scaled"),
        ("reparameterised", lambda m, s, e: m, "this is the mean"),
        ("reparameterised", lambda m, s, e: np.exp(s) * (m + e), "mu is scaled"),
        ("reparameterised", lambda m, s, e: np.exp(s) * e, "mu is left out"),
        ("reconstruction", lambda x, a: errors(x, a).mean(1), "the pixels are averaged"),
        ("reconstruction", lambda x, a: -reconstruction(x, a), "the sign is that of"),
        ("reconstruction", lambda x, a: logarithms(x, special.expit(a)), "has rounded to 0 or 1: stay"),
        (
            "reconstruction",
            lambda x, a: -np.log(np.maximum(np.where(x == 1, special.expit(a), 1 - special.expit(a)), 1e-7)).sum(1),
            "a clamp hides",
        ),
        ("reconstruction", overflowing, "e^a overflows"),
        ("reconstruction", stopped, "stops at 100 nats"),
        ("reconstruction", lambda x, a: (x * np.logaddexp(0, -a)).sum(1), "zeros of x say"),
        ("reconstruction", lambda x, a: reconstruction(1 - x, a), "exchanged"),
        ("reconstruction", lambda x, a: reconstruction(x, special.expit(a)), "one sigmoid too many"),
        ("reconstruction", lambda x, a: ((x - special.expit(a)) ** 2).sum(1), "squared error"),
        ("reconstruction", lambda x, a: errors(x, a).sum(0), "sum over the pixels"),
        ("reconstruction", lambda x, a: reconstruction(x, a).mean(), "one number for each"),
        ("loss", Parts(error=np.mean), "averaged over pixels while the KL is summed"),
        ("loss", Parts(price=np.mean), "averaged over latents while the reconstruction is summed"),
        ("loss", Parts(error=np.mean, price=np.mean), "not equally many"),
        ("loss", Parts(error=np.sum, price=np.sum), "the batch is summed"),
        ("loss", Parts(parts=lambda e, p: [e - p, e, p]), "an extra minus"),
        ("loss", Parts(parts=lambda e, p: [-e - p, -e, -p]), "this is the bound"),
        ("loss", Parts(parts=lambda e, p: [e + p, e, -p]), "reported with a minus"),
        ("loss", Parts(z=lambda m, s, e: m), "given the mean"),
        ("loss", Parts(z=lambda m, s, e: e), "given the noise"),
        ("loss", Parts(z=lambda m, s, e: m + np.exp(s / 2) * e), "taken for log s^2 in the draw"),
        ("loss", Parts(parts=lambda e, p: [e, e, p]), "not in the loss"),
        ("loss", Parts(parts=lambda e, p: [e + p, p, e]), "the order is"),
        ("free_bits", lambda k, f: max(k.mean(0).sum(), f), "one allowance for all latents"),
        ("free_bits", lambda k, f: max(k.mean(0).sum(), f * k.shape[1]), "put together"),
        ("free_bits", lambda k, f: np.maximum(k, f).sum(1).mean(), "taken for each example"),
        ("free_bits", lambda k, f: max(k.sum(), f), "one allowance for the batch"),
        ("free_bits", lambda k, f: np.minimum(k.mean(0), f).sum(), "this is the minimum"),
        ("free_bits", lambda k, f: np.maximum(k.mean(0) - f, 0).sum(), "taken away"),
        ("free_bits", lambda k, f: np.maximum(k.mean(0), f).mean(), "the latents are averaged"),
        ("free_bits", lambda k, f: np.maximum(k.sum(0), f).sum(), "the examples are summed"),
        ("free_bits", lambda k, f: (k.mean(0) * (k.mean(0) > f)).sum(), "count the floor"),
        ("free_bits", lambda k, f: k.mean(0).sum(), "without free bits"),
    )
