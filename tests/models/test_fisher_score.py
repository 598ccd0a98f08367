import pytest
import torch
from torch import nn

from deepul_utils.models.fisher_score import fisher_scores
from deepul_utils.models.made import MADE

EVERY_X = torch.cartesian_prod(*[torch.arange(2)] * 3)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MADE(3, [3], num_values=2).double().eval()


def derivative(model, function, step=1e-6):
    """The derivatives of `function()` in each parameter of the model, by central differences, the last axis."""
    vector = nn.utils.parameters_to_vector(model.parameters()).detach()
    found = []
    for k in range(len(vector)):
        moved = []
        for by in (step, -step):
            other = vector.clone()
            other[k] += by
            nn.utils.vector_to_parameters(other, model.parameters())
            moved.append(function().detach())
        found.append((moved[0] - moved[1]) / (2 * step))
    nn.utils.vector_to_parameters(vector, model.parameters())
    return torch.stack(found, -1)


def test_it_is_the_gradient_of_each_example(model):
    expected = derivative(model, lambda: model.log_prob(EVERY_X))
    torch.testing.assert_close(fisher_scores(model, EVERY_X), expected, rtol=1e-6, atol=1e-8)


def test_its_mean_is_zero_and_its_covariance_the_curvature(model):
    p, scores = model.log_prob(EVERY_X).exp().detach(), fisher_scores(model, EVERY_X)
    torch.testing.assert_close(p @ scores, torch.zeros(scores.shape[1]).double(), rtol=0, atol=1e-12)
    curvature = derivative(model, lambda: p @ fisher_scores(model, EVERY_X))
    torch.testing.assert_close(scores.T @ (p[:, None] * scores), -curvature, rtol=1e-6, atol=1e-8)


def test_what_has_no_parameters_is_one_clear_sentence():
    with pytest.raises(TypeError, match=r"must be an nn\.Module"):
        fisher_scores(torch.distributions.Bernoulli(0.5), torch.ones(3))
