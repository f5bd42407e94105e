"""A spiral in the plane. Torch-free."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from gan_lab import checks
from gan_lab.data.source import Decoded, Source, Split, content_digest


@dataclass(frozen=True)
class SwissRoll(Source):
    """float32 points (N, 2) of a spiral with noise: (t cos t, t sin t) / scale.

    t is uniform in [1.5 π, 4.5 π], and normal noise is added before the division. With a scale of 1
    these are the first and last coordinate of scikit-learn's three-dimensional swiss roll.

    Args:
        name: the data set's name in records.
        noise: the standard deviation of the noise in each coordinate, before the division.
        scale: what the coordinates are divided by, > 0.
        num_samples: of each of the splits "train" and "test", which are drawn independently.
        seed: draws the samples, >= 0.

    Source:
        The roll of WGAN-GP's toy experiments: Gulrajani et al. 2017 (arXiv:1704.00028), Figure 1,
        with its noise of 0.25 and scale of 7.5 [code].

    Examples:
        >>> import numpy as np
        >>> from gan_lab.data import SwissRoll
        >>> points = SwissRoll(noise=0.0, scale=1.0).decode().splits["train"].values
        >>> radius = np.linalg.norm(points, axis=1) / np.pi
        >>> bool(radius.min() >= 1.5), bool(radius.max() <= 4.5)
        (True, True)
    """

    name: str = "swiss_roll"
    noise: float = 0.25
    scale: float = 7.5
    num_samples: int = 20000
    seed: int = 0

    @property
    def kind(self) -> Literal["images", "points"]:
        return "points"

    def validate(self) -> None:
        checks.number("noise", self.noise, at_least=0)
        checks.number("scale", self.scale, above=0)
        checks.whole("num_samples", self.num_samples, at_least=1)
        checks.whole("seed", self.seed)

    def content_key(self) -> str:
        rule = asdict(self)
        del rule["name"]
        return content_digest({"swiss roll": rule}, ())

    def decode(self) -> Decoded:
        splits = {}
        for index, split in enumerate(("train", "test")):
            rng = np.random.default_rng([self.seed, index])
            t = 1.5 * np.pi * (1 + 2 * rng.random(self.num_samples))
            points = np.stack([t * np.cos(t), t * np.sin(t)], axis=1)
            points += self.noise * rng.standard_normal(points.shape)
            labels = np.zeros(self.num_samples, dtype=np.int64)
            splits[split] = Split((points / self.scale).astype(np.float32), labels)
        return Decoded(splits, ("all",))
