"""A folder that Hugging Face's `datasets` wrote: images and classes as columns. Torch-free.

It is read by pyarrow, on which `datasets` builds, and not by `datasets.load_from_disk`: that one
opens the files that the folder's JSON names in other folders, too, fetches an image whose path is a
web address, and starts any of Pillow's decoders on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np

from gan_lab.data.image_folder import UNLABELLED_CLASS, folder_name, root_folder
from gan_lab.data.images import ImageRule, PackedImage
from gan_lab.data.source import RAW_BYTES, read_bytes
from gan_lab.data.tree import Tree, TreeSource, list_folder
from gan_lab.errors import UserError, one_line
from gan_lab.files import open_regular, parse_json
from gan_lab.reading.schema import misfit

AUTO = "auto"
_AGAIN = "save the data set again with save_to_disk"


class _DataFile(TypedDict):
    filename: str


class _State(TypedDict):
    """state.json, beside the files of a split."""

    _data_files: list[_DataFile]


class _Info(TypedDict):
    """dataset_info.json, beside the files of a split: the columns and their types."""

    features: dict[str, Any]


class _Dict(TypedDict):
    """dataset_dict.json, above the folders of splits."""

    splits: list[str]


class _Columns(NamedTuple):
    """Which columns are read.

    Args:
        image: the column of images.
        label: the column of classes; None: no labels.
        class_names: in the order of the labels.
    """

    image: str
    label: str | None
    class_names: list[str]


@dataclass(frozen=True)
class HuggingFace(TreeSource):
    """uint8 (N, channels, H, W) from a folder that Hugging Face's `datasets` wrote (save_to_disk).

    The folder of a `DatasetDict` has its splits, "train" among them; that of a `Dataset` is the
    split "train".

    Args:
        name: the data set's name in records; empty: the name of the folder `root`.
        root: the folder.
        image: the column of images; "auto": the only one of type Image.
        label: the column of classes; "auto": the only one of type ClassLabel, if there is one;
            None: no labels.
        size: the side, in pixels; it and the fields after it are those of
            `gan_lab.data.images.ImageRule`.
        resize: the filter; without one all images must have one size.
        channels: 1 or 3.
        greyscale: what becomes of images with a single channel.
        fit: of images that are not square, "crop" takes the largest centred square, "stretch" all.

    Examples:
        >>> from gan_lab.data import HuggingFace, load
        >>> source = HuggingFace(root="data/cats", size=64, resize="box")
        >>> source.name
        'cats'
        >>> data = load(source, cache_dir="outputs/cache")  # doctest: +SKIP
    """

    name: str = ""
    root: str | None = None
    image: str = AUTO
    label: str | None = AUTO
    size: int | None = None
    resize: str = "none"
    channels: int = 3
    greyscale: str = "keep"
    fit: str = "crop"

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or folder_name(self.root))

    @property
    def rule(self) -> ImageRule:
        """How an image becomes an array."""
        return ImageRule(self.size, self.resize, self.channels, self.greyscale, fit=self.fit)

    def tree(self) -> tuple[Tree, list[str]]:
        root = root_folder(self.root, "which save_to_disk of Hugging Face's datasets wrote")
        folders = _splits(root)
        columns = self._columns(folders["train"])
        tree = {split: self._split(folder, columns) for split, folder in folders.items()}
        return tree, columns.class_names

    def _columns(self, folder: Path) -> _Columns:
        """The columns of a split that are asked for."""
        features = _json(folder / "dataset_info.json", _Info)["features"]
        types = {name: _type(feature) for name, feature in features.items()}
        image = _column(folder, types, "image", self.image, "Image")
        if image is None:
            raise UserError(
                f"{folder} has no column of type Image, but {_listed(types)}: cast one, "
                "cast_column(COLUMN, datasets.Image()), and save the data set again"
            )

        # classes have one name each
        label = None
        if self.label is not None:
            label = _column(folder, types, "label", self.label, "ClassLabel")
        if label is None:
            return _Columns(image, None, [UNLABELLED_CLASS])
        names = features[label].get("names")
        if misfit(names, list[str]) or not names or len(set(names)) != len(names):
            raise UserError(f"{folder} has no names of classes for column {label}: {_AGAIN}")
        return _Columns(image, label, names)

    def _split(self, folder: Path, columns: _Columns) -> dict[str, list[PackedImage]]:
        """The images of a split by class."""
        # all splits are alike
        if self._columns(folder) != columns:
            raise UserError(
                f"{folder} has other columns or classes than split train: give both the same, or "
                "set dataset.root=FOLDER to the folder of one split"
            )

        # the rows of all files
        classes: dict[str, list[PackedImage]] = {name: [] for name in columns.class_names}
        for path in _files(folder):
            for image, label in _rows(path, columns):
                classes[columns.class_names[label]].append(image)

        # a class without images is a mistake
        for name, images in classes.items():
            if not images:
                whose = f" of class {name}" if columns.label else ""
                others = ", or label=null" if columns.label else ""
                raise UserError(
                    f"{folder} has no image{whose}: fill it, or set dataset.root=FOLDER to the "
                    f"folder of one split that has some{others}"
                )
        return classes


def _splits(root: Path) -> dict[str, Path]:
    """The folder of each split, "train" among them."""
    if (root / "state.json").exists():
        return {"train": root}
    if not (root / "dataset_dict.json").exists():
        raise UserError(
            f"{root} has neither dataset_dict.json nor state.json: set dataset.root=FOLDER to what "
            "save_to_disk of Hugging Face's datasets wrote"
        )

    # a name leads nowhere else
    names, there = _json(root / "dataset_dict.json", _Dict)["splits"], list_folder(root)[0]
    for name in names:
        if name not in there:
            raise UserError(f"{root} has no folder {name}, a split of dataset_dict.json: {_AGAIN}")
    if "train" not in names:
        raise UserError(
            f"{root} has no split train, but {', '.join(names) or 'none'}: "
            "set dataset.root=FOLDER to the folder of the split to train on"
        )
    return {name: root / name for name in names}


def _files(folder: Path) -> list[Path]:
    """The files of a split in their order, all of them in its folder."""
    there = list_folder(folder)[1]
    names = [file["filename"] for file in _json(folder / "state.json", _State)["_data_files"]]
    for name in names:
        if name not in there:
            raise UserError(f"{folder} has no file {name}, which state.json names: {_AGAIN}")
    return [folder / name for name in names]


def _json(path: Path, hint: Any) -> Any:
    """A file of JSON, held against a shape. Raises UserError, naming it."""
    content = read_bytes(path)
    try:
        value = parse_json(content)
    except ValueError as error:
        raise UserError(f"{path} cannot be read ({one_line(error)}): {_AGAIN}") from None
    if wrong := misfit(value, hint):
        raise UserError(f"{path} cannot be read ({wrong}): {_AGAIN}")
    return value


def _type(feature: object) -> str:
    """The name of a column's type."""
    name = feature.get("_type") if isinstance(feature, dict) else None
    return name if isinstance(name, str) else "other"


def _listed(types: Mapping[str, str]) -> str:
    """Columns and their types, for a message."""
    return ", ".join(f"{name} ({kind})" for name, kind in types.items()) or "no other"


def _column(
    folder: Path, types: Mapping[str, str], field: str, asked: str, kind: str
) -> str | None:
    """The column that is asked for.

    Args:
        folder: of the split, for messages.
        types: of all columns.
        field: of the data set that names the column.
        asked: its value.
        kind: the type that the column must have.

    Returns:
        None where "auto" finds none.

    Raises:
        UserError: where there are several to choose from, or the one that is named is none of them.
    """
    fitting = [name for name, its_kind in types.items() if its_kind == kind]
    if asked == AUTO and len(fitting) <= 1:
        return fitting[0] if fitting else None
    if asked == AUTO:
        raise UserError(
            f"{folder} has several columns of type {kind}: set {field}=NAME, one of "
            f"{', '.join(fitting)}"
        )
    if asked not in fitting:
        raise UserError(
            f"{field}={asked} is no column of type {kind} of {folder}, which has "
            f"{_listed(types)}: name another, or cast it in the data set"
        )
    return asked


def _rows(path: Path, columns: _Columns) -> Iterator[tuple[PackedImage, int]]:
    """The image and the label of each row of a file.

    Raises:
        UserError: for a damaged file, and a row without one of them.
    """
    begin = 0
    for batch in _batches(path):
        images = _bytes(path, batch, columns.image)
        labels = np.zeros(len(images), np.int64)
        if columns.label is not None:
            labels = _labels(path, batch, columns.label)

        # a row without an image or a label has a number to be found by
        without_image = images.is_null().to_numpy(zero_copy_only=False)
        for index in np.flatnonzero(without_image)[:1]:
            raise UserError(
                f"{path}, row {begin + index} holds no image in column {columns.image}: "
                f"remove the row, or {_AGAIN}, which takes files into it"
            )
        for index in np.flatnonzero((labels < 0) | (labels >= len(columns.class_names)))[:1]:
            raise UserError(
                f"{path}, row {begin + index} has no label in column {columns.label}: "
                "give it one, remove the row, or set label=null"
            )

        for index, label in enumerate(labels.tolist()):
            name = f"{path}, row {begin + index}, column {columns.image}"
            yield PackedImage(name, partial(_cell, images, index)), label
        begin += len(images)


def _batches(path: Path) -> Iterator[Any]:
    """The batches of rows of an Arrow stream. Raises UserError for what is none."""
    pyarrow = _pyarrow()
    with _damage(path), open_regular(path, RAW_BYTES):  # a pipe would be waited at
        pass
    with _damage(path):
        reader = pyarrow.ipc.open_stream(pyarrow.memory_map(str(path)))
    while True:
        with _damage(path):
            batch = next(reader, None)
        if batch is None:
            return
        yield batch


def _bytes(path: Path, batch: Any, name: str) -> Any:
    """The stored images of a batch: an array of bytes, null where there is none."""
    column = _array(path, batch, name)
    types = _pyarrow().types
    place = column.type.get_field_index("bytes") if types.is_struct(column.type) else -1
    if place >= 0:
        column = column.flatten()[place]  # null where the row is
    if not types.is_binary(column.type):
        raise UserError(f"{path} holds no images in column {name}: {_AGAIN}")
    return column


def _labels(path: Path, batch: Any, name: str) -> np.ndarray:
    """The labels of a batch, int64 (n,), -1 where there is none."""
    column = _array(path, batch, name)
    if not _pyarrow().types.is_integer(column.type):
        raise UserError(f"{path} holds no labels in column {name}: {_AGAIN}")
    with _damage(path):
        labels: np.ndarray = column.cast("int64").fill_null(-1).to_numpy()
    return labels


def _array(path: Path, batch: Any, name: str) -> Any:
    """A column of a batch, whose offsets and lengths are within the file."""
    with _damage(path):
        column = batch.column(batch.schema.names.index(name))
        column.validate(full=True)
    return column


def _cell(column: Any, index: int) -> bytes:
    """The bytes of a row."""
    content: bytes = column[index].as_py()
    return content


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Inside, what a damaged file raises becomes a UserError that names it."""
    try:
        yield
    except UserError:
        raise
    except (_pyarrow().ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({one_line(error)}): {_AGAIN}") from error


def _pyarrow() -> Any:
    """The package pyarrow. Raises UserError without it."""
    try:
        import pyarrow.ipc
    except ImportError:
        raise UserError(
            "dataset=hugging_face needs pyarrow, which datasets brings: pip install datasets"
        ) from None
    return pyarrow
