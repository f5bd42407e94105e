"""Tiny ImageNet at 32 x 32, by the thesis's rule. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gan_lab.data.image_folder import check_same_classes, folder_name, list_classes, root_folder
from gan_lab.data.images import ImageRule
from gan_lab.data.source import read_bytes
from gan_lab.data.tree import Tree, TreeSource, list_images
from gan_lab.errors import UserError

ANNOTATIONS = "val_annotations.txt"


@dataclass(frozen=True)
class TinyImageNet(TreeSource):
    """uint8 (N, 3, 32, 32), 200 classes named by their WordNet ids, sorted; "train" and "val".

    64 -> 32 pixels is the 2 x 2 mean of the raw ones, rounded half up.

    Args:
        name: the data set's name in records; empty: the name of the folder `root`, since both kinds
            of folder are not one data set.
        root: the unpacked original tiny-imagenet-200 (64 x 64: train/<wnid>/images/*, val/images/*
            and val/val_annotations.txt), or train|val/<wnid>/* at 32 x 32, which is taken as it is.
        greyscale: "drop" omits files with a single channel, as the thesis does. A copy that was
            saved again as RGB has none of those; "drop_grey" also omits files whose three channels
            are equal everywhere.

    Source:
        Y. Le, X. Yang, "Tiny ImageNet Visual Recognition Challenge", CS 231N (2015).

    Examples:
        >>> from gan_lab.data import TinyImageNet, load
        >>> source = TinyImageNet(root="data/tiny-imagenet-200")
        >>> source.name, source.rule.size
        ('tiny-imagenet-200', 32)
        >>> data = load(source, cache_dir="outputs/cache")  # doctest: +SKIP
    """

    name: str = ""
    root: str | None = None
    greyscale: str = "drop"

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or folder_name(self.root))

    @property
    def rule(self) -> ImageRule:
        """How a file becomes an array."""
        return ImageRule(size=32, resize="box", greyscale=self.greyscale, sides=(32, 64))

    def tree(self) -> tuple[Tree, list[str]]:
        root = root_folder(
            self.root, "which holds train/<wnid>/images and val/images (tiny-imagenet-200)"
        )
        for split in ("train", "val"):
            if not (root / split).is_dir():
                raise UserError(
                    f"{root} has no folder {split}: "
                    "set dataset.root to the unpacked tiny-imagenet-200"
                )

        # only the original's val has its files in one folder
        train = list_classes(root / "train")
        original = (root / "val" / "images").is_dir()
        val = _annotated(root / "val") if original else list_classes(root / "val")
        class_names = sorted(train)
        check_same_classes(class_names, val, "val")
        return {"train": train, "val": val}, class_names


def _annotated(folder: Path) -> dict[str, list[str]]:
    """The files of the original validation split by class.

    A line of its annotations is `file name <tab> wnid <tab> box`.
    """
    annotations = folder / ANNOTATIONS
    try:
        lines = read_bytes(annotations).decode().splitlines()
        rows = [line.split("\t") for line in lines if line.strip()]
        wnid_of = {row[0]: row[1] for row in rows}
    except (ValueError, IndexError) as error:  # ValueError: UserError, too
        raise UserError(
            f"{annotations} cannot be read: unpack tiny-imagenet-200.zip again"
        ) from error

    # every file must have its line
    classes: dict[str, list[str]] = {}
    for path in list_images(folder / "images"):
        name = Path(path).name
        if name not in wnid_of:
            raise UserError(f"{path} is not in {ANNOTATIONS}: unpack tiny-imagenet-200.zip again")
        classes.setdefault(wnid_of[name], []).append(path)
    return classes
