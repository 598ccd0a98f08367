"""Draws book/_static/cover.png: points to learn from, what a small model learned, new points."""

from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt

from deepul_utils.data.toy2d import on_grid, smiley
from deepul_utils.models.toy_autoregressive import ToyAutoregressive
from deepul_utils.plotting import style
from deepul_utils.plotting.density import heat_map
from deepul_utils.training import Batches, fit

SIZE = 40

torch.manual_seed(0)
train, test = on_grid(smiley(20_000), SIZE), on_grid(smiley(2000, seed=1), SIZE)
model = ToyAutoregressive(SIZE)
history = fit(model, Batches(train), epochs=20, lr=3e-3, test=test)
print("test nats by epoch", np.round(history.test, 3))

style.use()
_, axes = plt.subplots(1, 3, figsize=(9, 3.2))
every = torch.cartesian_prod(torch.arange(SIZE), torch.arange(SIZE))
with torch.no_grad():
    learned = model.log_prob(every).exp().reshape(SIZE, SIZE)
    new = model.sample(2000).numpy()
noise = np.random.default_rng(0)
for ax, points, colour, title in [
    (axes[0], train[:2000], "data", "points to learn from"),
    (axes[2], new, "model", "new points"),
]:
    ax.scatter(*(points + noise.uniform(-0.5, 0.5, points.shape)).T, s=2, color=style.COLOURS[colour], linewidths=0)
    ax.set(title=title)
heat_map(learned, axes[1], top=learned.max() / 3, title="what a model learned")
for ax in axes:
    ax.set(xlim=(-0.5, SIZE - 0.5), ylim=(-0.5, SIZE - 0.5), xticks=[], yticks=[], xlabel="", ylabel="", aspect="equal")
    ax.grid(False)
    ax.spines[:].set_visible(False)
plt.savefig(Path(__file__).parent / "_static" / "cover.png", dpi=200, bbox_inches="tight")
