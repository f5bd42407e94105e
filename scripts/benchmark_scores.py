"""`python scripts/benchmark_scores.py`: what scoring costs beside the extractor's forward pass, and its memory.

Cost: seconds of the extractor alone against the extractor with IS, AM and FID taking in its output, on the same uint8
noise in alternating rounds; untrained weights, which cost the same as trained ones. Memory: peak resident memory of a
process of its own that scores so many synthetic feature vectors in batches.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess  # nosec B404 # this very program, below
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from gan_lab.architectures.classifier import ResNetClassifier
from gan_lab.metrics import AMScore, FrechetDistance, InceptionScore
from gan_lab.metrics.features import ClassifierExtractor, Extractor, undisturbed
from gan_lab.types import DataSpec

CLASSES = 10
BATCH = 500


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000, help="of 3 x 32 x 32, a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--features", type=int, nargs="*", default=[256, 2048], help="d of the memory measurement")
    parser.add_argument("--samples", type=int, nargs="*", default=[50_000, 500_000], help="n of the memory measurement")
    parser.add_argument("--stream", type=int, nargs=2, metavar=("D", "N"), help="score N vectors, print peak bytes")
    arguments = parser.parse_args()
    if arguments.stream:
        stream(*arguments.stream)
        return
    cost(arguments.images, arguments.rounds)
    for features in arguments.features:
        for samples in arguments.samples:
            command = [sys.executable, __file__, "--stream", str(features), str(samples)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)  # nosec B603 # numbers, no shell
            peak = int(done.stdout)
            print(f"memory: d = {features}, {samples:,} samples: peak {peak / 2**20:.0f} MiB resident")


def cost(images: int, rounds: int) -> None:
    """Print the ratio of (extractor and scores) to (extractor) for the fast classifier at 32 px."""
    spec = DataSpec("noise", "images", (3, 32, 32), CLASSES, tuple(map(str, range(CLASSES))))
    network = ResNetClassifier().network(spec).to(memory_format=torch.channels_last).eval()
    extractor = ClassifierExtractor(network, torch.full((3,), 127.5), torch.full((3,), 64.0), {})
    batches = torch.randint(256, (images, *spec.shape), dtype=torch.uint8).split(BATCH)
    alone, both = [], []
    for _ in range(rounds):
        alone.append(timed(lambda: [extractor(batch) for batch in batches], extractor))
        both.append(timed(lambda: score(extractor, batches), extractor))
    ratio = statistics.median(mine / its for mine, its in zip(both, alone, strict=True))
    print(
        f"cost: extractor {statistics.median(alone):.3f} s, with scores {statistics.median(both):.3f} s for "
        f"{images:,} images of 3 x 32 x 32; ratio {ratio:.3f}"
    )


def score(extractor: Extractor, batches: tuple[Tensor, ...]) -> None:
    """IS, AM and FID of all batches, their computation at the end included."""
    metrics = Scores(extractor.num_features)
    for batch in batches:
        metrics.update(*extractor(batch))
    metrics.compute()


class Scores:
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


def stream(num_features: int, samples: int) -> None:
    """Score random vectors made batch by batch; print the peak resident memory in bytes (Linux)."""
    metrics = Scores(num_features)
    for _ in range(samples // BATCH):
        metrics.update(torch.randn(BATCH, num_features), torch.randn(BATCH, CLASSES))
    metrics.compute()
    # not getrusage, whose peak a child inherits from the process that started it
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(int(line.split()[1]) * 1024)


def timed(work: Callable[[], object], extractor: Extractor) -> float:
    """Seconds."""
    with undisturbed(extractor):
        began = time.perf_counter()
        work()
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
