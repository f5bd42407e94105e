"""Mixtures of Gaussians against hand-computed centres and the laws of their moments."""

import math

import numpy as np
import pytest
from scipy import stats

from gan_lab.data import Gaussians, load
from helpers.data_builders import user_error

RINGS = {
    1: [(2, 0)],
    2: [(2, 0), (-2, 0)],
    4: [(2, 0), (0, 2), (-2, 0), (0, -2)],
    6: [
        (2, 0),
        (1, math.sqrt(3)),
        (-1, math.sqrt(3)),
        (-2, 0),
        (-1, -math.sqrt(3)),
        (1, -math.sqrt(3)),
    ],
}
GRID = [(-2, -2), (0, -2), (2, -2), (-2, 0), (0, 0), (2, 0), (-2, 2), (0, 2), (2, 2)]  # row by row


def assert_centres(split, centres, std):
    """The mean of each mode lies within 5 standard errors of its centre."""
    for label, centre in enumerate(centres):
        points = split.values[split.labels == label].astype(float)
        assert np.abs(points.mean(axis=0) - centre).max() < 5 * std / math.sqrt(len(points)) + 1e-6


@pytest.mark.parametrize("modes", RINGS)
def test_ring(modes):
    data = load(Gaussians(modes=modes, num_samples=4000, std=0.02), None)
    assert data.spec.num_classes == modes
    assert data.spec.kind == "points"
    assert data.spec.shape == (2,)
    for split in data.splits.values():
        assert_centres(split, RINGS[modes], 0.02)


def test_the_default_ring_of_eight():
    splits = load(Gaussians(), None).splits
    angles = [math.pi / 4 * index for index in range(8)]
    for split in splits.values():
        assert split.values.shape == (20000, 2)
        assert_centres(
            split, [(2 * math.cos(angle), 2 * math.sin(angle)) for angle in angles], 0.02
        )


def test_grid():
    data = load(Gaussians(layout="grid", modes=9, num_samples=9000, std=0.05), None)
    for split in data.splits.values():
        assert_centres(split, GRID, 0.05)


def test_grid_of_25_is_evenly_spaced():
    split = load(
        Gaussians(layout="grid", modes=25, radius=4.0, num_samples=5000, std=0.0), None
    ).splits["train"]
    assert sorted({tuple(point) for point in split.values.tolist()}) == [
        (x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)
    ]


def test_grid_of_one_is_the_origin():
    split = load(Gaussians(layout="grid", modes=1, num_samples=10, std=0.0), None).splits["train"]
    assert not split.values.any()


@pytest.mark.parametrize("std", [0.02, 1.5])
def test_each_mode_is_an_isotropic_gaussian(std):
    split = load(Gaussians(modes=4, num_samples=20000, std=std), None).splits["train"]
    residual = (split.values.astype(float) - np.array(RINGS[4])[split.labels]) / std
    assert stats.kstest(residual[:, 0], "norm").pvalue > 1e-3
    assert stats.kstest(residual[:, 1], "norm").pvalue > 1e-3
    assert abs(np.corrcoef(residual.T)[0, 1]) < 5 / math.sqrt(20000)
    assert np.abs(residual.var(axis=0) - 1).max() < 5 * math.sqrt(2 / 20000)


def test_modes_are_equally_likely():
    for split in load(Gaussians(), None).splits.values():
        counts = np.bincount(split.labels, minlength=8)
        assert stats.chisquare(counts).pvalue > 1e-3
        assert len(set(counts.tolist())) > 1  # drawn, not dealt out


def test_samples_come_in_no_order():
    labels = load(Gaussians(), None).splits["train"].labels
    assert abs(np.mean(labels[1:] == labels[:-1]) - 1 / 8) < 0.02


def test_splits_and_seeds_are_independent():
    one, again, other = (load(Gaussians(seed=seed, num_samples=100), None) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.splits["train"].values, again.splits["train"].values)
    draws = [data.splits[name].values for data in (one, other) for name in ("train", "test")]
    for index, first in enumerate(draws):
        for second in draws[:index]:
            assert not (first == second).all(axis=1).any()


def test_every_field_but_the_name_is_in_the_hash():
    changes = [
        {},
        {"layout": "grid", "modes": 9},
        {"modes": 9},
        {"radius": 1.0},
        {"std": 0.1},
        {"num_samples": 5},
    ]
    changes.append({"seed": 1})
    assert len({Gaussians(**change).content_key() for change in changes}) == len(changes)
    assert Gaussians(name="other").content_key() == Gaussians().content_key()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("layout", "square"),
        ("layout", None),
        ("modes", 0),
        ("modes", 2.5),
        ("modes", "8"),
        ("num_samples", 0),
        ("num_samples", -1),
        ("seed", -1),
        ("radius", -1.0),
        ("radius", float("inf")),
        ("std", -0.1),
        ("std", float("nan")),
        ("std", None),
    ],
)
def test_bad_fields(field, value):
    user_error(lambda: load(Gaussians(**{field: value}), None), f"{field}")


def test_a_grid_needs_a_square_number():
    user_error(lambda: load(Gaussians(layout="grid", modes=8), None), "modes=8", "25")
