"""Critics between two fixed finite laws of the plane."""

from __future__ import annotations

import torch
from torch import nn

from gan_lab import checks
from gan_lab.architectures import MLP
from gan_lab.losses import ScalarLoss
from gan_lab.penalties import Penalty
from gan_lab.studies.critics import OptimizerFactory
from gan_lab.studies.oracle import OracleStudy
from gan_lab.types import DataSpec

PLANE = DataSpec("plane", "points", (2,), 1, ("all",))


class PlaneStudy(OracleStudy):
    """An OracleStudy of so many fakes and reals of the plane; a subclass makes the laws.

    Args:
        loss: as in OracleStudy.
        penalty: likewise.
        optimizer: of the critic.
        architecture: of the critic.
        points: fakes, and as many reals.
        max_steps: of the optimizer.
        batch_size: fakes and reals of a step, drawn with replacement.
        schedule: as in OracleStudy.
    """

    def __init__(
        self,
        loss: ScalarLoss,
        penalty: Penalty,
        optimizer: OptimizerFactory,
        architecture: MLP,
        *,
        points: int,
        max_steps: int,
        batch_size: int,
        schedule: str = "constant",
    ) -> None:
        super().__init__(loss, penalty, optimizer, max_steps, batch_size, schedule)
        self.points = checks.whole("points", points, at_least=1)
        self.architecture = architecture

    def network(self, sample: torch.Size) -> nn.Module:
        """The architecture's critic."""
        return self.architecture.critic(PLANE, outputs=1)
