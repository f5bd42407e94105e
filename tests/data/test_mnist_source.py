"""MNIST on IDX files that the test writes byte by byte, with torchvision as a peer."""

import numpy as np
import pytest
from torchvision.datasets import MNIST as TorchvisionMNIST

from gan_lab.data import MNIST, load
from helpers.data_builders import make_mnist, noise, user_error, write_idx


def source(root):
    return MNIST(root=str(root), download=False)


def raw(root, name):
    return root / "MNIST" / "raw" / name


def test_hand_written_bytes(tmp_path):
    """Two images whose pixels are their position; read in rows, padded by two zeros on every
    side."""
    ramp = np.arange(784) % 256
    pixels = bytes(ramp.tolist()) + bytes(ramp[::-1].tolist())
    header = b"\x00\x00\x08\x03" + b"\x00\x00\x00\x02" + b"\x00\x00\x00\x1c" + b"\x00\x00\x00\x1c"
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for prefix in ("train", "t10k"):
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(header + pixels)
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(
            b"\x00\x00\x08\x01\x00\x00\x00\x02" + b"\x09\x00"
        )
    split = load(source(tmp_path), None).splits["train"]
    assert split.labels.tolist() == [9, 0]
    assert split.values.shape == (2, 1, 32, 32)
    first = split.values[0, 0]
    assert first[2, 2] == 0
    assert first[2, 3] == 1
    assert first[3, 2] == 28
    assert first[11, 6] == (28 * 9 + 4) % 256
    assert first[29, 29] == 783 % 256
    assert split.values[1, 0, 2, 2] == 783 % 256
    border = np.ones((32, 32), dtype=bool)
    border[2:30, 2:30] = False
    assert not split.values[:, 0][:, border].any()


def test_against_torchvision_on_the_same_files(tmp_path):
    written = make_mnist(tmp_path)
    data = load(source(tmp_path), None)
    assert list(data.splits) == ["train", "test"]
    for name, split in data.splits.items():
        peer = TorchvisionMNIST(tmp_path, train=name == "train")
        assert len(peer) == len(split)
        np.testing.assert_array_equal(split.values[:, 0, 2:30, 2:30], peer.data.numpy())
        np.testing.assert_array_equal(split.labels, peer.targets.numpy())
        np.testing.assert_array_equal(split.values[:, 0, 2:30, 2:30], written[name][0])
    assert data.spec.shape == (1, 32, 32)
    assert data.spec.class_names == tuple(str(digit) for digit in range(10))


NAMES = [
    f"{prefix}-{kind}"
    for prefix in ("train", "t10k")
    for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "damage",
    {
        "truncated": lambda content: content[:-1],
        "half": lambda content: content[: len(content) // 2],
        "longer": lambda content: content + b"\0",
        "empty": lambda content: b"",
        "header cut": lambda content: content[:6],
        "magic": lambda content: b"\x00\x00\x0d" + content[3:],
        "rank": lambda content: content[:3] + bytes([content[3] + 1]) + content[4:],
        "little endian": lambda content: content[:4] + content[4:8][::-1] + content[8:],
        "still compressed": lambda content: b"\x1f\x8b\x08\x00" + content,
        "web page": lambda content: b"<html>not found</html>",
    }.items(),
    ids=lambda item: item[0],
)
def test_a_damaged_file_is_named(name, damage, tmp_path):
    make_mnist(tmp_path)
    path = raw(tmp_path, name)
    path.write_bytes(damage[1](path.read_bytes()))
    user_error(lambda: load(source(tmp_path), None), path)


def test_images_and_labels_of_different_number(tmp_path):
    make_mnist(tmp_path)
    write_idx(raw(tmp_path, "t10k-labels-idx1-ubyte"), np.zeros(3, dtype=np.uint8))
    user_error(lambda: load(source(tmp_path), None), "t10k-labels-idx1-ubyte", 3, 7)


def test_a_label_above_nine_is_the_users_error(tmp_path):
    make_mnist(tmp_path)
    labels = np.zeros(12, dtype=np.uint8)
    labels[5] = 200
    write_idx(raw(tmp_path, "train-labels-idx1-ubyte"), labels)
    user_error(lambda: load(source(tmp_path), None), "train-labels-idx1-ubyte")


def test_files_of_no_images_are_the_users_error(tmp_path):
    make_mnist(tmp_path, test=0)
    user_error(lambda: load(source(tmp_path), None), "t10k")


def test_images_that_are_not_28_by_28_are_the_users_error(tmp_path):
    """The promise is (N, 1, 32, 32): other sizes must not pass as MNIST of another shape."""
    make_mnist(tmp_path)
    write_idx(raw(tmp_path, "train-images-idx3-ubyte"), noise(12, 20, 20))
    write_idx(raw(tmp_path, "t10k-images-idx3-ubyte"), noise(7, 20, 20))
    user_error(lambda: load(source(tmp_path), None), "train-images-idx3-ubyte")


def test_the_hash_knows_where_one_file_ends_and_the_next_begins(tmp_path):
    make_mnist(tmp_path)
    before = source(tmp_path).content_key()
    first, second = (raw(tmp_path, name) for name in NAMES[:2])
    content = first.read_bytes()
    first.write_bytes(content[:-1])
    second.write_bytes(content[-1:] + second.read_bytes())
    assert source(tmp_path).content_key() != before
