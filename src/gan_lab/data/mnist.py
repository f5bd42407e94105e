"""MNIST, zero-padded from 28 to 32 pixels. Torch-free but for the download."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from gan_lab.data.download import fetch, require
from gan_lab.data.source import Decoded, Source, Split, content_digest, expand, read_bytes
from gan_lab.errors import UserError

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
NAMES = tuple(name for pair in FILES.values() for name in pair)
URL = "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz"


@dataclass(frozen=True)
class MNIST(Source):
    """uint8 (N, 1, 32, 32), ten classes; 60,000 train, 10,000 test.

    The images are of 28 x 28 pixels with a border of two zeros.

    Args:
        name: the data set's name in records.
        root: the folder that holds MNIST/raw with the four IDX files, torchvision's layout.
        download: let torchvision fetch them where they are missing.

    Source:
        Y. LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE 86
        (1998).

    Examples:
        >>> from gan_lab.data import MNIST, load
        >>> data = load(MNIST(root="data"), cache_dir="outputs/cache")  # doctest: +SKIP
        >>> MNIST(root="data").folder.as_posix()
        'data/MNIST/raw'
    """

    name: str = "mnist"
    root: str | None = "data"
    download: bool = True

    @property
    def folder(self) -> Path:
        """Where the raw files are. Raises UserError without a root."""
        if not self.root:
            raise UserError(
                "dataset.root is not set: add dataset.root=FOLDER, which holds MNIST/raw"
            )
        return expand(self.root) / "MNIST" / "raw"

    def validate(self) -> None:
        folder = self.folder
        if not self.download:
            require(folder, NAMES, "or set dataset.root=FOLDER to the folder that holds MNIST/raw")

    def fetch(self) -> None:
        if self.download:
            fetch(self.folder, NAMES, _download, "MNIST/raw", URL)

    def content_key(self) -> str:
        return content_digest(
            {"mnist": "pad 2"}, (read_bytes(self.folder / name) for name in NAMES)
        )

    def decode(self) -> Decoded:
        splits = {}
        for split, (image_file, label_file) in FILES.items():
            images, labels = _idx(self.folder / image_file, 3), _idx(self.folder / label_file, 1)

            # whole files may still be of something else
            if len(images) != len(labels):
                raise UserError(
                    f"{self.folder / label_file} holds {len(labels)} labels for {len(images)} "
                    "images: remove it and run again with dataset.download=true"
                )
            if images.shape[1:] != (28, 28) or not len(images) or labels.max() > 9:
                raise UserError(
                    f"{self.folder / image_file} and {label_file} do not hold 28x28 images of ten "
                    "classes: remove them and run again with dataset.download=true"
                )

            # 28 to 32 pixels: networks draw sides that are powers of two
            padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))[:, None]
            splits[split] = Split(padded, labels.astype(np.int64))
        return Decoded(splits, tuple("0123456789"))


def _download(folder: Path) -> None:
    from torchvision.datasets import MNIST as TorchvisionMNIST

    TorchvisionMNIST(folder, download=True)


def _idx(path: Path, dimensions: int) -> np.ndarray:
    """The bytes of an IDX file.

    It holds the magic number 0x0800 + dimensions, the sizes as big-endian uint32, the values.
    """
    content = read_bytes(path)
    start = 4 * (dimensions + 1)
    magic, *shape = np.frombuffer(content[:start].ljust(start, b"\0"), dtype=">u4").tolist()
    if magic != 0x0800 + dimensions or len(content) != start + prod(shape):
        raise UserError(
            f"{path} is damaged or no IDX file: remove it and run again with dataset.download=true"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
