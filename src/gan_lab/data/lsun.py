"""LSUN: one category from its LMDB. Torch-free."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from gan_lab import checks
from gan_lab.data.image_folder import UNLABELLED_CLASS, root_folder
from gan_lab.data.images import ImageRule, PackedImage
from gan_lab.data.source import RAW_BYTES, Decoded, Source
from gan_lab.data.tree import Tree, decode_tree, list_folder, tree_key
from gan_lab.errors import UserError, one_line
from gan_lab.files import open_regular

FOLDER = "_lmdb"  # after the category


@dataclass(frozen=True)
class LSUN(Source):
    """uint8 (N, 3, size, size), the photographs of one category, without labels; all are "train".

    All data are held in memory, and a category has up to millions of images: `images` says how many
    are taken. The database is read by lmdb itself: torchvision's class keeps its keys in a pickle
    in the working folder, and unpickles what lies there.

    Args:
        name: the data set's name in records; empty: lsun_CATEGORY.
        root: the folder that holds the unpacked bedroom_train_lmdb and the like.
        category: as "bedroom_train" (3,033,042 images, 43 GB), "church_outdoor_train" (126,227).
        images: the first ones, in the order of the database's keys, which are hashes; None: all.
        size: the side, in pixels; it, `resize` and `fit` are those of
            `gan_lab.data.images.ImageRule`.
        resize: the filter.
        fit: "crop" takes the largest centred square, "stretch" all.

    Source:
        F. Yu et al., "LSUN: construction of a large-scale image dataset using deep learning with
        humans in the loop" (arXiv:1506.03365, 2015).

    Examples:
        >>> from gan_lab.data import LSUN, load
        >>> source = LSUN(root="data", category="church_outdoor_train", images=None)
        >>> source.name
        'lsun_church_outdoor_train'
        >>> data = load(source, cache_dir="outputs/cache")  # doctest: +SKIP
    """

    name: str = ""
    root: str | None = "data"
    category: str = "bedroom_train"
    images: int | None = 100_000
    size: int = 64
    resize: str = "box"
    fit: str = "crop"

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or f"lsun_{self.category}")

    @property
    def rule(self) -> ImageRule:
        """How an image becomes an array."""
        return ImageRule(self.size, self.resize, fit=self.fit)

    def validate(self) -> None:
        self.rule.validate()
        if self.images is not None:
            checks.whole("images", self.images, at_least=1)
        with self._opened():
            pass

    def content_key(self) -> str:
        with self._opened() as tree:
            return tree_key(tree, [UNLABELLED_CLASS], self.rule)

    def decode(self) -> Decoded:
        with self._opened() as tree:
            return decode_tree(tree, [UNLABELLED_CLASS], self.rule, self.name)

    @contextmanager
    def _opened(self) -> Iterator[Tree]:
        """The images, which can be read inside."""
        path = self._database()
        with _environment(path) as environment:
            # only keys are read here: the images may be more than fit into memory
            with _damage(path), environment.begin() as transaction:
                keys = list(islice(transaction.cursor().iternext(values=False), self.images))
            if not keys:
                raise UserError(f"{path} holds no image: unpack {path.parent.name}.zip again")

            yield {"train": {UNLABELLED_CLASS: [_image(path, environment, key) for key in keys]}}

    def _database(self) -> Path:
        """The category's file. Raises UserError, naming the categories that there are."""
        root = root_folder(self.root, f"which holds {self.category}{FOLDER} (unpacked)")
        found = [name for name in list_folder(root)[0] if name.endswith(FOLDER)]
        if f"{self.category}{FOLDER}" not in found:
            names = ", ".join(name.removesuffix(FOLDER) for name in found)
            others = f", or set category=NAME, out of {names}" if names else ""
            raise UserError(
                f"{root} has no folder {self.category}{FOLDER}: unpack {self.category}{FOLDER}.zip "
                f"there, or set dataset.root=FOLDER to where it is{others}"
            )
        return root / f"{self.category}{FOLDER}" / "data.mdb"


@contextmanager
def _environment(path: Path) -> Iterator[Any]:
    """An LMDB, open for reading; it writes no lock file.

    Raises:
        UserError: without lmdb, and for what is no whole LMDB.
    """
    lmdb = _lmdb()
    try:
        with open_regular(path) as file:  # a pipe would be waited at
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise _unreadable(path, error.strerror) from error
    with _damage(path):
        environment = lmdb.open(
            str(path.parent), readonly=True, lock=False, create=False, readahead=False
        )

    with closing(environment):
        # pages beyond the end of a file that was cut are mapped: to read one ends the process
        if size < (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]:
            raise _unreadable(path, "it was cut")
        yield environment


def _image(path: Path, environment: Any, key: bytes) -> PackedImage:
    """The image of a key."""
    name = f"{path}, key {key.decode(errors='backslashreplace')}"
    return PackedImage(name, partial(_read, name, path, environment, key))


def _read(name: str, path: Path, environment: Any, key: bytes) -> bytes:
    """The value of a key, in a transaction of its own: threads cannot share one."""
    with _damage(path), environment.begin(buffers=True) as transaction:
        value = transaction.get(key)
        if value is None:  # keys that are out of order are not found
            raise _unreadable(path, f"it has no {key!r}")
        if len(value) > RAW_BYTES:
            raise UserError(f"{name} has {len(value):,} bytes, and at most {RAW_BYTES:,} are read")
        return bytes(value)


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Inside, what lmdb raises becomes a UserError that names the file."""
    try:
        yield
    except _lmdb().Error as error:
        raise _unreadable(path, one_line(error)) from error


def _unreadable(path: Path, reason: object) -> UserError:
    """The error for a database that cannot be read."""
    return UserError(f"{path} cannot be read: unpack {path.parent.name}.zip again ({reason})")


def _lmdb() -> Any:
    """The package lmdb. Raises UserError without it."""
    try:
        import lmdb
    except ImportError:
        raise UserError("dataset=lsun needs the package lmdb: pip install lmdb") from None
    return lmdb
