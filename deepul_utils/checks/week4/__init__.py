"""Week 4's questions, one file for each homework notebook."""

from deepul_utils.checks.week4 import amortized_inference, gradient_estimators, iwae, latent_mixtures, vae, vqvae

__all__ = ["amortized_inference", "gradient_estimators", "iwae", "latent_mixtures", "vae", "vqvae"]
