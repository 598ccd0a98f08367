"""Every law accepts what it should and rejects each way of breaking it, with a message that names it."""

import numpy as np
import pytest
import torch

from deepul_utils.checks import laws
from deepul_utils.checks.laws import LawBroken

LAW = np.array([0.1, 0.2, 0.3, 0.4])


class TestMatches:
    @pytest.mark.parametrize(
        ("got", "expected"),
        [
            (0.5, 0.5),
            (3, 3.0),
            (True, 1),
            ([0.25, 0.75], np.array([0.25, 0.75])),
            (np.float32([1 / 3]), np.array([1 / 3])),
            ([-np.inf, 0.0], np.array([-np.inf, 0.0])),
            (np.zeros((0, 3)), np.zeros((0, 3))),
            (1e9 * (1 + 1e-6), 1e9),
        ],
    )
    def test_accepts(self, got, expected):
        laws.matches(got, expected)

    @pytest.mark.parametrize(
        ("got", "expected", "message"),
        [
            (0.6, 0.5, "the answer should be 0.5, got 0.6"),
            (1 + 3e-5, 1, r"should be 1, got 1\.00003"),
            (np.nan, 0.5, "got nan"),
            (np.inf, -np.inf, "should be -inf, got inf"),
            ([0.5], 0.5, r"should have shape \(\), got \(1,\)"),
            (0.5, [0.5], r"should have shape \(1,\), got \(\)"),
            ([[1.0], [2.0]], [1.0, 2.0], r"shape \(2,\), got \(2, 1\)"),
            ([1.0, 2.5, 3.0], [1.0, 2.0, 3.0], r"wrong in 1 of 3 places, first at \[1\]: expected 2, got 2.5"),
            ([1.0, np.nan], [1.0, 2.0], "got nan"),
            ([[1.0], [1.0, 2.0]], [1.0, 2.0], "rows of different lengths"),
            ("0.5", 0.5, "expected real numbers, got str"),
            (0.5 + 0j, 0.5, "expected real numbers"),
            ({"p": 0.5}, 0.5, "expected an array or a number, got {.p.: 0.5}"),
        ],
    )
    def test_rejects(self, got, expected, message):
        with pytest.raises(LawBroken, match=message):
            laws.matches(got, expected)

    def test_tolerance_is_absolute_and_relative(self):
        laws.matches(100.5, 100, tolerance=0.01)
        laws.matches(0.005, 0, tolerance=0.01)
        with pytest.raises(LawBroken):
            laws.matches(102, 100, tolerance=0.01)
        with pytest.raises(LawBroken):
            laws.matches(0.02, 0, tolerance=0.01)

    def test_names_the_cause_that_the_answer_equals(self):
        causes = {"these are counts": [1, 3], "the axes are swapped": [0.75, 0.25], "all of it": 1.0}
        with pytest.raises(LawBroken, match="Usual cause: the axes are swapped"):
            laws.matches([0.75, 0.25], [0.25, 0.75], causes=causes)
        with pytest.raises(LawBroken, match=r"shape \(2,\), got \(\)\nUsual cause: all of it"):
            laws.matches(1.0, [0.25, 0.75], causes=causes)
        with pytest.raises(LawBroken) as broken:
            laws.matches([0.5, 0.5], [0.25, 0.75], causes=causes)
        assert "Usual cause" not in str(broken.value)


class TestNormalised:
    @pytest.mark.parametrize("probs", [LAW, [1.0, 0.0], np.stack([LAW, LAW[::-1]])])
    def test_accepts(self, probs):
        with np.errstate(divide="ignore"):
            laws.normalised(np.log(probs))

    @pytest.mark.parametrize(
        ("log_prob", "message"),
        [
            (np.log(LAW) + 2e-6, "sum to 1, but they sum to 1.000002"),
            (np.log(LAW) - 2e-6, "sum to 0.999998"),
            (np.log(LAW[:3]), "sum to 0.6"),
            (LAW, "sum to 5.1"),  # probabilities where their logarithms were asked for
            ([np.log(LAW), np.log(LAW) + 1], "sum to 2.71828"),
            ([np.nan, 0.0], "sum to nan"),
            ([np.inf, 0.0], "sum to inf"),
            ([1e4, 0.0], "sum to inf"),
            (0.0, "got one number"),
        ],
    )
    def test_rejects(self, log_prob, message):
        with pytest.raises(LawBroken, match=message):
            laws.normalised(log_prob)


class TestMatchesSampler:
    def test_accepts_a_right_sampler(self):
        rng = np.random.default_rng(0)
        for probs in [LAW, np.full(50, 0.02), np.array([0.0, 1.0]), np.array([1 - 1e-9, 1e-9]), np.r_[LAW / 2, 0, 0.5]]:
            laws.matches_sampler(rng.choice(len(probs), 5000, p=probs), probs)

    def test_its_p_value_is_honest(self):
        """Of right samplers, a share of about p_value fails, also where many values are rare."""
        rng = np.random.default_rng(0)
        for probs in [LAW, np.r_[np.full(40, 0.0005), 0.98]]:
            failed = 0
            for _ in range(2000):
                try:
                    laws.matches_sampler(rng.choice(len(probs), 400, p=probs), probs, p_value=0.02)
                except LawBroken:
                    failed += 1
            assert 15 < failed < 80, (failed, probs[:2])  # 40 are due

    @pytest.mark.parametrize(
        ("samples", "message"),
        [
            (
                np.random.default_rng(0).choice(4, 5000),
                "follow the model: 0 came 1244 times in 5000, expected about 500",
            ),
            (np.random.default_rng(0).choice(4, 5000, p=LAW[::-1]), "do not follow the model"),
            (np.full(5000, 3), "do not follow the model"),
            (np.full(5000, 4), "integers from 0 to 3, got 4"),
            (np.full(5000, -1), "got -1"),
            (np.full(5000, 0.5), "got 0.5"),
            (np.full(5000, np.nan), "got nan"),
            (np.full((5000, 1), 1), r"should have shape \(N,\), got \(5000, 1\)"),
            (np.array([], dtype=int), "are 0, too few to judge"),
            (np.array([3, 3, 2]), "are 3, too few to judge"),
        ],
    )
    def test_rejects(self, samples, message):
        with pytest.raises(LawBroken, match=message):
            laws.matches_sampler(samples, LAW)

    def test_rejects_a_value_of_probability_zero(self):
        samples = np.r_[np.zeros(10_000, int), 1]
        with pytest.raises(LawBroken, match="contain 1, which has probability 0"):
            laws.matches_sampler(samples, [1.0, 0.0])

    def test_rejects_too_much_of_what_is_rare(self):
        probs = np.r_[np.full(40, 1e-6), 1 - 40e-6]
        with pytest.raises(LawBroken, match="do not follow"):
            laws.matches_sampler(np.r_[np.arange(20), np.full(5000, 40)], probs)


class TestAutoregressive:
    x = np.random.default_rng(0).integers(0, 5, (6, 3)).astype(float)
    strictly_lower = np.tril(np.ones((3, 3)), -1)

    def linear(self, weights):
        return lambda x: x @ np.asarray(weights).T

    def test_accepts_exactly_the_earlier_inputs(self):
        laws.autoregressive(self.linear(self.strictly_lower), self.x)

    def test_accepts_an_ordering(self):
        order = np.array([2, 0, 1])  # dimension 1 comes first, then 2, then 0
        laws.autoregressive(self.linear((order[None, :] < order[:, None]).astype(float)), self.x, order)
        with pytest.raises(LawBroken):
            laws.autoregressive(self.linear(self.strictly_lower), self.x, order)

    @pytest.mark.parametrize(("i", "j"), [(i, j) for i in range(3) for j in range(3)])
    def test_every_wrong_entry_is_found_and_named(self, i, j):
        weights = self.strictly_lower.copy()
        weights[i, j] = 1 - weights[i, j]
        see = "sees" if weights[i, j] else "does not see"
        with pytest.raises(LawBroken, match=f"output {i} {see} input {j}"):
            laws.autoregressive(self.linear(weights), self.x)

    def test_a_whisper_is_a_leak(self):
        weights = self.strictly_lower.copy()
        weights[0, 2] = 1e-12
        with pytest.raises(LawBroken, match="output 0 sees input 2"):
            laws.autoregressive(self.linear(weights), self.x)

    def test_minus_infinity_is_a_value_and_nan_is_not(self):
        def log_probs(fill):
            return lambda x: np.concatenate([np.full((len(x), 1), fill), np.cumsum(x, 1)[:, :-1]], 1)

        laws.autoregressive(log_probs(-np.inf), self.x)
        with pytest.raises(LawBroken, match="NaN"):
            laws.autoregressive(log_probs(np.nan), self.x)

    def test_rejects_another_shape(self):
        with pytest.raises(LawBroken, match="shape"):
            laws.autoregressive(lambda x: x.sum(1), self.x)

    def test_inputs_that_show_nothing_are_the_callers_mistake(self):
        with pytest.raises(ValueError, match="every example has the same input 0"):
            laws.autoregressive(self.linear(self.strictly_lower), np.ones((4, 3)))

    def test_takes_further_axes(self):
        weights = torch.as_tensor(self.strictly_lower)
        laws.autoregressive(lambda x: torch.stack([torch.as_tensor(x) @ weights.T] * 2, -1).numpy(), self.x)

    def test_the_usual_cause_is_found_from_all_that_is_seen(self):
        def cause(sees):
            return f"{np.diagonal(sees).sum()} outputs see themselves"

        with pytest.raises(laws.LawBroken, match=r"before it\nUsual cause: 3 outputs see themselves"):
            laws.autoregressive(self.linear(self.strictly_lower + np.eye(3)), self.x, cause=cause)


def sheared(x):
    """z0 = sinh(x0), z1 = x1 exp(x0) + x0: not a bit symmetric."""
    z = np.stack([np.sinh(x[:, 0]), x[:, 1] * np.exp(x[:, 0]) + x[:, 0]], 1)
    return z, np.log(np.cosh(x[:, 0])) + x[:, 0]


def unsheared(z):
    x0 = np.arcsinh(z[:, 0])
    return np.stack([x0, (z[:, 1] - x0) * np.exp(-x0)], 1)


POINTS = np.random.default_rng(0).normal(size=(5, 2))


class TestInvertible:
    def test_accepts_an_inverse(self):
        laws.invertible(sheared, unsheared, POINTS)

    def test_z_keeps_its_shape(self):
        laws.invertible(
            lambda x: (x.reshape(-1, 4), np.zeros(len(x))), lambda z: z.reshape(-1, 2, 2), np.ones((3, 2, 2))
        )

    @pytest.mark.parametrize("error", [1e-7, -1e-7])
    def test_a_small_error_is_one(self, error):
        with pytest.raises(LawBroken, match=r"inverse\(forward\(x\)\): wrong in 5 of 10 places, first at \[0, 1\]"):
            laws.invertible(sheared, lambda z: unsheared(z) + np.array([0, error]), POINTS)

    def test_names_the_usual_cause(self):
        with pytest.raises(LawBroken, match="Usual cause: nothing is undone"):
            laws.invertible(sheared, lambda z: z, POINTS, causes={"nothing is undone": sheared(POINTS)[0]})

    @pytest.mark.parametrize(
        ("answer", "says"),
        [
            (lambda x: x, "return z and log_det"),
            (lambda x: (x[:, :1], np.zeros(len(x))), "z should hold 10 numbers"),
            (lambda x: (x, np.zeros(x.shape)), r"one number for each example, \(5,\), but has shape \(5, 2\)"),
            (lambda x: (x, 0.0), "but has shape ()"),
        ],
    )
    def test_shapes(self, answer, says):
        with pytest.raises(LawBroken, match=says):
            laws.invertible(answer, unsheared, POINTS)


class TestLogDet:
    def test_accepts_the_right_one(self):
        laws.log_det(sheared, POINTS, tolerance=1e-9)

    def test_of_images_and_of_negative_determinants(self):
        turn = np.roll(np.eye(4), 1, 0) * 3  # det = -81
        laws.log_det(lambda x: (x.reshape(-1, 4) @ turn, np.full(len(x), np.log(81))), np.ones((3, 1, 2, 2)))

    @pytest.mark.parametrize(
        ("wrong", "cause"),
        [
            (lambda right: -right, "sign is that of the inverse"),
            (lambda right: right / 2, "mean over the dimensions"),
            (lambda right: np.exp(right), "this is the determinant"),
            (lambda right: right + 1e-4, "log_det: wrong in 5 of 5 places"),
            (lambda right: right * np.nan, "log_det: wrong in"),
            (lambda right: right + np.log(3), "Usual cause: mine"),
        ],
    )
    def test_rejects(self, wrong, cause):
        mine = {"mine": sheared(POINTS)[1] + np.log(3)}
        with pytest.raises(LawBroken, match=cause):
            laws.log_det(lambda x: (sheared(x)[0], wrong(sheared(x)[1])), POINTS, causes=mine)

    def test_a_map_without_inverse_is_said_to_be_one(self):
        with pytest.raises(LawBroken, match="z has no inverse near"):
            laws.log_det(lambda x: (np.maximum(x, 0), np.zeros(len(x))), -np.ones((2, 2)))


class TestMass:
    @pytest.mark.parametrize(("low", "dims"), [(-9, 1), ([-9], 1), ([-9, -9], 2)])
    def test_accepts_a_density(self, low, dims):
        def normal(x):
            assert x.shape[1:] == np.shape(low)
            return -(x**2).reshape(len(x), -1).sum(1) / 2 - dims * np.log(2 * np.pi) / 2

        laws.mass(normal, low, -np.asarray(low), points=400, tolerance=1e-9)
        for wrong in (lambda x: normal(x) + 2e-6, lambda x: normal(x) - 2e-6):
            with pytest.raises(LawBroken, match="should integrate to 1, but it integrates to"):
                laws.mass(wrong, low, -np.asarray(low), points=400)

    def test_sees_every_part_of_the_box(self):
        uneven = lambda x: np.log(4 * x[:, 0] * x[:, 1])  # noqa: E731
        laws.mass(uneven, [0, 0], [1, 1])
        with pytest.raises(LawBroken):
            laws.mass(uneven, [0, 0], [1, 0.5])

    def test_rejects_nan_and_other_shapes(self):
        with pytest.raises(LawBroken, match="integrates to nan"):
            laws.mass(lambda x: x * np.nan, 0, 1)
        with pytest.raises(LawBroken, match="got"):
            laws.mass(lambda x: x, [0, 0], [1, 1])


@pytest.mark.parametrize("short", [np.float32, torch.float32, np.float16])
def test_short_numbers_are_named_as_the_cause(short):
    right = np.array([1.4498839012, 2.0])
    answer = torch.tensor(right, dtype=short) if isinstance(short, torch.dtype) else right.astype(short)
    with pytest.raises(LawBroken, match="compute in 64"):
        laws.matches(answer, right, tolerance=1e-9)
    for wrong in (answer + 1, right + 1e-5):
        with pytest.raises(LawBroken, match="wrong in") as broken:
            laws.matches(wrong, right, tolerance=1e-9)
        assert "64" not in str(broken.value)
