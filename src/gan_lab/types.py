"""Facts of a data set that every package may know. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

UNLABELLED = -1  # the label of a real sample whose class is not known


@dataclass(frozen=True)
class DataSpec:
    """What networks need to know of a data set.

    Args:
        name: as scores and records call it ("digits", "cifar10-jpeg").
        kind: "images" (uint8, shape (C, H, W)) or "points" (float32, shape (D,)).
        shape: the shape of one sample.
        num_classes: K >= 1; 1 when the data has no labels.
        class_names: K names, in the order of the label values.
    """

    name: str
    kind: Literal["images", "points"]
    shape: tuple[int, ...]
    num_classes: int
    class_names: tuple[str, ...]

    @property
    def size(self) -> int:
        """The number of values in one sample."""
        return prod(self.shape)
