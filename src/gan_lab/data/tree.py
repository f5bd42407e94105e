"""Many images, listed, hashed and decoded as splits and classes. Torch-free."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import warnings
from abc import abstractmethod
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from gan_lab.data.images import (
    MAX_PIXELS,
    ImageRule,
    PackedImage,
    decode_image,
    extent,
    open_image,
)
from gan_lab.data.source import Decoded, Source, Split, content_digest, raw_digest
from gan_lab.errors import UserError

SUFFIXES = frozenset(
    [".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"]
)
_KINDS = 8  # of files passed over, listed

# pixels; below it threads only contend for the interpreter (32 x 32: 40% slower with two)
_LARGE = 128 * 128

log = logging.getLogger(__name__)

Tree = Mapping[str, Mapping[str, Sequence[str | PackedImage]]]
"""split -> class -> paths of image files, or parts of files, in the order of the samples."""


class TreeSource(Source):
    """A source whose samples are images in files.

    Subclasses say which images and by which rule.
    """

    @property
    @abstractmethod
    def rule(self) -> ImageRule:
        """How an image becomes an array."""

    @abstractmethod
    def tree(self) -> tuple[Tree, list[str]]:
        """The images, and the class names in the order of the labels.

        Raises:
            UserError: for folders that do not fit.
        """

    def validate(self) -> None:
        self.rule.validate()
        self.tree()

    def content_key(self) -> str:
        return tree_key(*self.tree(), self.rule)

    def decode(self) -> Decoded:
        return decode_tree(*self.tree(), self.rule, self.name)


def list_images(folder: str | Path) -> list[str]:
    """Paths of the image files below `folder`; see `list_files`."""
    return [path for path in list_files(folder) if is_image(os.path.basename(path))]


def list_files(folder: str | Path) -> list[str]:
    """Paths of the files below a folder, sorted by relative path.

    Links are followed, hidden entries skipped.

    Raises:
        UserError: for a folder that cannot be read, a link that leads nowhere, and a folder that is
            reached again by a link: its images would count twice, or for ever.
    """
    # folders by their real paths, as they were reached; a link up would go round for ever
    start = os.path.realpath(folder)
    names = {str(above): str(above) for above in Path(start).parents} | {start: str(folder)}
    waiting, files = [(str(folder), start)], []
    while waiting:
        path, real = waiting.pop()
        for entry in _entries(path):
            if not entry.is_dir():
                files.append(entry.path)
                continue

            # realpath asks the system for every part of a path: only links need it
            if entry.is_symlink():
                target = os.path.realpath(entry.path)
            else:
                target = os.path.join(real, entry.name)
            if target in names:
                raise UserError(
                    f"{entry.path} is the folder {names[target]} once more, by a link: "
                    "remove the link"
                )

            names[target] = entry.path
            waiting.append((entry.path, target))

    return sorted(files, key=_posix)


def list_folder(folder: str | Path) -> tuple[list[str], list[str]]:
    """Names of the folders and of the files that lie in `folder`, sorted, without hidden ones."""
    entries = _entries(folder)
    folders = {entry.name for entry in entries if entry.is_dir()}
    return sorted(folders), sorted({entry.name for entry in entries} - folders)


def say_passed_over(where: object, files: Sequence[str]) -> None:
    """Warn of files that are no images by their suffix: how many, of what kinds."""
    if kinds := passed_over(files):
        read = " ".join(sorted(SUFFIXES))
        message = "%s: passed over %s, since images are %s: convert those that are images"
        log.warning(message, where, kinds, read)


def passed_over(files: Sequence[str]) -> str:
    """Files that are no images by their suffix, as "3 .heic, 1 .txt"; "" where all are."""
    suffixes = [
        os.path.splitext(path)[1].lower() for path in files if not is_image(os.path.basename(path))
    ]
    kinds = Counter(suffix if suffix[1:].isalnum() else "of other names" for suffix in suffixes)

    # the most frequent ones by name
    most_first = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    more = [f"files of {len(kinds) - _KINDS} kinds more"] if len(kinds) > _KINDS else []
    return ", ".join([f"{count:,} {kind}" for kind, count in most_first[:_KINDS]] + more)


def is_image(name: str) -> bool:
    """Whether a file of this name is taken for an image: by its suffix, in capitals or not."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES


def tree_key(tree: Tree, class_names: Sequence[str], rule: ImageRule) -> str:
    """The content key of images; where they lie does not count.

    It is made of their bytes in order, the names of splits and classes, and the rule.
    """
    return content_digest({"images": rule.key()}, _tree_parts(tree, class_names))


def decode_tree(tree: Tree, class_names: Sequence[str], rule: ImageRule, title: str) -> Decoded:
    """Decode all images, with a progress bar on stderr.

    Args:
        tree: the images of each class of each split.
        class_names: a label is the position in it.
        rule: how an image becomes an array.
        title: the data set's name, for the bar.

    Returns:
        The splits, without the images that the greyscale rule drops.

    Raises:
        UserError: naming an image that is corrupt, truncated, unreadable, 16-bit, or of another
            size than the rest.
    """
    from gan_lab import terminal  # rich: 0.1 s

    # without a size in the rule the first file decides
    splits: dict[str, Split] = {}
    shape = None if rule.size is None else (rule.channels, rule.size, rule.size)

    # Pillow would warn of images that are within our own bound
    quiet = warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning)
    console = terminal.console(stderr=True)
    total = sum(len(paths) for classes in tree.values() for paths in classes.values())
    with quiet, terminal.progress(console) as progress:
        task = progress.add_task(f"Decoding {title}", total=total)
        for split, classes in tree.items():
            paths = [path for name in class_names for path in classes[name]]
            sizes = [len(classes[name]) for name in class_names]
            labels = np.repeat(np.arange(len(class_names)), sizes)

            # One array of full size is filled: a list of arrays would need the memory twice.
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
                    values = _empty(len(paths), shape)
                values[len(kept)] = pixels
                kept.append(index)

            splits[split] = _finish(split, values, labels[kept].astype(np.int64), class_names, rule)
    return Decoded(splits, tuple(class_names))


def _decode_all(paths: Sequence[str | PackedImage], rule: ImageRule) -> Iterator[np.ndarray | None]:
    """Decoded images in order.

    Large ones are decoded by several threads: Pillow does so without the interpreter's lock.
    """
    if _pixels(paths[0]) < _LARGE:
        yield from (decode_image(path, rule) for path in paths)
        return

    # few decoded images wait to be taken, and few pixels are in memory at a time
    workers = min(8, os.cpu_count() or 1)
    room = _Room(MAX_PIXELS)
    waiting: deque[Future[np.ndarray | None]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for path in paths:
            waiting.append(pool.submit(_decode_within, room, path, rule))
            if len(waiting) > 4 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class _Room:
    """A bound on the pixels that are decoded at once: threads wait until theirs are within it."""

    def __init__(self, pixels: int) -> None:
        self.free = pixels
        self.changed = threading.Condition()

    @contextmanager
    def of(self, pixels: int) -> Iterator[None]:
        """Inside, so many pixels are taken; before, wait until they are free."""
        with self.changed:
            self.changed.wait_for(lambda: pixels <= self.free)
            self.free -= pixels
        try:
            yield
        finally:
            with self.changed:
                self.free += pixels
                self.changed.notify_all()


def _decode_within(room: _Room, path: str | PackedImage, rule: ImageRule) -> np.ndarray | None:
    """Decode an image once its pixels are within the bound."""
    with room.of(_pixels(path)):
        return decode_image(path, rule)


def _pixels(path: str | PackedImage) -> int:
    """How many pixels an image has, at most MAX_PIXELS; 0 for one that is refused."""
    try:
        with open_image(path) as image:
            return image.width * image.height
    except UserError:  # decode_image says what is wrong with it
        return 0


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """The entries of a folder, without hidden ones.

    Raises:
        UserError: where it cannot be read, or holds a link that leads nowhere.
    """
    try:
        with os.scandir(folder) as scanned:
            entries = [entry for entry in scanned if not entry.name.startswith(".")]
    except OSError as error:
        raise UserError(f"{folder} cannot be read ({error.strerror})") from error
    for entry in entries:
        if entry.is_symlink():
            _check_link(entry.path)
    return entries


def _check_link(path: str) -> None:
    """Raise UserError for a link that leads nowhere."""
    try:
        os.stat(path)
    except OSError as error:
        raise UserError(
            f"{path} is a link that leads nowhere ({error.strerror}): "
            "restore what it led to, or remove the link"
        ) from None


def _posix(path: str) -> str:
    """A path as it is sorted, the same on every system."""
    return path.replace(os.sep, "/")


def _bytes(name: str) -> bytes:
    """The bytes of a name, as they are hashed."""
    return name.encode(errors="surrogateescape")  # a folder's name need not be UTF-8


def _tree_parts(tree: Tree, class_names: Sequence[str]) -> Iterator[bytes]:
    """What the content key of images is made of, in order."""
    for split, classes in sorted(tree.items()):
        yield _bytes(split)
        for name in class_names:
            yield _bytes(name)
            yield b"".join(map(_digest, classes[name]))


def _digest(path: str | PackedImage) -> bytes:
    """The SHA-256 of an image's bytes, as they are stored."""
    if isinstance(path, PackedImage):
        return hashlib.sha256(path.read()).digest()
    return raw_digest(path)


def _empty(count: int, shape: tuple[int, ...]) -> np.ndarray:
    """An array for so many images, uint8 (count, *shape). Raises UserError without the memory."""
    try:
        return np.empty((count, *shape), np.uint8)
    except MemoryError:
        raise UserError(
            f"{count:,} images of {extent(shape[:0:-1])} need more memory than there is: add "
            "resize=box size=32"
        ) from None


def _finish(
    split: str,
    values: np.ndarray | None,
    labels: np.ndarray,
    class_names: Sequence[str],
    rule: ImageRule,
) -> Split:
    """A split of the files that were kept. Raises UserError where a class has none."""
    counts = np.bincount(labels, minlength=len(class_names))
    if values is None or not counts.all():
        name = class_names[int(counts.argmin())]
        raise UserError(
            f"greyscale={rule.greyscale} leaves no image of class {name} in split {split}: "
            "set greyscale=keep"
        )
    return Split(values[: len(labels)], labels)


def _mixed_sizes(
    path: str | PackedImage, shape: tuple[int, ...], expected: tuple[int, ...], rule: ImageRule
) -> str:
    """The message for an image of another size than the rule's, or than those before it."""
    found, wanted = extent(shape[:0:-1]), extent(expected[:0:-1])

    # the size of the remedy must be one that networks draw
    is_drawn = expected[1] == expected[2] >= 8 and expected[1].bit_count() == 1
    size = rule.size or (expected[1] if is_drawn else 32)
    before = f"but those before it are {wanted}"
    whose = f"not size={rule.size}" if rule.size else before
    return f"{path} is {found}, {whose}: add resize=box size={size} (or bilinear, bicubic, lanczos)"
