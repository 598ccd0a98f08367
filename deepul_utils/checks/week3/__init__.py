"""Week 3's questions, one file for each homework notebook, and two for RealNVP's."""

from deepul_utils.checks.week3 import autoregressive_flow, dequantization, flow_1d, realnvp, realnvp_conv

__all__ = ["autoregressive_flow", "dequantization", "flow_1d", "realnvp", "realnvp_conv"]
