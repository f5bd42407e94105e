"""dataset=hugging_face on folders in the format of `save_to_disk`, by hand and by the library itself
where it is installed."""

from __future__ import annotations

import json
import sys
from contextlib import suppress

import numpy as np
import pytest

from gan_lab.data import HuggingFace, load
from gan_lab.errors import UserError
from helpers.data_builders import (
    encoded,
    image_column,
    make_hugging_face,
    noise,
    user_error,
    write_split,
)

pyarrow = pytest.importorskip("pyarrow")

IMAGE = {"_type": "Image"}
PIXELS = [noise(8, 8, 3, seed=index) for index in range(4)]
CONTENTS = [encoded(pixels) for pixels in PIXELS]


def classes(*names):
    return {"names": list(names), "_type": "ClassLabel"}


def write(folder, contents=None, labels=(0, 1, 0, 1), **more):
    """A Dataset with the columns image and label; more columns as (array, feature)."""
    columns = {
        "image": (image_column(CONTENTS if contents is None else contents), IMAGE),
        "label": (pyarrow.array(labels, pyarrow.int64()), classes("cat", "dog")),
        **more,
    }
    present = {name: column for name, column in columns.items() if column is not None}
    write_split(
        folder,
        {name: array for name, (array, _) in present.items()},
        {name: feature for name, (_, feature) in present.items()},
    )
    return folder


def source(root, **fields):
    return HuggingFace(root=str(root), **fields)


def edit(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


# What is read -------------------------------------------------------------------------------------


def test_splits_images_and_labels_of_a_dict(tmp_path):
    made = make_hugging_face(tmp_path / "pets")
    data = load(source(tmp_path / "pets"), None)
    assert data.spec.name == "pets"
    assert data.spec.class_names == ("cat", "dog")
    assert set(data.splits) == {"train", "test"}
    for name, split in data.splits.items():
        by_class = sorted(made[name], key=lambda pair: pair[1])
        assert split.labels.tolist() == [label for _, label in by_class]
        for value, (pixels, _) in zip(split.values, by_class, strict=True):
            np.testing.assert_array_equal(value, pixels.transpose(2, 0, 1))


def test_a_dataset_alone_is_the_split_train(tmp_path):
    write(tmp_path / "set")
    data = load(source(tmp_path / "set"), None)
    assert data.label_histogram == {"train": [2, 2]}


def test_without_labels(tmp_path):
    """None in the data, or none wanted: one class, in the order of the rows."""
    write(tmp_path / "none", label=None)
    write(tmp_path / "unwanted")
    for data in (
        load(source(tmp_path / "none"), None),
        load(source(tmp_path / "unwanted", label=None), None),
    ):
        assert data.spec.class_names == ("unlabelled",)
        for value, pixels in zip(data.splits["train"].values, PIXELS, strict=True):
            np.testing.assert_array_equal(value, pixels.transpose(2, 0, 1))


def test_size_and_rule(tmp_path):
    """Of 12 x 8 pixels the centred square, and of that the means of 2 x 2."""
    wide = noise(8, 12, 3, seed=9)
    write(tmp_path / "set", [encoded(wide)] * 2, [0, 1])
    values = load(source(tmp_path / "set", size=4, resize="box"), None).splits["train"].values
    means = wide[:, 2:10].astype(int).reshape(4, 2, 4, 2, 3).sum((1, 3))
    np.testing.assert_array_equal(values[0], ((means + 2) // 4).transpose(2, 0, 1))


@pytest.mark.parametrize(("rule", "kept"), [("keep", 4), ("drop", 3), ("refuse", None)])
def test_a_greyscale_image_among_colours(rule, kept, tmp_path):
    """It is replicated, dropped or refused by its row, as `greyscale` says."""
    grey = noise(8, 8)
    write(tmp_path / "set", [*CONTENTS[:3], encoded(grey)], [0, 1, 0, 0])
    data = source(tmp_path / "set", greyscale=rule)
    if kept is None:
        user_error(lambda: load(data, None), "row 3, column image", "is greyscale")
        return
    values = load(data, None).splits["train"].values
    assert len(values) == kept
    if kept == 4:
        np.testing.assert_array_equal(values[2], np.stack([grey] * 3))


def test_content_hash_is_that_of_images_labels_and_names(tmp_path):
    """Not of other columns, and not of how rows are spread over files."""
    plain = source(write(tmp_path / "plain")).content_key()
    text = (pyarrow.array(["a", "b", "c", "d"]), {"dtype": "string", "_type": "Value"})
    assert source(write(tmp_path / "text", text=text)).content_key() == plain
    others = {
        "label": write(tmp_path / "label", labels=(0, 1, 1, 0)),
        "order": write(tmp_path / "order", [CONTENTS[index] for index in (2, 1, 0, 3)]),
        "name": write(
            tmp_path / "name", label=(pyarrow.array([0, 1, 0, 1]), classes("cat", "cow"))
        ),
    }
    keys = {name: source(folder).content_key() for name, folder in others.items()}
    assert len({plain, *keys.values()}) == 4


def test_every_byte_of_an_image_is_in_the_content_hash(tmp_path):
    folder = write(tmp_path / "set")
    path = folder / "data-00000-of-00001.arrow"
    before, content = source(folder).content_key(), path.read_bytes()
    for value in CONTENTS:
        begin = content.index(value)
        for place in (begin, begin + len(value) // 2, begin + len(value) - 1):
            altered = bytearray(content)
            altered[place] ^= 1
            path.write_bytes(altered)
            assert source(folder).content_key() != before
    path.write_bytes(content)
    assert source(folder).content_key() == before


# Columns ------------------------------------------------------------------------------------------


def test_no_column_of_images(tmp_path):
    text = (pyarrow.array(["a", "b", "c", "d"]), {"dtype": "string", "_type": "Value"})
    write(tmp_path / "set", image=None, text=text)
    message = user_error(source(tmp_path / "set").validate, "no column of type Image")
    assert "label (ClassLabel), text (Value)" in message


def test_several_columns_to_choose_from(tmp_path):
    second = image_column(CONTENTS[::-1])
    fine = (pyarrow.array([0, 1, 2, 2]), classes("a", "b", "c"))
    write(tmp_path / "set", mask=(second, IMAGE), fine=fine)
    user_error(source(tmp_path / "set").validate, "set image=NAME, one of image, mask")
    chosen = source(tmp_path / "set", image="mask")
    user_error(chosen.validate, "set label=NAME, one of label, fine")
    data = load(source(tmp_path / "set", image="mask", label="fine"), None)
    assert data.spec.class_names == ("a", "b", "c")
    np.testing.assert_array_equal(data.splits["train"].values[0], PIXELS[3].transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("field", "asked"),
    [("image", "label"), ("image", "picture"), ("image", None), ("label", "image"), ("label", "")],
)
def test_a_column_of_another_type_or_name(field, asked, tmp_path):
    write(tmp_path / "set")
    message = user_error(source(tmp_path / "set", **{field: asked}).validate, f"{field}={asked}")
    assert "image (Image), label (ClassLabel)" in message


@pytest.mark.parametrize("label", [None, -1, 2])
def test_a_row_without_a_label(label, tmp_path):
    """No value, the -1 of unlabelled rows, and a number without a name; in the second batch."""
    write(tmp_path / "set", labels=[0, 1, 0, label])
    message = user_error(
        source(tmp_path / "set").validate, "data-00000-of-00001.arrow, row 3", "no label"
    )
    assert " label=null" in message
    assert len(load(source(tmp_path / "set", label=None), None).splits["train"]) == 4


def test_a_row_without_an_image(tmp_path):
    """A path alone could lead anywhere: it is not followed."""
    write(tmp_path / "set", [*CONTENTS[:2], None, CONTENTS[3]])
    user_error(source(tmp_path / "set").validate, "row 2 holds no image in column image")
    rows = [None, *({"bytes": content, "path": None} for content in CONTENTS[1:])]
    column = pyarrow.array(rows, image_column([]).type)
    write(tmp_path / "null", image=(column, IMAGE))
    user_error(source(tmp_path / "null").validate, "row 0 holds no image")


# What does not fit --------------------------------------------------------------------------------


def test_a_damaged_image_is_named_by_its_row(tmp_path):
    write(tmp_path / "set", [*CONTENTS[:3], CONTENTS[3][:40]])
    message = user_error(lambda: load(source(tmp_path / "set"), None), "arrow, row 3, column image")
    assert "replace or remove the image" in message


def test_what_is_no_image_is_refused(tmp_path):
    """An EPS would start Ghostscript."""
    write(tmp_path / "set", [b"%!PS-Adobe-3.0 EPSF-3.0\n", *CONTENTS[1:]])
    user_error(lambda: load(source(tmp_path / "set"), None), "row 0", "not BMP, GIF")


def test_images_of_two_sizes(tmp_path):
    write(tmp_path / "set", [*CONTENTS[:3], encoded(noise(9, 9, 3))])
    user_error(lambda: load(source(tmp_path / "set"), None), "row 3", "add resize=box")


def test_no_rows(tmp_path):
    write(tmp_path / "set", [], [], label=None)
    user_error(source(tmp_path / "set").validate, "has no image: fill it")


def test_a_class_without_images(tmp_path):
    """Of a split that is not needed, and of the only one."""
    write(tmp_path / "train")
    write(tmp_path / "test", labels=(0, 0, 0, 0))
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    message = user_error(source(tmp_path).validate, tmp_path / "test", "no image of class dog")
    assert "set dataset.root=FOLDER to the folder of one split" in message
    assert "or label=null" in message
    source(tmp_path / "train").validate()
    source(tmp_path, label=None).validate()
    user_error(source(tmp_path / "test").validate, "no image of class dog")


def test_a_folder_of_something_else(tmp_path):
    (tmp_path / "train.parquet").touch()
    user_error(source(tmp_path).validate, tmp_path, "dataset.root=FOLDER", "save_to_disk")
    write(tmp_path / "set")
    source(tmp_path / "set").validate()


def test_a_dict_without_train(tmp_path):
    """The folder of one of its splits is a data set of its own."""
    make_hugging_face(tmp_path, splits=("validation", "test"))
    user_error(source(tmp_path).validate, "no split train, but validation, test")
    assert list(load(source(tmp_path / "validation"), None).splits) == ["train"]


def test_splits_of_other_classes(tmp_path):
    make_hugging_face(tmp_path)
    features = {"image": IMAGE, "label": classes("cat", "cow")}
    edit(tmp_path / "test" / "dataset_info.json", features=features)
    user_error(source(tmp_path).validate, tmp_path / "test", "other columns or classes")
    source(tmp_path / "train").validate()


@pytest.mark.parametrize(
    "features",
    [
        {"image": IMAGE, "label": {"_type": "ClassLabel"}},
        {"image": IMAGE, "label": classes("cat", "cat")},
        {"image": IMAGE, "label": {"names": [1, 2], "_type": "ClassLabel"}},
        {"image": IMAGE, "label": classes()},
    ],
)
def test_classes_without_a_name_each(features, tmp_path):
    edit(write(tmp_path / "set") / "dataset_info.json", features=features)
    user_error(source(tmp_path / "set").validate, "no names of classes for column label")


@pytest.mark.parametrize(
    "file", ["dataset_dict.json", "train/state.json", "train/dataset_info.json"]
)
@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"splits": 1, "_data_files": [1], "features": 1}', "[" * 9999]
)
def test_damaged_json(file, content, tmp_path):
    make_hugging_face(tmp_path)
    (tmp_path / file).write_text(content)
    user_error(source(tmp_path).validate, f"{tmp_path / file} cannot be read", "save_to_disk")


@pytest.mark.parametrize("damage", ["empty", "other", "half", "types"])
def test_a_damaged_arrow_file(damage, tmp_path):
    folder = write(tmp_path / "set")
    path = folder / "data-00000-of-00001.arrow"
    content = path.read_bytes()
    path.write_bytes(
        {"empty": b"", "other": b"PAR1" * 20, "half": content[: len(content) // 2]}.get(
            damage, content
        )
    )
    if damage == "types":  # columns that are not what dataset_info.json says
        features = {"image": classes("a"), "label": IMAGE}
        edit(folder / "dataset_info.json", features=features)
    user_error(lambda: load(source(folder), None), path)


@pytest.mark.thorough
def test_bytes_flipped_anywhere_end_in_an_error_or_in_data(tmp_path):
    """Offsets and lengths in the file are checked before they are followed."""
    folder = write(tmp_path / "set")
    path = folder / "data-00000-of-00001.arrow"
    content = path.read_bytes()
    places = np.random.default_rng(0).integers(0, len(content), 300)
    for place in [*range(0, 600, 7), *places.tolist()]:
        altered = bytearray(content)
        altered[place] ^= 0xFF
        path.write_bytes(altered)
        with suppress(UserError):
            load(source(folder), None)


# Other people's files -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../train/data-00000-of-00001.arrow", "/etc/hostname", "missing.arrow"]
)
def test_a_data_file_is_in_the_folder(name, tmp_path):
    make_hugging_face(tmp_path)
    edit(tmp_path / "test" / "state.json", _data_files=[{"filename": name}])
    user_error(source(tmp_path).validate, f"has no file {name}")


@pytest.mark.parametrize(
    "name", ["..", "/", "train/../train", "simplecache::http://localhost/x", "s3://bucket"]
)
def test_a_split_is_in_the_folder(name, tmp_path, network_attempts):
    make_hugging_face(tmp_path)
    edit(tmp_path / "dataset_dict.json", splits=["train", name])
    user_error(source(tmp_path).validate, f"has no folder {name}")
    assert network_attempts == []


def test_formats_and_types_that_files_name_start_nothing(tmp_path):
    """A format of another library, a type of nobody, a builder: none is imported."""
    folder = write(tmp_path / "set")
    edit(folder / "state.json", _format_type="tensorflow", _format_kwargs={"device": "x"})
    info = json.loads((folder / "dataset_info.json").read_text())
    features = {**info["features"], "more": {"_type": "os.system"}, "list": [IMAGE]}
    edit(folder / "dataset_info.json", features=features, builder_name="../evil")
    before = set(sys.modules)
    source(folder).validate()
    started = {name.partition(".")[0] for name in set(sys.modules) - before}
    assert not started & {"datasets", "dill", "pickle", "tensorflow", "torch", "huggingface_hub"}


def test_without_the_package(tmp_path, monkeypatch):
    write(tmp_path / "set")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.ipc", None)
    user_error(source(tmp_path / "set").validate, "dataset=hugging_face", "pip install datasets")


# By the library itself ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def library():
    return pytest.importorskip("datasets")


def saved(library, count=6):
    from PIL import Image

    images = [Image.fromarray(noise(8, 8, 3, seed=index)) for index in range(count)]
    features = library.Features(
        {
            "text": library.Value("string"),
            "img": library.Image(),
            "kind": library.ClassLabel(names=["a", "b"]),
        }
    )
    columns = {"text": ["x"] * count, "img": images, "kind": [index % 2 for index in range(count)]}
    return library.Dataset.from_dict(columns, features=features)


def test_what_the_library_saves_is_read_as_the_library_reads_it(library, tmp_path):
    """A DatasetDict; shards and a selection of rows, whose order is an index; in other columns."""
    whole = saved(library)
    parts = {"train": whole, "test": whole.select([5, 2, 0])}
    library.DatasetDict(parts).save_to_disk(tmp_path / "set", num_shards={"train": 3, "test": 1})
    data = load(source(tmp_path / "set"), None)
    again = library.load_from_disk(tmp_path / "set")
    assert data.spec.class_names == ("a", "b")
    for name, split in data.splits.items():
        rows = sorted(again[name], key=lambda row: row["kind"])
        assert split.labels.tolist() == [row["kind"] for row in rows]
        for value, row in zip(split.values, rows, strict=True):
            np.testing.assert_array_equal(value, np.asarray(row["img"]).transpose(2, 0, 1))


def test_files_that_a_data_set_names_are_saved_in_it(library, tmp_path):
    from PIL import Image

    for index in range(3):
        Image.fromarray(PIXELS[index]).save(tmp_path / f"{index}.png")
    paths = [str(tmp_path / f"{index}.png") for index in range(3)]
    features = library.Features({"image": library.Image()})
    library.Dataset.from_dict({"image": paths}, features=features).save_to_disk(tmp_path / "set")
    for path in tmp_path.glob("*.png"):
        path.unlink()
    values = load(source(tmp_path / "set"), None).splits["train"].values
    np.testing.assert_array_equal(values, np.stack(PIXELS[:3]).transpose(0, 3, 1, 2))


def test_the_remedies_for_columns_work(library, tmp_path):
    """Words that become classes, and paths that become images."""
    from PIL import Image

    Image.fromarray(PIXELS[0]).save(tmp_path / "0.png")
    columns = {"file": [str(tmp_path / "0.png")] * 2, "word": ["dog", "cat"]}
    words = library.Dataset.from_dict(columns)
    words.save_to_disk(tmp_path / "words")
    user_error(source(tmp_path / "words").validate, "cast_column(COLUMN, datasets.Image())")
    cast = words.cast_column("file", library.Image()).class_encode_column("word")
    cast.save_to_disk(tmp_path / "cast")
    assert load(source(tmp_path / "cast"), None).spec.class_names == ("cat", "dog")
