"""How a data set's own classifier is made: its network, schedule and training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from gan_lab import checks
from gan_lab.classifier.networks import Classifier
from gan_lab.types import DataSpec

VERSION = 2
"""Raise it when the same recipe would train another network: every cached classifier is trained
anew."""
PRECISIONS = ("32-true", "bf16-mixed")
"""What a classifier is trained in; "auto" becomes one of them."""


class Network(Protocol):
    """What makes a classifier: a frozen dataclass of `gan_lab.architectures`."""

    def network(self, spec: DataSpec) -> Classifier:
        """A classifier of `spec.num_classes` classes, its weights from torch's global generator."""


@dataclass(frozen=True)
class OneCycle:
    """The factor of the learning rate rises linearly to 1, then falls linearly to 0.

    Args:
        warmup: the share of training in which it rises, in (0, 1).

    Raises:
        UserError: for a share out of range.

    Source:
        Smith 2017 (arXiv:1708.07120).
    """

    warmup: float = 0.25

    def __post_init__(self) -> None:
        checks.number("warmup", self.warmup, above=0, below=1)

    def __call__(self, progress: float) -> float:
        return min(progress / self.warmup, (1 - progress) / (1 - self.warmup))


@dataclass(frozen=True)
class Steps:
    """The factor of the learning rate is divided at some fractions of training.

    Args:
        at: the fractions, 1/2 and 3/4 for DenseNet, each in [0, 1].
        divisor: by which it is divided each time, 10 for DenseNet; at least 1.

    Raises:
        UserError: for values out of range.

    Source:
        Huang et al. 2017 (arXiv:1608.06993).
    """

    at: tuple[float, ...] = (0.5, 0.75)
    divisor: float = 10.0

    def __post_init__(self) -> None:
        checks.numbers("at", self.at, at_least=0, at_most=1)
        checks.number("divisor", self.divisor, at_least=1)

    def __call__(self, progress: float) -> float:
        return self.divisor ** -sum(progress >= fraction for fraction in self.at)


@dataclass(frozen=True)
class ClassifierRecipe:
    """How C is trained: cross-entropy, SGD with Nesterov momentum and weight decay.

    Inputs are uint8 images standardised by the training set's mean and standard deviation per
    channel. Everything random comes from (seed, epoch); the last partial batch of an epoch is
    dropped.

    Args:
        network: makes C.
        schedule: the share of training done, in [0, 1] -> the factor of lr.
        epochs: passes over the training images.
        batch_size: images in a step.
        lr: the rate, before the factor.
        momentum: Nesterov's; 0: none.
        weight_decay: of all parameters.
        crop: pixels of padding, after which each image is cropped at random.
        padding: "reflect" (about the border pixels) or "constant" (zeros, the mean colour).
        flip: whether half of the images are mirrored.
        seed: of everything random.
        precision: "32-true", "bf16-mixed", or "auto": bf16 where the device multiplies it faster
            than fp32.

    Raises:
        UserError: for values out of range.
    """

    network: Network
    schedule: Callable[[float], float]
    epochs: int
    batch_size: int
    lr: float
    momentum: float = 0.9
    weight_decay: float = 5e-4
    crop: int = 4
    padding: str = "reflect"
    flip: bool = True
    seed: int = 0
    precision: str = "auto"

    def __post_init__(self) -> None:
        for name, low in (("epochs", 1), ("batch_size", 1), ("crop", 0), ("seed", 0)):
            checks.whole(name, getattr(self, name), at_least=low)
        for name in ("lr", "momentum", "weight_decay"):
            checks.number(name, getattr(self, name), at_least=0)
        checks.choice("padding", self.padding, ("reflect", "constant"))
        checks.choice("precision", self.precision, ("auto", *PRECISIONS))


def described(recipe: ClassifierRecipe) -> dict[str, Any]:
    """A recipe as records hold it."""
    named = {"network": _named(recipe.network), "schedule": _named(recipe.schedule)}
    return asdict(recipe) | named


def architecture_of(recipe: ClassifierRecipe) -> dict[str, Any]:
    """How records call the network of a recipe."""
    return _named(recipe.network)


def _named(value: Any) -> dict[str, Any]:
    """A dataclass as its fields, under the name of its class."""
    return {"name": type(value).__name__, **asdict(value)}
