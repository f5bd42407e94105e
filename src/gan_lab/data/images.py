"""One image to one array, under one explicit rule. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import IO

import numpy as np
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from gan_lab import checks
from gan_lab.data.source import RAW_BYTES
from gan_lab.errors import UserError, one_line
from gan_lab.files import open_regular

# by content; no other decoder of Pillow's is started
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MAX_PIXELS = 2**26  # of a file: 8192 x 8192
MAX_SIDE = 2**16  # of a file: JPEG has no more, and one row or column always fits into memory
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
_STRIP = 2**18  # pixels that are averaged at once
_MODES = {1: "L", 3: "RGB"}


@dataclass(frozen=True)
class ImageRule:
    """How a file becomes a uint8 array (channels, height, width).

    Alpha and EXIF orientation are ignored.

    Args:
        size: the side after resizing, in pixels; with resize="none", the side that every file must
            have (None: any, the same for all).
        resize: "none", or a filter that shrinks or enlarges to size x size. "box" is the mean over
            areas, rounded half up (Pillow's BOX is not: it takes the pixels whose centres fall
            inside).
        channels: 3 (RGB; a single channel is replicated) or 1 (luma, ITU-R 601).
        greyscale: "keep" all, "drop" files with a single channel, "drop_grey" also those whose
            channels are all equal, or "refuse" files with a single channel where three are asked
            for.
        sides: when not empty, only square files of one of these sides are accepted.
        fit: what is resized: with "crop" the largest centred square, with "stretch" the whole
            image, whatever its shape.
    """

    size: int | None = None
    resize: str = "none"
    channels: int = 3
    greyscale: str = "keep"
    sides: tuple[int, ...] = ()
    fit: str = "crop"

    def key(self) -> dict[str, object]:
        """The rule as plain values, for content keys.

        Without `fit` where that is "crop": keys are older than that field, and stay.
        """
        return {
            name: value for name, value in asdict(self).items() if (name, value) != ("fit", "crop")
        }

    def validate(self) -> None:
        """Check each value, and what they say together.

        Raises:
            UserError: for values that are not offered, or that contradict each other.
        """
        # each value for itself
        checks.choice("resize", self.resize, ["none", *FILTERS])
        checks.choice("fit", self.fit, FITS)
        checks.choice("greyscale", self.greyscale, GREYSCALE_RULES)
        checks.choice("channels", self.channels, _MODES)
        if self.size is not None:
            checks.whole("size", self.size, at_least=1)

        # two values together
        if self.fit == "stretch" and self.resize == "none":
            raise UserError("fit=stretch needs a filter: add resize=box size=32")
        if self.resize != "none" and self.size is None:
            raise UserError(f"resize={self.resize} needs a size: add size=32")
        if self.channels == 1 and self.greyscale == "drop_grey":
            raise UserError("greyscale=drop_grey drops everything of channels=1: use keep or drop")


@dataclass(frozen=True, slots=True)
class PackedImage:
    """An image that is a part of a larger file.

    Args:
        name: the file and the place in it, for messages.
        read: gives the image's bytes; several threads may call it at once.
    """

    name: str
    read: Callable[[], bytes]

    def __str__(self) -> str:
        return self.name


@contextmanager
def open_image(path: str | Path | PackedImage) -> Iterator[ImageFile.ImageFile]:
    """Open an image: its header is read, its pixels are not yet.

    What fails inside the block is named as this image's damage, too.

    Args:
        path: the file, or the part of one.

    Raises:
        UserError: for a file that is no regular one, of another format, damaged, of more than 8
            bits a channel, or larger than MAX_PIXELS or MAX_SIDE.
    """
    try:
        with (
            _content(path) as file,
            Image.open(file, formats=FORMATS) as image,
        ):
            # the header decides, before memory is taken
            if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_SIDE:
                raise UserError(f"{path} is {extent(image.size)}: {_SHRINK}")
            if _has_more_than_eight_bits(image):
                raise UserError(
                    f"{path} has more than 8 bits a channel: save it with 8, its range scaled to 0 "
                    "... 255 (of 16 bits 65535 to 255, of 12 bits 4095 to 255)"
                )
            yield image

    # what is not this file's damage
    except UserError:
        raise
    except Image.DecompressionBombError:  # Pillow's own bound, at more than ours
        raise UserError(f"{path} is too large: {_SHRINK}") from None

    except MemoryError:
        raise UserError(
            f"{path} needs more memory than there is: make it smaller, or free some"
        ) from None

    # Pillow raises a dozen types on damaged files
    except Exception as error:
        no_image = f"not {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        reason = no_image if isinstance(error, UnidentifiedImageError) else one_line(error)
        what = "image" if isinstance(path, PackedImage) else "file"
        raise UserError(
            f"{path} cannot be decoded ({reason}): replace or remove the {what}"
        ) from error


def decode_image(path: str | Path | PackedImage, rule: ImageRule) -> np.ndarray | None:
    """Decode one image.

    Args:
        path: the file, or the part of one.
        rule: how it becomes an array.

    Returns:
        uint8 (channels, height, width); None where the greyscale rule drops the file.

    Raises:
        UserError: as `open_image`, and for a file that the rule refuses.
    """
    with open_image(path) as image:
        image.load()
        mode = _MODES[rule.channels]

        # files with a single channel, which the header tells
        if image.mode in _ONE_CHANNEL and rule.greyscale == "refuse" and rule.channels == 3:
            raise UserError(
                f"{path} is greyscale and {rule.channels} channels are expected: "
                "remove it, or convert"
            )
        if image.mode in _ONE_CHANNEL and rule.greyscale in ("drop", "drop_grey"):
            return None

        # files of other sides
        if rule.sides and image.size not in [(side, side) for side in rule.sides]:
            expected = " or ".join(f"{side}x{side}" for side in rule.sides)
            raise UserError(
                f"{path} is {extent(image.size)}, not {expected}: use dataset=image_folder for it"
            )

        # files that are grey in three channels: strip by strip, a colour ends the search
        strips = _strips(image, (0, 0, *image.size), mode)
        if rule.greyscale == "drop_grey" and all(map(_is_grey, strips)):
            return None
        pixels = _fit(image, rule, mode)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def fit_pixels(pixels: np.ndarray, rule: ImageRule) -> np.ndarray:
    """Resize an image that is decoded already.

    Args:
        pixels: uint8 (height, width, 3).
        rule: of which size, resize and fit count.

    Returns:
        uint8 (3, height, width).
    """
    return _fit(Image.fromarray(np.ascontiguousarray(pixels)), rule, "RGB").transpose(2, 0, 1)


def _content(path: str | Path | PackedImage) -> AbstractContextManager[IO[bytes]]:
    """The bytes of an image, open for reading."""
    if isinstance(path, PackedImage):
        return BytesIO(path.read())
    return open_regular(Path(path), RAW_BYTES)


_SHRINK = f"make it smaller, at most {MAX_PIXELS:,} pixels in all and {MAX_SIDE:,} at a side"


def _has_more_than_eight_bits(image: ImageFile.ImageFile) -> bool:
    """Whether a file has more than 8 bits a channel.

    Pillow cuts the colours of such files to the upper byte and shows them as 8-bit ones.
    """
    # one channel: the mode tells; TIFF: a tag does
    if image.mode in _NOT_EIGHT_BIT:
        return True
    if image.format == "TIFF":
        return max(image.tag_v2.get(ExifTags.Base.BitsPerSample, (1,))) > 8  # type: ignore[attr-defined]

    # else the arguments of the decoder: of PPM the largest value, of PNG the raw mode
    decoder = image.tile[0].args if image.tile else None
    if image.format == "PPM":
        return isinstance(decoder, tuple) and isinstance(decoder[-1], int) and decoder[-1] > 255
    return image.format == "PNG" and str(decoder).endswith(";16B")


def _is_grey(pixels: np.ndarray) -> bool:
    """Whether the channels of every pixel are equal."""
    return bool((pixels == pixels[..., :1]).all())


def _fit(image: Image.Image, rule: ImageRule, mode: str) -> np.ndarray:
    """The image in `mode`, resized by the rule: (height, width), or (height, width, 3)."""
    # the part that is taken
    box = (0, 0, image.width, image.height)
    if rule.resize != "none" and rule.fit == "crop":
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        box = (left, top, left + side, top + side)

    # by this module, without a copy of the whole image in `mode`
    if rule.resize == "box":
        assert rule.size is not None
        return _area_mean(image, box, mode, rule.size)

    # by Pillow
    if box != (0, 0, image.width, image.height):
        image = image.crop(box)
    if image.mode != mode:
        image = image.convert(mode)  # of the same mode it would be a copy
    if rule.resize != "none":
        assert rule.size is not None
        image = image.resize((rule.size, rule.size), FILTERS[rule.resize])
    return np.asarray(image)


def _strips(image: Image.Image, box: tuple[int, int, int, int], mode: str) -> Iterator[np.ndarray]:
    """A part of an image in small arrays: strips along its longer side.

    Args:
        image: the image.
        box: the part, (left, top, right, bottom).
        mode: that the arrays have.
    """
    left, top, right, bottom = box
    step = max(1, _STRIP // max(right - left, bottom - top))
    if bottom - top > right - left:
        starts = range(left, right, step)
        parts = [(start, top, min(start + step, right), bottom) for start in starts]
    else:
        starts = range(top, bottom, step)
        parts = [(left, start, right, min(start + step, bottom)) for start in starts]

    # converted strip by strip: in another mode the image is larger than the file's own pixels
    for part in parts:
        yield np.asarray(image.crop(part).convert(mode))


def _area_mean(
    image: Image.Image, box: tuple[int, int, int, int], mode: str, size: int
) -> np.ndarray:
    """A part of an image as (size, size, ...): each pixel the exact mean over its area.

    It is rounded half up. The longer side is shrunk first, strip by strip: of a large image little
    more than the file's own pixels is held.
    """
    width, height = box[2] - box[0], box[3] - box[1]
    longer = 0 if height > width else 1
    shrunk = [_area_sums(strip, size, longer) for strip in _strips(image, box, mode)]
    total = _area_sums(np.concatenate(shrunk, 1 - longer), size, 1 - longer)
    return ((total + height * width // 2) // (height * width)).astype(np.uint8)


def _area_sums(values: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Sums of whole numbers over `size` equal parts of an axis, int64, times `size` to be whole.

    With both grids scaled by size * side, new pixel i covers [i side, (i + 1) side) and old pixel j
    [j size, (j + 1) size): the sum up to an edge i side is `size` times that of the old pixels that
    lie before it, and what it cuts off the next one.
    """
    # where each edge lies: after `whole` old pixels and `part` / size of the next one
    values = np.moveaxis(values, axis, 0)
    side = len(values)
    whole, part = np.divmod(np.arange(size + 1) * side, size)

    # the sum up to each edge, and the differences of neighbours
    before = np.zeros((side + 1, *values.shape[1:]), np.int64)
    np.cumsum(values, axis=0, dtype=np.int64, out=before[1:])
    cut = values[np.minimum(whole, side - 1)] * part.reshape(-1, *[1] * (values.ndim - 1))
    return np.moveaxis(np.diff(size * before[whole] + cut, axis=0), 0, axis)


def extent(size: Sequence[int]) -> str:
    """(width, height) for a message."""
    return f"{size[0]}x{size[1]}"
