"""scikit-learn's handwritten digits, which are embedded in that package. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from gan_lab import checks
from gan_lab.data.source import Decoded, Source, Split, content_digest
from gan_lab.interrupts import waits_for_imports


@dataclass(frozen=True)
class Digits(Source):
    """uint8 (N, 1, 8, 8), ten classes, 1,797 images in all.

    The pixels 0..16 are scaled by 255/16 and rounded half up. Within each class a seeded
    permutation sends round(test_fraction * n) of the n samples to "test", at least one and not all.

    Args:
        name: the data set's name in records.
        seed: of the permutations, >= 0.
        test_fraction: in (0, 1).

    Source:
        E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI (1998), test part.

    Examples:
        >>> from gan_lab.data import Digits, load
        >>> data = load(Digits(), cache_dir=None)
        >>> {name: split.values.shape for name, split in data.splits.items()}
        {'train': (1438, 1, 8, 8), 'test': (359, 1, 8, 8)}
    """

    name: str = "digits"
    seed: int = 0
    test_fraction: float = 0.2

    def validate(self) -> None:
        checks.whole("seed", self.seed)
        checks.number("test_fraction", self.test_fraction, above=0, below=1)

    def content_key(self) -> str:
        pixels, labels = _raw()
        rule = {"digits": "255/16", "seed": self.seed, "test_fraction": self.test_fraction}
        return content_digest(rule, (pixels.tobytes(), labels.astype("<i8").tobytes()))

    def decode(self) -> Decoded:
        pixels, labels = _raw()
        images = np.floor(pixels * (255 / 16) + 0.5).astype(np.uint8)[:, None]

        # which samples of each class are for the test
        is_test = np.zeros(len(labels), dtype=bool)
        rng = np.random.default_rng(self.seed)
        for label in range(10):
            members = rng.permutation(np.flatnonzero(labels == label))
            count = min(max(round(self.test_fraction * len(members)), 1), len(members) - 1)
            is_test[members[:count]] = True

        splits = {
            "train": Split(images[~is_test], labels[~is_test]),
            "test": Split(images[is_test], labels[is_test]),
        }
        return Decoded(splits, tuple("0123456789"))


@cache
def _raw() -> tuple[np.ndarray, np.ndarray]:
    """Pixels 0..16, uint8 (1797, 8, 8), and labels, int64 (1797,), read once in a process: the file
    is text."""
    with waits_for_imports():
        from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.images.astype(np.uint8), bunch.target.astype(np.int64)
