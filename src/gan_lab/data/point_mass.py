"""A distribution that is a single point. Torch-free."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from gan_lab import checks
from gan_lab.data.source import Decoded, Source, Split, content_digest


@dataclass(frozen=True)
class PointMass(Source):
    """float32 points (N, D), all the same: the real data of the Dirac-GAN.

    Args:
        name: the data set's name in records.
        place: every coordinate of the point.
        dimension: D.
        num_samples: of each of the splits "train" and "test".

    Source:
        L. Mescheder, A. Geiger and S. Nowozin, "Which Training Methods for GANs do actually
        Converge?", ICML 2018 (arXiv:1801.04406), Definition 2.1: the point 0 of the line.

    Examples:
        >>> from gan_lab.data import PointMass
        >>> PointMass(num_samples=2).decode().splits["train"].values.tolist()
        [[0.0], [0.0]]
    """

    name: str = "dirac"
    place: float = 0.0
    dimension: int = 1
    num_samples: int = 1000

    @property
    def kind(self) -> Literal["images", "points"]:
        return "points"

    def validate(self) -> None:
        checks.number("place", self.place)
        checks.whole("dimension", self.dimension, at_least=1)
        checks.whole("num_samples", self.num_samples, at_least=1)

    def content_key(self) -> str:
        rule = asdict(self)
        del rule["name"]
        return content_digest({"point mass": rule}, ())

    def decode(self) -> Decoded:
        points = np.full((self.num_samples, self.dimension), self.place, dtype=np.float32)
        labels = np.zeros(self.num_samples, dtype=np.int64)
        return Decoded({name: Split(points, labels) for name in ("train", "test")}, ("all",))
