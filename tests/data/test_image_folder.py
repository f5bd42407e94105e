"""image_folder on folders that the test makes with PIL."""

import os
import shutil
import threading
import time

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from gan_lab import build
from gan_lab.data import ImageFolder, load
from gan_lab.data.images import decode_image
from helpers.data_builders import noise, save, save_tree, user_error


def folder(root, **fields):
    return ImageFolder(root=str(root), **fields)


def loaded(root, **fields):
    return load(folder(root, **fields), None)


def test_classes_labels_and_pixels(tmp_path):
    """Labels are positions in the sorted class names; samples go by class, then by file name."""
    written = save_tree(tmp_path, classes=("dog", "ant", "cat"), count=3)
    data = loaded(tmp_path)
    assert data.spec.class_names == ("ant", "cat", "dog")
    assert data.spec.num_classes == 3
    assert data.spec.shape == (3, 8, 8)
    assert data.spec.name == tmp_path.name
    assert list(data.splits) == ["train", "test"]
    for split, content in data.splits.items():
        assert content.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        expected = [
            written[split, name, index] for name in ("ant", "cat", "dog") for index in range(3)
        ]
        np.testing.assert_array_equal(content.values, np.stack(expected).transpose(0, 3, 1, 2))


def test_names_are_sorted_as_text(tmp_path):
    for name in ("10", "9", "2", "B", "a", "é"):
        save(tmp_path / "train" / name / "x.png", noise(4, 4, 3))
    data = loaded(tmp_path, splits={"train": "train"})
    assert data.spec.class_names == ("10", "2", "9", "B", "a", "é")


def test_the_order_does_not_depend_on_the_file_system(tmp_path, monkeypatch):
    save_tree(tmp_path, count=5)
    before = loaded(tmp_path)
    scan = os.scandir  # os.walk and pathlib read folders through it, too

    class Backwards:
        def __init__(self, path="."):
            with scan(path) as entries:
                self.entries = iter(sorted(entries, key=lambda entry: entry.name, reverse=True))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def __iter__(self):
            return self

        def __next__(self):
            return next(self.entries)

    monkeypatch.setattr(os, "scandir", Backwards)
    assert next(os.walk(tmp_path))[1] == ["train", "test"]
    after = loaded(tmp_path)
    assert after.content_hash == before.content_hash
    for split in before.splits:
        np.testing.assert_array_equal(after.splits[split].values, before.splits[split].values)


def test_the_histogram_counts_each_class_of_each_split(tmp_path):
    for split, counts in {
        "train": {"a": 3, "b": 1, "c": 5},
        "test": {"a": 1, "b": 2, "c": 1},
    }.items():
        for name, count in counts.items():
            for index in range(count):
                save(tmp_path / split / name / f"{index}.png", noise(4, 4, 3, seed=index))
    data = loaded(tmp_path)
    assert data.label_histogram == {"train": [3, 1, 5], "test": [1, 2, 1]}
    assert "1 to 5" in data.summary()


# Splits -------------------------------------------------------------------------------------------


def test_splits_may_have_other_names(tmp_path):
    written = save_tree(tmp_path, splits=("training", "valid"))
    data = loaded(tmp_path, splits={"train": "training", "val": "valid"})
    assert list(data.splits) == ["train", "val"]
    np.testing.assert_array_equal(
        data.splits["val"].values[0], written["valid", "cat", 0].transpose(2, 0, 1)
    )


def test_a_null_split_is_left_out(tmp_path):
    save_tree(tmp_path, splits=("train",))
    assert list(loaded(tmp_path, splits={"train": "train", "test": None}).splits) == ["train"]


def test_the_root_itself_may_be_the_split(tmp_path):
    save_tree(tmp_path / "set", splits=(".",))
    data = loaded(tmp_path / "set", splits={"train": ".", "test": None})
    assert data.spec.class_names == ("cat", "dog")
    assert len(data.splits["train"]) == 4


def test_images_without_class_folders_have_no_labels(tmp_path):
    for index in range(3):
        save(tmp_path / "train" / f"{index}.png", noise(4, 4, 3, seed=index))
    data = loaded(tmp_path, splits={"train": "train", "test": None})
    assert data.spec.num_classes == 1
    assert data.splits["train"].labels.tolist() == [0, 0, 0]
    assert data.label_histogram == {"train": [3]}
    flat = loaded(tmp_path / "train", splits={"train": ".", "test": None})
    np.testing.assert_array_equal(flat.splits["train"].values, data.splits["train"].values)


def test_a_folder_named_by_a_number(tmp_path):
    """`dataset.splits.train=2020` on the command line is the number 2020."""
    save_tree(tmp_path, splits=("2020",))
    assert len(loaded(tmp_path, splits={"train": 2020, "test": None}).splits["train"]) == 4


@pytest.mark.parametrize(
    "splits", [{}, {"test": "test"}, {"train": None}, {"train": None, "test": "test"}]
)
def test_train_is_needed(tmp_path, splits):
    save_tree(tmp_path)
    user_error(lambda: loaded(tmp_path, splits=splits), "train", " splits.train=FOLDER")


@pytest.mark.parametrize("splits", [None, "train", ["train", "test"], 3])
def test_splits_of_another_kind(tmp_path, splits):
    save_tree(tmp_path)
    user_error(lambda: loaded(tmp_path, splits=splits), "splits=")


@pytest.mark.parametrize("missing", ["train", "test"])
def test_a_missing_split_is_named(tmp_path, missing):
    save_tree(tmp_path)
    shutil.rmtree(tmp_path / missing)
    user_error(lambda: loaded(tmp_path), tmp_path, missing, f" splits.{missing}=FOLDER")


# What lies in the folders -------------------------------------------------------------------------


def test_other_files_and_hidden_ones_are_passed_over(tmp_path):
    save_tree(tmp_path)
    before = loaded(tmp_path)
    (tmp_path / "train" / "cat" / "Thumbs.db").write_bytes(b"junk")
    (tmp_path / "train" / "cat" / "labels.txt").write_text("junk")
    (tmp_path / "train" / "cat" / "._000.png").write_bytes(b"junk")
    (tmp_path / "train" / "README").write_text("junk")
    (tmp_path / "words.txt").write_text("junk")
    (tmp_path / "train" / ".ipynb_checkpoints").mkdir()
    save(tmp_path / "train" / "dog" / ".cache" / "x.png", noise(3, 3))
    after = loaded(tmp_path)
    assert after.label_histogram == before.label_histogram
    assert after.content_hash == before.content_hash


def test_files_passed_over_are_told_once(tmp_path, warned):
    save_tree(tmp_path)
    for place in (
        "train/cat/a.avif",
        "train/cat/deep/b.AVIF",
        "test/dog/c.jfif",
        "train/d.heic",
        "train/cat/README",
    ):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_bytes(b"")
    (tmp_path / "train" / "cat" / "\x1b[31m.\x1b[31m").write_bytes(b"")
    (tmp_path / "train" / "cat" / ".hidden.avif").write_bytes(b"")
    (tmp_path / "test" / "dog" / "link").symlink_to("../../train/cat")
    for _ in range(2):
        warned.clear()
        load(folder(tmp_path), tmp_path / "cache")  # from the cache, too
        (line,) = warned
        assert line.startswith(
            f"dataset.root={tmp_path}: passed over 4 .avif, 4 of other names, 1 .heic, 1 .jfif, "
            "since"
        )
        assert line.count("\n") == 0
        assert line.isprintable()


def test_many_kinds_of_files_are_one_line(tmp_path, warned):
    save_tree(tmp_path)
    for index in range(300):
        (tmp_path / "train" / "cat" / f"a.{index}").write_bytes(b"")
    loaded(tmp_path)
    (line,) = warned
    assert "files of 292 kinds more" in line
    assert len(line) < 400


def test_where_nothing_is_passed_over_nothing_is_told(tmp_path, warned):
    save_tree(tmp_path)
    loaded(tmp_path)
    assert not warned


def test_a_class_of_other_kinds_only(tmp_path):
    save_tree(tmp_path)
    for path in (tmp_path / "train" / "dog").iterdir():
        path.rename(path.with_suffix(".heic"))
    user_error(lambda: loaded(tmp_path), tmp_path / "train" / "dog", "without images", "2 .heic")


def test_suffixes_in_capitals_and_deeper_folders(tmp_path):
    save(tmp_path / "train" / "a" / "1.PNG", noise(4, 4, 3), format="png")
    save(tmp_path / "train" / "a" / "deep" / "er" / "2.JPEG", noise(4, 4, 3), format="jpeg")
    save(tmp_path / "train" / "b" / "3.Jpg", noise(4, 4, 3), format="jpeg")
    assert loaded(tmp_path, splits={"train": "train"}).label_histogram == {"train": [2, 1]}


@pytest.mark.parametrize("split", ["train", "test"])
def test_an_empty_class_is_named(tmp_path, split):
    save_tree(tmp_path)
    (tmp_path / split / "emu").mkdir()
    message = user_error(lambda: loaded(tmp_path), "emu", tmp_path / split)
    assert "remove" in message


def test_a_class_without_images_counts_as_empty(tmp_path):
    save_tree(tmp_path)
    (tmp_path / "train" / "dog" / "notes.txt").write_text("no image")
    for path in (tmp_path / "train" / "dog").glob("*.png"):
        path.unlink()
    user_error(lambda: loaded(tmp_path), tmp_path / "train" / "dog")


def test_an_empty_split_is_named(tmp_path):
    save_tree(tmp_path, splits=("train",))
    (tmp_path / "test").mkdir()
    user_error(lambda: loaded(tmp_path), tmp_path / "test")


@pytest.mark.parametrize(("extra", "lacking"), [("train", "test"), ("test", "train")])
def test_splits_of_different_classes(tmp_path, extra, lacking):
    save_tree(tmp_path)
    save(tmp_path / extra / "emu" / "0.png", noise(8, 8, 3))
    user_error(lambda: loaded(tmp_path), "emu", extra, lacking)


def test_one_labelled_and_one_unlabelled_split(tmp_path):
    save_tree(tmp_path, splits=("train",))
    save(tmp_path / "test" / "0.png", noise(8, 8, 3))
    user_error(lambda: loaded(tmp_path), "class")


def test_loose_images_beside_class_folders(tmp_path):
    save_tree(tmp_path)
    save(tmp_path / "train" / "loose.png", noise(8, 8, 3))
    user_error(lambda: loaded(tmp_path), "loose.png", tmp_path / "train")


def test_a_link_to_nowhere_is_named(tmp_path):
    save_tree(tmp_path)
    link = tmp_path / "train" / "cat" / "link.png"
    link.symlink_to(tmp_path / "gone.png")
    user_error(lambda: loaded(tmp_path), link)


def refused_once(source, *needles):
    """UserError from whatever lists the folders."""
    for read in (source.validate, source.content_key, source.decode):
        user_error(read, *needles)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "target", [".", "..", "../..", "../../..", "/", "deep/..", "../../train/cat"]
)
def test_a_link_to_a_folder_above_is_refused(tmp_path, target):
    """Once 20 images counted as 820."""
    save_tree(tmp_path / "set")
    (tmp_path / "set" / "train" / "cat" / "deep").mkdir()
    link = tmp_path / "set" / "train" / "cat" / "again"
    link.symlink_to(target)
    refused_once(folder(tmp_path / "set"), link, "remove the link")
    link.unlink()
    assert len(loaded(tmp_path / "set").splits["train"]) == 4


@pytest.mark.timeout(20)
def test_two_links_to_each_others_folders_are_refused(tmp_path):
    save_tree(tmp_path)
    (tmp_path / "train" / "cat" / "a").symlink_to("../dog")
    (tmp_path / "train" / "dog" / "b").symlink_to("../cat")
    refused_once(
        folder(tmp_path),
        tmp_path / "train" / "cat" / "a" / "b",
        tmp_path / "train" / "cat",
        "remove the link",
    )
    (tmp_path / "train" / "dog" / "b").unlink()
    assert loaded(tmp_path).label_histogram["train"] == [4, 2]


@pytest.mark.timeout(20)
def test_links_that_multiply_are_refused(tmp_path):
    """Forty folders, each with two links to the next: 2^40 ways through."""
    save_tree(tmp_path)
    for depth in range(40):
        (tmp_path / "far" / str(depth)).mkdir(parents=True)
        for name in "ab":
            (tmp_path / "far" / str(depth) / name).symlink_to(f"../{depth + 1}")
    save(tmp_path / "far" / "40" / "x.png", noise(8, 8, 3))
    (tmp_path / "train" / "cat" / "far").symlink_to("../../far/0")
    refused_once(folder(tmp_path), tmp_path / "train" / "cat" / "far", "once more")


@pytest.mark.timeout(20)
def test_a_link_to_a_class_that_holds_it(tmp_path):
    """As a class folder, it is the one above."""
    save_tree(tmp_path, splits=("train",))
    (tmp_path / "train" / "all").symlink_to(".")
    refused_once(
        folder(tmp_path, splits={"train": "train"}),
        tmp_path / "train" / "all" / "all",
        "remove the link",
    )


@pytest.mark.parametrize("place", ["train/emu", "train/cat/deep", "train/cat/notes", "test/emu"])
@pytest.mark.parametrize("target", ["nowhere", "itself"])
def test_a_folder_that_is_a_broken_link_is_refused(tmp_path, place, target):
    save_tree(tmp_path)
    link = tmp_path / place
    link.symlink_to(link.name if target == "itself" else target)
    refused_once(folder(tmp_path), link, "leads nowhere")
    link.unlink()
    assert len(loaded(tmp_path).splits["train"]) == 4


def test_a_hidden_broken_link_is_passed_over(tmp_path):
    save_tree(tmp_path)
    (tmp_path / "train" / "cat" / ".#lock").symlink_to("somebody@somewhere")
    assert len(loaded(tmp_path).splits["train"]) == 4


def test_links_elsewhere_keep_working(tmp_path):
    """To files, to folders within a class folder, by two classes to one folder, through a link to a
    link."""
    save_tree(tmp_path / "far", splits=("x", "y"), classes=("a", "b"))
    save_tree(tmp_path / "set")
    cat = tmp_path / "set" / "train" / "cat"
    (cat / "more").symlink_to(tmp_path / "far" / "x")
    (cat / "one.png").symlink_to(tmp_path / "far" / "x" / "a" / "000.png")
    (tmp_path / "far" / "link").symlink_to("y")
    (cat / "deep").mkdir()
    (cat / "deep" / "more").symlink_to(tmp_path / "far" / "link")
    (cat.parent / "dog" / "more").symlink_to(tmp_path / "far" / "x")
    assert loaded(tmp_path / "set").label_histogram == {
        "train": [2 + 4 + 1 + 4, 2 + 4],
        "test": [2, 2],
    }
    (tmp_path / "root").symlink_to("set")
    assert loaded(tmp_path / "root").content_hash == loaded(tmp_path / "set").content_hash


def test_links_to_folders_are_followed(tmp_path):
    save_tree(tmp_path / "real")
    (tmp_path / "linked").mkdir()
    for split in ("train", "test"):
        (tmp_path / "linked" / split).mkdir()
        for name in ("cat", "dog"):
            (tmp_path / "linked" / split / name).symlink_to(tmp_path / "real" / split / name)
    assert loaded(tmp_path / "linked").content_hash == loaded(tmp_path / "real").content_hash


def test_the_root_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    user_error(lambda: loaded(tmp_path / "file"), tmp_path / "file", "dataset.root=FOLDER")


# Sizes, channels and greyscale --------------------------------------------------------------------


@pytest.mark.parametrize("place", [("train", "dog"), ("test", "cat")])
def test_mixed_sizes_name_the_file_and_the_remedy(tmp_path, place):
    save_tree(tmp_path)
    odd = save(tmp_path.joinpath(*place, "odd.png"), noise(9, 7, 3))
    user_error(lambda: loaded(tmp_path), odd, "7x9", "8x8", " add resize=box size=8")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"size": 16}, "8x8, not dataset.size=16: add dataset.resize=box dataset.size=16 (or"),
        ({"resize": "box"}, "dataset.resize=box needs a size: add dataset.size=32"),
        (
            {"fit": "stretch"},
            "dataset.fit=stretch needs a filter: add dataset.resize=box dataset.size=32",
        ),
        ({"splits": {}}, "dataset.splits has no train: add dataset.splits.train=FOLDER, a folder"),
        ({"splits": {"train": "no"}}, "name its folder with dataset.splits.train=FOLDER ("),
        ({"root": "nowhere"}, "dataset.root=nowhere is no folder: set dataset.root=FOLDER, "),
    ],
)
def test_a_config_has_the_path_of_every_field_that_a_message_names(tmp_path, fields, words):
    """The part speaks of its own arguments; names of files stay as they are."""
    root = tmp_path / "size=8"
    save_tree(root)
    node = {"_target_": "gan_lab.data.ImageFolder", "root": str(root), **fields}
    message = user_error(lambda: build.loaded(OmegaConf.create(node), tmp_path / "cache"), words)
    assert "dataset.dataset" not in message
    assert "dataset.size=8/" not in message


def test_mixed_sizes_with_a_rule(tmp_path):
    sides = {"a": (8, 8), "b": (12, 8), "c": (4, 4), "d": (40, 56)}
    for name, (height, width) in sides.items():
        save(tmp_path / "train" / "x" / f"{name}.png", noise(height, width, 3))
    data = loaded(tmp_path, splits={"train": "train"}, size=8, resize="box")
    assert data.splits["train"].values.shape == (4, 3, 8, 8)


def test_a_size_without_a_rule_is_what_every_file_must_have(tmp_path):
    save_tree(tmp_path)
    assert loaded(tmp_path, size=8).spec.shape == (3, 8, 8)
    user_error(lambda: loaded(tmp_path, size=16), "8x8", " size=16")


def test_images_that_are_not_square_are_kept_as_they_are(tmp_path):
    for index in range(2):
        save(tmp_path / "train" / f"{index}.png", noise(6, 10, 3, seed=index))
    assert loaded(tmp_path, splits={"train": "train"}).spec.shape == (3, 6, 10)


def test_one_channel(tmp_path):
    pixels = noise(8, 8)
    save(tmp_path / "train" / "a" / "0.png", pixels)
    save(tmp_path / "train" / "a" / "1.png", np.stack([pixels] * 3, -1))
    values = loaded(tmp_path, splits={"train": "train"}, channels=1).splits["train"].values
    assert values.shape == (2, 1, 8, 8)
    np.testing.assert_array_equal(values[:, 0], [pixels, pixels])


def test_greyscale_files_leave_the_samples_and_the_histogram(tmp_path):
    colour = {}
    for name, kinds in {"a": "cgce", "b": "gcec"}.items():
        for index, kind in enumerate(kinds):
            grey = noise(8, 8, seed=index)
            pixels = {
                "c": noise(8, 8, 3, seed=10 + index),
                "g": grey,
                "e": np.stack([grey] * 3, -1),
            }[kind]
            save(tmp_path / "train" / name / f"{index}.png", pixels)
            colour[name, index] = pixels
    splits = {"train": "train"}
    assert loaded(tmp_path, splits=splits, greyscale="keep").label_histogram == {"train": [4, 4]}
    assert loaded(tmp_path, splits=splits, greyscale="drop").label_histogram == {"train": [3, 3]}
    data = loaded(tmp_path, splits=splits, greyscale="drop_grey")
    assert data.label_histogram == {"train": [2, 2]}
    expected = [colour[key] for key in (("a", 0), ("a", 2), ("b", 1), ("b", 3))]
    np.testing.assert_array_equal(
        data.splits["train"].values, np.stack(expected).transpose(0, 3, 1, 2)
    )
    assert data.splits["train"].labels.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("emptied", ["a", "b", "both"])
def test_a_class_that_greyscale_empties_is_named(tmp_path, emptied):
    for name in ("a", "b"):
        grey = emptied in (name, "both")
        save(tmp_path / "train" / name / "0.png", noise(8, 8) if grey else noise(8, 8, 3))
    names = ["a"] if emptied == "both" else [emptied]
    message = user_error(
        lambda: loaded(tmp_path, splits={"train": "train"}, greyscale="drop"),
        " greyscale=keep",
    )
    assert f"class {names[0]} " in message


# Damaged files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size", [32, 160]
)  # small files are decoded in line, large ones by threads
@pytest.mark.parametrize("damage", ["truncated", "no image", "empty"])
def test_a_corrupt_jpeg_is_named(tmp_path, size, damage):
    save_tree(tmp_path, count=3, size=size, suffix=".jpg")
    bad = tmp_path / "test" / "dog" / "001.jpg"
    content = bad.read_bytes()
    bad.write_bytes(
        {"truncated": content[: len(content) // 2], "no image": b"\xff\xd8 nonsense", "empty": b""}[
            damage
        ]
    )
    user_error(lambda: load(folder(tmp_path), tmp_path / "cache"), bad, "replace or remove")
    assert not list((tmp_path / "cache").glob("*") if (tmp_path / "cache").exists() else [])


def test_the_first_file_of_a_split_may_be_the_corrupt_one(tmp_path):
    save_tree(tmp_path, size=160, suffix=".jpg")
    bad = tmp_path / "train" / "cat" / "000.jpg"
    bad.write_bytes(b"junk")
    user_error(lambda: loaded(tmp_path), bad)


def test_many_large_files_keep_their_order(tmp_path, monkeypatch):
    """Large files are decoded by threads, chunk by chunk; every sample must stay in its place."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    for index in range(75):
        path = tmp_path / "train" / ("a" if index < 40 else "b") / f"{index:03d}.png"
        save(path, np.full((128, 128), index), compress_level=1)
    data = loaded(tmp_path, splits={"train": "train"}, channels=1)
    values = data.splits["train"].values
    assert (values == values[:, :, :1, :1]).all()
    assert values[:, 0, 0, 0].tolist() == list(range(75))
    assert data.splits["train"].labels.tolist() == [0] * 40 + [1] * 35


@pytest.mark.parametrize("processors", [1, 8])
def test_many_large_files_are_in_memory_a_few_at_a_time(tmp_path, monkeypatch, processors):
    """As many pixels as one file may have, all threads together."""
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    monkeypatch.setattr("gan_lab.data.tree.MAX_PIXELS", 3 * 128 * 128)
    for index in range(40):
        save(tmp_path / "train" / f"{index:03d}.png", np.full((128, 128), index), compress_level=1)
    lock, inside, most = threading.Lock(), [], []

    def decode(path, rule):
        with lock:
            inside.append(path)
            most.append(len(inside))
        time.sleep(0.005)
        pixels = decode_image(path, rule)
        with lock:
            inside.remove(path)
        return pixels

    monkeypatch.setattr("gan_lab.data.tree.decode_image", decode)
    values = loaded(tmp_path, splits={"train": "train"}, channels=1).splits["train"].values
    assert values[:, 0, 0, 0].tolist() == list(range(40))
    assert max(most) == min(processors, 3)


def test_palette_and_alpha_files_beside_plain_ones(tmp_path):
    colour = noise(8, 8, 3)
    save(tmp_path / "train" / "a" / "0.png", colour)
    alpha = noise(8, 8, 1, seed=5)
    save(tmp_path / "train" / "a" / "1.png", np.concatenate([colour, alpha], -1))
    palette = Image.fromarray(colour).quantize(64)
    palette.save(tmp_path / "train" / "a" / "2.png")
    values = loaded(tmp_path, splits={"train": "train"}).splits["train"].values
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_array_equal(values[2], np.asarray(palette.convert("RGB")).transpose(2, 0, 1))


# The content hash ---------------------------------------------------------------------------------


def test_every_part_of_the_rule_is_in_the_hash(tmp_path):
    save_tree(tmp_path)
    rules = [
        {},
        {"size": 8},
        {"size": 8, "resize": "box"},
        {"size": 4, "resize": "box"},
        {"size": 4, "resize": "lanczos"},
        {"channels": 1},
        {"greyscale": "drop"},
        {"greyscale": "drop_grey"},
        {"splits": {"train": "train"}},
        {"splits": {"train": "train", "val": "test"}},
        {"splits": {"train": "test", "test": "train"}},
    ]
    keys = [folder(tmp_path, **rule).content_key() for rule in rules]
    assert len(set(keys)) == len(rules)


def test_labels_are_in_the_hash(tmp_path):
    """The same bytes in the same order under other classes are other data."""
    save_tree(tmp_path / "one", splits=("train",), classes=("a", "b"), count=2)
    shutil.copytree(tmp_path / "one", tmp_path / "moved")
    (tmp_path / "moved" / "train" / "b" / "000.png").rename(
        tmp_path / "moved" / "train" / "a" / "999.png"
    )
    shutil.copytree(tmp_path / "one", tmp_path / "renamed")
    (tmp_path / "renamed" / "train" / "b").rename(tmp_path / "renamed" / "train" / "c")
    shutil.copytree(tmp_path / "one", tmp_path / "swapped")
    (tmp_path / "swapped" / "train" / "a" / "000.png").rename(
        tmp_path / "swapped" / "train" / "a" / "zzz.png"
    )
    keys = {
        folder(tmp_path / name, splits={"train": "train"}).content_key()
        for name in ("one", "moved", "renamed", "swapped")
    }
    assert len(keys) == 4


def test_the_hash_does_not_read_dates_or_the_roots_name(tmp_path):
    save_tree(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    for path in (tmp_path / "two").rglob("*.png"):
        os.utime(path, (1, 1))
    assert folder(tmp_path / "one").content_key() == folder(tmp_path / "two").content_key()
