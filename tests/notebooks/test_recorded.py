"""Chapters show the recorded runs of book/results as they are now."""

import json
import re
from pathlib import Path

import pytest

from deepul_utils.course.notebooks import read

ROOT = Path(__file__).parents[2]


def printed(chapter, cell):
    """The numbers that a cell of a chapter prints, row by row, behind the row's name."""
    cells = {cell.id: cell for cell in read(ROOT / f"book/{chapter}.ipynb").cells}
    rows = (re.match(r"(.*?) +(\d+\.\d.*)", row) for row in cells[cell].outputs[0].text.splitlines())
    return {row[1]: list(map(float, re.findall(r"\d+\.\d+", row[2]))) for row in rows if row}


def run_of(name):
    run = json.loads((ROOT / f"book/results/{name}.json").read_text(encoding="utf-8"))
    parts = [one["parts"] for one in run["runs"] if "parts" in one]
    return run, {part: sum(one[part] for one in parts) / len(parts) for part in (parts[0] if parts else ())}


@pytest.mark.parametrize(
    ("chapter", "names"),
    [
        (
            "week1_likelihood/mixture_of_logistics",
            ["histogram-one-bump", "logistics-one-bump", "histogram-two-bumps", "logistics-two-bumps"],
        ),
    ],
)
def test_table_is_in_step_with_the_results(chapter, names):
    cells = {cell.id: cell for cell in read(ROOT / "book" / f"{chapter}.ipynb").cells}
    rows = cells["numbers-table"].outputs[0].text.splitlines()
    for name in names:
        run = json.loads((ROOT / "book" / "results" / f"{name}.json").read_text(encoding="utf-8"))
        row = next(row for row in rows if row.startswith(run["about"]))
        shown = [float(number) for number in row.removeprefix(run["about"]).split()]
        losses = [run["test_loss"], run["published"]["test_loss"], run["floor"]]
        assert shown[:3] == [round(loss, 4) for loss in losses], "run `make execute`"
        assert run["test_loss"] <= run["published"]["test_loss"]


def test_made_shows_its_run_on_mnist():
    cells = {cell.id: cell for cell in read(ROOT / "book/week2_autoregressive/made.ipynb").cells}
    run = json.loads((ROOT / "book/results/made-mnist.json").read_text(encoding="utf-8"))
    rows = {
        row.split()[0]: float(row.split()[1]) for row in cells["numbers-recorded"].outputs[0].text.splitlines()[1:3]
    }
    losses = {"ours": run["test_loss"], "published": run["published"]["test_loss"]}
    assert rows == {name: round(loss, 4) for name, loss in losses.items()}, "run `make execute`"
    assert run["test_loss"] <= run["published"]["test_loss"]


def test_pixelcnn_shows_its_run_on_mnist():
    rows = printed("week2_autoregressive/pixelcnn", "numbers-recorded")
    for model in ("MADE", "PixelCNN"):
        run = run_of(f"{model.lower()}-mnist")[0]
        losses = run["test_loss"], run["published"]["test_loss"]
        shown = rows[f"{model}, {run['settings']['epochs']} epochs"]
        assert shown == [round(loss, 4) for loss in losses], "run `make execute`"


def test_vae_shows_its_runs_on_the_plane():
    cells = {cell.id: cell for cell in read(ROOT / "book/week4_latent_variables/vae.ipynb").cells}
    rows = {row.split()[0]: row.split()[1:] for row in cells["numbers-table"].outputs[0].text.splitlines()[1:]}
    for name in ("vae-full-gaussian", "vae-diagonal-gaussian"):
        run = json.loads((ROOT / "book" / "results" / f"{name}.json").read_text(encoding="utf-8"))
        kl = sum(one["parts"]["kl"] for one in run["runs"]) / len(run["runs"])
        shown = [round(value, digits) for value, digits in zip((run["test_loss"], kl), (4, 3), strict=True)]
        assert list(map(float, rows[name][:2])) == shown, "run `make execute`"


@pytest.mark.parametrize(
    ("chapter", "name", "most"),
    [
        ("autoregressive_flows", "autoregressive-flow-smiley", 1.36),
        ("autoregressive_flows", "autoregressive-flow-half-moons", 1.10),
        ("realnvp", "realnvp-smiley", 1.39),
        ("realnvp", "realnvp-half-moons", 1.08),
        ("glow_and_beyond", "mixture-coupling-smiley", 0.03),  # above the floor
        ("glow_and_beyond", "mixture-coupling-half-moons", 0.03),
    ],
)
def test_flows_show_their_runs_on_the_plane(chapter, name, most):
    run = json.loads((ROOT / f"book/results/{name}.json").read_text(encoding="utf-8"))
    losses = [one["test_loss"] for one in run["runs"]]
    mean = sum(losses) / 3
    assert len(losses) == 3
    assert mean - (run["floor"] if name.startswith("mixture") else 0) <= most
    model, data = re.fullmatch("(.*)-(smiley|half-moons)", name).groups()
    cells = read(ROOT / f"book/week3_flows/{chapter}.ipynb").cells
    table = next(cell for cell in cells if f'recorded(f"{model}-' in cell.source).outputs[0].text
    row = next(row for row in table.splitlines() if data in row)
    shown = re.findall(r"\d\.\d{3}", row)
    assert shown[0] == f"{mean:.3f}", "run `make execute`"
    assert {f"{loss:.3f}" for loss in (run["floor"], min(losses), max(losses))} <= set(shown), "run `make execute`"


def test_iwae_shows_its_short_runs_beside_the_published_ones():
    rows = printed("week4_latent_variables/iwae", "published-run")
    for K, name, published in ((1, "vae", 86.76), (5, "iwae-5", 85.54)):
        run = run_of(f"{name}-mnist-short")[0]
        own, many = run["runs"][0]["test_by_epoch"][-1], run["test_loss"]
        assert rows[f"K = {K}"] == [round(own, 1), round(many, 1), published], "run `make execute`"


@pytest.mark.parametrize(("name", "price"), [("vqvae-shapes", "code"), ("vae-shapes", "kl")])
def test_vqvae_shows_its_runs_on_the_shapes(name, price):
    run, parts = run_of(name)
    seeds = [one["test_loss"] for one in run["runs"]]
    shown = [parts["reconstruction"], parts[price], run["test_loss"], *seeds, run["floor"]]
    rows = printed("week4_latent_variables/vqvae", "shapes-table")
    assert rows[name] == [round(value, 2) for value in shown], "run `make execute`"


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ("VAE, independent pixels", "vae-shapes"),
        ("four neighbours, no latents", "pixelcnn-shapes"),
        ("PixelVAE, four neighbours", "pixelvae-shapes"),
        ("PixelVAE, six rows", "pixelvae-wide-shapes"),
    ],
)
def test_flows_in_vaes_shows_its_runs_on_the_shapes(row, name):
    run, parts = run_of(name)
    kls = [one["parts"]["kl"] for one in run["runs"]] if parts else []
    reconstruction, kl = (parts["reconstruction"], parts["kl"]) if parts else (run["test_loss"], 0)
    shown = [run["test_loss"], reconstruction, kl, *([min(kls), max(kls)] if kls else []), run["floor"]]
    rows = printed("week4_latent_variables/flows_in_vaes", "shapes-table")
    assert rows[row] == [round(value, 2) for value in shown], "run `make execute`"
