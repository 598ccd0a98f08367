"""How long flows take beside normflows, nflows and zuko: a step of training, 10,000 densities, 10,000 samples.

    pip install --no-deps --target peers normflows nflows zuko
    PYTHONPATH=peers python benchmarks/flows.py [--repeats 15] [--threads 2] [--rows 10000]

The same couplings everywhere: 6 affine ones, each with an MLP of two hidden layers of 64, over every second dimension;
and 5 autoregressive layers with masked MLPs of two hidden layers of 64. Before anything is timed, the course's own
coupling and autoregressive layers are given each peer's networks, weights and formula for the scale, and must give the
densities that the peer gives, or the benchmark fails. What is timed is each library with its own formula for the scale;
the course's is unbounded here, as that of normflows is (nflows and zuko bound theirs). Rows of a
table are measured in turns, so that other work on the machine slows all of them; times are medians.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepul_utils.models.autoregressive_flow import AutoregressiveFlow
from deepul_utils.models.flow import Flow
from deepul_utils.nn.mlp import MLP
from deepul_utils.transforms.autoregressive import MaskedAutoregressive
from deepul_utils.transforms.coupling import Coupling
from deepul_utils.transforms.element import Element, ScaleAndShift
from deepul_utils.transforms.invertible_conv import InvertibleConv
from deepul_utils.transforms.partition import every_second
from deepul_utils.transforms.transform import Composition, Transform

try:
    import nflows.distributions
    import nflows.flows
    import nflows.transforms
    import normflows
    import zuko
except ModuleNotFoundError as missing:
    sys.exit(f"{missing}. The peers are no part of the course: see the first lines of this file for how to get them.")

COUPLINGS, LAYERS, HIDDEN, BATCH = 6, 5, (64, 64), 128


@dataclass
class Timed:
    """A model as a library's users call it."""

    module: nn.Module
    log_prob: Callable[[Tensor], Tensor]
    sample: Callable[[int], object]


class PeersAffine(Element):
    """z = e^s x + t, from a peer's raw parameters by its own formula for (s, t)."""

    num_params = 2

    def __init__(self, formula: Callable[[Tensor], tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self.formula = formula

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self.formula(params)
        return s.exp() * x + t, s

    def inverse(self, z: Tensor, params: Tensor) -> Tensor:
        s, t = self.formula(params)
        return (z - t) * (-s).exp()


class Blocks(nn.Module):
    """A peer's network that gives all shifts and then all scales: as pairs side by side."""

    def __init__(self, net: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x).unflatten(1, (2, -1)).mT.flatten(1)


def zukos(params: Tensor) -> tuple[Tensor, Tensor]:
    shift, scale = params.unbind(-1)
    return scale / (1 + (scale / math.log(1e-3)).abs()), shift


def nflows_coupling(params: Tensor) -> tuple[Tensor, Tensor]:
    shift, scale = params.unbind(-1)
    return (torch.sigmoid(scale + 2) + 1e-3).log(), shift


def nflows_autoregressive(params: Tensor) -> tuple[Tensor, Tensor]:
    scale, shift = params.unbind(-1)
    return (F.softplus(scale) + 1e-3).log(), shift


def normflows_backwards(params: Tensor) -> tuple[Tensor, Tensor]:
    """Its layers map z to x, so that x to z is (x - shift) e^-scale."""
    shift, scale = params.unbind(-1)
    return -scale, -shift * (-scale).exp()


class WithContext(nn.Module):
    """An MLP that is called as nflows calls networks."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mlp = MLP(inputs, outputs, HIDDEN)

    def forward(self, x: Tensor, context: None = None) -> Tensor:
        return self.mlp(x)


def couplings(dims: int) -> tuple[dict[str, Timed], dict[str, tuple[Flow, Callable[[Tensor], Tensor]]]]:
    """The models of coupling layers by library, and for each peer its law rebuilt from the course's parts."""
    masks = [every_second([dims], k % 2) for k in range(COUPLINGS)]
    layers = [Coupling(mask, MLP(dims // 2, dims, HIDDEN), ScaleAndShift(math.inf)) for mask in masks]
    ours = Flow((dims,), Composition(*layers))

    blocks = []
    for _ in range(COUPLINGS):
        blocks += [
            normflows.flows.AffineCouplingBlock(MLP(dims // 2, dims, HIDDEN)),
            normflows.flows.Permute(dims, "swap"),
        ]
    norm = normflows.NormalizingFlow(normflows.distributions.DiagGaussian(dims, trainable=False), blocks)
    swap = torch.eye(dims).roll(dims // 2, 0)
    first = torch.arange(dims) < dims // 2
    rebuilt: list[Transform] = []
    for block in reversed(blocks[::2]):
        element = PeersAffine(normflows_backwards)
        rebuilt += [InvertibleConv(dims, swap), Coupling(first, block.flows[1].param_map, element)]
    norm_again = Flow((dims,), Composition(*rebuilt))

    parts = [nflows.transforms.AffineCouplingTransform(1 - 2 * mask, WithContext) for mask in masks]
    base = nflows.distributions.StandardNormal([dims])
    nfl = nflows.flows.Flow(nflows.transforms.CompositeTransform(parts), base)
    nets = [Blocks(part.transform_net) for part in parts]
    nfl_again = [Coupling(mask, net, PeersAffine(nflows_coupling)) for mask, net in zip(masks, nets, strict=True)]

    zuk = zuko.flows.RealNVP(dims, transforms=COUPLINGS, hidden_features=HIDDEN)
    steps = zuk.transform.transforms
    zuk_again = [Coupling(step.mask, step.hyper, PeersAffine(zukos)) for step in steps]

    timed = {
        "deepul_utils": Timed(ours, ours.log_prob, ours.sample),
        "normflows": Timed(norm, norm.log_prob, norm.sample),
        "nflows": Timed(nfl, nfl.log_prob, nfl.sample),
        "zuko": Timed(zuk, lambda x: zuk().log_prob(x), lambda n: zuk().sample((n,))),
    }
    again = {
        "normflows": (norm_again, norm.log_prob),
        "nflows": (Flow((dims,), Composition(*nfl_again)), nfl.log_prob),
        "zuko": (Flow((dims,), Composition(*zuk_again)), lambda x: zuk().log_prob(x)),
    }
    return timed, again


class PeersConditioner(nn.Module):
    """A peer's masked network from (B, D) to (B, D, 2)."""

    def __init__(self, net: Callable[[Tensor], Tensor], dims: int, order: Tensor) -> None:
        super().__init__()
        self.net, self.dims, self.order = net, dims, order

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x).unflatten(-1, (self.dims, 2))


def autoregressive(dims: int) -> tuple[dict[str, Timed], dict[str, tuple[Flow, Callable[[Tensor], Tensor]]]]:
    """The same for masked autoregressive layers; normflows has them in the other direction alone."""
    ours = AutoregressiveFlow(dims, ScaleAndShift(math.inf), layers=LAYERS, hidden=HIDDEN)
    upwards, reverse = torch.arange(dims), torch.eye(dims).flip(0)

    parts, nfl_again = [], []
    for k in range(LAYERS):
        part = nflows.transforms.MaskedAffineAutoregressiveTransform(
            dims, HIDDEN[0], num_blocks=len(HIDDEN) - 1, use_residual_blocks=False
        )
        parts += [part] if k == 0 else [nflows.transforms.ReversePermutation(dims), part]
        layer = MaskedAutoregressive(
            PeersConditioner(part.autoregressive_net, dims, upwards), PeersAffine(nflows_autoregressive)
        )
        nfl_again += [layer] if k == 0 else [InvertibleConv(dims, reverse), layer]
    base = nflows.distributions.StandardNormal([dims])
    nfl = nflows.flows.Flow(nflows.transforms.CompositeTransform(parts), base)

    zuk = zuko.flows.MAF(dims, transforms=LAYERS, hidden_features=HIDDEN)
    nets = [PeersConditioner(step.hyper, dims, step.order) for step in zuk.transform.transforms]
    zuk_again = [MaskedAutoregressive(net, PeersAffine(zukos)) for net in nets]

    timed = {
        "deepul_utils": Timed(ours, ours.log_prob, ours.sample),
        "nflows": Timed(nfl, nfl.log_prob, nfl.sample),
        "zuko": Timed(zuk, lambda x: zuk().log_prob(x), lambda n: zuk().sample((n,))),
    }
    again = {
        "nflows": (Flow((dims,), Composition(*nfl_again)), nfl.log_prob),
        "zuko": (Flow((dims,), Composition(*zuk_again)), lambda x: zuk().log_prob(x)),
    }
    return timed, again


@torch.no_grad()
def compare(again: Mapping[str, tuple[Flow, Callable[[Tensor], Tensor]]], dims: int) -> None:
    x = torch.randn(1000, dims)
    for name, (rebuilt, log_prob) in again.items():
        apart = (rebuilt.log_prob(x) - log_prob(x)).abs().max().item()
        if not apart < 1e-3:
            sys.exit(f"From {name}'s weights the course's layers give other densities, by up to {apart:.2g} nats.")
        back = (rebuilt.transform.inverse(rebuilt.transform(x)[0]) - x).abs().max().item()
        print(f"{name}'s law from the course's layers: largest difference {apart:.1e} nats, inverse to {back:.1e}")


def step(timed: Timed, x: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.Adam(timed.module.parameters())

    def run() -> None:
        optimizer.zero_grad()
        (-timed.log_prob(x).mean()).backward()
        optimizer.step()

    return run


def medians(rows: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Milliseconds of each row, run in turns, once for nothing and then `repeats` times."""
    times: dict[str, list[float]] = {name: [] for name in rows}
    for repeat in range(repeats + 1):
        for name, run in rows.items():
            start = time.perf_counter()
            run()
            if repeat:
                times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def measure(
    title: str, models: Mapping[str, Timed], dims: int, options: argparse.Namespace, slow: bool = False
) -> None:
    batch, rows = torch.randn(BATCH, dims), torch.randn(options.rows, dims)

    def quiet(run: Callable[[], object]) -> Callable[[], object]:
        return torch.no_grad()(run)

    columns = [
        medians({name: step(timed, batch) for name, timed in models.items()}, 3 * options.repeats),
        medians({n: quiet(lambda t=t: t.log_prob(rows)) for n, t in models.items()}, options.repeats),
        medians(
            {n: quiet(lambda t=t: t.sample(options.rows)) for n, t in models.items()}, 3 if slow else options.repeats
        ),
    ]
    print(f"\n| {title}, ms | training step of {BATCH} | {options.rows} densities | {options.rows} samples |")
    print("|---|---|---|---|")
    for name in models:
        print(f"| {name} | " + " | ".join(f"{column[name]:.3g}" for column in columns) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"repeats": 15, "threads": 2, "rows": 10_000}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    for title, build, dims, slow in (
        (f"{COUPLINGS} couplings, D = 2", couplings, 2, False),
        (f"{COUPLINGS} couplings, D = 64", couplings, 64, False),
        (f"{LAYERS} autoregressive layers, D = 64", autoregressive, 64, True),
    ):
        timed, again = build(dims)
        compare(again, dims)
        measure(title, timed, dims, options, slow)


if __name__ == "__main__":
    main()
