"""MNIST and its like, zero-padded from 28 to 32 pixels. Torch-free but for the download."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from gan_lab.data.source import Decoded, Split, read_bytes
from gan_lab.data.torchvision_source import TorchvisionSource

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


@dataclass(frozen=True)
class MNIST(TorchvisionSource):
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

    layout = "MNIST/raw"
    files = tuple(name for pair in FILES.values() for name in pair)
    url = "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz"
    peer = "MNIST"
    rule_key: ClassVar[dict[str, str]] = {"mnist": "pad 2"}
    class_names: ClassVar[tuple[str, ...]] = tuple("0123456789")

    def decode(self) -> Decoded:
        splits = {}
        for split, (image_file, label_file) in FILES.items():
            images, labels = self._idx(image_file, 3), self._idx(label_file, 1)

            # whole files may still be of something else
            if len(images) != len(labels):
                raise self._damaged(
                    label_file, f"holds {len(labels)} labels for {len(images)} images"
                )
            if images.shape[1:] != (28, 28) or not len(images) or labels.max() > 9:
                raise self._damaged(
                    image_file, f"and {label_file} do not hold 28x28 images of ten classes"
                )

            # 28 to 32 pixels: networks draw sides that are powers of two
            padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))[:, None]
            splits[split] = Split(padded, labels.astype(np.int64))
        return Decoded(splits, self.class_names)

    def _idx(self, name: str, dimensions: int) -> np.ndarray:
        """The bytes of an IDX file.

        It holds the magic number 0x0800 + dimensions, the sizes as big-endian uint32, the values.
        """
        content = read_bytes(self.folder / name)
        start = 4 * (dimensions + 1)
        magic, *shape = np.frombuffer(content[:start].ljust(start, b"\0"), dtype=">u4").tolist()
        if magic != 0x0800 + dimensions or len(content) != start + prod(shape):
            raise self._damaged(name, "is damaged or no IDX file")
        return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


@dataclass(frozen=True)
class FashionMNIST(MNIST):
    """uint8 (N, 1, 32, 32) of ten kinds of clothes; 60,000 train, 10,000 test.

    In the files and by the rule of MNIST.

    Args:
        name: the data set's name in records.
        root: the folder that holds FashionMNIST/raw with the four IDX files, torchvision's layout.
        download: let torchvision fetch them where they are missing.

    Source:
        H. Xiao et al., "Fashion-MNIST" (arXiv:1708.07747).

    Examples:
        >>> from gan_lab.data import FashionMNIST
        >>> FashionMNIST(root="data").folder.as_posix()
        'data/FashionMNIST/raw'
    """

    name: str = "fashion_mnist"

    layout = "FashionMNIST/raw"
    url = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-labels-idx1-ubyte.gz"
    peer = "FashionMNIST"
    rule_key: ClassVar[dict[str, str]] = {"fashion_mnist": "pad 2"}
    class_names: ClassVar[tuple[str, ...]] = (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    )
