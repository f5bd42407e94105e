"""Partly labelled data: which labels stay, that nothing else changes, K without labels, shares of
the classes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_lab.data.labelled import class_shares, count_labelled, partly_labelled
from gan_lab.data.source import LoadedData, Split
from gan_lab.types import UNLABELLED, DataSpec
from helpers.data_builders import noise, user_error

SIZES = (20, 7, 1, 50)  # of the classes, mixed in the file
NAMES = ("ant", "bee", "cat", "dog")
fractions = st.floats(0.001, 1)
seeds = st.integers(0, 2**31)


def made(sizes=SIZES, names=NAMES, seed=0) -> LoadedData:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes)).astype(np.int64)
    splits = {
        "train": Split(noise(len(labels), 1, 2, 2, seed=seed), labels),
        "test": Split(noise(6, 1, 2, 2, seed=seed + 1), rng.integers(0, len(sizes), 6)),
    }
    return LoadedData(DataSpec("zoo", "images", (1, 2, 2), len(sizes), names), splits, "hash")


def kept(data: LoadedData, fraction: float, seed: int = 0) -> np.ndarray:
    """The training labels that a loss sees."""
    return partly_labelled(data, fraction, None, seed).splits["train"].labels


def counts(labels: np.ndarray) -> list[int]:
    return [int((labels == label).sum()) for label in range(len(SIZES))]


# Which labels stay --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [
        (1, [20, 7, 1, 50]),
        (0, [0, 0, 0, 0]),
        (0.1, [2, 1, 1, 5]),  # 0.7 is rounded to 1; 0.1 to 0, and one stays
        (0.5, [10, 4, 1, 25]),  # 3.5 is rounded to 4, half to even; 0.5 to 0, and one stays
        (0.3, [6, 2, 1, 15]),
        (1e-9, [1, 1, 1, 1]),
    ],
)
def test_how_many_of_each_class(fraction, expected):
    labels = kept(made(), fraction)
    assert counts(labels) == expected
    assert int((labels == UNLABELLED).sum()) == len(labels) - sum(expected)
    assert count_labelled(partly_labelled(made(), fraction, None, 0)) == sum(expected)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(fractions, seeds)
def test_what_stays_is_right_and_balanced(fraction, seed):
    data = made()
    labels, original = kept(data, fraction, seed), data.splits["train"].labels
    stays = labels != UNLABELLED
    assert np.array_equal(labels[stays], original[stays])
    assert labels.dtype == np.int64
    assert counts(labels) == [max(1, round(fraction * n)) for n in SIZES]


def test_the_choice_is_that_of_the_seed():
    data = made()
    sets = [kept(data, 0.5, seed) != UNLABELLED for seed in range(6)]
    assert np.array_equal(kept(made(), 0.5, 3) != UNLABELLED, sets[3])
    assert all(not np.array_equal(sets[i], sets[j]) for i in range(6) for j in range(i))


def test_classes_are_chosen_apart():
    """Two classes of one size, one after the other: not the same places within them."""
    labels = np.repeat(np.arange(2), 40)
    data = LoadedData(
        DataSpec("zoo", "points", (1,), 2, ("a", "b")),
        {"train": Split(np.zeros((80, 1), dtype=np.float32), labels)},
        "hash",
    )
    stays = kept(data, 0.5) != UNLABELLED
    assert not np.array_equal(stays[:40], stays[40:])


def test_every_sample_has_the_same_chance():
    """Of 400 seeds each sample of a class of 20 stays in 25%: within 5 standard deviations, 100 +-
    43."""
    data = made()
    times = sum((kept(data, 0.25, seed) != UNLABELLED).astype(int) for seed in range(400))
    of_20 = times[data.splits["train"].labels == 0]
    assert of_20.sum() == 400 * 5
    assert of_20.min() > 57
    assert of_20.max() < 143


def test_a_class_without_samples_stays_without():
    assert counts(kept(made(sizes=(20, 0, 1, 50)), 0.1)) == [2, 0, 1, 5]


# Nothing else changes -----------------------------------------------------------------------------


@pytest.mark.parametrize("fraction", [0, 0.3, 1])
def test_images_test_split_and_the_original_stay(fraction):
    data, untouched = made(), made()
    found = partly_labelled(data, fraction, None, 1)
    for split in ("train", "test"):
        assert np.array_equal(data.splits[split].labels, untouched.splits[split].labels)
        assert np.array_equal(data.splits[split].values, untouched.splits[split].values)
        assert found.splits[split].values is data.splits[split].values
    assert found.splits["test"] is data.splits["test"]
    assert not np.shares_memory(found.splits["train"].labels, data.splits["train"].labels)
    assert list(found.splits) == list(data.splits)
    assert (found.spec, found.content_hash) == (data.spec, data.content_hash)


def test_points():
    points = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    data = LoadedData(
        DataSpec("gaussians", "points", (2,), 2, ("0", "1")),
        {"train": Split(points, np.arange(6) % 2)},
        "hash",
    )
    found = partly_labelled(data, 0.34, None, 0)
    assert found.splits["train"].values is points
    assert count_labelled(found) == 2


# K ------------------------------------------------------------------------------------------------


def test_another_k_without_labels():
    found = partly_labelled(made(), 0, 7, 0)
    assert found.spec.num_classes == 7
    assert found.spec.class_names == ("0", "1", "2", "3", "4", "5", "6")
    assert (found.spec.name, found.spec.kind, found.spec.shape) == ("zoo", "images", (1, 2, 2))
    assert count_labelled(found) == 0


@pytest.mark.parametrize("fraction", [0, 0.5, 1])
def test_the_k_of_the_data(fraction):
    """Named or left away, it is the same, and the classes keep their names."""
    found = partly_labelled(made(), fraction, 4, 2)
    assert found.spec == made().spec
    assert np.array_equal(found.splits["train"].labels, kept(made(), fraction, 2))


@pytest.mark.parametrize("num_classes", [3, 5, 1])
@pytest.mark.parametrize("fraction", [0.5, 1])
def test_another_k_is_refused_where_labels_stay(num_classes, fraction):
    user_error(
        lambda: partly_labelled(made(), fraction, num_classes, 0),
        f"supervision.num_classes={num_classes}: ",
        "zoo are of 4 classes",
        "supervision.labelled_fraction=0",
    )


@pytest.mark.parametrize("fraction", [0, 0.5, 1])
def test_data_of_one_class_have_no_labels(fraction):
    """A folder of images without classes: K as asked, all samples unlabelled; without K nothing is
    made of it."""
    data = made(sizes=(9,), names=("all",))
    found = partly_labelled(data, fraction, 5, 0)
    assert found.spec.num_classes == 5
    assert found.spec.class_names == ("0", "1", "2", "3", "4")
    assert count_labelled(found) == 0
    assert partly_labelled(data, fraction, None, 0).spec == data.spec


# Shares -------------------------------------------------------------------------------------------


def test_class_shares():
    shares = class_shares(made())
    assert shares == pytest.approx((20 / 78, 7 / 78, 1 / 78, 50 / 78), rel=1e-15, abs=0)
    assert all(type(share) is float for share in shares)
    assert sum(shares) == pytest.approx(1, rel=0, abs=4 * 2.3e-16)


def test_a_class_without_samples_has_a_share_of_zero():
    """Also the last one, which no label names."""
    assert class_shares(made(sizes=(3, 0, 1, 0))) == (0.75, 0, 0.25, 0)


def test_the_labels_of_the_test_split_do_not_count():
    data = made()
    assert class_shares(
        LoadedData(data.spec, {"train": data.splits["train"]}, "hash")
    ) == class_shares(data)
    assert count_labelled(data) == 78


def test_torch_free():
    code = "import sys, gan_lab.data.labelled; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
