"""A progress bar for those who wait: none in the first seconds, and none where nobody looks."""

from __future__ import annotations

import os
import sys
import time

from tqdm.auto import tqdm

PATIENCE = 2.0  # seconds


class Progress:
    """Count steps, and show a bar once they have taken `PATIENCE`: in a terminal, in Jupyter and in Colab.

    There is none where stderr is a file, nor where the environment variable TQDM_DISABLE is set, as it should be for
    notebooks that are run to be committed or graded: a bar would stay in their outputs.

    Args:
        total: steps in all.
        done: steps that an earlier run took.
        shown: False for silence.
    """

    def __init__(self, total: int, done: int = 0, shown: bool = True) -> None:
        self.total, self.done = total, done
        watched = "ipykernel" in sys.modules or sys.stderr.isatty()
        self.shown = shown and watched and not os.environ.get("TQDM_DISABLE")
        self.bar: tqdm | None = None
        self.start = time.monotonic()

    def step(self, loss: float) -> None:
        """Count a step, and show its loss."""
        self.done += 1
        if self.bar is not None:
            self.bar.set_postfix_str(f"loss {loss:.4g}", refresh=False)
            self.bar.update()
        elif self.shown and time.monotonic() - self.start > PATIENCE:
            self.bar = tqdm(total=self.total, initial=self.done, unit="step", leave=False, dynamic_ncols=True)

    def close(self) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.close()
