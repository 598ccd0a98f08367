"""What a training run recorded: the loss of every step, and the test loss after every epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass
class History:
    """Losses of a run, in nats per example; it plots itself.

    Attributes:
        steps_per_epoch: how many steps an epoch has.
        train: the loss of each step's batch, before that step.
        test: the loss on the test set before training and after each epoch; empty where there was no test set.
        seconds: how long training took, interruptions left out.

    Example:
        >>> History(steps_per_epoch=2, train=[3.0, 2.5, 2.2, 2.1], test=[3.0, 2.3, 2.1]).plot(floor=2.0).get_xlabel()
        'epoch'
    """

    steps_per_epoch: int
    train: list[float] = field(default_factory=list)
    test: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def epochs(self) -> int:
        """How many epochs are complete."""
        return len(self.train) // self.steps_per_epoch

    def plot(self, floor: float | None = None, ax: Axes | None = None) -> Axes:
        """Draw the losses against epochs.

        Args:
            floor: the loss of the true law, drawn as a line that no model gets below for long.
            ax: where to draw; the current axes where not given.
        """
        from matplotlib import pyplot as plt  # a second that training alone need not wait for
        from matplotlib.ticker import MaxNLocator

        ax = plt.gca() if ax is None else ax
        ax.plot(
            np.arange(len(self.train)) / self.steps_per_epoch, self.train, color="C0", alpha=0.5, lw=1, label="train"
        )
        if self.test:
            ax.plot(self.test, color="C1", marker=".", label="test")
        if floor is not None:
            ax.axhline(floor, color="C2", ls="--", label="true law")
        ax.set(xlabel="epoch", ylabel="loss (nats per example)")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend()
        return ax
