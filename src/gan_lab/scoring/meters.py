"""One meter for each score of a protocol: fed with batches, it fills columns of a record."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from typing import Protocol as Interface

import torch
from torch import Tensor
from torchmetrics import Metric

from gan_lab import parallel
from gan_lab.errors import UserError
from gan_lab.inference import device_of
from gan_lab.metrics.base import Score
from gan_lab.metrics.ms_ssim import MSSSIM
from gan_lab.metrics.setting import Reference
from gan_lab.metrics.splits import SplitScore
from gan_lab.reading.declared_scores import ScoreFacts, declared_scores
from gan_lab.records import ScoreName
from gan_lab.scoring.features import Extractor
from gan_lab.scoring.protocol import Entry, Protocol, check_scores_of_features

OWN = {"name": "own", "architecture": None, "weights_sha256": None}
"""In place of the extractor in a score of samples' own classes, which none was asked for."""


@dataclass(frozen=True)
class Setting:
    """What scores of some samples are made with.

    Args:
        extractor: takes the samples.
        references: by split of the real data; FID, KID and PRDC compare with them.
        train_marginal: (K,); AM and Mode Score compare with it.
        protocol: of the scores.
        samples: how many there are.
        own_classes: how many classes samples have of their own; None: none, or it is not known
            which is whose.
    """

    extractor: Extractor
    references: Mapping[str, Reference]
    train_marginal: Tensor
    protocol: Protocol
    samples: int
    own_classes: int | None = None

    @property
    def num_classes(self) -> int:
        """K of the extractor's logits."""
        return self.extractor.num_classes

    @property
    def num_features(self) -> int:
        """d of the extractor's features."""
        return self.extractor.num_features

    @property
    def least_logit(self) -> float | None:
        """Of the extractor: a sample without a larger logit is of no class."""
        return self.extractor.least_logit

    def name(self, score: str, parts: int = 1, reference: str | None = None) -> ScoreName:
        """The name of a score with this protocol."""
        return ScoreName(score, self.extractor.name, self.samples, parts, reference)


class Samples(NamedTuple):
    """uint8 images (n, C, H, W) or float32 points (n, D), and the classes that they have of their
    own, int64 (n,), where they have some."""

    images: Tensor
    classes: Tensor | None = None

    def part(self, start: int, stop: int) -> Samples:
        """Those from `start` to before `stop`."""
        return Samples(
            self.images[start:stop], None if self.classes is None else self.classes[start:stop]
        )


class Batch(NamedTuple):
    """Samples with what the extractor says of them.

    Args:
        images: uint8 images (n, C, H, W) or float32 points (n, D).
        features: (n, d).
        logits: (n, K).
        number: of each sample, int64 (n,).
        split: of each sample, int64 (n,).
        classes: int64 (n,), those of `Samples`.
    """

    images: Tensor
    features: Tensor
    logits: Tensor
    number: Tensor
    split: Tensor
    classes: Tensor | None


class Meter(Interface):
    """Takes in all batches of samples; a batch never crosses the end of a chunk."""

    def update(self, batch: Batch) -> None: ...

    def end_chunk(self) -> None: ...

    def entries(self) -> dict[ScoreName, Entry]: ...


class _OfSamples:
    """A score of logits or images, with its deviation over splits where its metric has one, or
    several of them.

    Where its value is the mean over splits its name says how many (is_classifier_10k_10x); AM
    Score's value is of all samples at once (am_classifier_10k).
    """

    def __init__(self, setting: Setting, facts: ScoreFacts, metric: Metric) -> None:
        splits = setting.protocol.splits
        self.setting = setting
        self.reads = facts.reads
        self.values = facts.values
        self.name = setting.name(facts.name, splits if facts.over_splits else 1)
        self.metric = metric.to(device_of(setting.extractor))
        self.has_std = splits > 1

    def update(self, batch: Batch) -> None:
        rows = batch.images if self.reads == "images" else batch.logits
        if isinstance(self.metric, SplitScore):
            self.metric.update(rows, batch.split)
        else:
            self.metric.update(rows)

    def end_chunk(self) -> None:
        pass

    def entries(self) -> dict[ScoreName, Entry]:
        terms = {name: term.tolist() for name, term in self.metric.compute()._asdict().items()}

        # several scores of names of their own; what else there is stands with the first
        if self.values:
            entries = {name: {"value": terms.pop(name), "std": None} for name in self.values}
            entries[self.values[0]] |= terms
            return {self.setting.name(name): entry for name, entry in entries.items()}

        std = terms.get("std") if self.has_std else None
        others = {name: term for name, term in terms.items() if name not in ("value", "std")}
        return {self.name: {"value": terms["value"], "std": std, **others}}


class _OfFeatures:
    """A score of features against one split of the real data: one value for each chunk, or several
    of them."""

    def __init__(self, setting: Setting, facts: ScoreFacts, kind: type[Score], split: str) -> None:
        self.setting = setting
        self.facts = facts
        self.kind = kind
        self.split = split
        self.metric: Metric | None = None
        self.values: list[dict[str, float]] = []

    def update(self, batch: Batch) -> None:
        if self.metric is None:
            self.metric = self._made()
        self.metric.update(batch.features)

    def end_chunk(self) -> None:
        if self.metric is None:  # other processes have the samples of this chunk
            self.metric = self._made()
        value = self.metric.compute()
        parts = {"value": value} if isinstance(value, Tensor) else value._asdict()
        self.values.append({name: part.item() for name, part in parts.items()})
        self.metric = None

    def entries(self) -> dict[ScoreName, Entry]:
        # several scores of names of their own
        if self.facts.values:
            return {self._name(part): self._over_chunks(part) for part in self.facts.values}

        # one score and its terms; the deviation within a chunk is that over its metric's subsets
        entry = self._over_chunks("value")
        for part in [name for name in self.values[0] if name != "value"]:
            name = "std_over_subsets" if part == "std" else part
            entry[name] = math.fsum(value[part] for value in self.values) / len(self.values)
        return {self._name(self.facts.name): entry}

    def _made(self) -> Metric:
        """The metric of one chunk, with the real features where it compares with them."""
        reference = self.setting.references[self.split]
        metric = self.kind.of_setting(self.setting, reference).to(device_of(self.setting.extractor))
        needs_real = self.facts.reference == "features"
        if needs_real and parallel.rank() == 0:  # the processes' states are put together
            metric.update(reference.features, real=True)
        return metric

    def _name(self, score: str) -> ScoreName:
        return self.setting.name(score, self.setting.protocol.chunks, self.split)

    def _over_chunks(self, part: str) -> Entry:
        values = torch.tensor([value[part] for value in self.values], dtype=torch.float64)
        return {
            "value": values.mean().item(),
            "std": values.std(correction=0).item() if len(values) > 1 else None,
        }


class _WithinClasses:
    """MS-SSIM of pairs within one class: the maximum over classes (Table 4-2).

    A sample's class is its own, or the one that the data's classifier sees.
    """

    def __init__(self, setting: Setting) -> None:
        asked = setting.protocol.msssim_classes
        self.by = "classifier" if asked == "classifier" or setting.own_classes is None else "own"
        check_own_classes(setting.protocol, setting.own_classes)
        if self.by == "classifier" and setting.extractor.name != "classifier":
            raise UserError(
                "msssim compares images of one class of the data, and the "
                f"{setting.extractor.name} extractor has "
                "other classes: use evaluation=classifier, or leave msssim out of evaluation.scores"
            )
        self.setting = setting
        self.metric: MSSSIM | None = None

    def update(self, batch: Batch) -> None:
        own, extractor = self.by == "own", self.setting.extractor
        if self.metric is None:
            num_classes = (self.setting.own_classes if own else None) or extractor.num_classes
            self.metric = self.setting.protocol.similarity(num_classes, batch.images.shape[1:]).to(
                device_of(extractor)
            )
        classes = batch.classes if own else batch.logits.argmax(1)
        assert classes is not None, "sample() gives as many as own_classes says"
        self.metric.update(batch.images, classes, batch.number)

    def end_chunk(self) -> None:
        pass

    def entries(self) -> dict[ScoreName, Entry]:
        assert self.metric is not None
        per_class, mean, maximum, pairs = self.metric.compute()
        entry = {
            "value": maximum.item(),
            "std": None,
            "mean": mean.item(),
            "per_class": per_class.tolist(),
            "pairs": self.metric.num_pairs,
            "pairs_per_class": pairs.tolist(),
            "classes": self.by,
        }
        if self.by == "own":
            name = ScoreName(self.metric.protocol, "own", self.setting.samples)
            return {name: entry | {"extractor": OWN}}
        return {self.setting.name(self.metric.protocol): entry}


def check_own_classes(protocol: Protocol, own_classes: int | None) -> None:
    """Refuse scores within classes that samples do not have.

    Raises:
        UserError: for msssim_classes=own of samples without classes of their own.
    """
    if protocol.uses_own_classes and protocol.msssim_classes == "own" and own_classes is None:
        raise UserError(
            "evaluation.msssim_classes=own: these samples have no classes of their own "
            "(labels=none, and no critic "
            "with class logits); set evaluation.msssim_classes=classifier"
        )


def meters_of(setting: Setting) -> list[Meter]:
    """The meters of a protocol's scores.

    Raises:
        UserError: where a score cannot be made in this setting.
    """
    if setting.extractor.features_only:
        check_scores_of_features(setting.protocol.scores, setting.extractor.name)
    return [meter for score in setting.protocol.scores for meter in _meters(score, setting)]


def metric_class(score: str) -> type[Score]:
    """The metric of a score, imported."""
    declared = declared_scores()[score]
    kind: type[Score] = getattr(importlib.import_module(declared.module), declared.class_name)
    return kind


def _meters(score: str, setting: Setting) -> list[Meter]:
    """The meters of one score: one, or one for each split of the real data that it compares
    with."""
    facts, kind = declared_scores()[score].facts, metric_class(score)
    kind.check_setting(setting)
    if issubclass(kind, MSSSIM):
        return [_WithinClasses(setting)]
    if facts.reads != "features":
        return [_OfSamples(setting, facts, kind.of_setting(setting))]
    return [_OfFeatures(setting, facts, kind, split) for split in setting.references]
