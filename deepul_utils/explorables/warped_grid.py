"""A grid in the plane, warped by a matrix or by coupling layers, each cell coloured by log|det J|."""

from __future__ import annotations

import numpy as np
import traitlets
from numpy.typing import ArrayLike

from deepul_utils.explorables.base import Explorable

# What four layers do, drawn once: rows (a, b, c, d, e, f) of s(t) = a sin(b t + c), t(t) = d sin(e t + f).
_COUPLINGS = [
    [0.7, 1.3, 0.4, 0.8, 1.1, 2.0],
    [0.6, 1.6, 1.9, 0.9, 0.9, 0.5],
    [0.5, 1.2, 4.0, 0.7, 1.5, 3.1],
    [0.6, 1.0, 5.2, 0.8, 1.2, 1.0],
]


class WarpedGrid(Explorable):
    """The square from -2 to 2 and what a map z = f(x) makes of it.

    With `matrix`, z = A x. Otherwise the first `layers` coupling layers: in turn, one coordinate stays, and the other
    becomes x e^s + t, with s and t functions of the one that stays, times `strength`.

    Example:
        >>> figure = WarpedGrid(matrix=True, a=[[2.0, 1.0], [0.0, 1.0]])
        >>> figure.warp([[1.0, 1.0]])
        (array([[3., 1.]]), array([0.69314718]))
    """

    matrix = traitlets.Bool(False).tag(sync=True)
    a = traitlets.List(default_value=[[1.2, 0.6], [-0.3, 0.9]]).tag(sync=True)
    couplings = traitlets.List(default_value=_COUPLINGS).tag(sync=True)
    layers = traitlets.Int(2, min=0, max=4).tag(sync=True)
    strength = traitlets.Float(1.0, min=0, max=1.5).tag(sync=True)
    x0 = traitlets.Float(0.5).tag(sync=True)
    x1 = traitlets.Float(0.5).tag(sync=True)

    def warp(self, x: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """z (N, 2) and log|det dz/dx| (N,) of points x (N, 2)."""
        z = np.array(x, dtype=np.float64)
        if self.matrix:
            matrix = np.array(self.a)
            return z @ matrix.T, np.full(len(z), np.linalg.slogdet(matrix)[1])
        log_det = np.zeros(len(z))
        for layer, (a, b, c, d, e, f) in enumerate(self.couplings[: self.layers]):
            stays, changes = layer % 2, 1 - layer % 2
            s = self.strength * a * np.sin(b * z[:, stays] + c)
            z[:, changes] = z[:, changes] * np.exp(s) + self.strength * d * np.sin(e * z[:, stays] + f)
            log_det += s
        return z, log_det
