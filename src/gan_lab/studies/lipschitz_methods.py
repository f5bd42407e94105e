"""Figure 2-2: constraints and penalties between two fakes and two reals of the plane."""

from __future__ import annotations

import torch
from torch import nn

from gan_lab import checks
from gan_lab.architectures import MLP
from gan_lab.losses import ScalarLoss
from gan_lab.penalties import Penalty
from gan_lab.studies.critics import OptimizerFactory
from gan_lab.studies.oracle import Laws, OracleStudy
from gan_lab.training.randomness import generator_for
from gan_lab.types import DataSpec

PLANE = DataSpec("plane", "points", (2,), 1, ("all",))


class LipschitzMethods(OracleStudy):
    """A critic between so many random fakes and reals of the plane, all standard normal.

    The thesis says of its figure that spectral normalisation does not reach the optimum, that the
    gradient penalty oscillates, and that the maximal one converges.

    Args:
        loss: wasserstein in the thesis.
        penalty: with the same target for all that have one.
        optimizer: of the critic.
        architecture: of the critic.
        points: fakes, and as many reals.
        max_steps: of the optimizer.
        batch_size: fakes and reals of a step, drawn with replacement.

    Source:
        Thesis 2.6.2 and Figure 2-2.
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
    ) -> None:
        super().__init__(loss, penalty, optimizer, max_steps, batch_size)
        self.points = checks.whole("points", points, at_least=1)
        self.architecture = architecture

    def laws(self, seed: int) -> Laws:
        """Standard normal points."""
        rng = generator_for(seed, "points")
        fake, real = torch.randn(2, self.points, 2, generator=rng)
        return Laws(fake, real)

    def network(self, sample: torch.Size) -> nn.Module:
        """The architecture's critic."""
        return self.architecture.critic(PLANE, outputs=1)
