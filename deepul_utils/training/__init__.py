"""Training: `fit(model, Batches(train), epochs=20, test=test)` and what it needs."""

from deepul_utils.training.batches import Batches
from deepul_utils.training.checkpoint import CheckpointError
from deepul_utils.training.device import describe_device, device
from deepul_utils.training.fit import fit
from deepul_utils.training.history import History
from deepul_utils.training.schedules import cosine

__all__ = ["Batches", "CheckpointError", "History", "cosine", "describe_device", "device", "fit"]
