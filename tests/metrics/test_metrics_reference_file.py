"""Reference statistics on disk: round trip, pytorch-fid's format in both directions, and a meta
that must agree."""

from __future__ import annotations

import json
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch

from gan_lab.errors import UserError
from gan_lab.metrics import Moments, frechet_distance, load_reference, moments, save_reference
from helpers.metrics_reference import normal

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
    assert [path.name for path in (tmp_path / name).parent.iterdir()] == [
        "reference.npz"
    ]  # no temporary left


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
    save(
        tmp_path / "theirs.npz",
        mu=mine.mean.numpy().astype(dtype),
        sigma=mine.covariance.numpy().astype(dtype),
    )
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
    [
        ("data", "fff000"),
        ("split", "test"),
        ("size", 32),
        ("antialias", True),
        ("weights", "6726825d"),
    ],
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
    meta = {
        "transform": {"resize": "bilinear", "shape": [3, 299, 299]},
        "quantised": True,
        "scale": 0.1,
        "none": None,
    }
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


# Files of somebody else ---------------------------------------------------------------------------

GOOD = np.diag([2.0, 1.0, 0.5])


def altered(place, value):
    made = GOOD.copy()
    made[place] = value
    return made


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"mu": np.array([0.0, np.nan, 0.0])}, "mu has values that are NaN or infinite"),
        ({"sigma": altered((0, 1), np.nan)}, "sigma has values that are NaN or infinite"),
        ({"sigma": altered((0, 0), np.inf)}, "sigma has values that are NaN or infinite"),
        ({"sigma": altered((0, 0), 1e200)}, r"sigma has values beyond 1e\+30"),
        ({"sigma": -GOOD}, "sigma has negative variances"),
        ({"sigma": altered((0, 1), 0.1)}, "sigma is not symmetric"),
        ({"sigma": np.array([[1, 2, 0], [2, 1, 0], [0, 0, 1.0]])}, "sigma has an eigenvalue below -1e-06 of its trace"),
        ({"sigma": np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 0]])}, "sigma has an eigenvalue below"),
        ({"sigma": np.eye(4)}, r"sigma has shape \(4, 4\), not \(3, 3\) as mu has 3 numbers"),
        ({"sigma": np.ones(3)}, r"sigma has shape \(3,\)"),
        ({"mu": np.ones((3, 1))}, r"mu has shape \(3, 1\), not \(d,\)"),
        ({"mu": np.ones(0), "sigma": np.ones((0, 0))}, "mu has shape"),
        ({"mu": np.array(["a", "b", "c"])}, "mu is of <U1, not of numbers"),
        ({"mu": np.array([1j, 2, 3])}, "mu is of complex128, not of numbers"),
        ({"n": np.array([1, 2])}, "n is no number of samples"),
        ({"n": np.array("many")}, "n is no number of samples"),
        ({"n": np.int64(-1)}, "n is no number of samples"),
        ({"meta": np.zeros(3)}, "its meta is no text"),
        ({"meta": np.frombuffer(b"[" * 100_000, np.uint8)}, "it is nested too deeply"),
        ({"meta": np.frombuffer(b"[]", np.uint8)}, "meta is a list of 0, and must be a mapping"),
    ],
)  # fmt: skip
def test_what_can_be_no_moments_is_said_with_the_file(arrays, words, tmp_path):
    path = tmp_path / "theirs.npz"
    np.savez(path, **({"mu": np.zeros(3), "sigma": GOOD} | arrays))
    with pytest.raises(
        UserError, match=f"^{path} holds no reference statistics .*({words})"
    ) as refused:
        load_reference(path, None)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_covariance_of_fewer_samples_than_features_is_taken(dtype, tmp_path):
    """Its least eigenvalues are rounding, of either sign, in single precision a thousand times as
    much."""
    x = normal(20, 200, seed=3).numpy()
    np.savez(
        tmp_path / "theirs.npz",
        mu=x.mean(0).astype(dtype),
        sigma=np.cov(x, rowvar=False).astype(dtype),
    )
    assert np.linalg.eigvalsh(np.load(tmp_path / "theirs.npz")["sigma"].astype(float)).min() < 0
    assert load_reference(tmp_path / "theirs.npz", None).covariance.dtype == torch.float64


def test_images_that_are_all_the_same_have_moments(tmp_path):
    np.savez(tmp_path / "theirs.npz", mu=np.ones(3), sigma=np.zeros((3, 3)))
    assert load_reference(tmp_path / "theirs.npz", None).covariance.abs().max() == 0


@pytest.mark.thorough
@pytest.mark.timeout(20)
def test_a_file_of_zeros_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path):
    path = tmp_path / "theirs.npz"
    zeros = bytes(2**20)
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file,
        file.open("sigma.npy", "w") as member,
    ):
        for _ in range(100):
            member.write(zeros)
    assert path.stat().st_size < 200_000
    with pytest.raises(
        UserError, match=r"it unpacks to 104,857,600 bytes, and at most 67,108,864 are read"
    ):
        load_reference(path, None)


@pytest.mark.timeout(10)
def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "endless.npz").symlink_to("/dev/zero")
    for name in ("pipe.npz", "endless.npz"):
        with pytest.raises(UserError, match=f"{name} is no regular file"):
            load_reference(tmp_path / name, None)
