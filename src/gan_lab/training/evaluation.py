"""Scoring the EMA generator of a run: on its device, from fixed noise, without files."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from gan_lab import provenance
from gan_lab.data import LoadedData
from gan_lab.data.resident import to_uint8
from gan_lab.metrics import load_reference, save_reference
from gan_lab.metrics.features import Extractor, undisturbed
from gan_lab.metrics.meters import Entry
from gan_lab.metrics.protocol import (
    Protocol,
    Reference,
    check_scores,
    measure_reference,
    needs_features,
    score_samples,
)
from gan_lab.training.gan import GAN
from gan_lab.training.randomness import generator_for
from gan_lab.types import UserError

REFERENCES = "references"  # folder in the data cache


class Evaluator:
    """Scores by one protocol against every split of one data set.

    The statistics of real data are kept in `cache`, by what they depend on. Making one trains the classifier, or
    checks the Inception weights, and passes the real data through: it refuses what cannot be scored before training.
    """

    def __init__(
        self, protocol: Protocol, data: LoadedData, cache: Path, device: torch.device, console: Console
    ) -> None:
        assert data.spec.kind == "images", data.spec
        self.protocol = protocol
        self.data = data
        self.device = device
        self.extractor: Extractor = protocol.extractor.make(data, cache, device, console)
        keep = needs_features(protocol.scores)
        self.references = {split: self._reference(split, cache, keep) for split in data.splits}
        for asked in (protocol, protocol.in_training):
            check_scores(self.extractor, self.references, self.references["train"].marginal, asked, asked.samples)

    def scores(self, gan: GAN, protocol: Protocol) -> dict[str, Entry]:
        """Scores of `gan`'s EMA generator, each with the generator step it belongs to; the same noise at every step.

        protocol: this evaluator's, or what it is in training.
        """
        assert gan.device == self.device, (gan.device, self.device)

        def sample(batch: int) -> Tensor:
            rng = generator_for(gan.recipe.seed, "evaluation", batch, self.device)
            return to_uint8(gan.sample(protocol.batch_size, rng)[0])

        with undisturbed(gan):
            entries = self.score(sample, protocol, protocol.samples)
        facts = {
            "step": gan.generator_steps,
            "batch_norm_statistics": gan.batch_norm_statistics,
            "batch_size": protocol.batch_size,
            "git": provenance.git_state(),
        }
        return {name: entry | facts for name, entry in entries.items()}

    def score(self, sample: Callable[[int], Tensor], protocol: Protocol, samples: int) -> dict[str, Entry]:
        """Scores of any `samples` images; `sample(b)` is their b-th batch."""
        marginal = self.references["train"].marginal
        return score_samples(sample, self.extractor, self.references, marginal, protocol, samples)

    def real(self, split: str) -> Iterator[Tensor]:
        """The images of a split, in batches."""
        values = torch.from_numpy(self.data.splits[split].values)
        for batch in values.split(self.protocol.batch_size):
            yield batch.to(self.device)

    def _reference(self, split: str, cache: Path, keep_features: bool) -> Reference:
        """From the cache where it was measured before under the same protocol; features are never kept there."""
        meta = reference_meta(self.data.content_hash, split, self.extractor)
        digest = hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()
        path = cache / REFERENCES / f"{digest[:24]}.npz"
        known = None if keep_features else _read(path, meta)
        if known is None:
            known = measure_reference(self.real(split), self.extractor, keep_features)
            try:
                save_reference(path, known.moments, meta | {"marginal": known.marginal.tolist()})
            except OSError as error:
                raise UserError(f"data_cache={cache} cannot be written ({error.strerror or error})") from error
        return known


def reference_meta(content: str, split: str, extractor: Extractor) -> dict[str, Any]:
    """What the statistics of real images depend on; they are computed anew when any of it changes."""
    identity = extractor.identity
    return {
        "data": content,
        "split": split,
        "extractor": identity["architecture"],
        "weights_sha256": identity["weights_sha256"],
        "resize": identity.get("resize", "none"),
        "quantisation": "uint8",
    }


def _read(path: Path, meta: dict[str, Any]) -> Reference | None:
    """A cached reference; None where there is none, or it is damaged."""
    try:
        moments = load_reference(path, meta)
        with np.load(path, allow_pickle=False) as file:
            marginal = torch.tensor(json.loads(file["meta"].tobytes())["marginal"], dtype=torch.float64)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    return Reference(moments, marginal)
