"""CIFAR-10 and CIFAR-100 through torchvision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gan_lab.data.source import Decoded, Split
from gan_lab.data.torchvision_source import TorchvisionSource


@dataclass(frozen=True)
class CIFAR10(TorchvisionSource):
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

    layout = "cifar-10-batches-py"
    files = (*(f"data_batch_{index}" for index in range(1, 6)), "test_batch", "batches.meta")
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    peer = "CIFAR10"
    rule_key: ClassVar[dict[str, str]] = {"cifar10": "as it is"}

    def decode(self) -> Decoded:
        splits = {}
        for split in ("train", "test"):
            try:  # reads pickles, so only after their md5 sums
                data = self._torchvision()(self.folder.parent, train=split == "train")
            except RuntimeError as error:
                raise self._damaged(self._altered(), "is not the original file") from error
            splits[split] = Split(
                np.ascontiguousarray(data.data.transpose(0, 3, 1, 2)),
                np.asarray(data.targets, np.int64),
            )
        return Decoded(splits, tuple(data.classes))

    def _altered(self) -> str:
        """The first file that is not the original one."""
        from torchvision.datasets.utils import check_integrity

        peer = self._torchvision()
        sums = dict((*peer.train_list, *peer.test_list))
        bad = [name for name, md5 in sums.items() if not check_integrity(self.folder / name, md5)]
        return bad[0] if bad else str(peer.meta["filename"])


@dataclass(frozen=True)
class CIFAR100(CIFAR10):
    """uint8 (N, 3, 32, 32), a hundred classes (the fine labels); 50,000 train, 10,000 test.

    The values are bit-identical to the original, whose md5 sums are checked.

    Args:
        name: the data set's name in records.
        root: the folder that holds cifar-100-python, torchvision's layout.
        download: let torchvision fetch it where it is missing.

    Source:
        A. Krizhevsky, "Learning multiple layers of features from tiny images" (2009).

    Examples:
        >>> from gan_lab.data import CIFAR100
        >>> CIFAR100(root="data").folder.as_posix()
        'data/cifar-100-python'
    """

    name: str = "cifar100"

    layout = "cifar-100-python"
    files = ("train", "test", "meta")
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    peer = "CIFAR100"
    rule_key: ClassVar[dict[str, str]] = {"cifar100": "as it is"}
