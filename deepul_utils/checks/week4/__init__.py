"""Week 4's questions, one file for each homework notebook."""

from deepul_utils.checks.week4 import gradient_estimators, iwae, latent_mixtures, vae, vqvae

__all__ = ["gradient_estimators", "iwae", "latent_mixtures", "vae", "vqvae"]
