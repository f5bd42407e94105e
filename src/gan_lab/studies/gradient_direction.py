"""Figure 2-4: at every fake the optimal critic's gradient points to a real."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from gan_lab.studies.oracle import Laws
from gan_lab.studies.plane import PlaneStudy
from gan_lab.training.randomness import generator_for

# the thesis says how they lie, the numbers are ours
REAL_MEANS = ((-1.5, 0.0), (1.5, 0.0))
FAKE_MEAN = (0.5, 1.5)  # nearer to the second
STD = 0.3


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
        schedule: as in OracleStudy; at a constant rate the cosine with the optimum is 0.88 to 0.97,
            with linear 0.985 or more for ten of twelve (0.94 and 0.95 for the others).

    Source:
        Thesis 2.6.3 and Figure 2-4.
    """

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
