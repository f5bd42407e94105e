"""Precision, recall, density and coverage: by hand, against brute force, with ties, chunks and
their bounds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_lab.errors import UserError
from gan_lab.metrics import PrecisionRecallDensityCoverage, precision_recall_density_coverage
from helpers.metrics_cases import flat
from helpers.metrics_reference import manifold, normal


def points(*values: float) -> torch.Tensor:
    return torch.tensor(values)[:, None]


def test_by_hand():
    """k = 1. Real 0, 1, 3: radii 1, 1, 2. Fake 0.5, 4, 10: radii 3.5, 3.5, 6.

    Fake 0.5: in the balls of 0 and 1, at 2.5 from 3 (not). 4: in that of 3. 10: in none. Precision
    2/3, density (2 + 1 + 0) / 3 = 1. Real 0 and 1 are at 0.5 from 0.5 (in), 3 is at 2.5 (in):
    recall 1. Coverage: nearest fake of 0, 1, 3 at 0.5, 0.5, 1, below the radii: 1.
    """
    found = precision_recall_density_coverage(points(0, 1, 3), points(0.5, 4, 10), k=1)
    assert found._fields == ("precision", "recall", "density", "coverage")
    assert all(part.shape == () and part.dtype == torch.float64 for part in found)
    assert flat(found) == pytest.approx([2 / 3, 1, 1, 1], rel=1e-15)


def test_a_point_on_the_sphere_is_outside():
    """k = 1, strict comparison. Real 0, 2: radii 2. Fake 4, 6, at 2 and 4 from real 2 and 4 and 6
    from 0, radii 2."""
    found = precision_recall_density_coverage(points(0, 2), points(4, 6), k=1)
    assert flat(found) == [0, 0, 0, 0]
    found = precision_recall_density_coverage(points(0, 2), points(3.9375, 6), k=1)
    # 3.9375 is in the ball of 2 (1 of 2 fake; density 1/2; coverage: real 2), and real 2 in its
    # ball of 2.0625
    assert flat(found) == [0.5, 0.5, 0.5, 0.5]


def test_the_kth_neighbour_leaves_out_the_point_itself():
    """k = 2. Real 0, 1, 3: second neighbours at 3, 2, 3. Fake -2.5, -2.6, -2.7 (radii 0.2, 0.1,
    0.2).

    -2.5: at 2.5 from 0 (in), 3.5 from 1, 5.5 from 3: all three only in the ball of 0: precision 1,
    density 1/2, recall 0, coverage: nearest fake of 0 at 2.5 < 3, of 1 at 3.5 > 2, of 3 at 5.5 > 3:
    1/3.
    """
    found = precision_recall_density_coverage(points(0, 1, 3), points(-2.5, -2.6, -2.7), k=2)
    assert flat(found) == pytest.approx([1, 0, 0.5, 1 / 3], rel=1e-15)


def test_precision_and_recall_are_not_swapped():
    """Fake within a small part of the real manifold: precision 1, recall and coverage low."""
    real = normal(100, 2, seed=1)
    fake = real[:1] + 1e-3 * normal(100, 2, seed=2)
    found = precision_recall_density_coverage(real, fake, k=5)
    assert found.precision.item() == 1
    assert found.recall.item() < 0.1
    assert found.coverage.item() < 0.2
    swapped = precision_recall_density_coverage(fake, real, k=5)
    assert swapped.recall.item() == 1
    assert swapped.precision.item() < 0.1


def collapsed(count):
    """Real features of 200 images, and those of a generator that repeats one of them."""
    real = normal(200, 16, seed=1).float()
    return real, real[:1].expand(count, -1)


def of_the_metric(real, fake):
    metric = PrecisionRecallDensityCoverage()
    metric.update(fake)
    metric.update(real, real=True)
    return metric.compute()


@pytest.mark.parametrize("count", [6, 200, 500])
@pytest.mark.parametrize("measured", [precision_recall_density_coverage, of_the_metric])
def test_a_generator_that_repeats_one_real_image_has_no_recall(measured, count):
    """All balls of the copies have radius 0; the one place where they are lies in few balls of
    reals.

    With the roles exchanged, as some public programs have them, recall would be 1: the second half
    says so.
    """
    real, fake = collapsed(count)
    found = measured(real, fake)
    assert found.precision.item() == 1
    assert found.recall.item() == 0
    assert found.coverage.item() < 0.1
    exchanged = measured(fake, real)
    assert exchanged.recall.item() == 1
    assert exchanged.precision.item() == 0


def test_the_density_exceeds_one_where_balls_overlap():
    """k = 1; real 0, 1, 2, 3, fake 1.5 and 1.25 lie in the balls of 1 and 2 each, and no other:
    density 2."""
    found = precision_recall_density_coverage(points(0, 1, 2, 3), points(1.5, 1.25), k=1)
    assert found.density.item() == 2


@settings(derandomize=True, deadline=None, max_examples=25)
@given(
    st.integers(7, 30),
    st.integers(7, 30),
    st.integers(1, 5),
    st.sampled_from([1, 4, 1024]),
    st.integers(1, 6),
    st.booleans(),
    st.integers(0, 10**6),
)
def test_against_brute_force(n, m, d, chunk, k, on_a_grid, seed):
    """On a grid of whole numbers nearly all distances are tied and all are exact."""
    real, fake = 3 * normal(n, d, seed=seed), 3 * normal(m, d, seed=seed + 1) + 1
    if on_a_grid:
        real, fake = real.round(), fake.round()
    real, fake = real.float(), fake.float()
    found = precision_recall_density_coverage(real, fake, k=k, chunk=chunk)
    expected = manifold(real, fake, k)
    assert found._asdict().keys() == expected.keys()
    assert flat(found) == pytest.approx(list(expected.values()), rel=1e-14)


@pytest.mark.parametrize("chunk", [7, 1024])
@pytest.mark.parametrize("offset", [0.0, 4e3, 1.2e7])
def test_distances_are_exact_far_from_the_origin(offset, chunk):
    """Whole numbers in 256 dimensions, with many ties. Squares sum to 3.7e16 > 2^53: even float64
    has lost the units of |x|^2 + |y|^2 - 2 x.y there, while the differences stay exact.
    """
    real, fake = ((2 * normal(n, 256, seed=n)).round() for n in (60, 50))
    expected = manifold(real, fake, 3)
    found = precision_recall_density_coverage(
        (real + offset).float(), (fake + offset).float(), k=3, chunk=chunk
    )
    assert flat(found) == pytest.approx(list(expected.values()), rel=1e-14)
    assert 0 < expected["coverage"] < 1


def test_twins_have_radius_zero():
    """Every real point stands twice: with k = 1 all radii are exactly 0, and nothing is within
    them."""
    real = normal(200, 16, seed=1, scale=30).float()
    found = precision_recall_density_coverage(torch.cat([real, real]), real, k=1)
    assert [found.precision.item(), found.density.item(), found.coverage.item()] == [0, 0, 0]
    assert (
        found.recall.item() == 1
    )  # fake has no twins: every real point lies at a fake one, within its radius


def test_a_set_covers_itself():
    real = normal(80, 5, seed=1).float()
    found = precision_recall_density_coverage(real, real.flip(0), k=5)
    assert [found.precision.item(), found.recall.item(), found.coverage.item()] == [1, 1, 1]
    assert flat(found) == pytest.approx(list(manifold(real, real, 5).values()), rel=1e-14)


def test_far_sets_have_nothing_in_common():
    assert flat(precision_recall_density_coverage(normal(20, 3), normal(20, 3) + 1e3, k=3)) == [
        0,
        0,
        0,
        0,
    ]


@pytest.mark.parametrize("batch", [1, 7, 100])
@pytest.mark.parametrize("chunk", [1, 16, 4096])
def test_the_class(batch, chunk):
    real, fake = normal(60, 4, seed=1).float(), normal(50, 4, seed=2).float() * 0.7
    metric = PrecisionRecallDensityCoverage(k=4, chunk=chunk)
    for part in fake.split(batch):
        metric.update(part)
    for part in real.split(batch):
        metric.update(part, real=True)
    assert flat(metric.compute()) == pytest.approx(
        list(manifold(real, fake, 4).values()), rel=1e-14
    )


def test_the_published_number_of_neighbours_is_the_default():
    real, fake = normal(60, 4, seed=1).float(), normal(50, 4, seed=2).float() * 0.7
    metric = PrecisionRecallDensityCoverage()
    metric.update(real, real=True)
    metric.update(fake)
    assert metric.compute() == precision_recall_density_coverage(real, fake)
    assert flat(metric.compute()) == pytest.approx(
        list(manifold(real, fake, 5).values()), rel=1e-14
    )


@pytest.mark.parametrize("order", range(2))
def test_the_order_of_the_samples_does_not_matter(order):
    real, fake = normal(60, 4, seed=1).float(), normal(50, 4, seed=2).float()
    mixed = torch.randperm(50, generator=torch.Generator().manual_seed(order))
    assert precision_recall_density_coverage(
        real, fake[mixed]
    ) == precision_recall_density_coverage(real, fake)


@pytest.mark.parametrize(("real", "fake"), [(5, 20), (20, 5), (0, 20), (20, 0)])
def test_fewer_than_k_plus_one_samples(real, fake):
    x, y = normal(real, 3).float(), normal(fake, 3).float()
    with pytest.raises(UserError) as error:
        precision_recall_density_coverage(x, y, k=5)
    assert "\n" not in str(error.value)
    metric = PrecisionRecallDensityCoverage(k=5)
    metric.update(x, real=True)
    metric.update(y)
    with pytest.raises(UserError):
        metric.compute()


def test_k_plus_one_samples_are_enough():
    x, y = normal(6, 3).float(), normal(6, 3, seed=1).float()
    found = precision_recall_density_coverage(x, y, k=5)
    assert flat(found) == pytest.approx(list(manifold(x, y, 5).values()), rel=1e-14)
    assert not np.isnan(flat(found)).any()


def test_different_dimensions():
    with pytest.raises(UserError):
        precision_recall_density_coverage(normal(9, 3), normal(9, 4), k=2)
