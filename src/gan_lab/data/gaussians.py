"""Mixtures of Gaussians in the plane. Torch-free."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from gan_lab import checks
from gan_lab.data.source import Decoded, Modes, Source, Split, content_digest
from gan_lab.errors import UserError

LAYOUTS = ("ring", "grid")


@dataclass(frozen=True)
class Gaussians(Source):
    """float32 points (N, 2) of equally likely isotropic Gaussians; label: the mode's index.

    Args:
        name: the data set's name in records.
        layout: "ring" (modes on a circle, the first at angle 0) or "grid" (modes = k * k, evenly
            spaced over a square, row by row).
        modes: how many Gaussians.
        radius: of the circle; the square is [-radius, radius]^2.
        std: the standard deviation of each Gaussian.
        num_samples: of each of the splits "train" and "test", which are drawn independently.
        seed: draws the samples, >= 0.

    Source:
        L. Metz et al., "Unrolled Generative Adversarial Networks", ICLR 2017, appendix A: the
        default ring.

    Examples:
        >>> from gan_lab.data import Gaussians
        >>> Gaussians(modes=4).centres().round(6).tolist()
        [[2.0, 0.0], [0.0, 2.0], [-2.0, 0.0], [-0.0, -2.0]]
    """

    name: str = "gaussians"
    layout: str = "ring"
    modes: int = 8
    radius: float = 2.0
    std: float = 0.02
    num_samples: int = 20000
    seed: int = 0

    @property
    def kind(self) -> Literal["images", "points"]:
        return "points"

    def validate(self) -> None:
        checks.choice("layout", self.layout, LAYOUTS)
        checks.whole("modes", self.modes, at_least=1)
        checks.whole("num_samples", self.num_samples, at_least=1)
        checks.whole("seed", self.seed)
        checks.number("radius", self.radius, at_least=0)
        checks.number("std", self.std, at_least=0)
        if self.layout == "grid" and math.isqrt(self.modes) ** 2 != self.modes:
            raise UserError(
                f"modes={self.modes} is no square number: layout=grid needs one, such as 25"
            )

    def centres(self) -> np.ndarray:
        """The means of the modes, float64 (modes, 2)."""
        if self.layout == "ring":
            angles = 2 * np.pi * np.arange(self.modes) / self.modes
            return self.radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        side = math.isqrt(self.modes)
        ticks = np.linspace(-self.radius, self.radius, side) if side > 1 else np.zeros(1)
        y, x = np.meshgrid(ticks, ticks, indexing="ij")
        return np.stack([x.ravel(), y.ravel()], axis=1)

    def known_modes(self) -> Modes:
        """The centres, and `std`."""
        return Modes(self.centres(), float(self.std))

    def content_key(self) -> str:
        rule = asdict(self)
        del rule["name"]
        return content_digest({"gaussians": rule}, ())

    def decode(self) -> Decoded:
        splits = {}
        for index, split in enumerate(("train", "test")):
            rng = np.random.default_rng([self.seed, index])
            labels = rng.integers(self.modes, size=self.num_samples)
            noise = rng.standard_normal((self.num_samples, 2))
            points = self.centres()[labels] + self.std * noise
            splits[split] = Split(points.astype(np.float32), labels.astype(np.int64))
        return Decoded(splits, tuple(f"mode {index}" for index in range(self.modes)))
