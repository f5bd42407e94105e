"""CIFAR-100, Fashion-MNIST, SVHN, STL-10 and CelebA on tiny files of their formats, against
torchvision's own readers and against the pixels that were written; folders without classes."""

from __future__ import annotations

import numpy as np
import pytest
import torchvision.datasets as peers
from PIL import Image

from gan_lab.data import CIFAR100, STL10, SVHN, CelebA, FashionMNIST, ImageFolder, load
from helpers.data_builders import (
    make_celeba,
    make_cifar100,
    make_mnist,
    make_stl10,
    make_svhn,
    noise,
    save,
    save_tree,
    user_error,
)


def pixels_of(peer):
    """What torchvision gives, as (N, C, H, W) and (N,)."""
    images, labels = zip(*(peer[index] for index in range(len(peer))), strict=True)
    return np.stack([np.atleast_3d(image).transpose(2, 0, 1) for image in images]), list(labels)


def test_cifar100_has_the_fine_labels(tmp_path, monkeypatch):
    make_cifar100(tmp_path, monkeypatch)
    data = load(CIFAR100(root=str(tmp_path), download=False), None)
    assert data.spec.num_classes == 100
    for name, split in data.splits.items():
        values, labels = pixels_of(peers.CIFAR100(tmp_path, train=name == "train"))
        np.testing.assert_array_equal(split.values, values)
        assert split.labels.tolist() == labels


def test_fashion_mnist_is_padded_and_named(tmp_path):
    make_mnist(tmp_path, layout="FashionMNIST")
    data = load(FashionMNIST(root=str(tmp_path), download=False), None)
    assert data.spec.class_names == tuple(peers.FashionMNIST.classes)
    for name, split in data.splits.items():
        values, labels = pixels_of(peers.FashionMNIST(tmp_path, train=name == "train"))
        np.testing.assert_array_equal(split.values[:, :, 2:-2, 2:-2], values)
        assert split.values[:, :, :2].max() == split.values[..., -2:].max() == 0
        assert split.labels.tolist() == labels


def test_svhn_against_torchvision(tmp_path, monkeypatch):
    """Label 10 is the digit 0."""
    made = make_svhn(tmp_path, monkeypatch)
    data = load(SVHN(root=str(tmp_path), download=False), None)
    for name, split in data.splits.items():
        values, labels = pixels_of(peers.SVHN(tmp_path, split=name))
        np.testing.assert_array_equal(split.values, values)
        assert split.labels.tolist() == labels
    assert data.splits["train"].labels[9] == 0
    assert made["train"][1][9] == 10


@pytest.mark.parametrize("damage", ["cut", "other"])
def test_svhn_names_the_damaged_file(damage, tmp_path):
    from scipy.io import savemat

    make_svhn(tmp_path)
    path = tmp_path / "test_32x32.mat"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:300])
    else:
        savemat(path, {"X": noise(32, 32, 3, 2), "y": np.array([[1], [11]], np.uint8)[:1]})
    user_error(lambda: load(SVHN(root=str(tmp_path), download=False), None), path)


def test_stl10_at_its_own_size_and_smaller(tmp_path, monkeypatch):
    """Planes are stored by columns; at 96 pixels nothing is resized, at 48 it is the mean of 2 × 2."""
    made = make_stl10(tmp_path)
    monkeypatch.setattr(peers.STL10, "_check_integrity", lambda self: True)
    whole, half = (
        load(STL10(root=str(tmp_path), download=False, size=size), None) for size in (96, 48)
    )
    for name, split in whole.splits.items():
        values, labels = pixels_of(peers.STL10(tmp_path, split=name))
        np.testing.assert_array_equal(split.values, values)
        assert split.labels.tolist() == labels == (made[name][1] - 1).tolist()
        means = values.reshape(-1, 3, 48, 2, 48, 2).astype(int).sum((3, 5))
        np.testing.assert_array_equal(half.splits[name].values, (means + 2) // 4)


def test_stl10_names_the_damaged_file(tmp_path):
    make_stl10(tmp_path)
    path = tmp_path / "stl10_binary" / "test_X.bin"
    path.write_bytes(path.read_bytes()[:-1])
    user_error(lambda: load(STL10(root=str(tmp_path), download=False), None), path)


def test_celeba_by_partition_and_attribute(tmp_path):
    """Two faces in each split, every other smiles; the centred square of 178 pixels, box-averaged."""
    made = make_celeba(tmp_path)
    data = load(CelebA(root=str(tmp_path), size=89, attribute="Smiling"), None)
    assert data.spec.class_names == ("not_Smiling", "Smiling")
    assert data.label_histogram == {name: [1, 1] for name in ("train", "val", "test")}
    faces = {
        (split, has): np.asarray(
            Image.open(tmp_path / "celeba" / "img_align_celeba" / file).crop((0, 20, 178, 198))
        )
        for file, (split, has) in made.items()
    }
    for number, split in enumerate(data.splits.values()):
        for value, label in zip(split.values, split.labels, strict=True):
            square = faces[str(number), bool(label)].astype(int)
            means = square.reshape(89, 2, 89, 2, 3).sum((1, 3))
            np.testing.assert_array_equal(value, ((means + 2) // 4).transpose(2, 0, 1))
    plain = load(CelebA(root=str(tmp_path), size=8), None)
    assert plain.spec.num_classes == 1
    assert [len(split) for split in plain.splits.values()] == [2, 2, 2]


def test_celeba_refuses_what_does_not_fit(tmp_path):
    make_celeba(tmp_path)
    source = CelebA(root=str(tmp_path), size=8, attribute="Smilling")
    user_error(source.validate, "attribute=Smilling", "Bald, Smiling")
    save(tmp_path / "celeba" / "img_align_celeba" / "000007.jpg", noise(8, 8, 3))
    user_error(CelebA(root=str(tmp_path), size=8).validate, "000007.jpg", "list_eval_partition")
    elsewhere = CelebA(root=str(tmp_path / "celeba"), size=8)
    user_error(elsewhere.validate, "img_align_celeba", "set dataset.root=FOLDER")


def test_download_is_true_or_false(tmp_path):
    user_error(SVHN(root=str(tmp_path), download="maybe").validate, "download=maybe: use true")


# A folder of images ------------------------------------------------------------------------------


def test_a_folder_of_images_just_works(tmp_path):
    """No split, no class: all of them are training data."""
    for index in range(3):
        save(tmp_path / f"{index}.png", noise(8, 8, 3, seed=index))
    data = load(ImageFolder(root=str(tmp_path)), None)
    assert list(data.splits) == ["train"]
    assert data.spec.class_names == ("unlabelled",)
    assert len(data.splits["train"]) == 3
    explicit = ImageFolder(root=str(tmp_path), splits={"train": "."})
    assert load(explicit, None).content_hash == data.content_hash


def test_images_beside_splits_are_no_data(tmp_path):
    """With the folder train there, a loose image beside it changes nothing."""
    save_tree(tmp_path)
    before = ImageFolder(root=str(tmp_path)).content_key()
    save(tmp_path / "cover.png", noise(8, 8, 3))
    assert ImageFolder(root=str(tmp_path)).content_key() == before
