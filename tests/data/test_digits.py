"""Digits against scikit-learn's own arrays and integer arithmetic."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from gan_lab.data import Digits, load
from helpers.data_builders import user_error

BUNCH = load_digits()


def scaled(value):
    """255 v / 16 rounded half up, in integers."""
    return (2 * 255 * int(value) + 16) // 32


def bag(split):
    """The samples of a split with their labels, as a multiset: the set holds no order."""
    return Counter(
        (image.tobytes(), int(label))
        for image, label in zip(split.values, split.labels, strict=True)
    )


def test_hand_computed_levels():
    assert [scaled(value) for value in (0, 1, 2, 8, 15, 16)] == [0, 16, 32, 128, 239, 255]


def test_every_image_is_there_once_scaled_with_its_label():
    data = load(Digits(), None)
    table = np.array([scaled(value) for value in range(17)], dtype=np.uint8)
    expected = Counter(
        (table[image.astype(int)].tobytes(), int(label))
        for image, label in zip(BUNCH.images, BUNCH.target, strict=True)
    )
    assert bag(data.splits["train"]) + bag(data.splits["test"]) == expected
    assert data.spec.shape == (1, 8, 8)
    assert data.spec.class_names == tuple(str(name) for name in BUNCH.target_names)
    assert sorted(np.unique(data.splits["train"].values)) == [scaled(value) for value in range(17)]


@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.03])
def test_the_split_is_stratified(fraction):
    splits = Digits(test_fraction=fraction).decode().splits
    assert list(splits) == ["train", "test"]
    assert len(splits["train"]) + len(splits["test"]) == 1797
    for label in range(10):
        members = int((BUNCH.target == label).sum())
        held_out = int((splits["test"].labels == label).sum())
        assert abs(held_out - fraction * members) <= 0.5
        assert held_out + int((splits["train"].labels == label).sum()) == members


@pytest.mark.thorough
@settings(max_examples=25, deadline=None, derandomize=True)
@given(fraction=st.floats(0, 1, exclude_min=True, exclude_max=True), seed=st.integers(0, 2**40))
def test_every_class_is_in_both_splits_at_any_fraction(fraction, seed):
    splits = Digits(test_fraction=fraction, seed=seed).decode().splits
    for split in splits.values():
        assert set(split.labels.tolist()) == set(range(10))
    assert sum(map(len, splits.values())) == 1797


def test_the_split_is_a_function_of_its_seed():
    first, again, other = (bag(Digits(seed=seed).decode().splits["test"]) for seed in (0, 0, 1))
    assert first == again
    shared = sum((first & other).values())
    assert shared < 0.4 * sum(first.values())  # 20% by chance


def test_the_split_is_drawn_from_the_whole_class():
    """A split by position would hold out images of the same writers: every third of the file is in
    both splits."""
    position = {image.tobytes(): index for index, image in enumerate(BUNCH.images.astype(np.uint8))}
    back = {scaled(value): value for value in range(17)}
    lookup = np.array([back.get(level, 0) for level in range(256)], dtype=np.uint8)
    held_out = [
        position[lookup[image].tobytes()] for image in Digits().decode().splits["test"].values
    ]
    thirds = np.bincount(np.array(held_out) // 599, minlength=3)
    assert thirds.min() > 90  # 120 expected


def test_the_hash_knows_the_split():
    keys = {
        Digits(seed=seed, test_fraction=fraction).content_key()
        for seed, fraction in ((0, 0.2), (1, 0.2), (0, 0.25))
    }
    assert len(keys) == 3
    assert Digits().content_key() == Digits(name="other").content_key()


@pytest.mark.parametrize(
    "fraction", [0, 1, -0.1, 1.5, 0.0, float("nan"), float("inf"), "a", None, True]
)
def test_bad_fractions(fraction):
    user_error(lambda: load(Digits(test_fraction=fraction), None), "test_fraction")


@pytest.mark.parametrize("seed", [-1, 0.5, "0", None, True])
def test_bad_seeds(seed):
    user_error(lambda: load(Digits(seed=seed), None), "seed")
