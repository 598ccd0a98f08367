"""Learning-rate schedules: a factor on lr for each share of the training that is done."""

from __future__ import annotations

import math


def cosine(done: float, warmup: float = 0.0) -> float:
    """Half a cosine from 1 down to 0, (1 + cos(pi s)) / 2, after a linear rise over the share `warmup`.

    Args:
        done: the share of the training that is done, in [0, 1].
        warmup: the share spent rising from 0 to 1, s = (done - warmup) / (1 - warmup) thereafter.

    Paper: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017).

    Example:
        >>> [round(cosine(done), 3) for done in (0, 0.5, 0.75, 1)]
        [1.0, 0.5, 0.146, 0.0]
        >>> [round(cosine(done, warmup=0.1), 3) for done in (0, 0.05, 0.1, 0.55)]
        [0.0, 0.5, 1.0, 0.5]
    """
    if done < warmup:
        return done / warmup
    return (1 + math.cos(math.pi * (done - warmup) / (1 - warmup))) / 2
