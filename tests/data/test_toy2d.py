import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.datasets import make_moons

from deepul_utils.checks import laws
from deepul_utils.data.toy2d import (
    HALF_MOONS_BOX,
    SMILEY_BOX,
    diagonal_gaussian_sets,
    full_gaussian_sets,
    gaussian,
    gaussian_log_density,
    half_moons,
    half_moons_log_density,
    on_grid,
    smiley,
    smiley_law,
    smiley_log_density,
)

DENSITIES = [(smiley, smiley_log_density, SMILEY_BOX), (half_moons, half_moons_log_density, HALF_MOONS_BOX)]


def test_smiley_is_the_published_set():
    rng = np.random.RandomState(0)
    n = 700
    left = [-1.5, 2.5] + 0.2 * rng.randn(n, 2)
    right = [1.5, 2.5] + 0.2 * rng.randn(n, 2)
    t = np.linspace(0, np.pi, n)
    mouth = np.c_[2 * np.cos(t), -np.sin(t)] + 0.2 * rng.randn(n, 2)
    points = np.concatenate([left, right, mouth])
    assert np.array_equal(smiley(2100), points[rng.permutation(2100)])


@pytest.mark.parametrize("n", [1, 2, 3, 2000, 2001])
def test_smiley_has_n_points(n):
    assert smiley(n).shape == (n, 2)


def test_smiley_has_a_third_of_its_points_in_each_eye():
    x = smiley(3000, seed=3)
    for centre in [(-1.5, 2.5), (1.5, 2.5)]:
        assert (np.linalg.norm(x - centre, axis=1) < 1.2).sum() == 1000  # 6 standard deviations


@pytest.mark.parametrize("num_values", [1, 7, 40])
def test_smiley_law_is_where_smiley_falls(num_values):
    law = smiley_law(num_values)
    laws.normalised(np.log(law.ravel()), tolerance=1e-12)
    cells = on_grid(smiley(30_000, seed=7), num_values) @ [num_values, 1]
    laws.matches_sampler(cells, law.ravel())


def test_smiley_law_integrates_the_density():
    def density(y, x):
        t = np.linspace(0, np.pi, 1000)
        centres = [np.array([[-1.5, 2.5]]), np.array([[1.5, 2.5]]), np.c_[2 * np.cos(t), -np.sin(t)]]
        squares = [((x - c[:, 0]) ** 2 + (y - c[:, 1]) ** 2) / 0.2**2 for c in centres]
        return np.mean([np.exp(-s / 2).mean() for s in squares]) / (2 * np.pi * 0.2**2)

    for i, j in [(3, 9), (10, 3), (9, 4)]:  # an eye, the mouth
        mass, _ = integrate.dblquad(density, -3 + i / 2, -2.5 + i / 2, -2 + j / 2, -1.5 + j / 2, epsabs=1e-9)
        assert smiley_law(12)[i, j] == pytest.approx(mass, abs=1e-8)


@pytest.mark.parametrize(("draw", "log_density", "box"), DENSITIES)
def test_densities_have_mass_1(draw, log_density, box):
    axes = [np.linspace(low - 1, high + 1, 401) for low, high in zip(*box, strict=True)]
    cell = np.prod([axis[1] - axis[0] for axis in axes])
    density = np.exp(log_density(np.stack(np.meshgrid(*axes), axis=-1)))
    assert density.shape == (401, 401)
    assert density.sum() * cell == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("draw", "log_density", "box"), DENSITIES)
def test_densities_are_those_of_the_draws(draw, log_density, box):
    """The mass of each cell of a grid, by the density at its fine points, against how often a draw falls there."""
    K, fine = 12, 20
    sides = [low + (high - low) * (np.arange(K * fine) + 0.5) / (K * fine) for low, high in zip(*box, strict=True)]
    density = np.exp(log_density(np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1)))
    cell = np.prod(np.subtract(box[1], box[0])) / (K * fine) ** 2
    law = density.reshape(K, fine, K, fine).sum((1, 3)).ravel() * cell
    x = draw(30_000, seed=11)
    inside = ((x > box[0]) & (x < box[1])).all(1)
    laws.matches_sampler(on_grid(x[inside], K, *box) @ [K, 1], law)


def test_the_density_of_a_point_that_only_one_eye_reaches():
    far = np.array([[-1.5, 2.5], [-1.5, 2.5 + 0.2 * 8]])
    want = np.log(1 / 3) - np.log(2 * np.pi * 0.2**2) - np.array([0, 32])
    assert smiley_log_density(far) == pytest.approx(want, abs=1e-9)


def test_the_density_of_half_moons_is_the_integral_along_them():
    x = half_moons(5, seed=3)

    def integrand(t, point):
        arcs = np.array([[np.cos(t), np.sin(t)], [1 - np.cos(t), 0.5 - np.sin(t)]])
        return np.exp(-((point - arcs) ** 2).sum(1) / 0.02).mean() / (2 * np.pi * 0.01) / np.pi

    got = [integrate.quad(integrand, 0, np.pi, args=(point,), epsabs=1e-12, limit=200)[0] for point in x]
    assert np.exp(half_moons_log_density(x)) == pytest.approx(got, rel=1e-9)


def test_half_moons_are_scikit_learns():
    assert np.array_equal(half_moons(500, seed=4), make_moons(500, noise=0.1, random_state=4)[0])


@pytest.mark.parametrize("draw", [smiley, half_moons])
def test_seeds_differ_and_repeat(draw):
    assert np.array_equal(draw(60, seed=1), draw(60, seed=1))
    assert not np.isin(draw(60, seed=1), draw(60, seed=2)).any()


@pytest.mark.parametrize(("draw", "box"), [(smiley, SMILEY_BOX), (half_moons, HALF_MOONS_BOX)])
def test_the_box_holds_nearly_every_point(draw, box):
    x = draw(20_000, seed=5)
    inside = ((x >= box[0]) & (x <= box[1])).all(1)
    assert inside.mean() > 0.999


def test_on_grid_puts_the_centre_of_each_cell_into_it():
    cells = np.stack(np.meshgrid(np.arange(7), np.arange(7), indexing="ij"), axis=-1).reshape(-1, 2)
    low, high = np.array([-1.0, 2.0]), np.array([6.0, 16.0])
    centres = low + (cells + 0.5) / 7 * (high - low)
    got = on_grid(centres, 7, tuple(low), tuple(high))
    assert np.array_equal(got, cells)
    assert got.dtype == np.int64


def test_on_grid_moves_far_points_to_the_edge():
    assert on_grid(np.array([[-99.0, 99.0], [3.0, -2.0]]), 10).tolist() == [[0, 9], [9, 0]]


@pytest.mark.parametrize("points", [np.zeros(3), np.zeros((3, 3)), np.zeros((1, 3, 2))])
def test_on_grid_wants_points_of_the_plane(points):
    with pytest.raises(ValueError, match=r"points must be \(n, 2\)"):
        on_grid(points, 10)


@pytest.mark.parametrize(("full", "sets"), [(True, full_gaussian_sets), (False, diagonal_gaussian_sets)])
def test_gaussians_are_the_published_sets_but_for_their_training_points(full, sets):
    train, test = sets()
    z = np.random.RandomState(0).randn(2500, 2) * [5, 1]
    half = np.sqrt(0.5)
    turned = z @ [[half, half], [-half, half]]
    right = np.add(turned, (1, 2)) if full else np.add(z, (-1, 2))
    assert np.allclose(test, right, atol=1e-12)
    assert not set(map(tuple, train)) & set(map(tuple, test))


@pytest.mark.parametrize("full", [True, False])
def test_log_density_of_the_gaussians(full):
    mean, covariance = ((1, 2), [[13, 12], [12, 13]]) if full else ((-1, 2), [[25, 0], [0, 1]])
    points = gaussian(100, seed=3, full=full)
    right = stats.multivariate_normal(mean, covariance).logpdf(points)
    assert np.allclose(gaussian_log_density(points, full=full), right, atol=1e-12)
