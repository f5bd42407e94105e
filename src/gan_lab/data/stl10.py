"""STL-10, its labelled images. Torch-free but for the download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gan_lab.data.images import ImageRule, fit_pixels
from gan_lab.data.source import Decoded, Split, content_digest, read_bytes
from gan_lab.data.torchvision_source import TorchvisionSource

_SIDE = 96
_SPLITS = {"train": ("train_X.bin", "train_y.bin"), "test": ("test_X.bin", "test_y.bin")}


@dataclass(frozen=True)
class STL10(TorchvisionSource):
    """uint8 (N, 3, size, size), ten classes; 5,000 train, 8,000 test, of 96 pixels.

    The 100,000 images without labels (unlabeled_X.bin) are not read.

    Args:
        name: the data set's name in records.
        root: the folder that holds stl10_binary, torchvision's layout.
        download: let torchvision fetch it where it is missing (2.6 GB).
        size: the side, in pixels; it and `resize` are those of `gan_lab.data.images.ImageRule`.
        resize: the filter.

    Source:
        A. Coates et al., "An analysis of single-layer networks in unsupervised feature learning"
        (2011).

    Examples:
        >>> from gan_lab.data import STL10
        >>> STL10(root="data", size=64).folder.as_posix()
        'data/stl10_binary'
    """

    name: str = "stl10"
    size: int = 32
    resize: str = "box"

    layout = "stl10_binary"
    files = ("class_names.txt", *(name for pair in _SPLITS.values() for name in pair))
    url = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
    peer = "STL10"
    rule_key: ClassVar[dict[str, str]] = {"stl10": "labelled"}

    @property
    def rule(self) -> ImageRule:
        """How an image becomes an array."""
        return ImageRule(self.size, self.resize)

    def validate(self) -> None:
        self.rule.validate()
        super().validate()

    def content_key(self) -> str:
        return content_digest(
            {**self.rule_key, "images": self.rule.key()},
            (read_bytes(self.folder / name) for name in self.files),
        )

    def decode(self) -> Decoded:
        names = read_bytes(self.folder / self.files[0]).decode(errors="replace").split()
        splits = {}
        for split, (image_file, label_file) in _SPLITS.items():
            content = np.frombuffer(read_bytes(self.folder / image_file), np.uint8)
            labels = np.frombuffer(read_bytes(self.folder / label_file), np.uint8)

            # by columns there, and classes from 1
            if len(content) != len(labels) * 3 * _SIDE**2 or not len(labels):
                raise self._damaged(image_file, "does not hold 96x96 images, one for each label")
            if not 1 <= labels.min() <= labels.max() <= len(names):
                raise self._damaged(label_file, f"does not hold labels of {len(names)} classes")
            images = content.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 3, 2, 1)
            fitted = np.stack([fit_pixels(pixels, self.rule) for pixels in images])
            values = np.ascontiguousarray(fitted)
            splits[split] = Split(values, labels.astype(np.int64) - 1)
        return Decoded(splits, tuple(names))
