import importlib.util
import json
import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator, PartialState
from torch import nn

from deepul_utils.training import Batches, CheckpointError, cosine, fit

SPEC = importlib.util.spec_from_file_location("noisy", Path(__file__).with_name("noisy.py"))
noisy = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(noisy)

pytestmark = pytest.mark.usefixtures("float64")


class Line(nn.Module):
    """Least squares without chance: y = w x + b."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(1, 1)
        nn.init.constant_(self.linear.weight, 0.5)
        nn.init.zeros_(self.linear.bias)

    def loss(self, batch):
        x, y = batch
        return (self.linear(x[:, None])[:, 0] - y).square().mean()


X = np.random.default_rng(2).normal(size=23)
Y = 3 * X - 1


def line_batches(batch_size=10):
    return Batches(X, Y, batch_size=batch_size, seed=5)


def by_hand(model, batches, epochs, lr=1e-3, schedule=lambda done: 1.0, clip=None):
    """The loop without a library, as a student would write it; yields after each step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for step in range(epochs * len(batches)):
        if step % len(batches) == 0:
            drawn = iter(batches)
        loss = model.loss(next(drawn))
        optimizer.zero_grad()
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.param_groups[0]["lr"] = lr * schedule(step / (epochs * len(batches)))
        optimizer.step()
        yield loss.item()


def weights(model):
    return torch.cat([t.detach().flatten().double() for t in model.state_dict().values()])


@pytest.mark.parametrize(
    "settings",
    [
        {"lr": 0.1},
        {},
        {"lr": 0.1, "clip": 0.01},
        {"lr": 0.3, "schedule": cosine},
        {"lr": 0.3, "schedule": lambda done: 0.0 if done < 0.5 else 1.0, "clip": 0.1},
    ],
)
def test_fit_is_adam_on_the_loss(settings):
    model, own = Line(), Line()
    history = fit(model, line_batches(), epochs=4, **settings)
    losses = list(by_hand(own, line_batches(), epochs=4, **settings))
    assert history.train == pytest.approx(losses, rel=1e-10)
    assert torch.allclose(weights(model), weights(own), rtol=1e-10)
    assert history.epochs == 4
    assert history.test == []


def test_the_test_loss_is_the_mean_over_all_rows_before_training_and_after_each_epoch():
    model, own = Line(), Line()
    test = (X[:11] + 1, Y[:11])
    # Batches of 2 and so tests of 8: the last 3 rows must weigh less than the first 8.
    history = fit(model, line_batches(2), epochs=3, lr=0.1, test=test)

    def right():
        return own.loss([torch.from_numpy(a) for a in test]).item()

    expected = [right()]
    for step, _ in enumerate(by_hand(own, line_batches(2), epochs=3, lr=0.1), start=1):
        if step % 12 == 0:
            expected.append(right())
    assert history.test == pytest.approx(expected, rel=1e-10)


def test_one_array_or_batches_will_do_for_a_test():
    first, second = (
        fit(noisy.noisy_model(), Batches(noisy.TRAIN), epochs=1, test=test)
        for test in (noisy.TEST, Batches(noisy.TEST, batch_size=3))
    )
    assert first.test == second.test


def test_the_averaged_weights_are_tested_and_returned():
    model, own = Line(), Line()
    test = (X, Y)
    history = fit(model, line_batches(), epochs=2, lr=0.1, ema=0.75, test=test)
    average = None
    for _ in by_hand(own, line_batches(), epochs=2, lr=0.1):
        now = weights(own)
        average = now if average is None else 0.75 * average + 0.25 * now
    assert torch.allclose(weights(model), average, rtol=1e-10)
    assert history.test[-1] == pytest.approx(model.loss([torch.from_numpy(a) for a in test]).item(), rel=1e-12)
    assert not torch.allclose(weights(model), weights(own), rtol=1e-3)


def test_bf16_computes_in_bfloat16_and_keeps_the_weights():
    seen = set()

    class Watched(Line):
        def loss(self, batch):
            seen.add((self.training, self.linear(batch[0][:, None]).dtype))
            return super().loss(batch)

    model = Watched().float()
    torch.set_default_dtype(torch.float32)
    fit(model, Batches(X, Y), epochs=1, test=(X, Y), bf16=True)
    assert seen == {(True, torch.bfloat16), (False, torch.float32)}
    assert model.linear.weight.dtype == torch.float32


def test_a_loss_in_parts_starts_with_their_sum():
    Parts = namedtuple("Parts", ["loss", "bias"])

    class InParts(Line):
        def loss(self, batch):
            return Parts(super().loss(batch), self.linear.bias.sum())

    model, own = InParts(), Line()
    history = fit(model, line_batches(), epochs=2, lr=0.1, test=(X, Y))
    whole = fit(own, line_batches(), epochs=2, lr=0.1, test=(X, Y))
    assert (history.train, history.test) == (whole.train, whole.test)


def test_dropout_is_on_for_training_alone():
    modes = []

    class Watched(noisy.Noisy):
        def loss(self, x):
            modes.append(self.training)
            return super().loss(x)

    model = Watched()
    fit(model, Batches(noisy.TRAIN, batch_size=45), epochs=2, test=noisy.TEST)
    assert modes == [False, True, False, True, False]
    assert not model.training


def test_chance_is_the_seeds_and_the_callers_is_left_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = noisy.train(noisy.noisy_model())
    torch.set_rng_state(before)
    history = noisy.train(noisy.noisy_model(), checkpoint=None)
    assert (history.train, history.test) == (first.train, first.test)

    model = noisy.noisy_model()
    before = torch.get_rng_state()
    noisy.train(model)
    assert torch.equal(torch.get_rng_state(), before)

    model = noisy.noisy_model()
    torch.manual_seed(99)
    assert noisy.train(model).train == first.train


def test_each_epoch_has_noise_of_its_own():
    drawn = []

    class Noise(noisy.Noisy):
        def loss(self, x):
            drawn.append((self.training, torch.rand(()).item()))
            return super().loss(x)

    fit(Noise(), Batches(noisy.TRAIN, batch_size=45), epochs=5, test=noisy.TEST)
    assert len({value for training, value in drawn if training}) == 5
    assert len({value for training, value in drawn if not training}) == 1


# Interrupted and started again


class Stop(Exception):
    pass


def stopping(at):
    """The noisy model, which raises at its `at`-th loss, tests included."""

    class Stopping(noisy.Noisy):
        calls = 0

        def loss(self, x):
            Stopping.calls += 1
            if Stopping.calls == at:
                raise Stop
            return super().loss(x)

    torch.manual_seed(0)
    return Stopping()


@pytest.mark.parametrize("at", range(1, 26, 3))
def test_an_interrupted_run_ends_like_one_that_was_not(tmp_path, at):
    whole = noisy.noisy_model()
    expected = noisy.train(whole)
    with pytest.raises(Stop):
        noisy.train(stopping(at), checkpoint=tmp_path / "run.safetensors")
    model = noisy.noisy_model(seed=at)  # other weights, which the checkpoint replaces if there is one
    if not (tmp_path / "run.safetensors").exists():
        model = noisy.noisy_model()
    history = noisy.train(model, checkpoint=tmp_path / "run.safetensors")
    assert (history.train, history.test) == (expected.train, expected.test)
    assert torch.equal(weights(model), weights(whole))


def test_a_run_goes_on_after_its_process_was_killed(tmp_path):
    path = tmp_path / "run.safetensors"
    killed = subprocess.run([sys.executable, noisy.__file__, path, "15"], capture_output=True)  # in the third epoch
    assert (killed.returncode, killed.stdout, killed.stderr) == (-9, b"", b"")
    assert path.exists()
    whole, model = noisy.noisy_model(), noisy.noisy_model()
    expected, history = noisy.train(whole), noisy.train(model, checkpoint=path)
    assert (history.train, history.test) == (expected.train, expected.test)
    assert torch.equal(weights(model), weights(whole))


def test_a_crash_while_saving_costs_one_epoch(tmp_path, monkeypatch):
    path = tmp_path / "run.safetensors"
    expected = noisy.train(noisy.noisy_model())
    replace, calls = os.replace, iter(range(1, 10))

    def crash_on_the_third(source, target):
        if next(calls) == 3:
            Path(source).write_bytes(b"half a checkpoint")
            raise Stop
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash_on_the_third)
        with pytest.raises(Stop):
            noisy.train(noisy.noisy_model(), checkpoint=path)
    history = noisy.train(noisy.noisy_model(), checkpoint=path)
    assert (history.train, history.test) == (expected.train, expected.test)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_finished_run_is_not_run_again(tmp_path):
    model, again = noisy.noisy_model(), stopping(at=1)
    expected = noisy.train(model, checkpoint=tmp_path / "run.safetensors")
    history = noisy.train(again, checkpoint=tmp_path / "run.safetensors")
    assert history == expected
    assert torch.equal(weights(again), weights(model))
    assert not again.training


def test_a_run_at_a_constant_rate_can_be_made_longer(tmp_path):
    whole, model = noisy.noisy_model(), noisy.noisy_model()
    expected = noisy.train(whole, epochs=5, schedule=None)
    for epochs in (2, 5):
        history = noisy.train(model, epochs=epochs, schedule=None, checkpoint=tmp_path / "run.safetensors")
    assert (history.train, history.test) == (expected.train, expected.test)
    assert torch.equal(weights(model), weights(whole))


def test_a_run_in_another_memory_format_goes_on_alike(tmp_path):
    """Fused Adam takes weights and averages number by number, as they lie in memory."""

    class Convolution(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.conv = nn.Conv2d(2, 3, 3).to(memory_format=torch.channels_last)

        def loss(self, x):
            return self.conv(x).square().mean()

    batches = Batches(np.random.default_rng(0).normal(size=(8, 2, 4, 4)).astype(np.float32), batch_size=4)
    whole, model = Convolution(), Convolution()
    expected = fit(whole, batches, epochs=3, lr=0.1)
    for epochs in (1, 3):
        history = fit(model, batches, epochs=epochs, lr=0.1, checkpoint=tmp_path / "run.safetensors")
        model = model if epochs == 3 else Convolution()
    assert history.train == expected.train
    assert torch.equal(weights(model), weights(whole))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lr": 0.04}, "with another lr:"),
        ({"epochs": 5}, "with another lr:"),  # the cosine is another one
        ({"schedule": None}, "with another lr:"),
        ({"clip": None}, "with another clip (1.0 instead of None):"),
        ({"ema": 0.5, "bf16": True}, "with another ema (0.9 instead of 0.5), another bf16 (False instead of True):"),
        ({"test": noisy.TEST + 1}, "with another test:"),
        ({"test": None}, "with another test:"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path, change, words):
    path = tmp_path / "run.safetensors"
    noisy.train(noisy.noisy_model(), checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match="is from another run, with") as caught:
        noisy.train(noisy.noisy_model(), checkpoint=path, **change)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("batches", "words"),
    [
        (Batches(noisy.TRAIN + 1e-9, batch_size=10, seed=3), "with another data:"),
        (Batches(noisy.TRAIN, batch_size=9, seed=3), r"another batch_size \(10 instead of 9\)"),
        (Batches(noisy.TRAIN, batch_size=10, seed=4), r"another seed \(3 instead of 4\)"),
    ],
)
def test_a_checkpoint_of_other_batches_is_refused(tmp_path, batches, words):
    path = tmp_path / "run.safetensors"
    noisy.train(noisy.noisy_model(), checkpoint=path)
    with pytest.raises(CheckpointError, match=words):
        fit(noisy.noisy_model(), batches, **noisy.SETTINGS, checkpoint=path)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    noisy.train(noisy.noisy_model(), checkpoint=path)
    model = noisy.noisy_model()
    model.net[3] = nn.Linear(8, 1, bias=False)
    with pytest.raises(CheckpointError, match="with a model of other weights"):
        noisy.train(model, checkpoint=path)


# What goes wrong


def test_an_array_in_place_of_batches_is_named():
    with pytest.raises(TypeError, match=r"batches must be Batches\(...\), got ndarray; write fit"):
        fit(Line(), X, epochs=1)


class Diverging(nn.Module):
    """p(x) = w for every x, and w falls below 0, where its logarithm ends."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(0.35))

    def loss(self, x):
        return self.w.log() + x.mean() * 0


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    model = Diverging()
    path = tmp_path / "run.safetensors"
    with pytest.raises(FloatingPointError) as caught:
        fit(model, Batches(np.zeros(4), batch_size=2), epochs=9, lr=0.1, checkpoint=path)
    assert str(caught.value).startswith("the loss is nan in step 1 of epoch 3: try a smaller lr")
    assert "\n" not in str(caught.value)
    assert -0.1 < model.w.item() < 0  # the weights that gave it
    assert path.exists()


def test_a_test_loss_that_is_not_finite_stops_the_run_unsaved(tmp_path):
    path = tmp_path / "run.safetensors"
    with pytest.raises(FloatingPointError, match="the loss is nan on the test set after epoch 2"):
        fit(Diverging(), Batches(np.zeros(4), batch_size=2), epochs=9, lr=0.1, test=np.zeros(4), checkpoint=path)
    assert fit(Diverging(), Batches(np.zeros(4), batch_size=2), epochs=1, lr=0.1, test=np.zeros(4), checkpoint=path)


# Several processes


def train_share(checkpoint):
    """A run whose last batches have one row, for two processes."""
    model = noisy.noisy_model(seed=Accelerator().process_index)  # all are to start with process 0's weights
    model.net[2].p = 0.0
    model.loss = lambda batch: (model.net(batch[0]) - batch[1][:, None]).square().mean()
    batches = Batches(noisy.TRAIN, noisy.TRAIN.sum(1), batch_size=11, seed=3)
    test = (noisy.TEST, noisy.TEST.sum(1))
    history = fit(model, batches, epochs=3, lr=0.05, clip=1.0, test=test, checkpoint=checkpoint)
    return {"train": history.train, "test": history.test, "weights": weights(model).tolist()}


def test_two_processes_train_like_one(tmp_path):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, __file__, tmp_path],
        env=os.environ | {"ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"{process}.json").read_text()) for process in (0, 1))
    assert first == second
    one = train_share(tmp_path / "one.safetensors")
    for name in one:
        assert np.allclose(first[name], one[name], rtol=1e-10, atol=1e-12), name
    assert train_share(tmp_path / "two.safetensors")["train"] == first["train"]  # what two left, one takes up


def test_the_model_comes_back_where_it_was(monkeypatch):
    """A GPU may not be here; what is seen is where `fit` sends the model last."""
    model, sent = Line(), []
    monkeypatch.setattr(model, "to", lambda device: sent.append(device))
    fit(model, line_batches(), epochs=1)
    assert sent[-1] == torch.device("cpu")


if __name__ == "__main__":  # one process of two
    torch.set_default_dtype(torch.float64)
    folder = Path(sys.argv[1])
    outcome = train_share(folder / "two.safetensors")
    assert PartialState().num_processes == 2
    (folder / f"{PartialState().process_index}.json").write_text(json.dumps(outcome))
    PartialState().destroy_process_group()
