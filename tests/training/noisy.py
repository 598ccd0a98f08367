"""A small model with all that makes a run hard to repeat; `noisy.py CHECKPOINT STOP` dies in its STOP-th loss."""

import os
import signal
import sys

import numpy as np
import torch
from torch import nn

from deepul_utils.training import Batches, cosine, fit


class Noisy(nn.Module):
    """Least squares through dropout, with noise in the loss and a buffer that counts the batches."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 1))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    def loss(self, x):
        if self.training:
            self.seen += 1
        target = x.sum(1, keepdim=True) + 0.1 * torch.randn(len(x), 1)
        return (self.net(x) - target).square().mean()


def noisy_model(seed=0):
    torch.manual_seed(seed)
    return Noisy()


TRAIN = np.random.default_rng(0).normal(size=(45, 3))
TEST = np.random.default_rng(1).normal(size=(20, 3))
SETTINGS = {"epochs": 4, "lr": 0.05, "test": TEST, "schedule": cosine, "clip": 1.0, "ema": 0.9}
STEPS = 4 * 5  # epochs of 5 batches


def train(model, **changes):
    """The run that the tests interrupt and repeat."""
    return fit(model, Batches(TRAIN, batch_size=10, seed=3), **(SETTINGS | changes))


def die_while_training(checkpoint, stop):
    loss, calls = Noisy.loss, iter(range(1, 1000))

    def loss_until_killed(self, x):
        if next(calls) == int(stop):
            os.kill(os.getpid(), signal.SIGKILL)
        return loss(self, x)

    Noisy.loss = loss_until_killed
    train(noisy_model(), checkpoint=checkpoint)


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    die_while_training(*sys.argv[1:])
