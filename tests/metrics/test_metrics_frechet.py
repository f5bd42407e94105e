"""The Fréchet distance: by hand, against eigenvalues of the product and three libraries, and its
properties."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_lab.errors import UserError
from gan_lab.metrics import FrechetDistance, Moments, frechet_distance, moments
from helpers.metrics_reference import EPS, covariance, frechet, normal

quick = settings(derandomize=True, deadline=None, max_examples=25)
dimensions = st.integers(1, 12)
seeds = st.integers(0, 10**6)


def pair(d: int, n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Two samples of n >= 4d with different means and full-rank covariances of condition below 100
    or so."""
    mix = torch.eye(d, dtype=torch.float64) + 0.3 * normal(d, d, seed=seed + 1) / d**0.5
    return normal(n, d, seed=seed + 2), normal(n + 3, d, seed=seed + 3) @ mix + 0.3


def distance(x, y) -> float:
    return frechet_distance(moments(x), moments(y)).item()


def rotation(d: int, seed: int = 0) -> torch.Tensor:
    return torch.linalg.qr(normal(d, d, seed=seed)).Q


def of_spectrum(values, basis, mean=None) -> Moments:
    values = torch.as_tensor(values, dtype=torch.float64)
    mean = torch.zeros(len(values), dtype=torch.float64) if mean is None else mean
    return Moments(mean, basis @ torch.diag(values) @ basis.T, 100)


def singular_bound(*covariances) -> float:
    """How far a Fréchet distance between singular covariances may be off.

    sqrt(S1) S2 sqrt(S1) is formed with an error E, ||E|| <= c eps ||S1|| ||S2||, so an eigenvalue 0
    is seen anywhere in [-||E||, ||E||] and its root up to sqrt(c eps ||S1|| ||S2||); at most d such
    roots enter twice: 2 d sqrt(c eps) sqrt(||S1|| ||S2||) <= d sqrt(c eps) (tr S1 + tr S2). c = 4
    for a root and two products.
    """
    return (
        len(covariances[0])
        * np.sqrt(4 * EPS)
        * sum(float(np.trace(np.asarray(c))) for c in covariances)
    )


# Moments ------------------------------------------------------------------------------------------


def test_moments_by_hand():
    """Points (0, 0), (2, 0), (1, 3): mean (1, 1); squares 1 + 1 + 0 and 1 + 1 + 4, products 1 - 1 +
    0, over 2."""
    found = moments(torch.tensor([[0.0, 0.0], [2.0, 0.0], [1.0, 3.0]]))
    assert found.mean.tolist() == [1, 1]
    assert found.covariance.numpy() == pytest.approx(np.array([[1, 0], [0, 3]]), rel=0, abs=4 * EPS)
    assert found.n == 3
    assert found.mean.dtype == found.covariance.dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_moments_against_numpy(dtype):
    x = (normal(50, 7, seed=3) + 2).to(dtype)
    found = moments(x)
    assert found.mean.numpy() == pytest.approx(x.double().numpy().mean(axis=0), rel=1e-14)
    assert found.covariance.numpy() == pytest.approx(
        covariance(x.double().numpy()), rel=1e-12, abs=1e-14
    )
    assert torch.equal(found.covariance, found.covariance.T)


def test_moments_are_frozen():
    found = moments(normal(5, 2))
    with pytest.raises(AttributeError):
        found.n = 7


@pytest.mark.parametrize("n", [0, 1])
def test_moments_of_too_few_samples(n):
    with pytest.raises(UserError):
        moments(normal(n, 3))


# Values -------------------------------------------------------------------------------------------


def test_by_hand():
    """Diagonal: |(1, 2)|^2 + (3 - 2)^2 + (1 - 1/2)^2 = 5 + 1 + 1/4."""
    one = Moments(
        torch.zeros(2, dtype=torch.float64),
        torch.diag(torch.tensor([9.0, 1.0], dtype=torch.float64)),
        9,
    )
    other = Moments(
        torch.tensor([1.0, 2.0], dtype=torch.float64),
        torch.diag(torch.tensor([4.0, 0.25], dtype=torch.float64)),
        9,
    )
    found = frechet_distance(one, other)
    assert found.shape == ()
    assert found.dtype == torch.float64
    assert found.item() == pytest.approx(6.25, rel=8 * EPS)


def test_of_samples_by_hand():
    """Samples 0, 2 and 0, 6 in one dimension: means 1 and 3, variances 2 and 18: 4 + (sqrt 18 -
    sqrt 2)^2 = 12."""
    metric = FrechetDistance(1)
    metric.update(torch.tensor([[0.0], [2.0]]), real=True)
    metric.update(torch.tensor([[0.0], [6.0]]))
    assert metric.compute().item() == pytest.approx(12, rel=8 * EPS)


def test_covariances_that_do_not_commute_by_hand():
    """In two dimensions tr (S1 S2)^1/2 = sqrt(tr(S1 S2) + 2 sqrt(det S1 det S2)).

    S1 = diag(4, 1), S2 = [[2, 1], [1, 2]]: tr(S1 S2) = 10, det 4 and 3: 5 + 4 - 2 sqrt(10 + 2 sqrt
    12).
    """
    zero = torch.zeros(2, dtype=torch.float64)
    one = Moments(zero, torch.tensor([[4.0, 0.0], [0.0, 1.0]], dtype=torch.float64), 9)
    other = Moments(zero, torch.tensor([[2.0, 1.0], [1.0, 2.0]], dtype=torch.float64), 9)
    expected = 9 - 2 * np.sqrt(10 + 2 * np.sqrt(12))
    assert frechet_distance(one, other).item() == pytest.approx(expected, rel=100 * EPS)


@quick
@given(dimensions, seeds)
def test_against_the_eigenvalues_of_the_product(d, seed):
    x, y = pair(d, 6 * d + 4, seed)
    scale = float(np.trace(covariance(x.numpy())) + np.trace(covariance(y.numpy())))
    assert distance(x, y) == pytest.approx(frechet(x, y), rel=1e-10, abs=1e-10 * scale)


# Libraries ----------------------------------------------------------------------------------------

FOUR_D = [(8, 32), (32, 128), (64, 400)]


@pytest.mark.parametrize(("d", "n"), FOUR_D)
def test_torch_fidelity(d, n):
    from torch_fidelity.metric_fid import (
        KEY_METRIC_FID,
        fid_features_to_statistics,
        fid_statistics_to_metric,
    )

    x, y = pair(d, n, seed=d)
    theirs = fid_statistics_to_metric(
        fid_features_to_statistics(x), fid_features_to_statistics(y), verbose=False
    )
    assert distance(x, y) == pytest.approx(theirs[KEY_METRIC_FID], rel=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("d", "n"), FOUR_D)
def test_torchmetrics(d, n):
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Features(torch.nn.Identity):
        num_features = d

    x, y = pair(d, n, seed=d)
    theirs = FrechetInceptionDistance(feature=Features())
    theirs.update(x, real=True)
    theirs.update(y, real=False)
    assert distance(x, y) == pytest.approx(theirs.compute().item(), rel=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("d", "n"), FOUR_D)
def test_pytorch_fid(d, n):
    pytest.importorskip("pytorch_fid")
    from pytorch_fid.fid_score import calculate_frechet_distance

    x, y = pair(d, n, seed=d)
    mine = [moments(x), moments(y)]
    theirs = calculate_frechet_distance(*(t.numpy() for m in mine for t in (m.mean, m.covariance)))
    assert frechet_distance(*mine).item() == pytest.approx(float(theirs), rel=1e-6)


@pytest.mark.parametrize(("d", "n"), [(32, 10), (64, 40)])
def test_torch_fidelity_with_fewer_samples_than_dimensions(d, n):
    """Both are off by up to the bound of singular covariances."""
    from torch_fidelity.metric_fid import (
        KEY_METRIC_FID,
        fid_features_to_statistics,
        fid_statistics_to_metric,
    )

    x, y = pair(d, n, seed=d)
    theirs = fid_statistics_to_metric(
        fid_features_to_statistics(x), fid_features_to_statistics(y), verbose=False
    )
    bound = singular_bound(covariance(x.numpy()), covariance(y.numpy()))
    assert bound < 1e-3 * theirs[KEY_METRIC_FID]
    assert distance(x, y) == pytest.approx(theirs[KEY_METRIC_FID], rel=0, abs=2 * bound)


# Properties ---------------------------------------------------------------------------------------


@quick
@given(dimensions, seeds)
def test_a_set_has_distance_zero_to_itself(d, seed):
    """n >= 4d, condition below 1e4: the roots are exact to d eps condition."""
    x, _ = pair(d, 6 * d + 4, seed)
    scale = float(np.trace(covariance(x.numpy())))
    assert 0 <= distance(x, x) <= 1e-10 * scale
    assert 0 <= distance(x, x.flip(0)) <= 1e-10 * scale


@pytest.mark.parametrize(("d", "n"), [(16, 5), (64, 10), (100, 99)])
def test_a_set_has_distance_zero_to_itself_with_fewer_samples_than_dimensions(d, n):
    x, _ = pair(d, n)
    c = covariance(x.numpy())
    assert 0 <= distance(x, x) <= singular_bound(c, c)


@pytest.mark.parametrize(("rank", "d", "n"), [(3, 16, 14), (4, 64, 20), (6, 128, 60)])
def test_an_isometry_into_more_dimensions_than_samples_keeps_the_distance(rank, d, n):
    x, y = pair(rank, n, seed=d)
    basis = rotation(d)[:, :rank]
    lifted = [z @ basis.T for z in (x, y)]
    bound = singular_bound(*(covariance(z.numpy()) for z in lifted))
    assert bound < 0.01 * frechet(x, y)
    assert distance(*lifted) == pytest.approx(frechet(x, y), rel=0, abs=bound)


@pytest.mark.parametrize("seed", range(3))
def test_the_triangle_inequality_and_the_sign_with_few_samples(seed):
    """The root of the distance is a metric (Wasserstein-2 of the Gaussians)."""
    x, y = pair(20, 8, seed)
    z = normal(9, 20, seed=seed + 50, scale=2)
    a, b, c = (distance(*two) ** 0.5 for two in ((x, y), (y, z), (x, z)))
    assert min(a, b, c) > 0
    assert c <= a + b


@quick
@given(dimensions, seeds)
def test_symmetry(d, seed):
    x, y = pair(d, 6 * d + 4, seed)
    assert distance(x, y) == pytest.approx(distance(y, x), rel=1e-9)


@quick
@given(dimensions, seeds)
def test_a_shift_of_the_mean_adds_its_squared_length(d, seed):
    x, y = pair(d, 6 * d + 4, seed)
    one, other = moments(x), moments(y)
    delta = normal(d, seed=seed)
    same_mean = replace(other, mean=one.mean)
    moved = replace(other, mean=one.mean + delta)
    difference = frechet_distance(one, moved).item() - frechet_distance(one, same_mean).item()
    assert difference == pytest.approx(delta.square().sum().item(), rel=1e-10, abs=1e-11)


@quick
@given(
    st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)), min_size=1, max_size=10), seeds
)
def test_commuting_covariances(spectra, seed):
    """tr of the root is sum sqrt(a_i b_i): the distance is sum (sqrt a_i - sqrt b_i)^2."""
    a, b = np.array(spectra).T
    basis = rotation(len(a), seed)
    found = frechet_distance(of_spectrum(a, basis), of_spectrum(b, basis)).item()
    # an eigenvalue a_i b_i of the product is seen c eps ||S1|| ||S2|| off, its root by that / 2
    # sqrt(a_i b_i), twice; Q diag Q' and its trace are rounded themselves, d eps tr each. c = 4 for
    # a root and two products
    bound = len(a) * 4 * EPS * (a.max() * b.max() / np.sqrt((a * b).min()) + a.sum() + b.sum())
    assert found == pytest.approx(((np.sqrt(a) - np.sqrt(b)) ** 2).sum(), rel=1e-12, abs=bound)


@pytest.mark.parametrize("a", [[4.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
def test_singular_commuting_covariances(a):
    basis, b = rotation(3), np.array([1.0, 2.0, 0.0])
    one, other = of_spectrum(a, basis), of_spectrum(b, basis)
    expected = ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    bound = singular_bound(one.covariance, other.covariance)
    assert frechet_distance(one, other).item() == pytest.approx(expected, rel=0, abs=bound)


def test_a_rotation_of_both_changes_nothing():
    x, y = pair(10, 60)
    q = rotation(10)
    assert distance(x @ q, y @ q) == pytest.approx(distance(x, y), rel=1e-10)


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_it_scales_with_the_square(factor):
    """No epsilon is added anywhere: 1e-6 of the distance at 1e-3 of the features."""
    x, y = pair(10, 60)
    assert distance(factor * x, factor * y) == pytest.approx(factor**2 * distance(x, y), rel=1e-9)


def test_a_large_common_mean_costs_no_more_than_its_square():
    """float64 sums: cov is off by eps mean^2 n/(n-1); float32 sums would be off by 0.1."""
    x, y = pair(6, 200)
    moved = FrechetDistance(6)
    for part in (x + 1e3).split(17):
        moved.update(part, real=True)
    for part in (y + 1e3).split(13):
        moved.update(part)
    assert moved.compute().item() == pytest.approx(frechet(x, y), rel=1e-6)


def test_features_of_float32_are_summed_in_float64():
    x, y = (z.float() for z in pair(6, 3000))
    x, y = x + 100, y + 100
    metric = FrechetDistance(6)
    metric.update(x, real=True)
    metric.update(y)
    assert metric.compute().item() == pytest.approx(frechet(x, y), rel=1e-9)


# The class ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_batches_and_order_do_not_matter(batch):
    x, y = pair(8, 50)
    metric = FrechetDistance(8)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(1))
    for part in x[order].split(batch):
        metric.update(part, real=True)
    for part in y.split(batch):
        metric.update(part)
    assert metric.compute().shape == ()
    assert metric.compute().dtype == torch.float64
    assert metric.compute().item() == pytest.approx(frechet(x, y), rel=1e-11)


def test_a_reference_stands_for_the_real_side():
    x, y = pair(8, 50)
    metric = FrechetDistance(8, reference=moments(x))
    metric.update(y)
    assert metric.compute().item() == pytest.approx(frechet(x, y), rel=1e-11)
    with pytest.raises(UserError):
        metric.update(x, real=True)


def read(attribute) -> Moments:
    return attribute() if callable(attribute) else attribute


def test_the_moments_of_both_sides():
    x, y = pair(8, 50)
    metric = FrechetDistance(8)
    metric.update(x, real=True)
    metric.update(y[:20])
    metric.update(y[20:])
    for found, of in ((read(metric.real_moments), x), (read(metric.fake_moments), y)):
        assert found.n == len(of)
        assert found.mean.numpy() == pytest.approx(of.numpy().mean(axis=0), rel=1e-12, abs=1e-13)
        assert found.covariance.numpy() == pytest.approx(
            covariance(of.numpy()), rel=1e-11, abs=1e-13
        )


# What it refuses ----------------------------------------------------------------------------------


def test_different_dimensions():
    with pytest.raises(UserError):
        frechet_distance(moments(normal(9, 3)), moments(normal(9, 4)))


@pytest.mark.parametrize("shape", [(5, 4), (5, 2), (3,), (5, 3, 1, 1)])
@pytest.mark.parametrize("real", [True, False])
def test_features_of_another_shape(shape, real):
    with pytest.raises(UserError):
        FrechetDistance(3).update(normal(*shape), real=real)


def test_a_reference_of_another_dimension():
    reference = moments(normal(9, 4))
    with pytest.raises(UserError):
        FrechetDistance(3, reference=reference)


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric")
@pytest.mark.parametrize(("real", "fake"), [(9, 0), (0, 9), (9, 1), (1, 9), (0, 0)])
def test_too_few_samples_on_a_side(real, fake):
    metric = FrechetDistance(3)
    metric.update(normal(real, 3), real=True)
    metric.update(normal(fake, 3))
    with pytest.raises(UserError):
        metric.compute()
