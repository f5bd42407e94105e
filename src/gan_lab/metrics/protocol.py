"""How scores are made: so many samples, in so many parts, against these references; and what they are called."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from gan_lab.metrics.am_score import AMScore
from gan_lab.metrics.features import Extractor, undisturbed
from gan_lab.metrics.frechet import FrechetDistance, Moments
from gan_lab.metrics.inception_score import InceptionScore
from gan_lab.metrics.kernel import KernelDistance
from gan_lab.metrics.manifold import PrecisionRecallDensityCoverage
from gan_lab.metrics.mode_score import ModeScore
from gan_lab.types import UserError

Entry = dict[str, Any]
"""A score in a record: value, std (population, over splits or chunks; None where there is one), n_samples, splits,
chunks, extractor, and the terms of a score that has some."""


@dataclass(frozen=True)
class Protocol:
    """extractor: makes the extractor (see gan_lab.training.extractors).

    scores: out of is, am, mode (from logits; mean and std over `splits` equal parts of the samples) and fid, kid, prdc
        (from features, against each split of the real data; mean and std over `chunks` parts).
    samples: scored after training, or by scripts/evaluate.py. samples_in_training: every `evaluate_every` steps.
    batch_size: images generated, and passed through the extractor, at once.
    kid_subset_size: of the subsets whose mean KID is.

    Errors: UserError for an unknown score, fewer samples than splits or chunks, numbers out of range.
    """

    extractor: Any
    scores: Sequence[str] = ("is", "am", "fid")
    samples: int = 10_000
    samples_in_training: int = 2_000
    splits: int = 10
    chunks: int = 1
    batch_size: int = 500
    kid_subset_size: int = 1000

    def __post_init__(self) -> None:
        for name in ("samples", "samples_in_training", "splits", "chunks", "batch_size", "kid_subset_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise UserError(f"evaluation.{name}={value}: use a whole number of at least 1")
        if not self.scores:
            raise UserError(f"evaluation.scores is empty: choose from {', '.join(_SCORES)}, or evaluation=off")
        for score in self.scores:
            if score not in _SCORES:
                raise UserError(f"evaluation.scores: there is no score {score!r}; choose from {', '.join(_SCORES)}")
        self.check_count(self.samples, f"evaluation.samples={self.samples}", splits=self.splits, chunks=self.chunks)
        in_training = f"evaluation.samples_in_training={self.samples_in_training}"
        self.check_count(self.samples_in_training, in_training, splits=self.splits)

    @property
    def in_training(self) -> Protocol:
        """The same with `samples_in_training` samples, of which chunks would be too small."""
        return replace(self, samples=self.samples_in_training, chunks=1)

    @staticmethod
    def check_count(samples: int, what: str, **parts_of: int) -> None:
        """UserError, beginning with `what`, when one of so many splits or chunks would have fewer than two samples."""
        for name, parts in parts_of.items():
            if samples < 2 * parts:
                raise UserError(
                    f"{what}: too few samples for evaluation.{name}={parts}, which needs at least {2 * parts}; take "
                    f"more samples or set evaluation.{name}={max(1, samples // 2)}"
                )


@dataclass(frozen=True, eq=False)
class Reference:
    """What is kept of a split of the real data, as the extractor sees it.

    moments: of its features. marginal: the mean of C(x), (K,). features: (n, d), where a score needs them.
    """

    moments: Moments
    marginal: Tensor
    features: Tensor | None = None


def measure_reference(images: Iterable[Tensor], extractor: Extractor, keep_features: bool) -> Reference:
    """Pass batches of uint8 images through the extractor; float64 sums, constant memory unless features are kept."""
    distance = FrechetDistance(extractor.num_features).to(_device(extractor))
    total = torch.zeros(extractor.num_classes, dtype=torch.float64, device=_device(extractor))
    kept = []
    count = 0
    with undisturbed(extractor):
        for batch in images:
            features, logits = extractor(batch)
            distance.update(features, real=True)
            total += logits.double().softmax(1).sum(0)
            count += len(batch)
            if keep_features:
                kept.append(features)
        return Reference(distance.real_moments(), total / count, torch.cat(kept) if keep_features else None)


def needs_features(scores: Sequence[str]) -> bool:
    """Whether a score compares with the real features themselves, not only with their moments."""
    return bool({"kid", "prdc"} & set(scores))


def score_samples(
    sample: Callable[[int], Tensor],
    extractor: Extractor,
    references: Mapping[str, Reference],
    train_marginal: Tensor,
    protocol: Protocol,
    samples: int,
) -> dict[str, Entry]:
    """Scores of `samples` images, by name.

    sample(b): the b-th batch of `protocol.batch_size` uint8 images; the last may be longer than what is used of it.
    references: by split, what FID, KID and PRDC compare with. train_marginal: (K,), what AM and Mode Score do.
    Sample i belongs to split floor(i · splits / samples), and to the chunk of the same rule.
    """
    meters = _meters(_Setting(extractor, references, train_marginal, protocol, samples))
    ends = [math.ceil((chunk + 1) * samples / protocol.chunks) for chunk in range(protocol.chunks)]
    position = 0
    with undisturbed(extractor):
        for batch in range(math.ceil(samples / protocol.batch_size)):
            images = sample(batch)[: samples - position]
            features, logits = extractor(images)
            start = 0
            while start < len(images):  # a batch may reach over the end of a chunk
                stop = min(len(images), start + ends[0] - position)
                index = torch.arange(position, position + stop - start, device=logits.device)
                split = index * protocol.splits // samples
                for meter in meters:
                    meter.update(features[start:stop], logits[start:stop], split)
                position += stop - start
                start = stop
                if position == ends[0]:
                    ends.pop(0)
                    for meter in meters:
                        meter.end_chunk()
        entries: dict[str, Entry] = {}
        for meter in meters:
            entries |= meter.entries()
    about = {
        "n_samples": samples,
        "splits": protocol.splits,
        "chunks": protocol.chunks,
        "extractor": {key: extractor.identity[key] for key in ("name", "architecture", "weights_sha256")},
    }
    return {name: entry | about for name, entry in entries.items()}


def check_scores(
    extractor: Extractor, references: Mapping[str, Reference], train_marginal: Tensor, protocol: Protocol, samples: int
) -> None:
    """UserError where `score_samples` could not score with these arguments, which it finds out without a sample."""
    _meters(_Setting(extractor, references, train_marginal, protocol, samples))


def score_name(score: str, extractor: str, samples: int, parts: int = 1, reference: str | None = None) -> str:
    """<score>_<extractor>_<samples>[_<parts>x][_<reference split>], as "fid_inception_500k_10x_train"."""
    count = f"{samples // 1000}k" if samples % 1000 == 0 else str(samples)
    return "_".join(
        [score, extractor, count, *([f"{parts}x"] if parts > 1 else []), *([reference] if reference else [])]
    )


def score_text(entry: Entry) -> str:
    """ "7.68 ± 0.03": the value, and its standard deviation over splits or chunks where there is one."""
    value, std = float(entry["value"]), entry["std"]
    return f"{value:.4g}" if std is None else f"{value:.4g} ± {float(std):.2g}"


# One meter for each column of a record -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Setting:
    extractor: Extractor
    references: Mapping[str, Reference]
    train_marginal: Tensor
    protocol: Protocol
    samples: int

    def name(self, score: str, parts: int, reference: str | None = None) -> str:
        return score_name(score, self.extractor.name, self.samples, parts, reference)


class _Splitwise:
    """A score of logits: one value for each split."""

    def __init__(self, setting: _Setting, score: str, metric: Metric) -> None:
        self.name = setting.name(score, setting.protocol.splits)
        self.metric = metric.to(_device(setting.extractor))
        self.has_std = setting.protocol.splits > 1

    def update(self, features: Tensor, logits: Tensor, split: Tensor) -> None:
        self.metric.update(logits, split)

    def end_chunk(self) -> None:
        pass

    def entries(self) -> dict[str, Entry]:
        entry = {name: term.item() for name, term in self.metric.compute()._asdict().items()}
        return {self.name: entry if self.has_std else entry | {"std": None}}


class _Chunkwise:
    """A score of features against one reference: one value for each chunk, or several of them."""

    def __init__(self, setting: _Setting, score: str, split: str, make: Callable[[], Metric]) -> None:
        self.setting = setting
        self.score = score
        self.split = split
        self.make = make
        self.metric: Metric | None = None
        self.values: list[dict[str, float]] = []

    def name(self, part: str) -> str:
        return self.setting.name(part, self.setting.protocol.chunks, self.split)

    def update(self, features: Tensor, logits: Tensor, split: Tensor) -> None:
        if self.metric is None:
            self.metric = self.make()
        self.metric.update(features)

    def end_chunk(self) -> None:
        assert self.metric is not None
        value = self.metric.compute()
        parts = {self.score: value} if isinstance(value, Tensor) else value._asdict()
        self.values.append({name: part.item() for name, part in parts.items()})
        self.metric = None

    def entries(self) -> dict[str, Entry]:
        return {self.name(part): _over_chunks([value[part] for value in self.values]) for part in self.values[0]}


class _Kernel(_Chunkwise):
    """KID, whose std over subsets is a term of its own."""

    def entries(self) -> dict[str, Entry]:
        entry = _over_chunks([value["value"] for value in self.values])
        spread = math.fsum(value["std"] for value in self.values) / len(self.values)
        return {self.name(self.score): entry | {"std_over_subsets": spread}}


def _over_chunks(values: list[float]) -> Entry:
    tensor = torch.tensor(values, dtype=torch.float64)
    return {"value": tensor.mean().item(), "std": tensor.std(correction=0).item() if len(values) > 1 else None}


def _meters(setting: _Setting) -> list[_Splitwise | _Chunkwise]:
    return [meter for score in setting.protocol.scores for meter in _SCORES[score](setting)]


def _inception_score(setting: _Setting) -> list[_Splitwise]:
    return [_Splitwise(setting, "is", InceptionScore(setting.extractor.num_classes, setting.protocol.splits))]


def _am_score(setting: _Setting) -> list[_Splitwise]:
    return [_Splitwise(setting, "am", AMScore(setting.train_marginal, setting.protocol.splits))]


def _mode_score(setting: _Setting) -> list[_Splitwise]:
    return [_Splitwise(setting, "mode", ModeScore(setting.train_marginal, setting.protocol.splits))]


def _frechet(setting: _Setting) -> list[_Chunkwise]:
    def make(reference: Reference) -> Metric:
        distance = FrechetDistance(setting.extractor.num_features, reference.moments)
        return distance.to(_device(setting.extractor))

    return [
        _Chunkwise(setting, "fid", split, functools.partial(make, reference))
        for split, reference in setting.references.items()
    ]


def _kernel(setting: _Setting) -> list[_Chunkwise]:
    size = setting.protocol.kid_subset_size
    sides = {split: reference.moments.n for split, reference in setting.references.items()}
    for side, count in {**sides, "a chunk of the samples": setting.samples // setting.protocol.chunks}.items():
        if count < size:
            raise UserError(
                f"KID takes subsets of evaluation.kid_subset_size={size}, and {side} has {count} images: set "
                f"evaluation.kid_subset_size={count} or less, or leave kid out of evaluation.scores"
            )
    make = functools.partial(KernelDistance, subset_size=size)
    return [_Kernel(setting, "kid", split, metric) for split, metric in _against_features(setting, make)]


def _manifold(setting: _Setting) -> list[_Chunkwise]:
    made = _against_features(setting, PrecisionRecallDensityCoverage)
    return [_Chunkwise(setting, "prdc", split, make) for split, make in made]


def _against_features(setting: _Setting, metric: Callable[[], Metric]) -> list[tuple[str, Callable[[], Metric]]]:
    def make(reference: Reference) -> Metric:
        made = metric().to(_device(setting.extractor))
        made.update(reference.features, real=True)
        return made

    return [(split, functools.partial(make, reference)) for split, reference in setting.references.items()]


_SCORES: dict[str, Callable[[_Setting], Sequence[_Splitwise | _Chunkwise]]] = {
    "is": _inception_score,
    "am": _am_score,
    "mode": _mode_score,
    "fid": _frechet,
    "kid": _kernel,
    "prdc": _manifold,
}


def _device(module: torch.nn.Module) -> torch.device:
    return next(module.parameters()).device
