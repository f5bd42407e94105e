"""Many image files, listed, hashed and decoded as splits and classes. Torch-free."""

from __future__ import annotations

import hashlib
import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from gan_lab.data.images import ImageRule, decode_image, extent
from gan_lab.data.source import Decoded, Source, Split, content_digest, read_bytes
from gan_lab.types import UserError

SUFFIXES = frozenset([".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"])
_LARGE = 128 * 128  # pixels; below it threads only contend for the interpreter (32 x 32: 40% slower with two)

Tree = Mapping[str, Mapping[str, Sequence[str]]]
"""split -> class -> paths of image files, in the order of the samples."""


class TreeSource(Source):
    """A source whose samples are image files in folders. Subclasses say which files and by which rule."""

    @property
    @abstractmethod
    def rule(self) -> ImageRule:
        """How a file becomes an array."""

    @abstractmethod
    def tree(self) -> tuple[Tree, list[str]]:
        """The files, and the class names in the order of the labels. UserError for folders that do not fit."""

    def validate(self) -> None:
        self.rule.validate()
        self.tree()

    def content_key(self) -> str:
        return tree_key(*self.tree(), self.rule)

    def decode(self) -> Decoded:
        return decode_tree(*self.tree(), self.rule, self.name)


def list_images(folder: str | Path) -> list[str]:
    """Paths of the image files below `folder`, sorted by relative path; links are followed, hidden entries skipped."""
    found = []
    for parent, folders, files in os.walk(folder, onerror=_refuse, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [os.path.join(parent, name) for name in files if is_image(name)]
    return sorted(found, key=_posix)


def list_folder(folder: str | Path) -> tuple[list[str], list[str]]:
    """Names of the folders and of the image files that lie in `folder`, sorted, without hidden ones."""
    try:
        with os.scandir(folder) as entries:
            shown = [(entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise UserError(f"{folder} cannot be read ({error.strerror})") from error
    folders = sorted(name for name, is_folder in shown if is_folder)
    return folders, sorted(name for name, is_folder in shown if not is_folder and is_image(name))


def is_image(name: str) -> bool:
    """Whether a file of this name is taken for an image: by its suffix, in capitals or not."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES


def tree_key(tree: Tree, class_names: Sequence[str], rule: ImageRule) -> str:
    """The content key of image files: their bytes in order, split and class names, the rule; not where they lie."""
    return content_digest({"images": rule.key()}, _tree_parts(tree, class_names))


def decode_tree(tree: Tree, class_names: Sequence[str], rule: ImageRule, title: str) -> Decoded:
    """Decode all files (labels: the position in `class_names`), with a progress bar on stderr.

    Raises UserError that names the file: corrupt, truncated, unreadable, 16-bit, or of another size than the rest.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    splits: dict[str, Split] = {}
    shape = None if rule.size is None else (rule.channels, rule.size, rule.size)
    total = sum(len(paths) for classes in tree.values() for paths in classes.values())
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"Decoding {title}", total=total)
        for split, classes in tree.items():
            paths = [path for name in class_names for path in classes[name]]
            labels = np.repeat(np.arange(len(class_names)), [len(classes[name]) for name in class_names])
            values: np.ndarray | None = None
            kept: list[int] = []
            for index, pixels in enumerate(_decode_all(paths, rule)):
                progress.advance(task)
                if pixels is None:
                    continue
                shape = shape or pixels.shape
                if pixels.shape != shape:
                    raise UserError(_mixed_sizes(paths[index], pixels.shape, shape, rule))
                if values is None:
                    values = np.empty((len(paths), *shape), np.uint8)
                values[len(kept)] = pixels
                kept.append(index)
            splits[split] = _finish(split, values, labels[kept].astype(np.int64), class_names, rule)
    return Decoded(splits, tuple(class_names))


def _decode_all(paths: Sequence[str], rule: ImageRule) -> Iterator[np.ndarray | None]:
    """Decoded files in order; large ones by several threads (Pillow decodes without the interpreter's lock)."""
    if not _is_large(paths[0]):
        yield from (decode_image(path, rule) for path in paths)
        return
    workers = min(8, os.cpu_count() or 1)
    rest = iter(paths)
    with ThreadPoolExecutor(workers) as pool:
        while chunk := list(islice(rest, 32 * workers)):  # bounded: few decoded images wait to be taken
            yield from pool.map(decode_image, chunk, [rule] * len(chunk))


def _is_large(path: str) -> bool:
    try:
        with Image.open(path) as image:
            return image.width * image.height >= _LARGE
    except Exception:  # decode_image says what is wrong with it
        return False


def _refuse(error: OSError) -> None:
    raise UserError(f"{error.filename} cannot be read ({error.strerror})") from error


def _posix(path: str) -> str:
    return path.replace(os.sep, "/")


def _bytes(name: str) -> bytes:
    return name.encode(errors="surrogateescape")  # a folder's name need not be UTF-8


def _tree_parts(tree: Tree, class_names: Sequence[str]) -> Iterator[bytes]:
    for split, classes in sorted(tree.items()):
        yield _bytes(split)
        for name in class_names:
            yield _bytes(name)
            yield b"".join(hashlib.sha256(read_bytes(path)).digest() for path in classes[name])


def _finish(
    split: str, values: np.ndarray | None, labels: np.ndarray, class_names: Sequence[str], rule: ImageRule
) -> Split:
    counts = np.bincount(labels, minlength=len(class_names))
    if values is None or not counts.all():
        name = class_names[int(counts.argmin())]
        raise UserError(
            f"dataset.greyscale={rule.greyscale} leaves no image of class {name} in split {split}: "
            "set dataset.greyscale=keep"
        )
    return Split(values[: len(labels)], labels)


def _mixed_sizes(path: str, shape: tuple[int, ...], expected: tuple[int, ...], rule: ImageRule) -> str:
    found, wanted = extent(shape[:0:-1]), extent(expected[:0:-1])
    size = rule.size or 32
    whose = f"not dataset.size={rule.size}" if rule.size else f"but the files before it are {wanted}"
    return f"{path} is {found}, {whose}: add dataset.resize=box dataset.size={size} (or bilinear, bicubic, lanczos)"
