"""How scores are made: so many samples, in so many parts, against these references; and what they
are called."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from gan_lab import parallel
from gan_lab.inference import device_of, undisturbed
from gan_lab.metrics.frechet import FrechetDistance
from gan_lab.metrics.setting import Reference
from gan_lab.scoring.features import Extractor
from gan_lab.scoring.meters import Batch, Meter, Samples, Setting, meters_of
from gan_lab.scoring.protocol import Entry, Protocol


def measure_reference(
    images: Iterable[Tensor], extractor: Extractor, keep_features: bool
) -> Reference:
    """Pass batches of uint8 images through the extractor; float64 sums, constant memory unless
    features are kept."""
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
        return Reference(
            distance.real_moments(), total / count, torch.cat(kept) if keep_features else None
        )


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

    sample(b): the b-th batch of `protocol.batch_size` samples; the last may be longer than what is
    used of it.
    references: by split, what FID, KID and PRDC compare with. train_marginal: (K,), what AM and
    Mode Score do.
    own_classes: how many classes samples have of their own; None: none, or it is not known which is
    whose. Sample i belongs to split floor(i · splits / samples), and to the chunk of the same rule.
    Of several processes each takes batches that follow one another, so that together the samples
    keep their order (KID's subsets depend on it); all of them return the scores of all samples.
    """
    meters = meters_of(
        Setting(extractor, references, train_marginal, protocol, samples, own_classes)
    )
    ends = [math.ceil((chunk + 1) * samples / protocol.chunks) for chunk in range(protocol.chunks)]
    batches = math.ceil(samples / protocol.batch_size)
    begin, end = (
        rank * batches // parallel.world_size() for rank in (parallel.rank(), parallel.rank() + 1)
    )
    with undisturbed(extractor):
        for batch in range(begin, max(end, begin + 1)):
            position = batch * protocol.batch_size
            drawn = sample(batch).part(0, samples - position if begin < end else 0)
            images = drawn.images
            features, logits = extractor(images)
            start = 0
            if not len(
                images
            ):  # this process has no batch; some meters learn the size of images from their first
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
                part = Batch(
                    own.images, features[start:stop], logits[start:stop], index, split, own.classes
                )
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
        "extractor": {
            key: extractor.identity[key] for key in ("name", "architecture", "weights_sha256")
        },
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
    """UserError where `score_samples` could not score with these arguments, which it finds out
    without a sample."""
    meters_of(Setting(extractor, references, train_marginal, protocol, samples, own_classes))
