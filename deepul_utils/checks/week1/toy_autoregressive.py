"""Homework `toy_autoregressive`."""

from __future__ import annotations
