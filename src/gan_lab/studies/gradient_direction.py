"""Figure 2-4: at every fake the optimal critic's gradient points to a real."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from gan_lab import checks
from gan_lab.architectures import MLP
from gan_lab.losses import ScalarLoss
from gan_lab.optim.schedules import Constant, Linear
from gan_lab.penalties import Penalty
from gan_lab.studies.critics import OptimizerFactory
from gan_lab.studies.oracle import Laws
from gan_lab.studies.plane import PlaneStudy
from gan_lab.training.gan import Schedule
from gan_lab.training.randomness import generator_for

# the thesis says how they lie, the numbers are ours
REAL_MEANS = ((-1.5, 0.0), (1.5, 0.0))
FAKE_MEAN = (0.5, 1.5)  # nearer to the second
STD = 0.3
SCHEDULES: dict[str, Schedule] = {"constant": Constant(), "linear": Linear()}


class GradientDirection(PlaneStudy):
    """P_r is two Gaussians of the plane, P_g one that is nearer to one of them; all three have the
    same standard deviation. Critic and optimum see the same sample of them.

    Args:
        loss: wasserstein, logistic, sqrt or exp in the thesis.
        penalty: maxgp in the thesis, λ 0.1 and S_max of an eighth of the batch (author's program).
        optimizer: of the critic.
        architecture: of the critic, 4 layers of 1,024 units in the author's program.
        points: fakes, and as many reals.
        max_steps: of the optimizer.
        batch_size: fakes and reals of a step, drawn with replacement.
        schedule: of the optimizer's rate: linear falls to 0. At a constant one the last critic is
            some step of an oscillation, with a cosine of 0.88 to 0.97 to the optimum; with linear
            it is 0.985 or more for ten of twelve (0.94 and 0.95 for the others).

    Source:
        Thesis 2.6.3 and Figure 2-4.
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
        schedule: str,
    ) -> None:
        sizes = {"points": points, "max_steps": max_steps, "batch_size": batch_size}
        super().__init__(loss, penalty, optimizer, architecture, **sizes)
        self.schedule = SCHEDULES[checks.choice("schedule", schedule, tuple(SCHEDULES))]

    def rate(self, number: int) -> float:
        """The schedule's factor."""
        return self.schedule(number - 1, self.steps)

    def laws(self, seed: int) -> Laws:
        """A sample of the three Gaussians."""
        rng = generator_for(seed, "points")
        fake, real = STD * torch.randn(2, self.points, 2, generator=rng)
        which = torch.randint(len(REAL_MEANS), (self.points,), generator=rng)
        return Laws(fake + torch.tensor(FAKE_MEAN), real + torch.tensor(REAL_MEANS)[which])

    def drawn(self) -> dict[str, Any]:
        """The gradient at the fakes at the end, and the critic on a grid."""
        at = np.linspace(-3.0, 3.0, 31)
        grid = torch.tensor(np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)).float()
        values = self.training.values(grid.to(self.device)).reshape(31, 31)
        gradient = self.training.gradient(self.fake)
        return {
            "fake": self.fake,
            "real": self.real,
            "directions": np.nan_to_num(self.optimum.directions),
            "k": self.optimum.k,
            "gradient": gradient,
            "grid": at,
            "values": values,
        }
