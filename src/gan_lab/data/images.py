"""One image file to one array, under one explicit rule. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from gan_lab.data.source import check_number, one_line
from gan_lab.types import UserError

FILTERS = {
    "box": Image.Resampling.BOX,  # by _area_mean
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
FITS = ("crop", "stretch")
GREYSCALE_RULES = ("keep", "drop", "drop_grey", "refuse")
_ONE_CHANNEL = frozenset({"1", "L", "LA"})
_NOT_EIGHT_BIT = frozenset({"F", "I", "I;16", "I;16B", "I;16L", "I;16N"})
_MODES = {1: "L", 3: "RGB"}


@dataclass(frozen=True)
class ImageRule:
    """How a file becomes a uint8 array (channels, height, width).

    channels: 3 (RGB; a single channel is replicated) or 1 (luma, ITU-R 601). Alpha and EXIF orientation are ignored.
    resize: "none", or a filter that shrinks or enlarges to size x size. "box" is the mean over areas, rounded half up
        (Pillow's BOX is not: it takes the pixels whose centres fall inside).
    fit: what is resized: with "crop" the largest centred square, with "stretch" the whole image, whatever its shape.
    size: the side after resizing; with "none", the side that every file must have (None: any, the same for all).
    greyscale: "keep" all, "drop" files with a single channel, "drop_grey" also those whose channels are all equal,
        or "refuse" files with a single channel where three are asked for.
    sides: when not empty, only square files of one of these sides are accepted.
    """

    size: int | None = None
    resize: str = "none"
    channels: int = 3
    greyscale: str = "keep"
    sides: tuple[int, ...] = ()
    fit: str = "crop"

    def key(self) -> dict[str, object]:
        """The rule as plain values, for content keys; without `fit` where that is "crop", as before there was it."""
        return {name: value for name, value in asdict(self).items() if (name, value) != ("fit", "crop")}

    def validate(self) -> None:
        """Raise UserError for a value that is not offered and for values that contradict each other."""
        if self.resize != "none" and self.resize not in FILTERS:
            raise UserError(f"dataset.resize={self.resize}: choose one of none, {', '.join(FILTERS)}")
        if self.fit not in FITS:
            raise UserError(f"dataset.fit={self.fit}: choose {' or '.join(FITS)}")
        if self.fit == "stretch" and self.resize == "none":
            raise UserError("dataset.fit=stretch needs a filter: add dataset.resize=box dataset.size=32")
        if self.greyscale not in GREYSCALE_RULES:
            raise UserError(f"dataset.greyscale={self.greyscale}: choose one of {', '.join(GREYSCALE_RULES)}")
        if self.channels not in _MODES:
            raise UserError(f"dataset.channels={self.channels}: choose 1 or 3")
        if self.size is not None:
            check_number("size", self.size, 1, whole=True)
        if self.resize != "none" and self.size is None:
            raise UserError(f"dataset.resize={self.resize} needs a size: add dataset.size=32")
        if self.channels == 1 and self.greyscale == "drop_grey":
            raise UserError("dataset.greyscale=drop_grey drops everything of dataset.channels=1: use keep or drop")


def decode_image(path: str | Path, rule: ImageRule) -> np.ndarray | None:
    """One file as uint8 (channels, height, width); None when the greyscale rule drops it."""
    try:
        with Image.open(path) as image:
            image.load()
            if image.mode in _NOT_EIGHT_BIT:
                raise UserError(f"{path} has more than 8 bits a channel: convert it to 8 bits")
            if image.mode in _ONE_CHANNEL and rule.greyscale == "refuse" and rule.channels == 3:
                raise UserError(f"{path} is greyscale and {rule.channels} channels are expected: remove it, or convert")
            if image.mode in _ONE_CHANNEL and rule.greyscale in ("drop", "drop_grey"):
                return None
            if rule.sides and image.size not in [(side, side) for side in rule.sides]:
                expected = " or ".join(f"{side}x{side}" for side in rule.sides)
                raise UserError(f"{path} is {extent(image.size)}, not {expected}: use dataset=image_folder for it")
            converted = image.convert(_MODES[rule.channels])
            if rule.greyscale == "drop_grey" and _is_grey(np.asarray(converted)):
                return None
            pixels = _fit(converted, rule)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # Pillow raises a dozen types on damaged files
        reason = "no image" if isinstance(error, UnidentifiedImageError) else one_line(error)
        raise UserError(f"{path} cannot be decoded ({reason}): replace or remove the file") from error
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _is_grey(pixels: np.ndarray) -> bool:
    return bool((pixels == pixels[..., :1]).all())


def _fit(image: Image.Image, rule: ImageRule) -> np.ndarray:
    if rule.resize == "none":
        return np.asarray(image)
    assert rule.size is not None
    if rule.fit == "crop":
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if rule.resize == "box":
        return _area_mean(np.asarray(image), rule.size)
    return np.asarray(image.resize((rule.size, rule.size), FILTERS[rule.resize]))


def _area_mean(pixels: np.ndarray, size: int) -> np.ndarray:
    """(height, width, ...) to (size, size, ...): each new pixel is the mean over its area, rounded half up. Exact."""
    height, width = pixels.shape[:2]
    rows, columns = _overlaps(height, size), _overlaps(width, size)
    total = np.einsum("ai,bj,ij...->ab...", rows, columns, pixels.astype(np.int64), optimize=True)
    return ((total + height * width // 2) // (height * width)).astype(np.uint8)


def _overlaps(side: int, size: int) -> np.ndarray:
    """(size, side): how much of old pixel j lies in new pixel i, in whole numbers that add up to `side` for each i.

    With both grids scaled by side * size, new pixel i covers [i side, (i + 1) side) and old pixel j
    [j size, (j + 1) size).
    """
    new, old = np.arange(size)[:, None] * side, np.arange(side) * size
    return (np.minimum(new + side, old + size) - np.maximum(new, old)).clip(min=0)


def extent(size: Sequence[int]) -> str:
    """(width, height) for a message."""
    return f"{size[0]}x{size[1]}"
