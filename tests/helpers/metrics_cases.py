"""One or more uses of every metric class, so that whatever holds for all is tested for all."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

import gan_lab.metrics as room
from gan_lab.reading.declared_scores import declared_scores
from helpers.metrics_reference import normal, simplex

CLASSES = {
    cls
    for cls in vars(room).values()
    if inspect.isclass(cls) and issubclass(cls, Metric) and cls.__module__.startswith("gan_lab")
} | {
    getattr(importlib.import_module(score.module), score.class_name)
    for score in declared_scores().values()
    if score.facts.stable
}
"""Those that are exported, and those that score runs, which need not be."""


@dataclass(frozen=True)
class Stream:
    """Samples for `update`: tensors whose rows belong together, and settings that hold for all of
    them."""

    rows: dict[str, Tensor]
    settings: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.rows.values())))

    def slice(self, start: int, stop: int) -> Stream:
        return Stream({name: rows[start:stop] for name, rows in self.rows.items()}, self.settings)

    def batches(self, size: int) -> Iterator[dict[str, Any]]:
        for start in range(0, len(self), size):
            yield {**self.slice(start, start + size).rows, **self.settings}


@dataclass(frozen=True)
class Case:
    """`values`: the argument that holds logits, features or images."""

    make: Callable[[], Metric]
    streams: tuple[Stream, ...]
    values: str

    def feed(
        self, metric: Metric, start: float = 0.0, stop: float = 1.0, batch: int = 1000
    ) -> Metric:
        """Update with the given part of every stream."""
        for stream in self.streams:
            for arguments in stream.slice(
                round(start * len(stream)), round(stop * len(stream))
            ).batches(batch):
                metric.update(**arguments)
        return metric

    def with_values(self, change: Callable[[Tensor], Tensor]) -> Case:
        """The same case with its logits, features or images changed."""
        streams = tuple(
            Stream({**s.rows, self.values: change(s.rows[self.values])}, s.settings)
            for s in self.streams
        )
        return Case(self.make, streams, self.values)

    def value(self, batch: int = 1000) -> list[float]:
        return flat(self.feed(self.make(), batch=batch).compute())


def flat(result: Any) -> list[float]:
    """The numbers of a tensor or of a tuple of tensors."""
    parts = (result,) if isinstance(result, Tensor) else result
    return [number for part in parts for number in part.reshape(-1).tolist()]


K, D = 5, 6
LOGITS = normal(120, K, seed=1, scale=3.0).float()
SPLIT = torch.randint(0, 4, (120,), generator=torch.Generator().manual_seed(2))
TRAIN = simplex(K, seed=3)
REAL = normal(90, D, seed=4).float()
FAKE = (normal(80, D, seed=5) @ normal(D, D, seed=6) + 0.5).float()
IMAGES = torch.randint(
    0, 256, (80, 1, 8, 8), generator=torch.Generator().manual_seed(7), dtype=torch.uint8
)
LABELS = torch.randint(0, 3, (80,), generator=torch.Generator().manual_seed(8))
INDEX = torch.randperm(80, generator=torch.Generator().manual_seed(9))


def of_logits(make: Callable[..., Metric]) -> dict[str, Case]:
    plain, split = Stream({"logits": LOGITS}), Stream({"logits": LOGITS, "split": SPLIT})
    return {
        "": Case(lambda: make(), (plain,), "logits"),
        " of 4 splits": Case(lambda: make(splits=4), (split,), "logits"),
    }


def of_features(make: Callable[[], Metric], real: bool = True) -> Case:
    fake_side, real_side = (
        Stream({"features": FAKE}, {"real": False}),
        Stream({"features": REAL}, {"real": True}),
    )
    return Case(make, (real_side, fake_side) if real else (fake_side,), "features")


def of_images(pairs: str) -> Case:
    stream = Stream({"images": IMAGES, "labels": LABELS, "index": INDEX})
    return Case(
        lambda: room.MSSSIM(4, (1, 8, 8), images_per_class=6, pairs=pairs), (stream,), "images"
    )


CASES: dict[str, Case] = {
    **{
        f"InceptionScore{k}": v
        for k, v in of_logits(lambda **s: room.InceptionScore(K, **s)).items()
    },
    **{f"AMScore{k}": v for k, v in of_logits(lambda **s: room.AMScore(TRAIN, **s)).items()},
    **{f"ModeScore{k}": v for k, v in of_logits(lambda **s: room.ModeScore(TRAIN, **s)).items()},
    "ClassHistogram": Case(lambda: room.ClassHistogram(K), (Stream({"logits": LOGITS}),), "logits"),
    "ModeCoverage": Case(
        lambda: room.ModeCoverage(K, least_logit=2.0), (Stream({"logits": LOGITS}),), "logits"
    ),
    "FrechetDistance": of_features(lambda: room.FrechetDistance(D)),
    "FrechetDistance to a reference": of_features(
        lambda: room.FrechetDistance(D, reference=room.moments(REAL)), real=False
    ),
    "KernelDistance": of_features(lambda: room.KernelDistance(subsets=5, subset_size=20)),
    "PrecisionRecallDensityCoverage": of_features(
        lambda: room.PrecisionRecallDensityCoverage(k=3, chunk=32)
    ),
    "MSSSIM of disjoint pairs": of_images("disjoint"),
    "MSSSIM of all pairs": of_images("all"),
    "MSSSIM of rounds": of_images("rounds"),
}
EVERY = list(CASES)
STREAMING = [
    name for name in EVERY if name.startswith(("Inception", "AM", "Mode", "Class", "Frechet"))
]
OF_LOGITS = [name for name in EVERY if CASES[name].values == "logits"]
OF_FEATURES = [name for name in EVERY if CASES[name].values == "features"]
OF_IMAGES = [name for name in EVERY if CASES[name].values == "images"]
