"""The cost of scoring beside the extractor's forward pass, and its memory."""

from __future__ import annotations

import subprocess  # nosec B404 # this very module, below
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_lab.benchmarks.measuring import seconds_of, summary
from gan_lab.classifier.networks import ResNetClassifier
from gan_lab.inference import undisturbed
from gan_lab.metrics import AMScore, FrechetDistance, InceptionScore
from gan_lab.scoring.features import ClassifierExtractor, Extractor
from gan_lab.types import DataSpec

CLASSES = 10
BATCH = 500


def cost(images: int, rounds: int) -> dict[str, Any]:
    """Measure the extractor alone, and with IS, AM and FID of its output, in alternating rounds."""
    # uint8 noise by the fast classifier; untrained weights cost the same as trained ones
    spec = DataSpec("noise", "images", (3, 32, 32), CLASSES, tuple(map(str, range(CLASSES))))
    network = ResNetClassifier().network(spec).to(memory_format=torch.channels_last).eval()
    extractor = ClassifierExtractor(network, torch.full((3,), 127.5), torch.full((3,), 64.0), {})
    batches = torch.randint(256, (images, *spec.shape), dtype=torch.uint8).split(BATCH)

    # in turns: a busy minute of the machine meets both
    alone, both = [], []
    for _ in range(rounds):
        with undisturbed(extractor):
            alone.append(seconds_of(lambda: [extractor(batch) for batch in batches]))
            both.append(seconds_of(lambda: _score(extractor, batches)))
    return {"images": images, "extractor": summary(alone), "with scores": summary(both, alone)}


def memory(features: int, samples: int) -> dict[str, int]:
    """Measure the peak resident memory, in bytes, of scoring so many synthetic feature vectors.

    They are scored in a process of their own.
    """
    command = [sys.executable, "-m", __name__, str(features), str(samples)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # nosec B603 # numbers, no shell
    return {"features": features, "samples": samples, "peak_bytes": int(done.stdout)}


def _score(extractor: Extractor, batches: tuple[Tensor, ...]) -> None:
    """IS, AM and FID of all batches, their computation at the end included."""
    metrics = _Scores(extractor.num_features)
    for batch in batches:
        metrics.update(*extractor(batch))
    metrics.compute()


class _Scores:
    """IS, AM and FID together; FID against random features."""

    def __init__(self, num_features: int) -> None:
        self.inception = InceptionScore(CLASSES, splits=10)
        self.am = AMScore(torch.full((CLASSES,), 1 / CLASSES, dtype=torch.float64), splits=10)
        self.frechet = FrechetDistance(num_features)
        self.frechet.update(torch.randn(BATCH, num_features), real=True)

    def update(self, features: Tensor, logits: Tensor) -> None:
        """Take in one batch."""
        self.inception.update(logits)
        self.am.update(logits)
        self.frechet.update(features)

    def compute(self) -> None:
        """All values."""
        for metric in (self.inception, self.am, self.frechet):
            metric.compute()


def _stream(num_features: int, samples: int) -> int:
    """Score random vectors made batch by batch; the peak resident memory in bytes (Linux)."""
    metrics = _Scores(num_features)
    for _ in range(samples // BATCH):
        metrics.update(torch.randn(BATCH, num_features), torch.randn(BATCH, CLASSES))
    metrics.compute()

    # not getrusage, whose peak a child inherits from the process that started it
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    print(_stream(int(sys.argv[1]), int(sys.argv[2])))
