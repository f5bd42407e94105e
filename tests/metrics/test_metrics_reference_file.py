"""Reference statistics on disk: round trip, pytorch-fid's format in both directions, and a meta that must agree."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from metrics_reference import normal

from gan_lab.metrics import Moments, frechet_distance, load_reference, moments, save_reference
from gan_lab.types import UserError

META = {"data": "abc123", "split": "train", "resize": "bilinear", "size": 299, "antialias": False}


@pytest.fixture
def mine() -> Moments:
    return moments(normal(40, 5, seed=1))


@pytest.mark.parametrize("name", ["reference.npz", "new/folder/reference.npz"])
@pytest.mark.parametrize("meta", [None, META, {}, {"split": "train"}])
def test_round_trip(tmp_path, mine, name, meta):
    save_reference(tmp_path / name, mine, META)
    found = load_reference(tmp_path / name, meta)
    assert torch.equal(found.mean, mine.mean)
    assert torch.equal(found.covariance, mine.covariance)
    assert found.n == 40
    assert found.mean.dtype == found.covariance.dtype == torch.float64
    assert [path.name for path in (tmp_path / name).parent.iterdir()] == ["reference.npz"]  # no temporary left


def test_what_the_file_holds(tmp_path, mine):
    save_reference(tmp_path / "reference.npz", mine, META)
    with np.load(tmp_path / "reference.npz", allow_pickle=False) as file:
        assert set(file.files) == {"mu", "sigma", "n", "meta"}
        assert file["mu"].dtype == file["sigma"].dtype == np.float64
        assert int(file["n"]) == 40
        assert file["meta"].dtype == np.uint8
        assert json.loads(file["meta"].tobytes().decode()) == META


def test_an_old_file_is_replaced_whole(tmp_path, mine):
    path = tmp_path / "reference.npz"
    save_reference(path, moments(normal(9, 3)), {"split": "test"})
    save_reference(path, mine, META)
    assert torch.equal(load_reference(path, META).mean, mine.mean)


def test_a_meta_that_cannot_be_written_leaves_the_old_file(tmp_path, mine):
    path = tmp_path / "reference.npz"
    save_reference(path, mine, META)
    with pytest.raises((TypeError, ValueError)):
        save_reference(path, moments(normal(9, 5)), {"split": object()})
    assert torch.equal(load_reference(path, META).mean, mine.mean)
    assert [item.name for item in tmp_path.iterdir()] == ["reference.npz"]


@pytest.mark.filterwarnings("ignore")
def test_pytorch_fid_reads_it(tmp_path, mine):
    """Its compute_statistics_of_path asks for a name in .npz and takes mu and sigma by np.load."""
    pytest.importorskip("pytorch_fid")
    from pytorch_fid.fid_score import calculate_frechet_distance, compute_statistics_of_path

    other = moments(normal(50, 5, seed=2, scale=2.0) + 1)
    read = []
    for name, of in (("one.npz", mine), ("other.npz", other)):
        save_reference(tmp_path / name, of, META)
        read += compute_statistics_of_path(str(tmp_path / name), None, 50, 2048, "cpu")
    assert np.array_equal(read[0], mine.mean.numpy())
    theirs = float(calculate_frechet_distance(*read))
    assert frechet_distance(mine, other).item() == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_file_of_pytorch_fid(tmp_path, mine, save, dtype):
    save(tmp_path / "theirs.npz", mu=mine.mean.numpy().astype(dtype), sigma=mine.covariance.numpy().astype(dtype))
    found = load_reference(tmp_path / "theirs.npz", None)
    assert np.array_equal(found.mean.numpy(), mine.mean.numpy().astype(dtype))
    assert np.array_equal(found.covariance.numpy(), mine.covariance.numpy().astype(dtype))
    assert found.mean.dtype == found.covariance.dtype == torch.float64
    assert found.n == 0  # unknown


def test_a_file_of_pytorch_fid_says_nothing_of_its_meta(tmp_path, mine):
    np.savez(tmp_path / "theirs.npz", mu=mine.mean.numpy(), sigma=mine.covariance.numpy())
    with pytest.raises(UserError):
        load_reference(tmp_path / "theirs.npz", META)


@pytest.mark.parametrize(
    ("key", "asked"),
    [("data", "fff000"), ("split", "test"), ("size", 32), ("antialias", True), ("weights", "6726825d")],
)
def test_another_meta(tmp_path, mine, key, asked):
    """The message names the key, both values and the remedy."""
    save_reference(tmp_path / "reference.npz", mine, META)
    with pytest.raises(UserError, match="anew") as error:
        load_reference(tmp_path / "reference.npz", {**META, key: asked})
    message = str(error.value)
    assert key in message
    assert str(asked) in message
    assert str(META.get(key, "")) in message
    assert "\n" not in message


def test_the_first_key_that_differs_is_named(tmp_path, mine):
    save_reference(tmp_path / "reference.npz", mine, {"one": 1, "two": 2, "three": 3})
    with pytest.raises(UserError) as error:
        load_reference(tmp_path / "reference.npz", {"one": 1, "two": 20, "three": 30})
    assert "two" in str(error.value)
    assert "three" not in str(error.value)


def test_a_meta_of_tuples_and_nested_values_equals_itself(tmp_path, mine):
    """JSON makes lists of tuples; the same meta must still be the same."""
    meta = {"transform": {"resize": "bilinear", "shape": [3, 299, 299]}, "quantised": True, "scale": 0.1, "none": None}
    save_reference(tmp_path / "reference.npz", mine, meta)
    assert load_reference(tmp_path / "reference.npz", meta).n == 40


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle of the file was executed",))


def test_pickles_are_not_executed(tmp_path):
    array = np.empty(1, dtype=object)
    array[0] = Bomb()
    np.savez(tmp_path / "theirs.npz", mu=array, sigma=array, allow_pickle=True)
    with pytest.raises((ValueError, pickle.UnpicklingError)):
        load_reference(tmp_path / "theirs.npz", None)
