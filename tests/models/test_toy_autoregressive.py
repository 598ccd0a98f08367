from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from deepul_utils.checks import laws
from deepul_utils.models.toy_autoregressive import ToyAutoregressive
from deepul_utils.nn.mlp import MLP


def made(num_values=3, dims=3):
    """A model whose law is far from uniform."""
    torch.manual_seed(0)
    model = ToyAutoregressive(num_values, dims, net=partial(MLP, hidden=[16])).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return model


def every_x(num_values, dims):
    return torch.tensor(list(product(range(num_values), repeat=dims)))


@pytest.mark.parametrize("dims", [1, 2, 5])
def test_each_conditional_sees_every_earlier_dimension_and_no_other(dims):
    model = made(4, dims)
    x = np.random.default_rng(0).integers(4, size=(64, dims))
    laws.autoregressive(lambda x: model.conditionals(torch.as_tensor(x)).detach().numpy(), x)


@pytest.mark.parametrize(("num_values", "dims"), [(1, 1), (5, 1), (4, 2), (3, 4)])
def test_it_sums_to_one_over_the_whole_space(num_values, dims):
    model = made(num_values, dims)
    laws.normalised(model.log_prob(every_x(num_values, dims)).detach().numpy(), tolerance=1e-12)


def test_log_prob_is_the_sum_of_the_conditionals():
    model, x = made(3, 3), every_x(3, 3)
    p = model.conditionals(x).softmax(-1)
    by_hand = [p[n, 0, a] * p[n, 1, b] * p[n, 2, c] for n, (a, b, c) in enumerate(x.tolist())]
    torch.testing.assert_close(model.log_prob(x), torch.stack(by_hand).log(), rtol=1e-12, atol=1e-12)


def test_loss_is_the_mean_of_minus_log_prob():
    model, x = made(), every_x(3, 3)[5:16]
    torch.testing.assert_close(model.loss(x), -model.log_prob(x).sum() / 11, rtol=1e-12, atol=1e-12)


def test_samples_follow_the_law():
    model, x = made(3, 3), every_x(3, 3)
    torch.manual_seed(1)
    cells = model.sample(20_000) @ torch.tensor([9, 3, 1])
    laws.matches_sampler(cells.numpy(), model.log_prob(x).exp().detach().numpy())


def test_a_linear_net_on_two_dimensions_is_a_table():
    """Any joint is reached exactly: set the first logits to log p(x0) and the weights to log p(x1 | x0)."""
    joint = torch.rand(4, 4, dtype=torch.float64)
    joint /= joint.sum()
    model = ToyAutoregressive(4, 2, net=nn.Linear).double()
    with torch.no_grad():
        model.first.logits.copy_(joint.sum(1).log())
        model.nets[0].weight.copy_((joint / joint.sum(1, keepdim=True)).log().T)
        model.nets[0].bias.zero_()
    torch.testing.assert_close(model.log_prob(every_x(4, 2)).exp(), joint.flatten(), rtol=1e-12, atol=1e-12)


def test_every_parameter_learns():
    model = made()
    model.loss(every_x(3, 3)[:5]).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


def test_any_integer_type_will_do():
    model, x = made(), every_x(3, 3)
    assert torch.equal(model.log_prob(x.to(torch.uint8)), model.log_prob(x))


@pytest.mark.parametrize(
    ("x", "remedy"),
    [
        (torch.zeros(5, dtype=torch.long), r"x must be \(B, 3\), got \(5,\)"),
        (torch.zeros(5, 2, dtype=torch.long), r"x must be \(B, 3\), got \(5, 2\)"),
        (torch.zeros(5, 3), "integers from 0 to 2"),
        (torch.full((5, 3), 3), "integers from 0 to 2"),
        (torch.full((5, 3), -1), "integers from 0 to 2"),
    ],
)
@pytest.mark.parametrize("verb", ["loss", "log_prob", "conditionals"])
def test_bad_data_is_one_clear_sentence(verb, x, remedy):
    with pytest.raises(ValueError, match=remedy):
        getattr(made(), verb)(x)


@pytest.mark.parametrize("sizes", [(0, 2), (3, 0)])
def test_bad_sizes_are_one_clear_sentence(sizes):
    with pytest.raises(ValueError, match="at least 1"):
        ToyAutoregressive(*sizes)
