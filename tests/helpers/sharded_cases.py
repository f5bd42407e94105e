"""What `parallel_worker` does with a DCGAN, in one of several gloo processes: it scores the samples
of the initial generator, and trains two steps with noise and dropout."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

SMALL_DCGAN = (
    "architecture=dcgan",
    "architecture.generator_channels=4",
    "architecture.critic_channels=4",
)
LABELS = ("dynamic", "predefined")
EVERY_SCORE = ("is", "am", "mode", "fid", "kid", "prdc", "entropy", "msssim")
COUNTS: dict[str, dict[str, Any]] = {
    "three batches": {"samples": 60, "chunks": 1},
    "two batches and a part": {"samples": 52, "chunks": 1},
    "one batch, none for the second process": {"samples": 20, "chunks": 1},
    "chunks that end within batches": {"samples": 60, "chunks": 3},
    "chunks that lie within one batch": {"samples": 48, "chunks": 4},
    "four batches": {"samples": 100, "chunks": 2},
    "classes by the classifier": {"samples": 60, "chunks": 1, "msssim_classes": "classifier"},
}


def stand_in() -> Any:
    """An extractor of random weights that finds every class."""
    from gan_lab.scoring.features import Extractor, Features

    class StandIn(Extractor):
        def __init__(self) -> None:
            super().__init__("classifier", 5, 10, {"architecture": "random", "weights_sha256": "0"})
            generator = torch.Generator().manual_seed(0)
            self.body = nn.Parameter(torch.randn(64, 5, generator=generator) / 8)
            self.output = nn.Parameter(torch.randn(5, 10, generator=generator))

        def forward(self, images: Tensor) -> Features:
            features = (images.flatten(1).float() / 64 - 2) @ self.body
            return Features(features, features @ self.output)

    return StandIn()


def scored() -> dict[str, Any]:
    """The entries, or the error, of every case; the generator is the initial one, with batch
    statistics."""
    from rich.console import Console

    from gan_lab.scoring.evaluator import Evaluator
    from gan_lab.scoring.protocol import Protocol
    from helpers.parallel_worker import made

    cfg, data, gan = made((*SMALL_DCGAN, "loss=am_gan", "labels=dynamic", "penalty=none"))
    recipe = SimpleNamespace(make=lambda *_: stand_in())
    results = {}
    with open(os.devnull, "w") as nowhere:
        for name, counts in COUNTS.items():
            sizes = {
                "samples_in_training": 20,
                "splits": 2,
                "batch_size": 25,
                "kid_subset_size": 10,
                **counts,
            }
            protocol = Protocol(recipe, EVERY_SCORE, **sizes)
            place = torch.device("cpu")
            evaluator = Evaluator(
                protocol, data, Path(cfg.data_cache), place, Console(file=nowhere)
            )
            results[name] = evaluator.scores(gan, protocol)
    return results


def trained(labels: str, rank: int, world: int) -> dict[str, Any]:
    """Two steps; every mask that the critic's dropout drew, as 0 and 1."""
    from helpers.parallel_worker import made, train

    parts = made((*SMALL_DCGAN, "loss=am_gan", f"labels={labels}", "penalty=none"))
    masks: list[Tensor] = []

    def look(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        masks.append((output.detach() != 0) | (inputs[0].detach() == 0))

    for layer in parts[2].critic.modules():
        if isinstance(layer, nn.Dropout):
            layer.register_forward_hook(look)
    state = train(*parts, rank, world, 2, torch.float32)["state"]
    return {"state": state, "masks": masks}
