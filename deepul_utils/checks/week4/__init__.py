"""Week 4's questions, one file for each homework notebook."""

from deepul_utils.checks.week4 import iwae, latent_mixtures, vae, vqvae

__all__ = ["iwae", "latent_mixtures", "vae", "vqvae"]
