"""Figure 2-2: constraints and penalties between two fakes and two reals of the plane."""

from __future__ import annotations

import torch

from gan_lab.studies.oracle import Laws
from gan_lab.studies.plane import PlaneStudy
from gan_lab.training.randomness import generator_for


class LipschitzMethods(PlaneStudy):
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

    def laws(self, seed: int) -> Laws:
        """Standard normal points."""
        rng = generator_for(seed, "points")
        fake, real = torch.randn(2, self.points, 2, generator=rng)
        return Laws(fake, real)
