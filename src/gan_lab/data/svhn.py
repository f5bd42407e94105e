"""Street View House Numbers, the cropped digits. Torch-free but for the download."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from gan_lab.data.source import Decoded, Split, read_bytes
from gan_lab.data.torchvision_source import TorchvisionSource


@dataclass(frozen=True)
class SVHN(TorchvisionSource):
    """uint8 (N, 3, 32, 32), the digits 0 to 9; 73,257 train, 26,032 test.

    Args:
        name: the data set's name in records.
        root: the folder that holds train_32x32.mat and test_32x32.mat, torchvision's layout.
        download: let torchvision fetch them where they are missing.

    Source:
        Y. Netzer et al., "Reading digits in natural images with unsupervised feature learning"
        (2011).

    Examples:
        >>> from gan_lab.data import SVHN
        >>> (SVHN(root="data").folder / SVHN.files[0]).as_posix()
        'data/train_32x32.mat'
    """

    name: str = "svhn"

    layout = "."
    files = ("train_32x32.mat", "test_32x32.mat")
    url = "http://ufldl.stanford.edu/housenumbers/test_32x32.mat"
    peer = "SVHN"
    rule_key: ClassVar[dict[str, str]] = {"svhn": "as it is"}

    def decode(self) -> Decoded:
        splits = {}
        for split, name in zip(("train", "test"), self.files, strict=True):
            images, labels = self._content(name)

            # 32 x 32 x 3 x N there; the digit 0 has the label 10
            fits = images.ndim == 4 and images.shape[:3] == (32, 32, 3)
            if not fits or images.shape[3] != len(labels) or not 1 <= labels.min() <= 10:
                raise self._damaged(name, "does not hold 32x32 images of ten digits")
            values = np.ascontiguousarray(images.transpose(3, 2, 0, 1))
            splits[split] = Split(values, labels.astype(np.int64) % 10)
        return Decoded(splits, tuple("0123456789"))

    def _content(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """X and y of a MATLAB file."""
        from scipy.io import loadmat

        content = read_bytes(self.folder / name)
        try:
            found = loadmat(io.BytesIO(content))
            images, labels = np.asarray(found["X"]), np.asarray(found["y"]).reshape(-1)
        except Exception as error:  # scipy raises a dozen types on damaged files
            raise self._damaged(name, "is damaged or no MATLAB file") from error
        if images.dtype != np.uint8 or labels.dtype.kind not in "iu" or not len(labels):
            raise self._damaged(name, "does not hold images of bytes, with labels")
        return images, labels

    def _download(self, folder: Path) -> None:
        for split in ("train", "test"):
            self._torchvision()(folder, split=split, download=True)
