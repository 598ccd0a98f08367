from math import log

import numpy as np
import pytest
import torch

from deepul_utils.checks import laws
from deepul_utils.models.made import MADE
from deepul_utils.nn.masked import made_masks

ORDERS = [[0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]]


def made(num_values=3, orders=ORDERS, **options):
    torch.manual_seed(0)
    model = MADE(4, [60, 60], num_values, orders, **options).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return model


def every_x(num_values=3):
    return torch.cartesian_prod(*[torch.arange(num_values)] * 4)


@pytest.mark.parametrize("ordering", range(3))
def test_each_ordering_of_one_net_obeys_the_law_and_sums_to_one(ordering):
    model = made().in_order(ordering)
    x = torch.randint(3, (64, 4)).numpy()
    laws.autoregressive(
        lambda x: model.conditionals(torch.from_numpy(x)).detach().numpy(), x, np.array(ORDERS[ordering])
    )
    laws.normalised(model.log_prob(every_x()).detach().numpy(), tolerance=1e-12)


def test_several_orderings_are_their_mixture():
    model = made()
    each = [model.in_order(o).log_prob(every_x()).exp() for o in range(3)]
    assert not torch.allclose(each[0], each[1])
    torch.testing.assert_close(model.log_prob(every_x()).exp(), (each[0] + each[1] + each[2]) / 3)


def test_in_training_the_loss_is_that_of_a_random_ordering():
    model, x = made(), every_x()[::7]
    each = {model.in_order(o).loss(x).item() for o in range(3)}
    model.train()
    assert {model.loss(x).item() for _ in range(50)} == each
    model.eval()
    assert model.loss(x).item() == pytest.approx(-model.log_prob(x).mean().item(), rel=1e-12)
    assert model.loss(x).item() < np.mean(list(each))  # Jensen


def test_samples_follow_the_mixture():
    model = made(num_values=2)
    cells = model.sample(20_000) @ torch.tensor([8, 4, 2, 1])
    laws.matches_sampler(cells.numpy(), model.log_prob(every_x(2)).exp().detach().numpy())


def test_given_a_class_each_row_is_of_its_own():
    """Classes so far apart that a mixed-up row would show."""
    model = made(num_values=2, num_classes=2)
    with torch.no_grad():
        for bias in model.biases:
            bias.table.zero_()
        model.biases[-1].table[1] = torch.tensor([-50.0, 50.0]).repeat(4)
        model.biases[-1].table[0] = torch.tensor([50.0, -50.0]).repeat(4)
    y = torch.arange(100) % 2
    assert torch.equal(model.sample(100, y), y[:, None].expand(100, 4))


def test_it_takes_the_masks_of_another():
    """Here those of a fully connected network, which sees what it should not."""

    def no_masks(dims, hidden, order):
        return [np.ones_like(mask) for mask in made_masks(dims, hidden, order)]

    model, x = made(masks=no_masks), torch.randint(3, (64, 4)).numpy()
    with pytest.raises(laws.LawBroken, match="output 0 sees input 0"):
        laws.autoregressive(lambda x: model.conditionals(torch.from_numpy(x)).detach().numpy(), x)


def test_transposed_masks_are_one_clear_sentence():
    with pytest.raises(ValueError, match=r"masks must be \(units out, units in\): \[\(60, 4\), .* got \[\(4, 60\)"):
        made(masks=lambda *sizes: [mask.T for mask in made_masks(*sizes)])


def test_an_ordering_that_is_none_is_one_clear_sentence():
    with pytest.raises(ValueError, match="4 dimensions a position of its own"):
        made(orders=[[0, 1, 2, 3], [1, 2, 3, 4]])


def test_noise_or_classes_of_another_shape_are_one_clear_sentence():
    with pytest.raises(ValueError, match=r"the noise u must have shape \(5, 4\)"):
        made().sample(5, u=torch.rand(4, 4))
    with pytest.raises(ValueError, match="y must be 5 classes"):
        made(num_classes=2).sample(5, y=torch.zeros(4, dtype=torch.long))


def test_without_hidden_layers_it_is_a_logistic_regression_on_what_comes_before():
    model = MADE(3, [], orders=[[2, 0, 1]]).double()
    weight = model.layers[0].weight.view(3, 2, 3, 2)
    x = torch.tensor([[0, 1, 0]])
    logits = model.layers[0].bias.view(3, 2)[0] + weight[0, :, 1, 1] + weight[0, :, 2, 0]  # x_0 comes last
    torch.testing.assert_close(model.conditionals(x)[0, 0], logits)


def test_a_new_model_is_nearly_uniform():
    assert MADE(784, [512, 512]).loss(torch.randint(2, (8, 784))).item() == pytest.approx(784 * log(2), rel=0.02)
