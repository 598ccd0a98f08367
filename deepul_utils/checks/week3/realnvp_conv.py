"""The check of the invertible 1 x 1 convolution, question 5 of the homework on RealNVP."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from deepul_utils.checks import laws
from deepul_utils.checks.question import question

_EXACT = 1e-9


def _matrix(rng: np.random.Generator, C: int, size: float, sign: int) -> np.ndarray:
    """A well-conditioned C x C matrix without symmetry, |det| about size^C and det of the given sign."""
    turn = np.linalg.qr(rng.normal(size=(C, C)))[0]
    W = size * turn @ np.diag(np.exp(rng.uniform(-0.5, 0.5, C))) @ np.linalg.qr(rng.normal(size=(C, C)))[0]
    W[0] *= sign * np.linalg.slogdet(W)[0]
    return W


def _through(W: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.einsum("ij,bjhw->bihw", W, x)


def _mixed(W: np.ndarray, x: np.ndarray) -> np.ndarray:
    """W on rows of C numbers that a reshape alone makes: they are no pixels."""
    return (x.reshape(-1, len(W)) @ W.T).reshape(x.shape)


@question("realnvp.invertible_conv", points=3, withholds=("deepul_utils.transforms.invertible_conv.InvertibleConv",))
def invertible_conv(student: Any, case: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.choice(np.arange(3, 7), 2, replace=False))

    def judge(weight: np.ndarray, B: int, H: int, W: int) -> None:
        C = len(weight)
        x, layer = rng.normal(size=(B, C, H, W)), student.InvertibleConv(torch.tensor(weight))
        right, inverse = _through(weight, x), np.linalg.inv(weight)
        causes = {
            "the matrix is transposed: z_i is the sum over j of W_ij x_j": _through(weight.T, x),
            "this is the inverse: forward multiplies by W": _through(inverse, x),
            "a reshape alone puts numbers of several pixels into one row: bring the channels to the end first": (
                _mixed(weight, x)
            ),
        }
        z, log_det = laws.parts(layer.forward(torch.tensor(x)), "`forward`")
        laws.matches(z, right, what="z", tolerance=_EXACT, causes=causes)
        _judge_log_det(log_det, weight, B, H, W)

    def undo(weight: np.ndarray, B: int, H: int, W: int) -> None:
        x, layer = rng.normal(size=(B, len(weight), H, W)), student.InvertibleConv(torch.tensor(weight))
        z, inverse = _through(weight, x), np.linalg.inv(weight)
        causes = {
            "the transpose undoes a rotation, and W is any matrix: multiply by its inverse": _through(weight.T, z),
            "the inverse of W is transposed": _through(inverse.T, z),
            "this is forward again": _through(weight, z),
            "the inverse of a matrix is not that of its entries": _through(1 / weight, z),
            "a reshape alone puts numbers of several pixels into one row: bring the channels to the end first": (
                _mixed(inverse, z)
            ),
        }
        laws.matches(layer.inverse(torch.tensor(z)), x, what="inverse(z)", tolerance=1e-7, causes=causes)

    with case("forward, three channels"):
        judge(_matrix(rng, 3, 1.5, +1), 4, height, width)
    with case("forward, a negative determinant"):
        judge(_matrix(rng, 4, 1.5, -1), 3, width, height)
    with case("forward, a determinant too small for a float"):
        judge(_matrix(rng, 128, 1e-3, +1), 2, 2, 3)
    with case("forward, a determinant too large for a float"):
        judge(_matrix(rng, 128, 1e3, -1), 2, 3, 2)
    with case("inverse, three channels"):
        undo(_matrix(rng, 3, 1.5, -1), 4, height, width)
    with case("inverse, a determinant too small for a float"):
        undo(_matrix(rng, 128, 1e-3, +1), 2, 2, 3)


def _judge_log_det(got: Any, weight: np.ndarray, B: int, H: int, W: int) -> None:
    C, (sign, share) = len(weight), np.linalg.slogdet(weight)
    with np.errstate(all="ignore"):
        det = np.linalg.det(weight)
        pixels = H * W
        causes = {
            "the sign of the inverse: log|det dz/dx| = +H W log|det W|": -pixels * share,
            "H W is missing: the matrix acts at each of the H W pixels": share,
            "the pixels are H times W, not H plus W": (H + W) * share,
            "H alone: the pixels are H times W": H * share,
            "W alone: the pixels are H times W": W * share,
            "the channels are in det W already: H W log|det W|, without C": C * pixels * share,
            "the examples of a batch do not count: their volumes are their own": B * pixels * share,
            "this is the determinant: take its logarithm": pixels * det,
            "this is the absolute value of the determinant: take its logarithm": pixels * abs(det),
            "this is the sign of the determinant: slogdet returns the sign first, then log|det W|": pixels * sign,
            "this is log|W| of each entry, added up: take the logarithm of the determinant": (
                pixels * np.log(abs(weight)).sum()
            ),
            "this adds up the logarithms of the diagonal, as for a triangular matrix": (
                pixels * np.log(abs(np.diag(weight))).sum()
            ),
        }
        if sign < 0:
            causes = {
                "the sign of the determinant is none of the volume's: log|det W| whatever it is": sign * pixels * share,
                "det W is negative, so that its logarithm is NaN: take torch.linalg.slogdet's log|det W|": np.nan,
                **causes,
            }
        if not 0 < abs(det) < np.inf:
            causes = {
                "det W has left the range of floats before its logarithm is taken: "
                "torch.linalg.slogdet never forms it": np.log(abs(det)),
                **causes,
            }
    due = np.full(B, pixels * share)
    told: dict[str, Any] = {text: np.full(B, value) for text, value in causes.items()}
    told["one number for each example: log_det is (B,)"] = pixels * share
    laws.matches(got, due, what="log_det", tolerance=_EXACT, causes=told)
