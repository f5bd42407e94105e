"""How scores are made: so many samples, in so many parts, against these references; and what they are called."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gan_lab import parallel
from gan_lab.metrics.features import Extractor, undisturbed
from gan_lab.metrics.frechet import FrechetDistance, Moments
from gan_lab.metrics.meters import (
    CLASSES,
    SCORES,
    Batch,
    Entry,
    Meter,
    Samples,
    Setting,
    check_scores_of_features,
    device_of,
    meters_of,
)
from gan_lab.metrics.ms_ssim import MSSSIM, PAIRS
from gan_lab.metrics.ssim import VARIANTS
from gan_lab.types import UserError


@dataclass(frozen=True)
class Protocol:
    """extractor: makes the extractor (see gan_lab.training.extractors).

    scores: out of is, am, mode (from logits; mean and std over `splits` equal parts of the samples, but AM Score's
        value is of all samples at once), fid, kid, prdc (from features, against each split of the real data; mean and
        std over `chunks` parts), entropy (of C(x), with the histogram of classes) and msssim (of the images, within
        classes).
    samples: scored after training, or by scripts/evaluate.py. samples_in_training: every `evaluate_every` steps.
    batch_size: images generated, and passed through the extractor, at once.
    kid_subset_size: of the subsets whose mean KID is.
    msssim_images: of each class. msssim_pairs: of these, "rounds" (half as many pairs, also in a class with fewer
        images), "disjoint" or "all", see gan_lab.metrics.MSSSIM. Table 4-2 has 10 images, 5 pairs.
    msssim_variant: "abs" (|σ_xy| in place of σ_xy, as Table 4-2) or "signed".
    msssim_classes: "own", a sample's class is the one it was drawn with or the critic's own label, as in Table 4-2;
        "classifier", the one that the data's classifier sees; "auto", own where samples have classes of their own.

    Errors: UserError for an unknown score, one that the extractor is not fit for, fewer samples than splits or chunks,
    numbers out of range.
    """

    extractor: Any
    scores: Sequence[str] = ("is", "am", "fid")
    samples: int = 10_000
    samples_in_training: int = 2_000
    splits: int = 10
    chunks: int = 1
    batch_size: int = 500
    kid_subset_size: int = 1000
    msssim_images: int = 400
    msssim_pairs: str = "rounds"
    msssim_variant: str = "abs"
    msssim_classes: str = "auto"

    def __post_init__(self) -> None:
        counts = (
            "samples",
            "samples_in_training",
            "splits",
            "chunks",
            "batch_size",
            "kid_subset_size",
            "msssim_images",
        )
        for name in counts:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise UserError(f"evaluation.{name}={value}: use a whole number of at least 1")
        if not self.scores:
            raise UserError(
                f"evaluation.scores is empty: choose from {', '.join(SCORES)}, or take evaluation=off without it"
            )
        for score in self.scores:
            if score not in SCORES:
                raise UserError(f"evaluation.scores: there is no score {score!r}; choose from {', '.join(SCORES)}")
        if self.msssim_images < 2:
            raise UserError(f"evaluation.msssim_images={self.msssim_images} has no pair: use at least 2")
        for name, words in (("pairs", PAIRS), ("variant", VARIANTS), ("classes", CLASSES)):
            if (value := getattr(self, f"msssim_{name}")) not in words:
                raise UserError(f"evaluation.msssim_{name}={value} is unknown: choose one of {', '.join(words)}")
        if getattr(self.extractor, "features_only", False):
            check_scores_of_features(self.scores, self.extractor.name)
        self.check_count(self.samples, f"evaluation.samples={self.samples}", splits=self.splits, chunks=self.chunks)
        in_training = f"evaluation.samples_in_training={self.samples_in_training}"
        self.check_count(self.samples_in_training, in_training, splits=self.splits)

    @property
    def uses_own_classes(self) -> bool:
        """Whether a score needs the classes that samples have of their own, where they have some."""
        return "msssim" in self.scores and self.msssim_classes != "classifier"

    def similarity(self, num_classes: int, image_shape: Sequence[int]) -> MSSSIM:
        """The MS-SSIM within classes that is asked for, of images (C, H, W)."""
        return MSSSIM(num_classes, image_shape, self.msssim_images, self.msssim_pairs, variant=self.msssim_variant)

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
    distance = FrechetDistance(extractor.num_features).to(device_of(extractor))
    total = torch.zeros(extractor.num_classes, dtype=torch.float64, device=device_of(extractor))
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
    sample: Callable[[int], Samples],
    extractor: Extractor,
    references: Mapping[str, Reference],
    train_marginal: Tensor,
    protocol: Protocol,
    samples: int,
    own_classes: int | None = None,
) -> dict[str, Entry]:
    """Scores of `samples` images, by name.

    sample(b): the b-th batch of `protocol.batch_size` samples; the last may be longer than what is used of it.
    references: by split, what FID, KID and PRDC compare with. train_marginal: (K,), what AM and Mode Score do.
    own_classes: how many classes samples have of their own; None: none, or it is not known which is whose.
    Sample i belongs to split floor(i · splits / samples), and to the chunk of the same rule. Of several processes each
    takes batches that follow one another, so that together the samples keep their order (KID's subsets depend on it);
    all of them return the scores of all samples.
    """
    meters = meters_of(Setting(extractor, references, train_marginal, protocol, samples, own_classes))
    ends = [math.ceil((chunk + 1) * samples / protocol.chunks) for chunk in range(protocol.chunks)]
    batches = math.ceil(samples / protocol.batch_size)
    begin, end = (rank * batches // parallel.world_size() for rank in (parallel.rank(), parallel.rank() + 1))
    with undisturbed(extractor):
        for batch in range(begin, max(end, begin + 1)):
            position = batch * protocol.batch_size
            drawn = sample(batch).part(0, samples - position if begin < end else 0)
            images = drawn.images
            features, logits = extractor(images)
            start = 0
            if not len(images):  # this process has no batch; some meters learn the size of images from their first
                index = torch.zeros(0, dtype=torch.int64, device=logits.device)
                for meter in meters:
                    meter.update(Batch(images, features, logits, index, index, drawn.classes))
            while start < len(images):  # a batch may reach over the end of a chunk
                while ends[0] <= position:  # which other processes may have filled
                    _end_chunk(ends, meters)
                stop = min(len(images), start + ends[0] - position)
                index = torch.arange(position, position + stop - start, device=logits.device)
                split = index * protocol.splits // samples
                own = drawn.part(start, stop)
                part = Batch(own.images, features[start:stop], logits[start:stop], index, split, own.classes)
                for meter in meters:
                    meter.update(part)
                position += stop - start
                start = stop
        while ends:
            _end_chunk(ends, meters)
        entries: dict[str, Entry] = {}
        for meter in meters:
            entries |= meter.entries()
    about = {
        "n_samples": samples,
        "splits": protocol.splits,
        "chunks": protocol.chunks,
        "extractor": {key: extractor.identity[key] for key in ("name", "architecture", "weights_sha256")},
    }
    return {name: about | entry for name, entry in entries.items()}


def _end_chunk(ends: list[int], meters: Sequence[Meter]) -> None:
    ends.pop(0)
    for meter in meters:
        meter.end_chunk()


def check_scores(
    extractor: Extractor,
    references: Mapping[str, Reference],
    train_marginal: Tensor,
    protocol: Protocol,
    samples: int,
    own_classes: int | None = None,
) -> None:
    """UserError where `score_samples` could not score with these arguments, which it finds out without a sample."""
    meters_of(Setting(extractor, references, train_marginal, protocol, samples, own_classes))
