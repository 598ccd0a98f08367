"""w <- w - lr Adam(grad L(w)), L = model.loss(batch): the loop that trains every model of the course."""

from __future__ import annotations

import contextlib
import math
import os
import time
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from deepul_utils.training.batches import Batch, Batches
from deepul_utils.training.checkpoint import Checkpoint
from deepul_utils.training.history import History
from deepul_utils.training.progress import Progress


def fit(
    model: nn.Module,
    batches: Batches,
    *,
    epochs: int,
    lr: float = 1e-3,
    test: Batches | ArrayLike | tuple[ArrayLike, ...] | None = None,
    schedule: Callable[[float], float] | None = None,
    clip: float | None = None,
    ema: float | None = None,
    bf16: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
) -> History:
    """Train `model` in place, with Adam on `model.loss(batch)`, and return the losses.

    It runs on the GPU if there is one, and on several under `accelerate launch`, where each process takes its share of
    every batch. Batches and the random numbers that a loss draws depend on (batches.seed, epoch) alone, so that an
    interrupted run, started again, ends with the losses and weights of one that was not, as far as the device computes
    the same thing twice. The model comes back in evaluation mode, on
    the device where it was.

    Args:
        model: `loss(batch)` gives the mean loss of a batch, or a named tuple that starts with it.
        batches: what to train on.
        epochs: passes over the data, those in the checkpoint included.
        lr: Adam's step size.
        test: examples on which to measure the loss before training and after each epoch.
        schedule: maps the share of training that is done, in [0, 1), to a factor on `lr`, as `schedules.cosine` does.
        clip: the largest norm of the gradient; a longer one is scaled down to it.
        ema: decay d of an average of the weights, a <- d a + (1 - d) w, which is tested and returned in their place.
        bf16: compute the training loss in bfloat16 where torch's autocast sees fit.
        checkpoint: a .safetensors file, written after each epoch; where it exists, the run goes on from it.

    Raises:
        TypeError: `batches` is no `Batches`.
        FloatingPointError: a loss is not finite; the model keeps the weights that gave it.
        CheckpointError: the checkpoint is damaged, or from a run of another model, data or settings.

    Paper: Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015).

    Example:
        >>> class Coin(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.logit = nn.Parameter(torch.zeros(()))
        ...
        ...     def loss(self, x):
        ...         return nn.functional.binary_cross_entropy_with_logits(self.logit.expand(len(x)), x)
        >>> flips = np.array([1.0, 1.0, 1.0, 0.0])
        >>> history = fit(Coin(), Batches(flips, batch_size=4), epochs=200, lr=0.1, test=flips)
        >>> [round(history.test[epoch], 3) for epoch in (0, 200)]  # log 2; the entropy of a coin of 3/4
        [0.693, 0.562]
    """
    if not isinstance(batches, Batches):
        raise TypeError(
            f"batches must be Batches(...), got {type(batches).__name__}; write fit(model, Batches(x), ...)"
        )
    accelerator = Accelerator()
    device = accelerator.device
    home = next((parameter.device for parameter in model.parameters()), device)
    parallel = accelerator.prepare_model(_Loss(model))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=device.type != "mps")
    average = None if ema is None else AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(ema))
    final = model if average is None else average.module
    tests = _as_batches(test)

    def rate(step: int) -> float:
        return lr if schedule is None else lr * schedule(step / (epochs * len(batches)))

    saved, history = None, None
    if checkpoint is not None:
        settings = {
            "lr": lr if schedule is None else [rate(epoch * len(batches)) for epoch in range(epochs)],
            "clip": clip,
            "ema": ema,
            "bf16": bf16,
            "batch_size": batches.batch_size,
            "seed": batches.seed,
            "data": _fingerprint(batches),
            "test": tests and _fingerprint(tests),
        }
        saved = Checkpoint(checkpoint, model, optimizer, average, settings)
        history = saved.resume()
    if history is None:
        history = History(len(batches))
        if tests is not None:
            history.test.append(_mean_loss(model, tests, batches, device))

    progress = Progress(epochs * len(batches), len(history.train), shown=accelerator.is_main_process)
    with contextlib.closing(progress):
        for epoch in range(history.epochs, epochs):
            start = time.perf_counter()
            model.train()
            batches.epoch = epoch
            with _noise(batches.seed, epoch, accelerator.process_index, device):
                for step, batch in enumerate(batches, start=1):
                    optimizer.param_groups[0]["lr"] = rate(len(history.train))
                    part, weight = _share(batch, accelerator)
                    with torch.autocast(device.type, torch.bfloat16) if bf16 else contextlib.nullcontext():
                        loss = weight * parallel(part)
                    history.train.append(accelerator.reduce(loss.detach(), "mean").item())
                    _check_finite(history.train[-1], f"in step {step} of epoch {epoch + 1}")
                    accelerator.backward(loss)
                    if clip is not None:
                        accelerator.clip_grad_norm_(model.parameters(), clip)
                    optimizer.step()
                    optimizer.zero_grad()
                    if average is not None:
                        average.update_parameters(model)
                    progress.step(history.train[-1])
            if tests is not None:
                history.test.append(_mean_loss(final, tests, batches, device))
                _check_finite(history.test[-1], f"on the test set after epoch {epoch + 1}")
            history.seconds += time.perf_counter() - start
            if saved is not None and accelerator.is_main_process:
                saved.save(history)
    accelerator.wait_for_everyone()
    model.load_state_dict(final.state_dict())
    model.eval()
    model.to(home)
    return history


class _Loss(nn.Module):
    """`model.loss` as a forward pass, which is where torch averages the gradients of several processes."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> Tensor:
        loss = self.model.loss(batch)  # type: ignore[operator]
        return loss[0] if isinstance(loss, tuple) else loss


def _as_batches(test: Batches | ArrayLike | tuple[ArrayLike, ...] | None) -> Batches | None:
    if test is None or isinstance(test, Batches):
        return test
    return Batches(*test) if isinstance(test, tuple) else Batches(test)


def _each(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    return tuple(change(a) for a in batch) if isinstance(batch, tuple) else change(batch)


def _rows(batch: Batch) -> int:
    return len(batch[0] if isinstance(batch, tuple) else batch)


def _share(batch: Batch, accelerator: Accelerator) -> tuple[Batch, float]:
    """This process's rows of a batch, and the weight that makes the mean over processes the mean over rows."""
    process, processes = accelerator.process_index, accelerator.num_processes
    mine = len(range(process, _rows(batch), processes))
    # A process without a row takes part with weight 0, since the others wait for its gradient.
    rows = slice(process, None, processes) if mine else slice(0, 1)
    return _each(batch, lambda a: a[rows].to(accelerator.device)), mine * processes / _rows(batch)


@torch.no_grad()
def _mean_loss(model: nn.Module, tests: Batches, batches: Batches, device: torch.device) -> float:
    """The mean loss on the test set in evaluation mode, with the same random numbers each time."""
    model.eval()
    loss, total = _Loss(model), 0.0
    with _noise(batches.seed, 0, 0, device):
        for batch in tests.in_order(4 * batches.batch_size):  # no gradients to keep: room for more
            total += loss(_each(batch, lambda a: a.to(device))).item() * _rows(batch)
    return total / tests.rows


@contextlib.contextmanager
def _noise(seed: int, epoch: int, process: int, device: torch.device) -> Iterator[None]:
    """Random numbers that depend on these alone; the caller's own go on afterwards as if nothing had been."""
    # torch.manual_seed looks for every kind of GPU, which takes longer than a small model's step.
    reseed = torch.default_generator.manual_seed if device.type == "cpu" else torch.manual_seed
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        reseed(int(np.random.SeedSequence([seed, epoch, process]).generate_state(1)[0]))
        yield


def _check_finite(loss: float, where: str) -> None:
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"the loss is {loss} {where}: try a smaller lr or clip=1, and look for a logarithm of 0 in the model"
        )


def _fingerprint(batches: Batches) -> str:
    """A text that changes when the data do."""
    checksum = 0
    for a in batches.arrays:
        checksum = zlib.crc32(a.cpu().contiguous().numpy().tobytes(), checksum)
    return f"{checksum:08x}"
