"""Week 1's questions: histograms, mixtures of logistics, a toy autoregressive model."""

from __future__ import annotations
