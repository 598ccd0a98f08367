"""Week 3's questions, one file for each homework notebook."""

from deepul_utils.checks.week3 import autoregressive_flow, dequantization, flow_1d, realnvp

__all__ = ["autoregressive_flow", "dequantization", "flow_1d", "realnvp"]
