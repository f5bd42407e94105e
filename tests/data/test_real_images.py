"""The real images that stand beside the checkout, where they do."""

import gzip
import hashlib
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import MNIST as TorchvisionMNIST

from gan_lab.data import MNIST, ImageFolder, TinyImageNet, load
from helpers.data_builders import REAL

needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="no ../shared/data beside the checkout")

# Published in every description of the set: samples of each digit, and the md5 of the training
# images.
TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
MD5 = "6bbc9ace898e44ae57da46a324031adb"


@needs_real
def test_mnist(tmp_path):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for archive in (REAL / "mnist").glob("*.gz"):
        with gzip.open(archive) as packed, (folder / archive.stem).open("wb") as file:
            shutil.copyfileobj(packed, file, 1 << 20)
    assert hashlib.md5((folder / "train-images-idx3-ubyte").read_bytes()).hexdigest() == MD5
    data = load(MNIST(root=str(tmp_path), download=False), None)
    assert data.label_histogram == {"train": TRAIN, "test": TEST}
    for name, split in data.splits.items():
        peer = TorchvisionMNIST(tmp_path, train=name == "train")
        assert split.values.shape == (len(peer), 1, 32, 32)
        np.testing.assert_array_equal(split.values[:, 0, 2:30, 2:30], peer.data.numpy())
        np.testing.assert_array_equal(split.labels, peer.targets.numpy())
        assert int(split.values.sum(dtype=np.int64)) == int(peer.data.sum())


def unpacked(archive, to, *members):
    subprocess.run(["tar", "-xJf", str(REAL / archive), "-C", str(to), *members], check=True)


@needs_real
@pytest.mark.slow
def test_cifar10_as_jpeg(tmp_path):
    unpacked("cifar10-jpeg.tar.xz", tmp_path)
    (root,) = (path.parent for path in tmp_path.rglob("train") if path.is_dir())
    data = load(ImageFolder(root=str(root)), tmp_path / "cache")
    assert data.spec.shape == (3, 32, 32)
    assert data.spec.class_names == (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    )
    assert data.label_histogram == {"train": [5000] * 10, "test": [1000] * 10}
    for split, name, label, number in (
        ("train", "airplane", 0, 0),
        ("test", "truck", 9, 999),
        ("train", "dog", 5, 17),
    ):
        image = np.asarray(Image.open(root / split / name / f"{number:04d}.jpg").convert("RGB"))
        place = label * (5000 if split == "train" else 1000) + number
        np.testing.assert_array_equal(data.splits[split].values[place], image.transpose(2, 0, 1))
    again = load(ImageFolder(root=str(root)), tmp_path / "cache")
    np.testing.assert_array_equal(again.splits["train"].values, data.splits["train"].values)


@needs_real
@pytest.mark.slow
@pytest.mark.timeout(900)  # 110,000 files, read twice
def test_tiny_imagenet_as_jpeg(tmp_path):
    unpacked("tiny-imagenet-32-jpeg.tar.xz", tmp_path)
    (root,) = (path.parent for path in tmp_path.rglob("val") if path.is_dir())
    data = load(TinyImageNet(root=str(root), greyscale="keep"), None)
    assert data.spec.shape == (3, 32, 32)
    assert data.spec.num_classes == 200
    assert data.label_histogram == {"train": [500] * 200, "val": [50] * 200}
    modes = [Image.open(path).mode for path in (root / "train").rglob("*.JPEG")]
    dropped = load(TinyImageNet(root=str(root)), None)
    assert len(dropped.splits["train"]) == 100_000 - modes.count("L")
