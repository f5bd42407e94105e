"""CelebA, the aligned faces. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gan_lab.data.image_folder import UNLABELLED_CLASS, root_folder
from gan_lab.data.images import ImageRule
from gan_lab.data.source import read_bytes
from gan_lab.data.tree import Tree, TreeSource, list_images
from gan_lab.errors import UserError, one_line

PARTITION = "list_eval_partition.txt"
ATTRIBUTES = "list_attr_celeba.txt"
SPLITS = {"0": "train", "1": "val", "2": "test"}


@dataclass(frozen=True)
class CelebA(TreeSource):
    """uint8 (N, 3, size, size) faces; 162,770 train, 19,867 val, 19,962 test, of 178 x 218 pixels.

    Args:
        name: the data set's name in records.
        root: the folder that holds celeba (img_align_celeba/*.jpg, list_eval_partition.txt and
            list_attr_celeba.txt), torchvision's layout. Its publishers' download asks for a
            browser, so there is none here.
        size: the side, in pixels; it, `resize` and `fit` are those of
            `gan_lab.data.images.ImageRule`.
        resize: the filter.
        fit: "crop" takes the centred square of 178 pixels, "stretch" all.
        attribute: one of the forty, as "Smiling": two classes, without it and with it; None: no
            labels.

    Source:
        Z. Liu et al., "Deep learning face attributes in the wild" (2015).

    Examples:
        >>> from gan_lab.data import CelebA, load
        >>> CelebA(root="data", size=128, attribute="Smiling").rule.size
        128
    """

    name: str = "celeba"
    root: str | None = "data"
    size: int = 64
    resize: str = "box"
    fit: str = "crop"
    attribute: str | None = None

    @property
    def rule(self) -> ImageRule:
        """How a file becomes an array."""
        return ImageRule(self.size, self.resize, fit=self.fit)

    def tree(self) -> tuple[Tree, list[str]]:
        root = root_folder(self.root, "which holds celeba (img_align_celeba, ...)")
        folder = root / "celeba"
        if not (folder / "img_align_celeba").is_dir():
            raise UserError(
                f"{folder} has no folder img_align_celeba: put the unpacked img_align_celeba.zip, "
                f"{PARTITION} and {ATTRIBUTES} there, or set dataset.root=FOLDER to the folder "
                f"that holds {folder.name}"
            )

        # every image has its split, and its class
        paths = {Path(path).name: path for path in list_images(folder / "img_align_celeba")}
        split_of = {row[0]: row[1] for row in _rows(folder / PARTITION, columns=2)}
        names, class_of = self._classes(folder)

        tree: dict[str, dict[str, list[str]]] = {
            split: {name: [] for name in names} for split in SPLITS.values()
        }
        for file, path in sorted(paths.items()):
            if split_of.get(file) not in SPLITS or (class_of and file not in class_of):
                raise UserError(f"{path} is not in {PARTITION} or {ATTRIBUTES}: copy both again")
            tree[SPLITS[split_of[file]]][class_of.get(file, names[0])].append(path)

        # a copy of a part of the data may lack a split
        found = {split: classes for split, classes in tree.items() if any(classes.values())}
        for split, classes in found.items():
            for name, files in classes.items():
                if not files:
                    raise UserError(f"{folder} has no image of class {name} in split {split}")
        if "train" not in found:
            raise UserError(f"{folder / 'img_align_celeba'} holds no image of the split train")
        return found, names

    def _classes(self, folder: Path) -> tuple[list[str], dict[str, str]]:
        """The class names, and the class of each file; none without an attribute."""
        if self.attribute is None:
            return [UNLABELLED_CLASS], {}

        # a line of counts, a line of names, then a line for each file
        header, *rows = _rows(folder / ATTRIBUTES, columns=2, skip=1)
        if self.attribute not in header:
            raise UserError(f"attribute={self.attribute}: choose one of {', '.join(header)}")
        column = 1 + header.index(self.attribute)
        names = [f"not_{self.attribute}", self.attribute]
        try:
            return names, {row[0]: names[int(row[column]) > 0] for row in rows}
        except (ValueError, IndexError) as error:
            raise UserError(
                f"{folder / ATTRIBUTES} cannot be read ({one_line(error)}): copy it again"
            ) from None


def _rows(path: Path, columns: int, skip: int = 0) -> list[list[str]]:
    """The words of every line of a text file.

    Raises:
        UserError: for a file that cannot be read, and a line of fewer words.
    """
    lines = read_bytes(path).decode(errors="replace").splitlines()[skip:]
    rows = [line.split() for line in lines if line.strip()]
    if not rows or any(len(row) < columns for row in rows):
        raise UserError(f"{path} cannot be read (a line is too short): copy it again")
    return rows
