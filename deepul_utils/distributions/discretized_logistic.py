"""P(x = k) = F(k + 1/2) - F(k - 1/2), F(z) = sigmoid((z - loc) / scale); the two edge values take the tails."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.distributions.utils import broadcast_all
from torch.nn.functional import logsigmoid


class DiscretizedLogistic(Distribution):
    """A logistic variable, rounded to the nearest integer and clipped to 0, 1, ..., num_values - 1.

    P(x = k) = sigmoid(a) - sigmoid(b) with a = (k + 1/2 - loc) / scale and b = (k - 1/2 - loc) / scale;
    a is +inf for the last value and b is -inf for 0, so that the probabilities sum to 1.

    Args:
        loc: mean of the logistic, in values (0 is the first value, num_values - 1 the last); any shape.
        log_scale: natural logarithm of its scale, in values; broadcasts with `loc`. In float32 between -60 and 60.
        num_values: K, how many values x can take.

    Raises:
        ValueError: `num_values` is not positive; a parameter is NaN; in `log_prob`, a value is not one of 0..K-1.

    References:
        Salimans et al. (2017), PixelCNN++, section 2.1.

    Example:
        >>> grey = DiscretizedLogistic(torch.tensor(7.5), torch.tensor(0.0), num_values=17)
        >>> grey.log_prob(torch.arange(17)).exp().sum()
        tensor(1.)
    """

    arg_constraints = {"loc": constraints.real, "log_scale": constraints.real}  # noqa: RUF012
    has_rsample = False

    def __init__(self, loc: Tensor, log_scale: Tensor, num_values: int, validate_args: bool | None = None) -> None:
        if num_values < 1:
            raise ValueError(f"num_values must be at least 1, got {num_values}; count the values, 0 included")
        self.loc, self.log_scale = broadcast_all(loc, log_scale)
        self.num_values = num_values
        super().__init__(self.loc.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> constraints.Constraint:
        return constraints.integer_interval(0, self.num_values - 1)

    def log_prob(self, value: Tensor) -> Tensor:
        """log P(x = value) in nats, of the shape that `value` and the parameters broadcast to."""
        if self._validate_args:
            self._validate_sample(value)
        width = torch.exp(-self.log_scale)  # of one bin, in scales
        upper = (value + 0.5 - self.loc) * width
        lower = (value - 0.5 - self.loc) * width
        first, last = value == 0, value == self.num_values - 1
        # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)): no difference of nearly equal numbers.
        log_upper = logsigmoid(upper).masked_fill(last, 0)
        log_lower = logsigmoid(-lower).masked_fill(first, 0)
        log_overlap = torch.log(-torch.expm1(-width)).expand_as(upper).masked_fill(first | last, 0)
        return log_upper + log_lower + log_overlap

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Integers of shape sample_shape + batch_shape: loc + scale * logit(u), rounded and clipped."""
        u = torch.rand(self._extended_shape(torch.Size(sample_shape)), dtype=self.loc.dtype, device=self.loc.device)
        latent = self.loc + self.log_scale.exp() * torch.logit(u)
        return latent.round().clamp(0, self.num_values - 1).long()
