"""The extractors that an evaluation can name, made with the facts of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from rich.console import Console

from gan_lab import checks
from gan_lab.classifier.exchange import check_file, classifier_from_file, shipped_classifier
from gan_lab.classifier.recipe import ClassifierRecipe, architecture_of
from gan_lab.classifier.store import TrainedClassifier, classifier_of
from gan_lab.data import MNIST, LoadedData, Source, load
from gan_lab.errors import UserError
from gan_lab.scoring import efficientnet
from gan_lab.scoring.features import (
    CHANNELS,
    INCEPTION,
    INCEPTION_SHA256,
    ClassifierExtractor,
    Extractor,
    InceptionExtractor,
    MixtureExtractor,
    StackedExtractor,
    check_weights,
)

CLASSIFIERS = "classifiers"  # folder in the data cache


@dataclass(frozen=True)
class OwnClassifier:
    """The data set's own classifier.

    Args:
        recipe: trains it when there is none yet.
        weights: the file of one that was exported (scripts/classifier.py export=FILE), in place of
            all others.
        sha256: of `weights`; None: any.
        shipped: {name: SHA-256} of those that come with the package, each for its own data and
            recipe; None: none.

    Raises:
        UserError: where `weights` is missing or is another file.
    """

    recipe: ClassifierRecipe
    weights: str | None = None
    sha256: str | None = None
    shipped: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if self.weights is not None:
            check_file(self.weights, self.sha256)
        elif self.sha256 is not None:
            raise UserError(
                "evaluation.extractor.sha256 belongs to a file: set "
                "evaluation.extractor.weights=FILE"
            )

    @property
    def architecture(self) -> Any:
        """Its name in its description; known before it is made."""
        if self.weights is not None:
            return check_file(self.weights, self.sha256)["architecture"]
        return architecture_of(self.recipe)

    def make(
        self, data: LoadedData, cache: Path, device: torch.device, console: Console
    ) -> Extractor:
        """Find or train the classifier.

        Raises:
            UserError: for data without labels, and for other data than those of `weights`.
        """
        origin, trained = self._find(data, cache, device, console)
        facts = ("architecture", "weights_sha256", "accuracy", "calibration")
        description = {key: trained.record[key] for key in facts} | {"origin": origin}
        return ClassifierExtractor(trained.network, trained.mean, trained.std, description)

    def _find(
        self, data: LoadedData, cache: Path, device: torch.device, console: Console
    ) -> tuple[str, TrainedClassifier]:
        """The classifier, and its origin: "file", "shipped" or "trained" on this machine."""
        if self.weights is not None:
            return "file", classifier_from_file(self.weights, self.sha256, data, device)
        for name, sha256 in (self.shipped or {}).items():
            if shipped := shipped_classifier(name, sha256, data, self.recipe, device):
                return "shipped", shipped
        return "trained", classifier_of(data, self.recipe, cache / CLASSIFIERS, device, console)


@dataclass(frozen=True)
class Inception:
    """Inception 2015-12-05 from a local file, whose SHA-256 is checked as soon as it is named."""

    weights: str
    sha256: str = INCEPTION_SHA256

    def __post_init__(self) -> None:
        check_weights(self.weights, self.sha256)

    @property
    def architecture(self) -> Any:
        """Its name in its description."""
        return INCEPTION

    def make(
        self, data: LoadedData, cache: Path, device: torch.device, console: Console
    ) -> Extractor:
        """The same for every data set."""
        return InceptionExtractor(self.weights, self.sha256).to(device)


@dataclass(frozen=True)
class EfficientNet:
    """EfficientNet-Lite0 of the extra `efficientnet`.

    Its packages and weights are checked as soon as it is named.
    """

    name: ClassVar[str] = efficientnet.NAME
    features_only: ClassVar[bool] = True

    def __post_init__(self) -> None:
        efficientnet.find_weights()

    @property
    def architecture(self) -> Any:
        """Its name in its description."""
        return efficientnet.ARCHITECTURE

    def make(
        self, data: LoadedData, cache: Path, device: torch.device, console: Console
    ) -> Extractor:
        """The same for every data set."""
        return efficientnet.EfficientNetExtractor().to(device)


@dataclass(frozen=True)
class StackedDigits:
    """A classifier of single MNIST digits, for each channel of stacked ones.

    Args:
        recipe: trains it when there is none yet.
        digits: the single digits that it is trained on.
    """

    recipe: ClassifierRecipe
    digits: Source = field(default_factory=MNIST)

    @property
    def architecture(self) -> Any:
        """Its name in its description; known before it is made."""
        return architecture_of(self.recipe)

    def make(
        self, data: LoadedData, cache: Path, device: torch.device, console: Console
    ) -> Extractor:
        """Find or train the classifier.

        Raises:
            UserError: for other data than stacked digits, and where the single ones are missing.
        """
        single = load(self.digits, cache)
        _, *sides = single.spec.shape
        triples = single.spec.num_classes**CHANNELS
        if (data.spec.shape, data.spec.num_classes) != ((CHANNELS, *sides), triples):
            raise UserError(
                f"evaluation: {data.spec.name} holds no stacks of three digits of "
                f"{single.spec.name}: use evaluation=classifier, or dataset=stacked_mnist"
            )
        trained = classifier_of(single, self.recipe, cache / CLASSIFIERS, device, console)
        facts = ("architecture", "weights_sha256", "accuracy", "calibration")
        description = {key: trained.record[key] for key in facts}
        digits = ClassifierExtractor(trained.network, trained.mean, trained.std, description)
        return StackedExtractor(digits, description)


@dataclass(frozen=True)
class MixtureModes:
    """The modes of the mixture of Gaussians that points were drawn from, known exactly.

    Args:
        within: standard deviations around a centre in which a point is of that mode, > 0.

    Raises:
        UserError: for another `within`.
    """

    within: float = 3.0
    kind: ClassVar[Literal["images", "points"]] = "points"

    def __post_init__(self) -> None:
        checks.number("within", self.within, above=0)

    def make(
        self, data: LoadedData, cache: Path, device: torch.device, console: Console
    ) -> Extractor:
        """That of these data.

        Raises:
            UserError: for data that are no mixture, or whose modes are points.
        """
        if data.modes is None:
            raise UserError(
                f"evaluation: {data.spec.name} is no mixture of Gaussians: use evaluation=off, or "
                "dataset=ring, grid or gaussians"
            )
        if data.modes.std == 0:
            raise UserError("dataset.std=0: modes of no width have no samples near them; use more")
        return MixtureExtractor(data.modes, self.within).to(device)
