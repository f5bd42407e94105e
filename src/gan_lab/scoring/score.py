"""Making scores: so many samples, in so many parts, against the references of real data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from gan_lab import parallel
from gan_lab.inference import device_of, undisturbed
from gan_lab.metrics.frechet import FrechetDistance
from gan_lab.metrics.setting import Reference
from gan_lab.records import ScoreName
from gan_lab.scoring.features import Extractor
from gan_lab.scoring.meters import Batch, Meter, Samples, Setting, meters_of
from gan_lab.scoring.protocol import Entry


def measure_reference(
    images: Iterable[Tensor], extractor: Extractor, *, keep_features: bool
) -> Reference:
    """Measure the statistics of real images, in float64 sums of constant memory.

    Args:
        images: batches of uint8, (n, C, H, W).
        extractor: that takes them.
        keep_features: whether the features themselves are kept too, for scores that need them.
    """
    device = device_of(extractor)
    distance = FrechetDistance(extractor.num_features).to(device)
    total = torch.zeros(extractor.num_classes, dtype=torch.float64, device=device)
    kept = []
    count = 0

    # one pass for moments, marginal and features
    with undisturbed(extractor):
        for batch in images:
            features, logits = extractor(batch)
            distance.update(features, real=True)
            total += logits.double().softmax(1).sum(0)
            count += len(batch)
            if keep_features:
                kept.append(features)

        features = torch.cat(kept) if keep_features else None
        return Reference(distance.real_moments(), total / count, features)


def score_samples(sample: Callable[[int], Samples], setting: Setting) -> dict[str, Entry]:
    """Score samples; every process returns the scores of all of them, by name.

    Sample i belongs to split floor(i · splits / samples), and to the chunk of the same rule.

    Args:
        sample: sample(b) is the b-th batch of `protocol.batch_size` samples; the last may be longer
            than the part of it that is used.
        setting: what they are scored with, and how many there are.

    Raises:
        UserError: a score cannot be made in this setting, before a sample is drawn; see
            `meters_of`.
    """
    meters = meters_of(setting)
    extractor, protocol, samples = setting.extractor, setting.protocol, setting.samples
    ends = [math.ceil((chunk + 1) * samples / protocol.chunks) for chunk in range(protocol.chunks)]

    # each process takes batches that follow one another, so that together the samples keep their
    # order, on which KID's subsets depend
    batches = math.ceil(samples / protocol.batch_size)
    rank, world_size = parallel.rank(), parallel.world_size()
    begin, end = rank * batches // world_size, (rank + 1) * batches // world_size

    # a process without a batch of its own takes an empty one: some meters learn the size of images
    # from their first
    with undisturbed(extractor):
        for batch in range(begin, max(end, begin + 1)):
            position = batch * protocol.batch_size
            drawn = sample(batch).part(0, samples - position if begin < end else 0)
            features, logits = extractor(drawn.images)
            number = torch.arange(position, position + len(logits), device=logits.device)
            split = number * protocol.splits // samples
            whole = Batch(drawn.images, features, logits, number, split, drawn.classes)
            _update(meters, ends, whole, position)

        # chunks that other processes have filled to the end
        while ends:
            _end_chunk(ends, meters)
        entries: dict[ScoreName, Entry] = {}
        for meter in meters:
            entries |= meter.entries()

    # the facts that all of these scores share
    description = extractor.description
    named = {key: description[key] for key in ("name", "architecture", "weights_sha256")}
    about: Entry = {"splits": protocol.splits, "chunks": protocol.chunks, "extractor": named}
    return {str(name): {**name.fields, **about, **entry} for name, entry in entries.items()}


def _update(meters: Sequence[Meter], ends: list[int], batch: Batch, position: int) -> None:
    """Give a batch to the meters, cut where chunks end.

    Args:
        meters: that take it.
        ends: of the chunks that have not ended; those that end are removed.
        batch: of samples.
        position: the number of its first sample.
    """
    count = len(batch.number)
    if not count:
        for meter in meters:
            meter.update(batch)

    # a batch may reach over the end of a chunk, and chunks before it may be other processes'
    start = 0
    while start < count:
        while ends[0] <= position + start:
            _end_chunk(ends, meters)
        stop = min(count, ends[0] - position)

        images, features, logits, number, split = (values[start:stop] for values in batch[:5])
        classes = None if batch.classes is None else batch.classes[start:stop]
        for meter in meters:
            meter.update(Batch(images, features, logits, number, split, classes))
        start = stop


def _end_chunk(ends: list[int], meters: Sequence[Meter]) -> None:
    ends.pop(0)
    for meter in meters:
        meter.end_chunk()
