"""The networks of the recipe `vqvae-mnist-dynamic`."""

from __future__ import annotations

from torch import nn

from deepul_utils.distributions.independent import IndependentBernoulli
from deepul_utils.models.pixelcnn import PixelCNN
from deepul_utils.models.quantiser import Quantiser
from deepul_utils.models.vqvae import VQVAE
from deepul_utils.nn.resnet import ResNet


def mnist_vqvae(num_codes: int = 64, dims: int = 16, width: int = 64) -> VQVAE:
    """A VQ-VAE of binary images (B, 1, 28, 28), each a map of 7 x 7 codes, with a PixelCNN as their prior."""
    encoder = nn.Sequential(
        nn.Conv2d(1, width, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, width, 4, stride=2, padding=1),
        ResNet(width, dims, width, blocks=2),
    )
    decoder = nn.Sequential(
        ResNet(dims, width, width, blocks=2),
        nn.ConvTranspose2d(width, width, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1),
    )
    prior = PixelCNN((7, 7), num_codes, width, layers=4, kernel_size=5)
    return VQVAE(encoder, decoder, IndependentBernoulli, Quantiser(num_codes, dims), prior=prior)
