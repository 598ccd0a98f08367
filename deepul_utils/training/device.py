"""Where training runs: the GPU if there is one, as Hugging Face accelerate sees it."""

from __future__ import annotations

import torch
from accelerate import Accelerator


def device() -> torch.device:
    """The device that `fit` trains on.

    Example:
        >>> torch.zeros(3, device=device()).shape
        torch.Size([3])
    """
    return Accelerator().device


def describe_device() -> str:
    """Say in one sentence which device training uses.

    Example:
        >>> describe_device()
        'Training runs on ...'
    """
    kind = device().type
    if kind == "cuda":
        card = torch.cuda.get_device_properties(device())
        return f"Training runs on the GPU: {card.name}, {card.total_memory / 2**30:.0f} GB."
    if kind == "mps":
        return "Training runs on the GPU of this Mac."
    return f"Training runs on the CPU, {torch.get_num_threads()} thread{'s' * (torch.get_num_threads() > 1)}."
