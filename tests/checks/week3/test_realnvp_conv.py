"""The check of the 1 x 1 convolution accepts right answers however written, and names the cause of wrong ones."""

import numpy as np
import torch
from answers import Answers
from torch import nn
from torch.nn import functional as F


class InvertibleConv(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x):
        return self.convolved(x), self.log_det(x)

    def convolved(self, x):
        return torch.einsum("ij,bjhw->bihw", self.weight, x)

    def log_det(self, x):
        return (x.shape[2] * x.shape[3] * torch.linalg.slogdet(self.weight)[1]).expand(len(x))

    def inverse(self, z):
        return torch.einsum("ij,bjhw->bihw", torch.linalg.inv(self.weight), z)


class ByConvolution:
    """conv2d, solve, the determinant by QR, and no torch module."""

    def __init__(self, weight):
        self.weight = weight

    def forward(self, x):
        B, C, H, W = x.shape
        logs = torch.linalg.qr(self.weight)[1].diagonal().abs().log()
        return F.conv2d(x, self.weight.view(C, C, 1, 1)), torch.ones(B).double() * logs.sum() * (H * W)

    def inverse(self, z):
        return torch.linalg.solve(self.weight, z.flatten(2)).view(z.shape)


class InNumpy:
    """Channels last, and the determinant by singular values."""

    def __init__(self, weight):
        self.weight = weight.numpy()

    def forward(self, x):
        log_volume = np.log(np.linalg.svd(self.weight, compute_uv=False)).sum()
        z = np.moveaxis(np.moveaxis(x.numpy(), 1, -1) @ self.weight.T, -1, 1)
        return z, np.full(len(x), log_volume * x[0, 0].numel())

    def inverse(self, z):
        return np.tensordot(np.linalg.inv(self.weight), z.numpy(), (1, 1)).swapaxes(0, 1)


def conv(**methods):
    return type("Wrong", (InvertibleConv,), methods)


def counted(count):
    """log|det W| as often as `count(B, C, H, W)` says."""
    return conv(log_det=lambda self, x: (count(*x.shape) * torch.linalg.slogdet(self.weight)[1]).expand(len(x)))


def of_matrix(share):
    """H W times `share(W)`."""
    return conv(log_det=lambda self, x: (x[0, 0].numel() * share(self.weight)).expand(len(x)))


def applied(matrix):
    return conv(convolved=lambda self, x: torch.einsum("ij,bjhw->bihw", matrix(self.weight), x))


def undone(matrix):
    return conv(inverse=lambda self, z: torch.einsum("ij,bjhw->bihw", matrix(self.weight), z))


class TestAnswers(Answers):
    notebook = "realnvp"
    right = (
        ("invertible_conv", "InvertibleConv", InvertibleConv),
        ("invertible_conv", "InvertibleConv", ByConvolution),
        ("invertible_conv", "InvertibleConv", InNumpy),
    )
    wrong = tuple(
        ("invertible_conv", answer, cause)
        for answer, cause in (
            (of_matrix(torch.logdet), "det W is negative, so that its logarithm is NaN"),
            (of_matrix(lambda W: torch.det(W).log()), "det W is negative, so that its logarithm is NaN"),
            (of_matrix(lambda W: torch.det(W).log()), "det W has left the range of floats"),
            (of_matrix(lambda W: torch.det(W).abs().log()), "det W has left the range of floats"),
            (of_matrix(torch.det), "this is the determinant: take its logarithm"),
            (of_matrix(lambda W: torch.det(W).abs()), "this is the absolute value of the determinant"),
            (of_matrix(lambda W: torch.linalg.slogdet(W)[0]), "slogdet returns the sign first"),
            (of_matrix(lambda W: torch.stack(torch.linalg.slogdet(W)).prod()), "is none of the volume's"),
            (of_matrix(lambda W: -torch.linalg.slogdet(W)[1]), "the sign of the inverse"),
            (of_matrix(lambda W: W.abs().log().sum()), "log|W| of each entry"),
            (of_matrix(lambda W: W.diagonal().abs().log().sum()), "the logarithms of the diagonal"),
            (counted(lambda B, C, H, W: 1), "H W is missing"),
            (counted(lambda B, C, H, W: H + W), "the pixels are H times W, not H plus W"),
            (counted(lambda B, C, H, W: H), "H alone"),
            (counted(lambda B, C, H, W: W), "W alone"),
            (counted(lambda B, C, H, W: C * H * W), "without C"),
            (counted(lambda B, C, H, W: B * H * W), "the examples of a batch do not count"),
            (conv(log_det=lambda self, x: InvertibleConv.log_det(self, x)[0]), "one number for each example"),
            (applied(lambda W: W.T), "the matrix is transposed"),
            (applied(torch.linalg.inv), "this is the inverse: forward multiplies by W"),
            (
                conv(convolved=lambda self, x: (x.reshape(-1, x.shape[1]) @ self.weight.T).reshape(x.shape)),
                "a reshape alone puts numbers of several pixels into one row",
            ),
            (undone(lambda W: W.T), "the transpose undoes a rotation"),
            (undone(lambda W: torch.linalg.inv(W).T), "the inverse of W is transposed"),
            (undone(lambda W: W), "this is forward again"),
            (undone(lambda W: 1 / W), "not that of its entries"),
            (
                conv(inverse=lambda self, z: (z.reshape(-1, z.shape[1]) @ self.weight.inverse().T).reshape(z.shape)),
                "a reshape alone puts numbers of several pixels into one row",
            ),
            (conv(forward=lambda self, x: self.convolved(x)), "should return z and log_det"),
        )
    )
