"""Three random MNIST digits as the channels of one image. Torch-free but for the download."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gan_lab import checks
from gan_lab.data.mnist import MNIST
from gan_lab.data.source import Decoded, Split, content_digest


@dataclass(frozen=True)
class StackedMNIST(MNIST):
    """uint8 (N, 3, 32, 32), 1,000 modes: red, green and blue are independent digits of MNIST.

    Digits are drawn with replacement, those of "train" from MNIST's training images and those of
    "test" from its test images. The label is 100 a + 10 b + c for the digits a, b, c.

    Args:
        name: the data set's name in records.
        root: the folder that holds MNIST/raw with the four IDX files, torchvision's layout.
        download: let torchvision fetch them where they are missing.
        num_train: images in "train".
        num_test: images in "test".
        seed: draws the digits, >= 0.

    Source:
        L. Metz et al., "Unrolled Generative Adversarial Networks", ICLR 2017 (arXiv:1611.02163).
        Sizes: 128,000 and 26,000 as in Z. Lin et al., "PacGAN" (arXiv:1712.04086), section 4.2
        [code].

    Examples:
        >>> from gan_lab.data import StackedMNIST, load
        >>> data = load(StackedMNIST(root="data"), cache_dir="outputs/cache")  # doctest: +SKIP
        >>> StackedMNIST(root="data").folder.as_posix()
        'data/MNIST/raw'
    """

    name: str = "stacked_mnist"
    num_train: int = 128_000
    num_test: int = 26_000
    seed: int = 0

    def validate(self) -> None:
        super().validate()
        checks.whole("num_train", self.num_train, at_least=1)
        checks.whole("num_test", self.num_test, at_least=1)
        checks.whole("seed", self.seed)

    def content_key(self) -> str:
        rule = {"train": self.num_train, "test": self.num_test, "seed": self.seed}
        return content_digest({"stacked mnist": rule}, (super().content_key().encode(),))

    def decode(self) -> Decoded:
        single = super().decode()
        splits = {}
        for index, (name, count) in enumerate((("train", self.num_train), ("test", self.num_test))):
            rng = np.random.default_rng([self.seed, index])
            digits = single.splits[name]
            rows = rng.integers(len(digits), size=(count, 3))
            labels = digits.labels[rows] @ np.array([100, 10, 1])
            splits[name] = Split(digits.values[rows, 0], labels)
        return Decoded(splits, tuple(f"{label:03d}" for label in range(1000)))
