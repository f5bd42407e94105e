"""Keeping all features of both sides, for metrics that need them at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics.utilities.distributed import gather_all_tensors

from gan_lab.errors import UserError
from gan_lab.metrics.base import Score
from gan_lab.metrics.feature_moments import check_features


def check_sides(real: Tensor, fake: Tensor, smallest: int, remedy: str) -> tuple[Tensor, Tensor]:
    """Check the features of both sides and bring them together.

    Args:
        real: (n, d).
        fake: (m, d).
        smallest: the samples that each side must have.
        remedy: what else the user can do where it has fewer.

    Returns:
        Both in float64, on the device of `real`.

    Raises:
        UserError: for other shapes, too few samples on a side, and features that are not finite.
    """
    # each side
    for name, side in (("real", real), ("fake", fake)):
        if len(side) < smallest:
            raise UserError(
                f"{len(side)} {name} samples, and {smallest} are needed: give more, or {remedy}"
            )
        if not bool(check_features(side).isfinite().all()):
            raise UserError(
                f"some {name} features are NaN or infinite: "
                "look for a diverged generator or half precision"
            )

    # both
    if real.shape[1] != fake.shape[1]:
        raise UserError(
            f"real samples have {real.shape[1]} features and fake ones {fake.shape[1]}: "
            "take both from one extractor"
        )

    return real.to(torch.float64), fake.to(real.device, torch.float64)


def joined(parts: list[Tensor] | Tensor) -> Tensor:
    """All features of a list, (n, d); (0, 0) where there are none."""
    if isinstance(parts, Tensor):  # synchronised already
        return parts
    parts = [part for part in parts if len(part)]
    return torch.cat(parts) if parts else torch.empty(0, 0)


class FeatureSets(Score):
    """Keeps real and fake features (n, d), in float32.

    A process may hold none. After synchronisation the features of process 0 come first.
    """

    real: list[Tensor] | Tensor
    fake: list[Tensor] | Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("real", [], dist_reduce_fx=joined)
        self.add_state("fake", [], dist_reduce_fx=joined)

    def update(self, features: Tensor, real: bool = False) -> None:
        """Take in features.

        Args:
            features: (n, d).
            real: whether they are of real samples.

        Raises:
            UserError: for another shape, and another d than before.
        """
        kept: Any = self.real if real else self.fake
        x = check_features(features).detach().to(self.device, torch.float32)
        if kept and kept[0].shape[1] != x.shape[1]:
            raise UserError(
                f"features of {x.shape[1]} after ones of {kept[0].shape[1]} values: "
                "take all from one extractor"
            )
        kept.append(x.clone())  # an extractor may write its next batch into the same place

    def sides(self) -> tuple[Tensor, Tensor]:
        """All real and all fake features, (n, d) each."""
        return joined(self.real), joined(self.fake)

    def _sync_dist(
        self,
        dist_sync_fn: Callable[..., Any] = gather_all_tensors,
        process_group: Any | None = None,
    ) -> None:
        """Gather the features of all processes.

        torchmetrics gathers list states entry by entry: each process must bring exactly one, 2-D
        even when it is empty.
        """
        self.real = [joined(self.real).to(self.device)]
        self.fake = [joined(self.fake).to(self.device)]
        super()._sync_dist(dist_sync_fn, process_group)
