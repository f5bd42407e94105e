"""Facts that every room of the house may know. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

UNLABELLED = -1  # the label of a real sample whose class is not known


class UserError(ValueError):
    """The user's input cannot be used. The message is one line: what is wrong and what to type instead.

    The command line prints it without a traceback; library users see an ordinary ValueError.
    """

    def __init__(self, message: str) -> None:
        line = " ".join(message.splitlines())  # a value that it names may have several lines, or be very long
        super().__init__(line if len(line) <= 4000 else f"{line[:3000]} … {line[-900:]}")


class DamagedFile(UserError):
    """A file is not what its name says: whoever reads many may go on without it, once that is said."""


@dataclass(frozen=True)
class DataSpec:
    """What networks need to know of a data set.

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
