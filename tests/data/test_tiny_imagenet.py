"""Tiny ImageNet in its original layout and as 32 x 32 class folders, made by the test."""

import shutil

import numpy as np
import pytest

from gan_lab.data import TinyImageNet, load
from helpers.data_builders import make_tiny, noise, save, save_tree, user_error

WNIDS = ("n01443537", "n02002724", "n07749582")


def loaded(root, **fields):
    return load(TinyImageNet(root=str(root), **fields), None)


def halve(pixels):
    """2 x 2 means, rounded half up, in integers."""
    wide = pixels.astype(int)
    total = wide[0::2, 0::2] + wide[0::2, 1::2] + wide[1::2, 0::2] + wide[1::2, 1::2]
    return ((total + 2) // 4).transpose(2, 0, 1)


def test_the_original_layout(tmp_path):
    made = make_tiny(tmp_path / "tiny-imagenet-200", count=3)
    data = loaded(tmp_path / "tiny-imagenet-200")
    assert data.spec.name == "tiny-imagenet-200"
    assert data.spec.shape == (3, 32, 32)
    assert data.spec.class_names == WNIDS
    assert list(data.splits) == ["train", "val"]
    assert data.label_histogram == {"train": [3, 3, 3], "val": [3, 3, 3]}
    for name, split in data.splits.items():
        assert split.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        expected = np.stack(
            [halve(made[name, wnid, index]) for wnid in WNIDS for index in range(3)]
        )
        np.testing.assert_array_equal(split.values, expected)


def test_class_folders_at_32_are_taken_as_they_are(tmp_path):
    written = save_tree(tmp_path, splits=("train", "val"), classes=WNIDS, size=32)
    data = loaded(tmp_path)
    for name, split in data.splits.items():
        expected = np.stack(
            [written[name, wnid, index].transpose(2, 0, 1) for wnid in WNIDS for index in range(2)]
        )
        np.testing.assert_array_equal(split.values, expected)
        assert split.labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_greyscale_files_are_dropped_unless_kept(tmp_path):
    make_tiny(tmp_path)
    grey = noise(64, 64)
    save(tmp_path / "train" / WNIDS[1] / "images" / "grey.JPEG", grey, format="jpeg")
    save(
        tmp_path / "train" / WNIDS[2] / "images" / "same.JPEG",
        np.stack([grey] * 3, -1),
        format="png",
    )
    assert loaded(tmp_path).label_histogram["train"] == [2, 2, 3]
    assert loaded(tmp_path, greyscale="keep").label_histogram["train"] == [2, 3, 3]
    assert loaded(tmp_path, greyscale="drop_grey").label_histogram["train"] == [2, 2, 2]


def test_the_annotations_are_in_the_hash(tmp_path):
    make_tiny(tmp_path)
    before = TinyImageNet(root=str(tmp_path)).content_key()
    path = tmp_path / "val" / "val_annotations.txt"
    rows = path.read_text().splitlines()
    first, second = rows[0].split("\t"), rows[1].split("\t")
    first[1], second[1] = second[1], first[1]
    path.write_text("\n".join(["\t".join(first), "\t".join(second), *rows[2:]]) + "\n")
    assert TinyImageNet(root=str(tmp_path)).content_key() != before


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_missing_split_is_named(tmp_path, split):
    make_tiny(tmp_path)
    shutil.rmtree(tmp_path / split)
    user_error(lambda: loaded(tmp_path), split, tmp_path)


@pytest.mark.parametrize(
    "content",
    [None, b"", b"val_0000.JPEG\n", b"\xff\xfe\x00", b"other.JPEG\tn01443537\t0\t0\t1\t1\n"],
)
def test_bad_annotations(tmp_path, content):
    make_tiny(tmp_path)
    path = tmp_path / "val" / "val_annotations.txt"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    user_error(lambda: loaded(tmp_path), "val_annotations.txt")


def test_an_annotation_of_an_unknown_class(tmp_path):
    make_tiny(tmp_path)
    path = tmp_path / "val" / "val_annotations.txt"
    path.write_text(path.read_text().replace(WNIDS[0], "n99999999", 1))
    user_error(lambda: loaded(tmp_path), "n99999999")


@pytest.mark.parametrize("side", [16, 48, 128])
def test_other_sides_are_refused_not_resized(tmp_path, side):
    make_tiny(tmp_path)
    odd = tmp_path / "train" / WNIDS[2] / "images" / "odd.JPEG"
    save(odd, noise(side, side, 3), format="png")
    user_error(lambda: loaded(tmp_path), odd, f"{side}x{side}")


def test_a_corrupt_file_is_named(tmp_path):
    make_tiny(tmp_path)
    bad = tmp_path / "val" / "images" / "val_0003.JPEG"
    bad.write_bytes(bad.read_bytes()[:300])
    user_error(lambda: loaded(tmp_path), bad)


def test_an_empty_class_is_named(tmp_path):
    make_tiny(tmp_path)
    shutil.rmtree(tmp_path / "train" / WNIDS[1] / "images")
    user_error(lambda: loaded(tmp_path), WNIDS[1])


def test_an_unknown_greyscale_rule(tmp_path):
    make_tiny(tmp_path)
    user_error(lambda: loaded(tmp_path, greyscale="throw"), "greyscale")
