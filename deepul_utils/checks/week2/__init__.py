"""Week 2's questions, one file for each homework notebook."""

from deepul_utils.checks.week2 import made, masked_attention, pixelcnn, wavenet

__all__ = ["made", "masked_attention", "pixelcnn", "wavenet"]
