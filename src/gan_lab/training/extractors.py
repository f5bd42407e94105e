"""The extractors that an evaluation can name, made with the facts of the data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from rich.console import Console

from gan_lab.data import LoadedData
from gan_lab.metrics import efficientnet
from gan_lab.metrics.features import (
    INCEPTION,
    INCEPTION_SHA256,
    ClassifierExtractor,
    Extractor,
    InceptionExtractor,
    check_weights,
)
from gan_lab.training.classifier import ClassifierRecipe, architecture_of, classifier_of

CLASSIFIERS = "classifiers"  # folder in the data cache


@dataclass(frozen=True)
class OwnClassifier:
    """The data set's own classifier, trained by `recipe` when there is none yet."""

    recipe: ClassifierRecipe

    @property
    def architecture(self) -> Any:
        """How its identity calls it; known before it is made."""
        return architecture_of(self.recipe)

    def make(self, data: LoadedData, cache: Path, device: torch.device, console: Console) -> Extractor:
        """Raises UserError for data without labels."""
        trained = classifier_of(data, self.recipe, cache / CLASSIFIERS, device, console)
        record = trained.record
        identity = {key: record[key] for key in ("architecture", "weights_sha256", "accuracy", "calibration")}
        return ClassifierExtractor(trained.network, trained.mean, trained.std, identity)


@dataclass(frozen=True)
class Inception:
    """Inception 2015-12-05 from a local file, whose SHA-256 is checked as soon as it is named."""

    weights: str
    sha256: str = INCEPTION_SHA256

    def __post_init__(self) -> None:
        check_weights(self.weights, self.sha256)

    @property
    def architecture(self) -> Any:
        """How its identity calls it."""
        return INCEPTION

    def make(self, data: LoadedData, cache: Path, device: torch.device, console: Console) -> Extractor:
        """The same for every data set."""
        return InceptionExtractor(self.weights, self.sha256).to(device)


@dataclass(frozen=True)
class EfficientNet:
    """EfficientNet-Lite0 of the extra `efficientnet`; its packages and weights are checked as soon as it is named."""

    name: ClassVar[str] = efficientnet.NAME
    features_only: ClassVar[bool] = True

    def __post_init__(self) -> None:
        efficientnet.find_weights()

    @property
    def architecture(self) -> Any:
        """How its identity calls it."""
        return efficientnet.ARCHITECTURE

    def make(self, data: LoadedData, cache: Path, device: torch.device, console: Console) -> Extractor:
        """The same for every data set."""
        return efficientnet.EfficientNetExtractor().to(device)
