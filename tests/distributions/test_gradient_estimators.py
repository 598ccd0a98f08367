"""The gradients of score_function and straight_through, against enumeration and by hand; their values."""

import itertools

import pytest
import torch

from deepul_utils.checks import bound_laws
from deepul_utils.distributions.gradient_estimators import score_function, straight_through


def law(logits):
    return torch.distributions.Categorical(logits=logits)


class Problem:
    """E_q[f], q a law over M values, and f with a parameter of its own beside the logits of q."""

    def __init__(self, values=5):
        generator = torch.Generator().manual_seed(0)
        self.logits = torch.randn(values, generator=generator, dtype=torch.float64, requires_grad=True)
        self.table = 3 + torch.randn(values, generator=generator, dtype=torch.float64)
        self.slope = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)

    def f(self, z):
        """Holds a parameter, and log q as in a KL."""
        return self.slope * self.table[z] + law(self.logits).log_prob(z)

    def gradients(self, of):
        return torch.cat([g.reshape(-1) for g in torch.autograd.grad(of, [self.logits, self.slope])])

    def exact(self):
        z = torch.arange(len(self.logits))
        return self.gradients((law(self.logits).probs * self.f(z)).sum())


@pytest.mark.parametrize("draws", [2, 3])
def test_the_mean_over_all_draws_is_the_exact_gradient(draws):
    """Every K-tuple of draws, weighted by its probability: no chance left."""
    problem = Problem(4)
    every = torch.tensor(list(itertools.product(range(4), repeat=draws))).T  # K x 4^K
    q = law(problem.logits)
    log_q = q.log_prob(every)
    weights = log_q.detach().sum(0).exp()
    mean = (weights * score_function(problem.f(every), log_q).mean(0)).sum()
    assert torch.allclose(problem.gradients(mean), problem.exact(), atol=1e-12)


def test_unbiased_on_draws():
    problem = Problem()
    torch.manual_seed(0)
    draws = []
    for _ in range(3000):
        z = law(problem.logits).sample((4,))
        draws.append(problem.gradients(score_function(problem.f(z), law(problem.logits).log_prob(z)).mean()))
    bound_laws.unbiased(torch.stack(draws).numpy(), problem.exact().numpy())


def test_the_value_is_that_of_f():
    problem = Problem()
    z = torch.tensor([[0, 1, 4], [2, 2, 3]])
    f = problem.f(z)
    assert torch.equal(score_function(f, law(problem.logits).log_prob(z)), f)


def test_equal_f_gives_no_gradient():
    logits = torch.zeros(3, requires_grad=True)
    f = score_function(torch.full((4,), 7.0), law(logits).log_prob(torch.tensor([0, 1, 2, 2])))
    assert torch.equal(torch.autograd.grad(f.mean(), logits)[0], torch.zeros(3))


def test_columns_do_not_mix():
    """Each column of draws has baselines of its own."""
    problem = Problem()
    z = torch.tensor([[0, 1], [2, 4], [2, 3]])

    def gradient(z):
        return problem.gradients(score_function(problem.f(z), law(problem.logits).log_prob(z)).mean(0).sum())

    assert torch.allclose(gradient(z), gradient(z[:, :1]) + gradient(z[:, 1:]), atol=1e-12)


def test_score_function_refuses():
    with pytest.raises(ValueError, match="two draws or more"):
        score_function(torch.zeros(1, 3), torch.zeros(1, 3))
    with pytest.raises(ValueError, match=r"same shape \(K, ...\), got \(4, 1\), \(4,\)"):
        score_function(torch.zeros(4, 1), torch.zeros(4))


def test_straight_through_has_the_value_of_one_and_the_gradient_of_the_other():
    logits = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    soft = logits.softmax(-1)
    hard = torch.nn.functional.one_hot(soft.argmax(-1), 3).double().requires_grad_()
    back = torch.randn(6, 3, dtype=torch.float64)
    z = straight_through(hard, soft)
    assert torch.equal(z, hard)
    assert torch.equal(*(torch.autograd.grad((back * of).sum(), logits, retain_graph=True)[0] for of in (z, soft)))
    assert torch.autograd.grad(z.sum(), hard, allow_unused=True) == (None,)


def test_straight_through_is_unbiased_for_linear_f_and_biased_for_a_square():
    logits = torch.randn(4, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    a, corners = torch.arange(4.0, dtype=torch.float64), torch.eye(4, dtype=torch.float64)

    def gradients(f):
        """On average over the draws, and exact."""
        probs = logits.softmax(-1)
        z = straight_through(corners, probs.expand(4, 4))
        mean = (probs.detach() * f(z)).sum()
        return [torch.autograd.grad(of, logits, retain_graph=True)[0] for of in (mean, (probs * f(corners)).sum())]

    assert torch.allclose(*gradients(lambda z: z @ a), atol=1e-12)
    straight, exact = gradients(lambda z: (z @ a - 1) ** 2)
    assert (straight - exact).abs().max() > 0.1


def test_straight_through_refuses_shapes_that_differ():
    with pytest.raises(ValueError, match="same shape"):
        straight_through(torch.zeros(3, 1), torch.zeros(3))
