"""What all models of week 2 promise: the law, the sum, the gradient, the same samples from the same noise."""

from functools import partial
from math import log, prod

import pytest
import torch
from torch import nn

from deepul_utils.checks import laws
from deepul_utils.models.autoregressive import Autoregressive
from deepul_utils.models.gated_pixelcnn import GatedPixelCNN
from deepul_utils.models.image_transformer import ImageTransformer
from deepul_utils.models.made import MADE
from deepul_utils.models.parallel_pixelcnn import ParallelPixelCNN
from deepul_utils.models.pixelcnn import PixelCNN
from deepul_utils.models.pixelcnn_pp import PixelCNNPP
from deepul_utils.models.rnn import RNN
from deepul_utils.models.wavenet import WaveNet
from deepul_utils.nn.ordering import columns, even_odd, raster, shuffled
from deepul_utils.nn.resnet import ResNet


def made(ordering):
    def build(shape, num_values, **options):
        orders = None if ordering is None else [ordering(shape)]
        return MADE(prod(shape), [200, 200], num_values, orders, **options)

    return build


def transformer(ordering):
    def build(shape, num_values, **options):
        return ImageTransformer(shape, num_values, 16, layers=2, order=ordering(shape), **options)

    return build


small_resnet = partial(ResNet, width=24, blocks=3)
BUILD = {
    "RNN": partial(RNN, width=12, cell=nn.RNN),
    "LSTM with coordinates": partial(RNN, width=12, coordinates=True),
    "MADE": made(None),
    "MADE by columns": made(columns),
    "MADE even-odd": made(even_odd),
    "MADE shuffled": made(shuffled),
    "WaveNet": partial(WaveNet, width=12, dilations=[1, 2, 4, 8, 8]),
    "WaveNet with coordinates": partial(WaveNet, width=12, dilations=[1, 2, 4, 8, 8], coordinates=True),
    "PixelCNN": partial(PixelCNN, width=36, layers=2),
    "Gated PixelCNN": partial(GatedPixelCNN, width=36, layers=3),
    "PixelCNN++": partial(PixelCNNPP, width=12, blocks=1, levels=0, components=2),
    "PixelCNN++ halved twice": partial(PixelCNNPP, width=12, blocks=1, levels=2, components=2),
    "transformer": transformer(raster),
    "transformer by columns": transformer(columns),
    "transformer even-odd": transformer(even_odd),
    "transformer shuffled": transformer(shuffled),
    "parallel": partial(ParallelPixelCNN, levels=1, base=partial(PixelCNN, width=36, layers=2), net=small_resnet),
    "parallel over an RNN": partial(ParallelPixelCNN, levels=1, base=partial(RNN, width=12), net=small_resnet),
}
SEQUENCES = ["RNN", "LSTM with coordinates", "WaveNet", "transformer shuffled", "MADE"]
GREY, COLOUR = (4, 4), (3, 2, 4)
every_model = pytest.mark.parametrize("name", BUILD)


def built(name, shape, num_values=3, **options):
    """In double precision, with every parameter moved off its initial value."""
    torch.manual_seed(0)
    model = BUILD[name](shape, num_values, **options).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def hold_to_the_law(model, y=None):
    x = torch.randint(model.num_values, (64, *model.shape))
    y = y if y is None else y.expand(64)

    @torch.no_grad()
    def conditionals(flat):
        return model.conditionals(torch.from_numpy(flat).view(x.shape), y).flatten(1, -2).numpy()

    laws.autoregressive(conditionals, x.flatten(1).numpy(), model.order.numpy())


@every_model
@pytest.mark.parametrize("shape", [GREY, COLOUR], ids=["grey", "colour"])
def test_each_conditional_sees_every_earlier_dimension_and_no_other(name, shape):
    hold_to_the_law(built(name, shape))


@pytest.mark.parametrize("name", SEQUENCES)
def test_so_it_does_in_a_sequence(name):
    hold_to_the_law(built(name, (9,)))


@every_model
def test_and_given_a_class(name):
    hold_to_the_law(built(name, (2, 4), num_classes=2), torch.tensor(1))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("PixelCNN", (5, 3)),
        ("PixelCNN", (2, 3, 4)),
        ("Gated PixelCNN", (3, 7)),
        ("Gated PixelCNN", (2, 3, 4)),
        ("PixelCNN++", (5, 3)),
        ("PixelCNN++ halved twice", (4, 3, 3)),
        ("PixelCNN++ halved twice", (1, 5)),
    ],
)
def test_odd_sizes_and_other_numbers_of_channels(name, shape):
    model = built(name, shape)
    hold_to_the_law(model)
    u = torch.rand(4, *shape)
    assert torch.equal(model.sample(4, u=u), model.sample_naively(4, u=u))


@every_model
@pytest.mark.parametrize(("shape", "num_values"), [((2, 4), 2), ((3, 2, 2), 2), ((2, 2), 5)])
def test_it_sums_to_one_over_the_whole_space(name, shape, num_values):
    model = built(name, shape, num_values)
    every_x = torch.cartesian_prod(*[torch.arange(num_values)] * prod(shape)).view(-1, *model.shape)
    with torch.no_grad():
        laws.normalised(model.log_prob(every_x).numpy(), tolerance=1e-9)


@torch.no_grad()
def by_definition(model, y, u):
    """Samples by D passes of all conditionals: at x_i values the distribution function is at most u_i."""
    x = torch.zeros(u.shape, dtype=torch.long)
    for i in model.order.argsort(stable=True):
        p = model.conditionals(x, y).softmax(-1).flatten(1, -2)[:, i]
        x.view(len(x), -1)[:, i] = (p.cumsum(1)[:, :-1] <= u.flatten(1)[:, i, None]).sum(1)
    return x


@every_model
@pytest.mark.parametrize("shape", [GREY, COLOUR], ids=["grey", "colour"])
def test_cached_and_naive_samples_are_those_of_the_definition(name, shape):
    model, y = built(name, shape, 5, num_classes=3), torch.tensor([1, 0, 2, 2, 0, 1])
    u = torch.rand(6, *model.shape)
    cached = model.sample(6, y, u)
    assert torch.equal(cached, by_definition(model, y, u))
    assert torch.equal(cached, model.sample_naively(6, y, u))
    assert cached.shape == (6, *model.shape)
    assert len(cached.unique()) == 5


@every_model
def test_the_conditionals_on_the_way_are_those_of_one_pass(name):
    model = built(name, GREY, 4)
    x = torch.randint(4, (5, *model.shape))
    with torch.no_grad():
        whole = model.conditionals(x).log_softmax(-1).flatten(1, -2)
        steps = [logits.log_softmax(-1) for logits in model.walk(x)]
    visits = model.order.argsort(stable=True)
    torch.testing.assert_close(torch.stack(steps, 1), whole[:, visits], rtol=1e-9, atol=1e-9)


@every_model
@pytest.mark.parametrize("shape", [GREY, COLOUR], ids=["grey", "colour"])
def test_log_prob_is_the_sum_of_the_conditionals_and_loss_its_mean(name, shape):
    model = built(name, shape, 4, num_classes=2)
    x, y = torch.randint(4, (5, *model.shape)), torch.tensor([0, 1, 1, 0, 1])
    p = model.conditionals(x, y).softmax(-1).flatten(1, -2)
    by_hand = torch.stack([p[n, range(prod(shape)), x[n].flatten()].log().sum() for n in range(5)])
    torch.testing.assert_close(model.log_prob(x, y), by_hand, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(model.loss((x, y)), -by_hand.mean(), rtol=1e-9, atol=1e-9)
    assert torch.equal(model.log_prob(x.to(torch.uint8), y), model.log_prob(x, y))


@every_model
def test_every_parameter_learns_and_the_class_matters(name):
    model = built(name, COLOUR, num_classes=2)
    x, y = torch.randint(3, (32, *model.shape)), torch.arange(32) % 2
    assert (model.log_prob(x, y) != model.log_prob(x, 1 - y)).all()
    model.loss((x, y)).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not (p.grad != 0).any()] == []


@every_model
def test_a_new_model_treats_all_classes_alike(name):
    model = BUILD[name](GREY, 3, num_classes=2)
    x, y = torch.randint(3, (4, *model.shape)), torch.arange(4) % 2
    assert torch.equal(model.log_prob(x, y), model.log_prob(x, 1 - y))


@pytest.mark.parametrize("name", ["RNN", "MADE shuffled", "PixelCNN++", "parallel"])
def test_samples_follow_the_law(name):
    """A small space, each of whose cells is counted."""
    model = built(name, (2, 2), 2)
    every_x = torch.cartesian_prod(*[torch.arange(2)] * 4)
    cells = model.sample(5_000).flatten(1) @ torch.tensor([8, 4, 2, 1])
    law = model.log_prob(every_x.view(-1, *model.shape)).exp()
    laws.matches_sampler(cells.numpy(), law.detach().numpy())


class Alike(Autoregressive):
    """Every dimension uniform."""

    def forward(self, x, y=None):
        return torch.zeros(*x.shape, self.num_values)


def test_logits_of_16_bits_are_summed_in_32():
    model, x = Alike((40, 40), num_values=2), torch.zeros(1, 40, 40, dtype=torch.long)
    model.forward = lambda x, y=None: torch.zeros(*x.shape, 2, dtype=torch.bfloat16)
    torch.testing.assert_close(model.log_prob(x), torch.tensor([-1600 * log(2)]))


@pytest.mark.parametrize(
    ("x", "y", "remedy"),
    [
        (torch.zeros(5, 3, dtype=torch.long), 0, r"x must be \(B, 2, 3\), got \(5, 3\)"),
        (torch.zeros(5, 2, 3), 0, "integers from 0 to 3"),
        (torch.full((5, 2, 3), 4), 0, "integers from 0 to 3"),
        (torch.full((5, 2, 3), -1), 0, "integers from 0 to 3"),
        (torch.zeros(5, 2, 3, dtype=torch.long), None, "y must be 5 classes, integers from 0 to 9"),
        (torch.zeros(5, 2, 3, dtype=torch.long), 10, "y must be 5 classes"),
        (torch.zeros(5, 2, 3, dtype=torch.long), -1, "y must be 5 classes"),
        (torch.zeros(5, 2, 3, dtype=torch.long), 0.0, "y must be 5 classes"),
    ],
)
@pytest.mark.parametrize("verb", ["loss", "log_prob", "conditionals"])
def test_bad_data_is_one_clear_sentence(verb, x, y, remedy):
    model, y = Alike((2, 3), 4, num_classes=10), y if y is None else torch.tensor([y] * 5)
    with pytest.raises(ValueError, match=remedy):
        model.loss((x, y)) if verb == "loss" else getattr(model, verb)(x, y)


def test_bad_orders_to_sample_are_one_clear_sentence():
    with pytest.raises(ValueError, match=r"the noise u must have shape \(4, 2, 3\), got \(4, 6\)"):
        Alike((2, 3), 4).sample(4, u=torch.rand(4, 6))
    with pytest.raises(ValueError, match="y must be 4 classes"):
        Alike((2, 3), 4, num_classes=2).sample(4)
    with pytest.raises(ValueError, match="knows no classes"):
        Alike((2, 3), 4).sample(4, y=torch.zeros(4, dtype=torch.long))
    with pytest.raises(ValueError, match="a position of its own"):
        Alike((2, 3), 4, order=[0, 1, 2])


@pytest.mark.parametrize(("shape", "num_values"), [((), 2), ((0, 3), 2), ((2, 3), 1), ((1, 2, 3, 4), 2)])
def test_bad_sizes_are_one_clear_sentence(shape, num_values):
    with pytest.raises(ValueError, match="1 to 3 sizes of at least 1 and 2 values or more"):
        Alike(shape, num_values)
