"""Image files in folders: root/<split>/<class>/*. Torch-free."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gan_lab.data.images import ImageRule
from gan_lab.data.source import expand
from gan_lab.data.tree import (
    Tree,
    TreeSource,
    is_image,
    list_files,
    list_folder,
    list_images,
    passed_over,
    say_passed_over,
)
from gan_lab.errors import UserError

UNLABELLED_CLASS = "unlabelled"  # the name of the one class of data without labels


def _default_splits() -> dict[str, str | None]:
    return {"train": "train", "test": "test"}


@dataclass(frozen=True)
class ImageFolder(TreeSource):
    """uint8 (N, channels, H, W) from image files in class folders.

    Files are bmp, gif, jpeg, pgm, png, ppm, tiff or webp. The classes are the folders below the
    splits, sorted by name, the same in every split. Files are taken from any depth below them,
    through links too; hidden files are passed over, other kinds of file with a warning. Where the
    images lie directly in the splits, the data has no labels: one class, "unlabelled". Where they
    lie directly in `root`, and it has neither of the folders train and test, they are all training
    data.

    Args:
        name: the data set's name in records; empty: the name of the folder `root`.
        root: the folder that holds the splits.
        splits: split -> folder below `root`; "." is `root` itself, None omits the split; "train" is
            needed.
        size: the side, in pixels; it and the fields after it are those of
            `gan_lab.data.images.ImageRule`.
        resize: the filter; without one all files must have one size.
        channels: 1 or 3.
        greyscale: what becomes of files with a single channel.
        fit: of images that are not square, "crop" takes the largest centred square, "stretch" all.

    Examples:
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from gan_lab.data import ImageFolder, load
        >>> for name, grey in (("dark", 40), ("light", 200)):
        ...     Path("photos/train", name).mkdir(parents=True)
        ...     Image.new("RGB", (64, 48), (grey, grey, grey)).save(f"photos/train/{name}/1.png")
        >>> source = ImageFolder(
        ...     root="photos", splits={"train": "train"}, size=32, resize="box"
        ... )
        >>> load(source, cache_dir=None).summary()
        'photos: images 3x32x32, train 2 in 2 classes of 1'
    """

    name: str = ""
    root: str | None = None
    splits: Mapping[str, str | None] = field(default_factory=_default_splits)
    size: int | None = None
    resize: str = "none"
    channels: int = 3
    greyscale: str = "keep"
    fit: str = "crop"

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or folder_name(self.root))

    @property
    def rule(self) -> ImageRule:
        """How a file becomes an array."""
        return ImageRule(self.size, self.resize, self.channels, self.greyscale, fit=self.fit)

    def validate(self) -> None:
        # the splits that are asked for
        if not isinstance(self.splits, Mapping):
            raise UserError(
                f"splits={self.splits}: name a folder for each split, as splits.train=FOLDER"
            )
        if self.splits.get("train") is None:
            raise UserError("splits has no train: add splits.train=FOLDER, a folder below the root")

        # what is in the folders, and what is passed over
        super().validate()
        say_passed_over(f"dataset.root={self.root}", self._files())

    def tree(self) -> tuple[Tree, list[str]]:
        root = root_folder(self.root, "which holds <split>/<class>/* image files")
        tree = {name: self._split(root, name, folder) for name, folder in self._folders(root)}
        class_names = sorted(tree["train"])
        for split, classes in tree.items():
            check_same_classes(class_names, classes, split)
        return tree, class_names

    def _folders(self, root: Path) -> list[tuple[str, str]]:
        """The splits and their folders below `root`; a folder of images alone is one split."""
        chosen = [(name, str(folder)) for name, folder in self.splits.items() if folder is not None]
        if self.splits != _default_splits() or any(
            (root / folder).is_dir() for _, folder in chosen
        ):
            return chosen
        return [("train", ".")] if any(map(is_image, list_folder(root)[1])) else chosen

    def _split(self, root: Path, split: str, name: str) -> dict[str, list[str]]:
        """The files of a split by class, from the folder `name` below `root`."""
        folder = root / name
        if not folder.is_dir():
            other = "'.' is the root itself" if split == "train" else "null leaves the split out"
            raise UserError(
                f"{root} has no folder {name} (split {split}): "
                f"name its folder with splits.{split}=FOLDER ({other})"
            )

        # class folders, or images without labels, but not both
        folders, files = list_folder(folder)
        loose = [file for file in files if is_image(file)]
        if not loose:
            return list_classes(folder)
        if any(list_images(folder / inner) for inner in folders):
            raise UserError(
                f"{folder} holds class folders and loose images ({loose[0]}): "
                "move them into the folders"
            )

        return {UNLABELLED_CLASS: [os.path.join(folder, image) for image in loose]}

    def _files(self) -> list[str]:
        """All files of the splits, images or not."""
        root, files = expand(str(self.root)), []
        for name in {folder for _, folder in self._folders(root)}:
            split = root / name
            classes, loose = list_folder(split)
            files += loose + [file for inner in classes for file in list_files(split / inner)]
        return files


def folder_name(root: str | None) -> str:
    """The name of a folder, "" for None."""
    return "" if root is None else expand(root).resolve().name


def root_folder(root: str | None, content: str) -> Path:
    """A data set's folder, which must exist.

    Args:
        root: the folder as the user wrote it.
        content: what it must hold, for the message.

    Raises:
        UserError: where it is not set or no folder.
    """
    if not root:
        raise UserError(f"dataset.root is not set: add dataset.root=FOLDER, {content}")
    folder = expand(root)
    if not folder.is_dir():
        raise UserError(f"dataset.root={root} is no folder: set dataset.root=FOLDER, {content}")
    return folder


def list_classes(folder: Path) -> dict[str, list[str]]:
    """The image files of each class folder in a folder.

    Raises:
        UserError: where there is no class folder, or one without images.
    """
    classes = {name: list_images(folder / name) for name in list_folder(folder)[0]}
    if not classes:
        raise UserError(
            f"{folder} is empty: it must hold one folder of images for each class, or images"
        )

    # a class without images is a mistake, perhaps of file types that are not read
    for name, paths in classes.items():
        if not paths:
            kinds = passed_over(list_files(folder / name))
            others = f" (passed over: {kinds})" if kinds else ""
            raise UserError(
                f"{folder / name} is a class folder without images{others}: fill it or remove it"
            )
    return classes


def check_same_classes(
    class_names: list[str], classes: Mapping[str, list[str]], split: str
) -> None:
    """Check that a split has the classes of "train".

    Args:
        class_names: the classes of "train".
        classes: the files of the split by class.
        split: its name, for the message.

    Raises:
        UserError: naming the first class that is in one of them alone.
    """
    for name in sorted(set(class_names).symmetric_difference(classes)):
        there, missing = ("train", split) if name in class_names else (split, "train")
        raise UserError(
            f"class {name} is in split {there} but not in split {missing}: "
            "the splits need the same classes"
        )
