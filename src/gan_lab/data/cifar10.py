"""CIFAR-10 through torchvision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gan_lab.data.download import fetch, require
from gan_lab.data.source import Decoded, Source, Split, content_digest, expand, read_bytes
from gan_lab.errors import UserError

BATCHES = (*(f"data_batch_{index}" for index in range(1, 6)), "test_batch", "batches.meta")
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"


@dataclass(frozen=True)
class CIFAR10(Source):
    """uint8 (N, 3, 32, 32), ten classes; 50,000 train, 10,000 test.

    The values are bit-identical to the original, whose md5 sums are checked.

    Args:
        name: the data set's name in records.
        root: the folder that holds cifar-10-batches-py, torchvision's layout.
        download: let torchvision fetch it where it is missing.

    Source:
        A. Krizhevsky, "Learning multiple layers of features from tiny images" (2009).

    Examples:
        >>> from gan_lab.data import CIFAR10, load
        >>> data = load(CIFAR10(root="data"), cache_dir="outputs/cache")  # doctest: +SKIP
        >>> CIFAR10(root="data").folder.as_posix()
        'data/cifar-10-batches-py'
    """

    name: str = "cifar10"
    root: str | None = "data"
    download: bool = True

    @property
    def folder(self) -> Path:
        """Where the raw files are. Raises UserError without a root."""
        if not self.root:
            raise UserError(
                "dataset.root is not set: add dataset.root=FOLDER, which holds cifar-10-batches-py"
            )
        return expand(self.root) / "cifar-10-batches-py"

    def validate(self) -> None:
        folder = self.folder
        if not self.download:
            require(
                folder,
                BATCHES,
                "or set dataset.root=FOLDER to the folder that holds cifar-10-batches-py",
            )

    def fetch(self) -> None:
        if self.download:
            fetch(self.folder, BATCHES, _download, "cifar-10-batches-py", URL)

    def content_key(self) -> str:
        return content_digest(
            {"cifar10": "as it is"}, (read_bytes(self.folder / name) for name in BATCHES)
        )

    def decode(self) -> Decoded:
        from torchvision.datasets import CIFAR10 as TorchvisionCIFAR10

        splits = {}
        for split in ("train", "test"):
            try:  # reads pickles, so only after their md5 sums
                data = TorchvisionCIFAR10(self.folder.parent, train=split == "train")
            except RuntimeError as error:
                raise UserError(
                    f"{self._damaged()} is not the original file: "
                    "remove it and run again with dataset.download=true"
                ) from error
            splits[split] = Split(
                np.ascontiguousarray(data.data.transpose(0, 3, 1, 2)),
                np.asarray(data.targets, np.int64),
            )
        return Decoded(splits, tuple(data.classes))

    def _damaged(self) -> Path:
        """The first file that is not the original one."""
        from torchvision.datasets import CIFAR10 as TorchvisionCIFAR10
        from torchvision.datasets.utils import check_integrity

        sums = dict((*TorchvisionCIFAR10.train_list, *TorchvisionCIFAR10.test_list))
        bad = [name for name, md5 in sums.items() if not check_integrity(self.folder / name, md5)]
        return self.folder / (bad[0] if bad else "batches.meta")


def _download(folder: Path) -> None:
    from torchvision.datasets import CIFAR10 as TorchvisionCIFAR10

    TorchvisionCIFAR10(folder, download=True)
