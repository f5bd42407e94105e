"""Scoring the EMA generator of a run: on its device, from fixed noise, without files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from gan_lab.data import LoadedData
from gan_lab.data.resident import to_uint8
from gan_lab.errors import UserError
from gan_lab.files import clear_abandoned, read_json, write_atomically, writing_cache
from gan_lab.inference import undisturbed
from gan_lab.metrics import load_reference, save_reference
from gan_lab.metrics.feature_moments import read_statistics
from gan_lab.metrics.setting import Reference
from gan_lab.reading.schema import Number, misfit
from gan_lab.records import provenance
from gan_lab.scoring.features import Extractor
from gan_lab.scoring.meters import Samples, Setting, check_own_classes, meters_of
from gan_lab.scoring.protocol import Entry, Protocol, needs_features
from gan_lab.scoring.score import measure_reference, score_samples
from gan_lab.training.gan import GAN
from gan_lab.training.randomness import generator_for

REFERENCES = "references"  # folder in the data cache
PAIRS_SEED = 0  # of the choice of real images that are paired
BY_CRITIC = "the critic's own label in eval mode (running statistics, neither noise nor dropout)"


class Evaluator:
    """A protocol of scores, ready to be taken against every split of one data set.

    Making one trains the classifier, or checks the Inception weights, and passes the real data
    through: so it refuses before training what cannot be scored.

    Args:
        protocol: of the scores.
        data: images, or points where the extractor takes these, with their splits.
        cache: the folder of the data cache, where the statistics of real data are kept.
        device: where it scores.
        console: tells the progress of a classifier that is trained.
        own_classes: how many classes the samples to be scored have of their own, see
            `GAN.own_classes`.

    Raises:
        UserError: the protocol cannot be taken of these data.
    """

    def __init__(
        self,
        protocol: Protocol,
        data: LoadedData,
        cache: Path,
        device: torch.device,
        console: Console,
        own_classes: int | None = None,
    ) -> None:
        check_own_classes(protocol, own_classes)
        self.protocol = protocol
        self.data = data
        self.device = device

        self.extractor: Extractor = protocol.extractor.make(data, cache, device, console)
        assert self.extractor.kind == data.spec.kind, (self.extractor.kind, data.spec)

        # statistics of the real data, from the cache where they were measured before
        keep = needs_features(protocol.scores)
        clear_abandoned(cache / REFERENCES)
        self.references = {
            split: self._reference(split, cache, keep_features=keep) for split in data.splits
        }

        # both protocols, now: the one for the end must not fail after days of training
        for checked in (protocol, protocol.in_training):
            meters_of(self.setting(checked, checked.samples, own_classes))

        self.real_similarity = self._real_similarity(cache) if "msssim" in protocol.scores else {}

    def setting(self, protocol: Protocol, samples: int, own_classes: int | None = None) -> Setting:
        """What so many samples are scored with by a protocol."""
        marginal = self.references["train"].marginal
        return Setting(self.extractor, self.references, marginal, protocol, samples, own_classes)

    def scores(self, gan: GAN, protocol: Protocol) -> dict[str, Entry]:
        """Score `gan`'s EMA generator, with the same noise at every step.

        Where a score needs the critic's own labels, `gan` has the critic of that step, which is
        asked in eval mode, on samples before they become bytes.

        Args:
            gan: on the device of this evaluator.
            protocol: this evaluator's, or its form in training.

        Returns:
            The scores by name, each with the generator step that it belongs to.
        """
        assert gan.device == self.device, (gan.device, self.device)
        own_classes = gan.own_classes if protocol.uses_own_classes else None

        # noise by the number of the batch alone, so that scores differ by the weights only
        def sample(batch: int) -> Samples:
            rng = generator_for(gan.settings.seed, "evaluation", batch, self.device)
            samples, drawn = gan.sample(protocol.batch_size, rng)
            seen = to_uint8(samples) if self.extractor.kind == "images" else samples.float()
            return Samples(seen, gan.classes_of(samples, drawn) if own_classes else None)

        with undisturbed(gan):
            entries = self.score(sample, protocol, protocol.samples, own_classes)

        # only here it is known whose the classes are
        for entry in entries.values():
            if entry.get("classes") == "own":
                entry["classes"] = BY_CRITIC if gan.classes_by_critic else "drawn with the sample"

        # everything of the generator that decides its scores, or tells where they are from
        facts = {
            "step": gan.generator_steps,
            "batch_norm_statistics": gan.batch_norm_statistics,
            "batch_size": protocol.batch_size,
            "git": provenance.git_state(),
            "protocol": self.fingerprint(protocol),
        }
        return {name: entry | facts for name, entry in entries.items()}

    def fingerprint(self, protocol: Protocol) -> str:
        """16 hex digits of everything that decides a generator's scores by a protocol."""
        others = ("extractor", "samples_in_training")
        names = [item.name for item in fields(protocol) if item.name not in others]
        numbers = {name: getattr(protocol, name) for name in names}
        description = self.extractor.description
        extractor = {key: description[key] for key in ("architecture", "weights_sha256")}
        return _digest({**numbers, "scores": list(protocol.scores), "extractor": extractor})[:16]

    def score(
        self,
        sample: Callable[[int], Samples],
        protocol: Protocol,
        samples: int,
        own_classes: int | None = None,
    ) -> dict[str, Entry]:
        """Score any `samples` samples; `sample(b)` is their b-th batch, see `score_samples`.

        MS-SSIM has that of real images in their true classes beside it: `real`, `real_per_class`.
        """
        entries = score_samples(sample, self.setting(protocol, samples, own_classes))

        # an entry that counts pairs is one of MS-SSIM
        return {
            name: entry | self.real_similarity if "pairs_per_class" in entry else entry
            for name, entry in entries.items()
        }

    def real(self, split: str) -> Iterator[Tensor]:
        """The samples of a split, in batches."""
        values = torch.from_numpy(self.data.splits[split].values)
        for batch in values.split(self.protocol.batch_size):
            yield batch.to(self.device)

    def _reference(self, split: str, cache: Path, *, keep_features: bool) -> Reference:
        """Read a reference from the cache, or measure and keep it."""
        meta = reference_meta(self.data.content_hash, split, self.extractor)
        path = cache / REFERENCES / f"{_digest(meta)}.npz"

        # features are too large to be kept there: where a score needs them, they are made anew
        known = None if keep_features else _read(path, meta, self.extractor.num_classes)
        if known is not None:
            return known
        measured = measure_reference(self.real(split), self.extractor, keep_features=keep_features)
        with writing_cache(cache):
            save_reference(path, measured.moments, meta | {"marginal": measured.marginal.tolist()})
        return measured

    def _real_similarity(self, cache: Path) -> dict[str, Any]:
        """Measure MS-SSIM of the training images in their true classes, as it is of samples."""
        # from the cache, by everything that decides it
        spec, split, protocol = self.data.spec, self.data.splits["train"], self.protocol
        metric = protocol.similarity(spec.num_classes, spec.shape).to(self.device)
        meta: dict[str, Any] = {
            "data": self.data.content_hash,
            "split": "train",
            "score": metric.protocol,
        }
        meta |= {"images": protocol.msssim_images, "pairs": protocol.msssim_pairs}
        meta |= {"seed": PAIRS_SEED}

        path = cache / REFERENCES / f"{_digest(meta)}.json"
        if (known := _kept_similarity(path, meta)) is not None:
            return known

        # in a random order, because files of a class may be sorted by what they show; images
        # without a label have no true class
        order = np.random.default_rng(PAIRS_SEED).permutation(len(split))
        order = order[split.labels[order] >= 0]

        for rows in np.split(order, range(protocol.batch_size, len(order), protocol.batch_size)):
            labels = torch.from_numpy(split.labels[rows])
            metric.update(torch.from_numpy(split.values[rows]), labels)
        values = metric.compute()

        similarity = {"real": values.maximum.item(), "real_per_class": values.per_class.tolist()}
        with writing_cache(cache):
            write_atomically(path, json.dumps({"meta": meta, "similarity": similarity}))
        return similarity


def reference_meta(content: str, split: str, extractor: Extractor) -> dict[str, Any]:
    """The facts that decide the statistics of real images: another one makes them anew."""
    description = extractor.description
    return {
        "data": content,
        "split": split,
        "extractor": description["architecture"],
        "weights_sha256": description["weights_sha256"],
        "resize": description.get("resize", "none"),
        "quantisation": "uint8" if extractor.kind == "images" else "none",
    }


def _digest(meta: dict[str, Any]) -> str:
    """The name of a file in the cache, by all that it depends on."""
    return hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()[:24]


class _Similarity(TypedDict):
    """MS-SSIM of real images; see `Evaluator._real_similarity`."""

    real: Number
    real_per_class: list[Number]


def _kept_similarity(path: Path, meta: dict[str, Any]) -> dict[str, Any] | None:
    """Read the cached similarity of real images; None where it is missing, damaged or of others."""
    try:
        known = read_json(path)
    except (OSError, ValueError):
        return None
    is_ours = isinstance(known, dict) and known.get("meta") == meta
    if not is_ours or misfit(known.get("similarity"), _Similarity):
        return None
    return {name: known["similarity"][name] for name in ("real", "real_per_class")}


class _Meta(TypedDict):
    """What a file of cached statistics holds beside the moments and what they depend on."""

    marginal: list[float]


def _read(path: Path, meta: dict[str, Any], num_classes: int) -> Reference | None:
    """Read a cached reference with a marginal of so many classes; None where it cannot be used."""
    try:
        moments = load_reference(path, meta)
        facts = read_statistics(path)[1]
    except UserError:
        return None
    if facts is None or misfit(facts, _Meta) or len(facts["marginal"]) != num_classes:
        return None
    return Reference(moments, torch.tensor(facts["marginal"], dtype=torch.float64))
