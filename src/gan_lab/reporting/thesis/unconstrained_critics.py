"""The critics of Figures 2-8 to 2-12, which nothing constrains."""

from __future__ import annotations

from typing import NamedTuple


class CriticSetting(NamedTuple):
    """How a critic of these figures is made and trained.

    Args:
        optimizer: adam or sgd.
        lr: its learning rate.
        activation: of the hidden layers.
        depth: how many they are.
        width: units of each.
    """

    optimizer: str
    lr: float
    activation: str
    depth: int
    width: int

    def __str__(self) -> str:
        optimizer, activation = _NAMES[self.optimizer], _NAMES[self.activation]
        rate = f"{self.lr:.0e}".replace("e-0", "e-")
        return f"{optimizer} {rate}, {activation}, {self.depth}×{self.width} units"


_NAMES = {"adam": "Adam", "sgd": "SGD", "relu": "ReLU", "selu": "SELU"}

SETTINGS: dict[int, CriticSetting] = {
    1: CriticSetting("adam", 1e-5, "relu", 1, 1024),
    2: CriticSetting("adam", 1e-2, "relu", 4, 1024),
    3: CriticSetting("adam", 1e-5, "relu", 4, 1024),
    4: CriticSetting("sgd", 1e-3, "selu", 64, 128),
    5: CriticSetting("sgd", 1e-4, "selu", 64, 128),
}
"""By the field `setting` of the study gradient_uninformativeness. Thesis 2.B."""
