"""CIFAR-10 and Oxford-102 on tiny files in their original formats, with torchvision and PIL as
peers."""

import hashlib
import pickle

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from torchvision.datasets import CIFAR10 as TorchvisionCIFAR10
from torchvision.datasets import Flowers102 as TorchvisionFlowers102

from gan_lab.data import CIFAR10, Flowers102, load
from gan_lab.data.source import content_digest
from helpers.data_builders import (
    make_cifar10,
    make_flowers102,
    noise,
    save,
    trust_cifar10,
    user_error,
)


def cifar10(root):
    return load(CIFAR10(root=str(root), download=False), None)


def flowers(root, **fields):
    return load(Flowers102(root=str(root), download=False, **fields), None)


# CIFAR-10 -----------------------------------------------------------------------------------------


def test_cifar10_planes_and_labels(tmp_path, monkeypatch):
    """A row is 1024 red, 1024 green and 1024 blue bytes, each plane in rows of 32 (the page of the
    data set)."""
    made = make_cifar10(tmp_path, monkeypatch)
    data = cifar10(tmp_path)
    assert data.spec.shape == (3, 32, 32)
    assert data.spec.class_names == tuple(f"kind {index}" for index in range(10))
    assert list(data.splits) == ["train", "test"]
    for name, split in data.splits.items():
        rows, labels = made[name]
        assert split.labels.tolist() == labels.tolist()
        assert len(split) == len(rows)
        for channel, row, column in ((0, 0, 0), (0, 0, 31), (1, 5, 7), (2, 31, 31)):
            expected = rows[:, 1024 * channel + 32 * row + column]
            np.testing.assert_array_equal(split.values[:, channel, row, column], expected)


def test_cifar10_against_torchvision(tmp_path, monkeypatch):
    make_cifar10(tmp_path, monkeypatch)
    data = cifar10(tmp_path)
    for name, split in data.splits.items():
        peer = TorchvisionCIFAR10(tmp_path, train=name == "train")
        for index in range(len(split)):
            image, label = peer[index]
            np.testing.assert_array_equal(split.values[index], np.asarray(image).transpose(2, 0, 1))
            assert split.labels[index] == label


@pytest.mark.parametrize("name", ["data_batch_1", "data_batch_5", "test_batch", "batches.meta"])
def test_cifar10_names_the_altered_file(tmp_path, monkeypatch, name):
    make_cifar10(tmp_path, monkeypatch)
    path = tmp_path / "cifar-10-batches-py" / name
    path.write_bytes(path.read_bytes() + b"\0")
    user_error(lambda: cifar10(tmp_path), path)


class Trap:
    """Its pickle writes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("name", ["data_batch_1", "test_batch", "batches.meta"])
def test_cifar10_unpickles_nothing_but_the_originals(tmp_path, monkeypatch, name):
    make_cifar10(tmp_path)
    trust_cifar10(tmp_path, monkeypatch)
    trap = tmp_path / "sprung"
    (tmp_path / "cifar-10-batches-py" / name).write_bytes(pickle.dumps(Trap(trap)))
    user_error(lambda: cifar10(tmp_path), name)
    assert not trap.exists()


def test_files_that_are_not_cifar10_are_refused(tmp_path):
    """Without the test's leave, its own tiny files are not the originals."""
    make_cifar10(tmp_path)
    user_error(lambda: cifar10(tmp_path), "data_batch_1")


# Oxford-102 ---------------------------------------------------------------------------------------


def central_square(path, size):
    """Peer: crop by hand, then 2 x 2 means of the decoded pixels, rounded half up."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    height, width, _ = pixels.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = pixels[top : top + side, left : left + side]
    factor = side // size
    means = square.reshape(size, factor, size, factor, 3).sum(axis=(1, 3))
    return ((2 * means + factor**2) // (2 * factor**2)).transpose(2, 0, 1)


@pytest.mark.thorough
def test_flowers_splits_labels_and_pixels(tmp_path, monkeypatch):
    made = make_flowers102(tmp_path, monkeypatch)
    data = flowers(tmp_path, size=4, split="standard", fit="crop")
    assert data.spec.shape == (3, 4, 4)
    assert data.spec.num_classes == 102
    assert data.spec.class_names == tuple(TorchvisionFlowers102.classes)
    assert list(data.splits) == ["train", "val", "test"]
    for name, split in data.splits.items():
        order = sorted(
            made[name], key=lambda pair: pair[1]
        )  # one image a class: the labels fix the order
        assert split.labels.tolist() == [label for _, label in order]
        expected = [
            central_square(tmp_path / "flowers-102" / "jpg" / f"image_{i:05d}.jpg", 4)
            for i, _ in order
        ]
        np.testing.assert_array_equal(split.values, np.stack(expected))


def test_flowers_against_torchvision(tmp_path, monkeypatch):
    make_flowers102(tmp_path, monkeypatch)
    data = flowers(tmp_path, size=8, resize="bicubic", split="standard", fit="crop")
    for name, split in data.splits.items():
        peer = TorchvisionFlowers102(tmp_path, name)
        by_label = {label: image for image, label in (peer[index] for index in range(len(peer)))}
        for value, label in zip(split.values, split.labels.tolist(), strict=True):
            image = by_label[label]
            left, top = (image.width - 8) // 2, (image.height - 8) // 2
            square = image.crop((left, top, left + 8, top + 8))
            np.testing.assert_array_equal(value, np.asarray(square).transpose(2, 0, 1))


@pytest.mark.thorough
@pytest.mark.parametrize("resize", ["box", "bilinear"])
def test_all_flowers_are_training_data_stretched_to_squares(tmp_path, monkeypatch, resize):
    """By default, as published: every image of the three splits, its whole width and height, by
    Pillow as a peer."""
    made = make_flowers102(tmp_path, monkeypatch)
    data = flowers(tmp_path, size=4, resize=resize)
    assert list(data.splits) == ["train"]
    every = sorted((label, number) for split in made.values() for number, label in split)
    assert data.splits["train"].labels.tolist() == [label for label, _ in every]
    assert data.label_histogram == {"train": [3] * 102}
    for value, (_, number) in zip(data.splits["train"].values, every, strict=True):
        image = Image.open(tmp_path / "flowers-102" / "jpg" / f"image_{number:05d}.jpg").convert(
            "RGB"
        )
        assert image.size in ((12, 8), (8, 10))
        if resize == "bilinear":
            expected = np.asarray(image.resize((4, 4), Image.Resampling.BILINEAR))
            np.testing.assert_array_equal(value, expected.transpose(2, 0, 1))
        else:
            enlarged = (
                np.asarray(image).repeat(4, 0).repeat(4, 1).astype(float)
            )  # sides of 4 height and 4 width
            blocks = enlarged.reshape(4, image.height, 4, image.width, 3).mean(axis=(1, 3))
            np.testing.assert_array_equal(value, np.floor(blocks + 0.5).transpose(2, 0, 1))


def test_the_former_way_has_the_former_content_hash(tmp_path, monkeypatch):
    """What records of older runs and caches are known by: the rule without a word of split and
    fit."""
    make_flowers102(tmp_path, monkeypatch)
    source = Flowers102(root=str(tmp_path), split="standard", fit="crop")
    rule = {"size": 32, "resize": "box", "channels": 3, "greyscale": "keep", "sides": ()}
    jpg = [path.read_bytes() for path in sorted((source.folder / "jpg").iterdir())]
    digests = b"".join(hashlib.sha256(content).digest() for content in jpg)
    images = content_digest({"images": rule}, [b"jpg", b"all", digests])
    labels = ((source.folder / name).read_bytes() for name in ("imagelabels.mat", "setid.mat"))
    assert source.content_key() == content_digest({"flowers102": images}, labels)


@pytest.mark.parametrize("name", ["imagelabels.mat", "setid.mat"])
def test_flowers_names_the_altered_file(tmp_path, monkeypatch, name):
    make_flowers102(tmp_path, monkeypatch)
    path = tmp_path / "flowers-102" / name
    path.write_bytes(path.read_bytes() + b"\0")
    user_error(lambda: flowers(tmp_path), name)


@pytest.mark.thorough
@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_flowers_names_the_damaged_image(tmp_path, monkeypatch, damage):
    make_flowers102(tmp_path, monkeypatch)
    bad = sorted((tmp_path / "flowers-102" / "jpg").iterdir())[150]
    content = bad.read_bytes()
    bad.unlink()
    if damage == "truncated":
        bad.write_bytes(content[: len(content) // 2])
    user_error(lambda: flowers(tmp_path), bad)


def test_flowers_hash_knows_images_labels_splits_and_rule(tmp_path, monkeypatch):
    make_flowers102(tmp_path, monkeypatch)
    rules = ({}, {"size": 64}, {"resize": "lanczos"}, {"split": "standard"}, {"fit": "crop"})
    keys = [Flowers102(root=str(tmp_path), **rule).content_key() for rule in rules]
    folder = tmp_path / "flowers-102"
    save(folder / "jpg" / "image_00001.jpg", noise(12, 12, 3, seed=99))
    keys.append(Flowers102(root=str(tmp_path)).content_key())
    savemat(folder / "setid.mat", {"trnid": np.array([[1]])})
    keys.append(Flowers102(root=str(tmp_path)).content_key())
    savemat(folder / "imagelabels.mat", {"labels": np.array([[1]])})
    keys.append(Flowers102(root=str(tmp_path)).content_key())
    assert len(set(keys)) == len(rules) + 3


@pytest.mark.parametrize(
    ("fields", "needle"),
    [
        ({"size": None}, "size"),
        ({"size": 0}, "size"),
        ({"resize": "no"}, "resize"),
        ({"fit": "squeeze"}, "fit"),
        ({"split": "train"}, "split"),
        ({"resize": "none"}, "fit=stretch"),
    ],
)
def test_flowers_bad_rules(tmp_path, fields, needle):
    user_error(lambda: flowers(tmp_path, **fields), f"{needle}")
