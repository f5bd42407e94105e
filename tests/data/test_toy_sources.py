"""The rings, grids, rolls, points and stacks that GAN papers try methods on."""

import numpy as np
import pytest
from scipy.stats import ks_2samp
from sklearn.datasets import make_swiss_roll

from gan_lab.data import MNIST, StackedMNIST, SwissRoll, load
from helpers.data_builders import make_mnist, source_of


def test_the_ring_and_the_grid_are_those_of_pacgan():
    """Eight on the unit circle, std 0.01; {-4, -2, 0, 2, 4}², std 0.05."""
    ring, grid = source_of("ring"), source_of("grid")
    angles = np.arange(8) * np.pi / 4
    np.testing.assert_allclose(
        ring.centres(), np.stack([np.cos(angles), np.sin(angles)], 1), atol=1e-15
    )
    ticks = [-4, -2, 0, 2, 4]
    assert {tuple(centre) for centre in grid.centres()} == {(x, y) for x in ticks for y in ticks}
    assert (ring.std, grid.std) == (0.01, 0.05)


def test_modes_are_those_of_the_loaded_data():
    data = load(source_of("ring", num_samples=4000), None)
    split = data.splits["test"]
    assert data.modes.std == 0.01
    for label, centre in enumerate(data.modes.centres):
        apart = split.values[split.labels == label] - centre
        assert np.abs(apart).max() < 6 * 0.01
    assert load(source_of("swiss_roll", num_samples=10), None).modes is None


def test_the_swiss_roll_is_scikit_learns():
    """Its first and last coordinate: (t cos t, t sin t). Without noise radius and angle agree; with
    it the laws of the radius and of both coordinates do, by the test of Kolmogorov and Smirnov."""
    clean = SwissRoll(noise=0.0, scale=1.0, num_samples=500).decode().splits["train"].values
    t = np.linalg.norm(clean.astype(float), axis=1)
    np.testing.assert_allclose(clean, np.stack([t * np.cos(t), t * np.sin(t)], 1), atol=1e-5)

    ours = source_of("swiss_roll").decode().splits["test"].values
    peer = make_swiss_roll(20000, noise=0.25, random_state=0)[0][:, [0, 2]] / 7.5
    for of in (lambda x: np.hypot(*x.T), lambda x: x[:, 0], lambda x: x[:, 1]):
        assert ks_2samp(of(ours), of(peer)).pvalue > 1e-3


def test_stacked_digits_are_those_of_their_labels(tmp_path):
    """Every channel is an image of MNIST's own split with the digit that the label says."""
    written = make_mnist(tmp_path, train=12, test=7)
    source = StackedMNIST(root=str(tmp_path), num_train=40, num_test=30)
    data = load(source, None)
    assert data.spec.shape == (3, 32, 32)
    assert data.spec.num_classes == 1000
    assert data.spec.class_names[907] == "907"
    for name, count in (("train", 40), ("test", 30)):
        images, digits = written[name]
        split = data.splits[name]
        assert len(split) == count
        for stack, label in zip(split.values, split.labels, strict=True):
            for channel, digit in zip(stack, f"{label:03d}", strict=True):
                of_digit = images[digits == int(digit)]
                assert (of_digit == channel[2:30, 2:30]).all((1, 2)).any()


@pytest.mark.parametrize("field", ["seed", "num_train", "num_test"])
def test_stacks_are_a_function_of_their_fields_and_files(field, tmp_path):
    make_mnist(tmp_path)
    local = {"root": str(tmp_path), "num_train": 20, "num_test": 10}
    one, again = StackedMNIST(**local), StackedMNIST(**local)
    np.testing.assert_array_equal(
        one.decode().splits["train"].values, again.decode().splits["train"].values
    )
    other = StackedMNIST(**{**local, field: 15})
    assert other.content_key() != one.content_key() == again.content_key()
    assert one.content_key() != MNIST(root=str(tmp_path)).content_key()
