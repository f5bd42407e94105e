"""One meter for each score of a protocol: fed with batches, it fills columns of a record."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from typing import Protocol as Interface

import torch
from torch import Tensor
from torchmetrics import Metric

from gan_lab import parallel
from gan_lab.errors import UserError
from gan_lab.inference import device_of
from gan_lab.metrics.am_score import AMScore
from gan_lab.metrics.class_histogram import ClassHistogram
from gan_lab.metrics.frechet import FrechetDistance
from gan_lab.metrics.inception_score import InceptionScore
from gan_lab.metrics.kernel import KernelDistance
from gan_lab.metrics.manifold import PrecisionRecallDensityCoverage
from gan_lab.metrics.mode_score import ModeScore
from gan_lab.metrics.ms_ssim import MSSSIM
from gan_lab.scoring.features import Extractor
from gan_lab.scoring.protocol import Entry, check_scores_of_features, score_name

if TYPE_CHECKING:
    from gan_lab.scoring.protocol import Protocol, Reference


OWN = {"name": "own", "architecture": None, "weights_sha256": None}
"""In place of the extractor in a score of samples' own classes, which none was asked for."""


@dataclass(frozen=True)
class Setting:
    """What a score is made with; see `gan_lab.scoring.score.score_samples`."""

    extractor: Extractor
    references: Mapping[str, Reference]
    train_marginal: Tensor
    protocol: Protocol
    samples: int
    own_classes: int | None = None

    def name(self, score: str, parts: int = 1, reference: str | None = None) -> str:
        """The name of a score with this protocol."""
        return score_name(score, self.extractor.name, self.samples, parts, reference)


class Samples(NamedTuple):
    """uint8 images (n, C, H, W), and the classes that they have of their own, int64 (n,), where
    they have some."""

    images: Tensor
    classes: Tensor | None = None

    def part(self, start: int, stop: int) -> Samples:
        """Those from `start` to before `stop`."""
        return Samples(
            self.images[start:stop], None if self.classes is None else self.classes[start:stop]
        )


class Batch(NamedTuple):
    """uint8 images (n, C, H, W), their features (n, d) and logits (n, K), their numbers and splits,
    int64 (n,).

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

    def entries(self) -> dict[str, Entry]: ...


class _Splitwise:
    """A score of logits, with its deviation over splits.

    Where its value is the mean over splits its name says how many (is_classifier_10k_10x); AM
    Score's value is of all samples at once (am_classifier_10k).
    """

    def __init__(self, setting: Setting, name: str, metric: Metric) -> None:
        self.name = name
        self.metric = metric.to(device_of(setting.extractor))
        self.has_std = setting.protocol.splits > 1

    def update(self, batch: Batch) -> None:
        self.metric.update(batch.logits, batch.split)

    def end_chunk(self) -> None:
        pass

    def entries(self) -> dict[str, Entry]:
        entry = {name: term.item() for name, term in self.metric.compute()._asdict().items()}
        return {self.name: entry if self.has_std else entry | {"std": None}}


class _Chunkwise:
    """A score of features against one reference: one value for each chunk, or several of them."""

    def __init__(
        self, setting: Setting, score: str, split: str, make: Callable[[], Metric]
    ) -> None:
        self.setting = setting
        self.score = score
        self.split = split
        self.make = make
        self.metric: Metric | None = None
        self.values: list[dict[str, float]] = []

    def name(self, part: str) -> str:
        return self.setting.name(part, self.setting.protocol.chunks, self.split)

    def update(self, batch: Batch) -> None:
        if self.metric is None:
            self.metric = self.make()
        self.metric.update(batch.features)

    def end_chunk(self) -> None:
        if self.metric is None:  # other processes have the samples of this chunk
            self.metric = self.make()
        value = self.metric.compute()
        parts = {self.score: value} if isinstance(value, Tensor) else value._asdict()
        self.values.append({name: part.item() for name, part in parts.items()})
        self.metric = None

    def entries(self) -> dict[str, Entry]:
        return {
            self.name(part): _over_chunks([value[part] for value in self.values])
            for part in self.values[0]
        }


class _Kernel(_Chunkwise):
    """KID, whose std over subsets is a term of its own."""

    def entries(self) -> dict[str, Entry]:
        entry = _over_chunks([value["value"] for value in self.values])
        spread = math.fsum(value["std"] for value in self.values) / len(self.values)
        return {self.name(self.score): entry | {"std_over_subsets": spread}}


def _over_chunks(values: list[float]) -> Entry:
    tensor = torch.tensor(values, dtype=torch.float64)
    return {
        "value": tensor.mean().item(),
        "std": tensor.std(correction=0).item() if len(values) > 1 else None,
    }


class _Histogram:
    """The mean entropy of C(x), and which classes there are."""

    def __init__(self, setting: Setting) -> None:
        self.name = setting.name("entropy")
        self.metric = ClassHistogram(setting.extractor.num_classes).to(device_of(setting.extractor))

    def update(self, batch: Batch) -> None:
        self.metric.update(batch.logits)

    def end_chunk(self) -> None:
        pass

    def entries(self) -> dict[str, Entry]:
        value, histogram, per_class = self.metric.compute()
        return {
            self.name: {
                "value": value.item(),
                "std": None,
                "histogram": histogram.tolist(),
                "per_class": per_class.tolist(),
            }
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

    def entries(self) -> dict[str, Entry]:
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
            return {
                score_name(self.metric.protocol, "own", self.setting.samples): entry
                | {"extractor": OWN}
            }
        return {self.setting.name(self.metric.protocol): entry}


def check_own_classes(protocol: Protocol, own_classes: int | None) -> None:
    """Raises UserError where a score is asked within classes that samples do not have."""
    if protocol.uses_own_classes and protocol.msssim_classes == "own" and own_classes is None:
        raise UserError(
            "evaluation.msssim_classes=own: these samples have no classes of their own "
            "(labels=none, and no critic "
            "with class logits); set evaluation.msssim_classes=classifier"
        )


def meters_of(setting: Setting) -> list[Meter]:
    """The meters of a protocol's scores. Raises UserError where a score cannot be made in this
    setting."""
    if setting.extractor.features_only:
        check_scores_of_features(setting.protocol.scores, setting.extractor.name)
    return [meter for score in setting.protocol.scores for meter in METERS[score](setting)]


def _histogram(setting: Setting) -> list[Meter]:
    return [_Histogram(setting)]


def _within_classes(setting: Setting) -> list[Meter]:
    return [_WithinClasses(setting)]


def _inception_score(setting: Setting) -> list[_Splitwise]:
    splits = setting.protocol.splits
    return [
        _Splitwise(
            setting,
            setting.name("is", splits),
            InceptionScore(setting.extractor.num_classes, splits),
        )
    ]


def _am_score(setting: Setting) -> list[_Splitwise]:
    return [
        _Splitwise(
            setting, setting.name("am"), AMScore(setting.train_marginal, setting.protocol.splits)
        )
    ]


def _mode_score(setting: Setting) -> list[_Splitwise]:
    splits = setting.protocol.splits
    return [
        _Splitwise(setting, setting.name("mode", splits), ModeScore(setting.train_marginal, splits))
    ]


def _frechet(setting: Setting) -> list[_Chunkwise]:
    def make(reference: Reference) -> Metric:
        distance = FrechetDistance(setting.extractor.num_features, reference.moments)
        return distance.to(device_of(setting.extractor))

    return [
        _Chunkwise(setting, "fid", split, functools.partial(make, reference))
        for split, reference in setting.references.items()
    ]


def _kernel(setting: Setting) -> list[_Chunkwise]:
    size = setting.protocol.kid_subset_size
    sides = {split: reference.moments.n for split, reference in setting.references.items()}
    for side, count in {
        **sides,
        "a chunk of the samples": setting.samples // setting.protocol.chunks,
    }.items():
        if count < size:
            raise UserError(
                f"KID takes subsets of evaluation.kid_subset_size={size}, and {side} has {count} "
                "images: set "
                f"evaluation.kid_subset_size={count} or less, or leave kid out of evaluation.scores"
            )
    make = functools.partial(KernelDistance, subset_size=size)
    return [
        _Kernel(setting, "kid", split, metric) for split, metric in _against_features(setting, make)
    ]


def _manifold(setting: Setting) -> list[_Chunkwise]:
    made = _against_features(setting, PrecisionRecallDensityCoverage)
    return [_Chunkwise(setting, "prdc", split, make) for split, make in made]


def _against_features(
    setting: Setting, metric: Callable[[], Metric]
) -> list[tuple[str, Callable[[], Metric]]]:
    def make(reference: Reference) -> Metric:
        made = metric().to(device_of(setting.extractor))
        if parallel.rank() == 0:  # the processes' states are put together
            made.update(reference.features, real=True)
        return made

    return [
        (split, functools.partial(make, reference))
        for split, reference in setting.references.items()
    ]


METERS: dict[str, Callable[[Setting], Sequence[Meter]]] = {
    "is": _inception_score,
    "am": _am_score,
    "mode": _mode_score,
    "fid": _frechet,
    "kid": _kernel,
    "prdc": _manifold,
    "entropy": _histogram,
    "msssim": _within_classes,
}
