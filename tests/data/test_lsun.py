"""LSUN on small LMDBs that the tests write, against the pixels that were written."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest

from gan_lab.data import LSUN, load
from helpers.data_builders import encoded, make_lsun, noise, user_error, write_lmdb

lmdb = pytest.importorskip("lmdb")


def lsun(root, **fields):
    return LSUN(**{"root": str(root), "size": 4, "images": None, **fields})


def data_file(root, category="bedroom_train"):
    return root / f"{category}_lmdb" / "data.mdb"


def test_the_centred_squares_in_the_order_of_the_keys(tmp_path):
    """Of 12 x 8 pixels the columns 2 to 9, and of those the means of 2 x 2, rounded half up."""
    made = make_lsun(tmp_path)
    data = load(lsun(tmp_path), None)
    assert data.spec.name == "lsun_bedroom_train"
    assert data.label_histogram == {"train": [4]}
    assert list(made) != sorted(made)
    for value, key in zip(data.splits["train"].values, sorted(made), strict=True):
        square = made[key][:, 2:10].astype(int)
        means = square.reshape(4, 2, 4, 2, 3).sum((1, 3))
        np.testing.assert_array_equal(value, ((means + 2) // 4).transpose(2, 0, 1))


def test_the_first_images_are_those_of_the_whole(tmp_path):
    make_lsun(tmp_path)
    whole, part = (load(lsun(tmp_path, images=images), None) for images in (None, 3))
    np.testing.assert_array_equal(part.splits["train"].values, whole.splits["train"].values[:3])
    assert part.content_hash != whole.content_hash
    assert load(lsun(tmp_path, images=4), None).content_hash == whole.content_hash
    assert load(lsun(tmp_path, images=99), None).content_hash == whole.content_hash


@pytest.mark.parametrize("images", [0, -1, 1.5, True])
def test_images_is_a_count(images, tmp_path):
    user_error(lsun(tmp_path, images=images).validate, f"images={images}: use a whole number")


def test_every_byte_of_an_image_is_in_the_content_hash(tmp_path):
    """The first, a middle and the last byte of each value in the file."""
    made = make_lsun(tmp_path)
    path, source = data_file(tmp_path), lsun(tmp_path)
    before, content = source.content_key(), path.read_bytes()
    for pixels in made.values():
        value = encoded(pixels)
        begin = content.index(value)
        for place in (begin, begin + len(value) // 2, begin + len(value) - 1):
            altered = bytearray(content)
            altered[place] ^= 1
            path.write_bytes(altered)
            assert source.content_key() != before
    path.write_bytes(content)
    assert source.content_key() == before


def test_another_category_is_other_data(tmp_path):
    make_lsun(tmp_path)
    make_lsun(tmp_path, "tower_val", count=2)
    data = load(lsun(tmp_path, category="tower_val"), None)
    assert data.spec.name == "lsun_tower_val"
    assert len(data.splits["train"]) == 2
    message = user_error(lsun(tmp_path, category="kitchen_train").validate, "kitchen_train_lmdb")
    assert "set category=NAME, out of bedroom_train, tower_val" in message


def test_the_folder_that_does_not_hold_it(tmp_path):
    make_lsun(tmp_path / "raw")
    (tmp_path / "other").mkdir()
    user_error(lsun(tmp_path / "other").validate, tmp_path / "other", "set dataset.root=FOLDER")
    lsun(tmp_path / "raw").validate()


@pytest.mark.parametrize("category", ["../here/bedroom_train", "/bedroom_train", ""])
def test_a_category_is_a_name_and_no_path(category, tmp_path):
    make_lsun(tmp_path / "here")
    user_error(lsun(tmp_path / "here", category=category).validate, "has no folder")


def test_reading_leaves_nothing_in_the_folder(tmp_path, monkeypatch):
    """Neither a lock nor the pickle of torchvision's class."""
    make_lsun(tmp_path / "raw")
    (tmp_path / "working").mkdir()
    monkeypatch.chdir(tmp_path / "working")
    load(lsun(tmp_path / "raw"), None)
    assert [path.name for path in (tmp_path / "raw").rglob("*")] == [
        "bedroom_train_lmdb",
        "data.mdb",
    ]
    assert list((tmp_path / "working").iterdir()) == []


def test_a_database_of_more_than_the_usual_map(tmp_path):
    """16 MiB: lmdb maps 10 unless it is asked for more. Images this large are read by threads."""
    pixels = {b"%d" % index: noise(1200, 800, 3, seed=index) for index in range(6)}
    contents = {key: encoded(value) for key, value in pixels.items()}
    write_lmdb(tmp_path / "bedroom_train_lmdb", contents)
    assert data_file(tmp_path).stat().st_size > 2**24
    values = load(lsun(tmp_path, resize="bilinear", fit="stretch"), None).splits["train"].values
    assert len(values) == 6
    assert len(np.unique(values.reshape(6, -1), axis=0)) == 6


# What cannot be read ------------------------------------------------------------------------------


def test_a_damaged_image_is_named_by_its_key(tmp_path):
    content = encoded(noise(8, 8, 3))
    images = {b"00a": content, b"00b": content[: len(content) // 2], b"00c": content}
    write_lmdb(tmp_path / "bedroom_train_lmdb", images)
    message = user_error(lambda: load(lsun(tmp_path), None), data_file(tmp_path), "key 00b")
    assert "replace or remove the image" in message
    load(lsun(tmp_path, images=1), None)


def test_what_is_no_image_is_refused(tmp_path):
    """An EPS would start Ghostscript."""
    write_lmdb(tmp_path / "bedroom_train_lmdb", {b"a": b"%!PS-Adobe-3.0 EPSF-3.0\n"})
    user_error(lambda: load(lsun(tmp_path), None), "key a", "not BMP, GIF")


def test_a_database_without_images(tmp_path):
    write_lmdb(tmp_path / "bedroom_train_lmdb", {})
    user_error(lsun(tmp_path).validate, data_file(tmp_path), "holds no image")


def test_a_folder_without_its_database(tmp_path):
    (tmp_path / "bedroom_train_lmdb").mkdir()
    user_error(lsun(tmp_path).validate, data_file(tmp_path), "No such file")


@pytest.mark.parametrize("damage", ["empty", "zeros", "cut", "short"])
def test_a_damaged_database_is_refused(damage, tmp_path):
    """In a process of its own: a page beyond the end of the file would end it by a signal."""
    make_lsun(tmp_path)
    path = data_file(tmp_path)
    content = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "zeros": bytes(len(content)),
            "cut": content[: len(content) // 2],
            "short": content[:-1],
        }[damage]
    )
    program = "import sys; from gan_lab.data import LSUN, load; load(LSUN(root=sys.argv[1], size=4), None)"
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1, (ended.returncode, ended.stderr)
    assert f"UserError: {path} cannot be read: unpack bedroom_train_lmdb.zip again" in ended.stderr


def test_a_refused_database_can_be_read_once_it_is_whole(tmp_path):
    """Nothing stays open: lmdb opens a file once in a process."""
    make_lsun(tmp_path)
    path, source = data_file(tmp_path), lsun(tmp_path)
    whole = path.with_name("aside")
    shutil.copy(path, whole)
    path.write_bytes(whole.read_bytes()[:-1])
    user_error(source.validate, "it was cut")
    shutil.copy(whole, path)
    assert len(load(source, None).splits["train"]) == 4


def test_without_the_package(tmp_path, monkeypatch):
    make_lsun(tmp_path)
    monkeypatch.setitem(sys.modules, "lmdb", None)
    user_error(lsun(tmp_path).validate, "dataset=lsun needs", "pip install lmdb")
