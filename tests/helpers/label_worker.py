"""One of two gloo processes saves J_D and its gradients.

`python -m helpers.label_worker RANK WORLD RENDEZVOUS OUT`: of every loss with classes and every
case of LABELS_OF_SHARES, on this process's half of one batch. `every_case(0, 1)` is what one
process makes of all of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from gan_lab import parallel
from helpers import gloo
from helpers.loss_formulas import Batch
from helpers.loss_probes import loss, variants

CLASSES, SIZE = 3, 8
LABELS_OF_SHARES = {  # which of the eight real samples have a label; each process has four of them
    "one and three": [1, 0, 0, 0, 0, 1, 1, 1],
    "none and one": [0, 0, 0, 0, 0, 0, 1, 0],
    "all and two": [1, 1, 1, 1, 1, 1, 0, 0],
    "all and none": [1, 1, 1, 1, 0, 0, 0, 0],
    "no label": [0] * 8,
    "every label": [1] * 8,
}


def name_of_case(option: str, flags: dict[str, Any], case: str) -> str:
    return f"{option} {sorted(flags.items())} {case}"


def batch_of(option: str, flags: dict[str, Any], case: str) -> Batch:
    """The whole batch of a case."""
    rng = np.random.default_rng(len(case))
    outputs = loss(option, **flags).outputs(CLASSES)
    real, fake = (2 * rng.normal(size=(SIZE, outputs)) for _ in range(2))
    labels, targets = (rng.integers(0, CLASSES, SIZE) for _ in range(2))
    return Batch(CLASSES, real, fake, np.where(LABELS_OF_SHARES[case], labels, -1), targets, flags)


def measured(option: str, flags: dict[str, Any], case: str) -> dict[str, Any]:
    """J_D of all processes, and the gradients of their mean by this process's logits."""
    batch = batch_of(option, flags, case)
    whole = [torch.tensor(array) for array in (batch.real, batch.fake, batch.labels, batch.targets)]
    real, fake, labels, targets = (parallel.share(rows) for rows in whole)
    real, fake = real.clone().requires_grad_(), fake.clone().requires_grad_()
    value = loss(option, **flags).critic(real, fake, labels, targets)
    on_real, on_fake = torch.autograd.grad(value / parallel.world_size(), (real, fake))
    return {
        "value": parallel.mean(value.detach()).item(),
        "real": on_real.tolist(),
        "fake": on_fake.tolist(),
    }


def every_case(rank: int, world: int, rendezvous: str = "") -> dict[str, Any]:
    with gloo.joined(rank, world, rendezvous):
        return {
            name_of_case(option, flags, case): measured(option, flags, case)
            for option, flags in variants()
            for case in LABELS_OF_SHARES
        }


def main(rank: int, world: int, rendezvous: str, out: Path) -> None:
    torch.save(every_case(rank, world, rendezvous), out)


if __name__ == "__main__":
    main(*gloo.arguments())
