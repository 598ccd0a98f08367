"""How long PixelCNN takes to draw images, naively and with kept rows, and to take one step of training.

    python benchmarks/sampling.py [--size 28] [--images 16] [--width 64] [--layers 5] [--repeats 3] [--threads 2]

"Naive" is what public PyTorch implementations do: for each pixel the whole image goes through the network again, with
7 x 7 kernels of which the mask zeroes one half. All three samplers get the same noise and must give the same images, or
the benchmark fails. Rows of one table are measured in turns, so that other work on the machine slows all of them; times
are medians. At full size it takes some ten minutes, nearly all of them naive; `--size 8 --width 16` takes seconds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping

import torch

from deepul_utils.models.pixelcnn import PixelCNN
from deepul_utils.nn.masked import MaskedConv2d

TRAINING_BATCH = 128


def pixelcnn(options: argparse.Namespace, whole_kernels: bool = False) -> PixelCNN:
    """The same model every time, not trained: 7 x 7 of kind A, then blocks of kind B."""
    torch.manual_seed(0)
    model = PixelCNN((options.size, options.size), width=options.width, layers=options.layers)
    for layer in model.modules():
        if whole_kernels and isinstance(layer, MaskedConv2d):
            layer.rows, layer.cols = layer.kernel_size
    return model


def table(title: str, rows: Mapping[str, Callable[[], object]], repeats: int) -> None:
    """Run every row `repeats` times in turns; print medians and how they compare with the first row."""
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(repeats):
        for name, run in rows.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    first = next(iter(medians.values()))
    print(f"\n| {title} | seconds | times faster |\n|---|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {median:.3g} | {first / median:.3g} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"size": 28, "images": 16, "width": 64, "layers": 5, "repeats": 3, "threads": 2}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    model, whole = pixelcnn(options), pixelcnn(options, whole_kernels=True)
    noise = torch.rand(options.images, options.size, options.size)
    images: dict[str, torch.Tensor] = {}

    def keep(name: str, sampler: Callable[..., torch.Tensor]) -> Callable[[], None]:
        def run() -> None:
            images[name] = sampler(options.images, u=noise)

        return run

    samplers = {
        "naive, 7 x 7 kernels": keep("naive", whole.sample_naively),
        "naive, 4 x 7 kernels": keep("cropped", model.sample_naively),
        "cached rows": keep("cached", model.sample),
    }
    what = f"Sampling {options.images} images of {options.size} x {options.size}, {options.threads} threads"
    table(what, samplers, options.repeats)
    if not (torch.equal(images["naive"], images["cropped"]) and torch.equal(images["naive"], images["cached"])):
        sys.exit("The three samplers gave different images: the cache is wrong, and its speed means nothing.")
    print("\nThe three gave the same images.")

    x = torch.randint(2, (TRAINING_BATCH, options.size, options.size))

    def step(model: PixelCNN) -> Callable[[], None]:
        optimizer = torch.optim.Adam(model.parameters())

        def run() -> None:
            optimizer.zero_grad()
            model.loss(x).backward()
            optimizer.step()

        return run

    steps = {"7 x 7 kernels": step(whole.train()), "4 x 7 kernels": step(model.train())}
    table(f"A step of training on {TRAINING_BATCH} images", steps, options.repeats + 2)


if __name__ == "__main__":
    main()
