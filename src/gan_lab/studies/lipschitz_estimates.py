"""How steep critics are that are trained under clipping, spectral normalisation and penalties."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_lab import checks
from gan_lab.architectures import MLP
from gan_lab.losses import ScalarLoss
from gan_lab.penalties import GradientPenalty, Penalty, SpectralNorm, WeightClipping
from gan_lab.penalties.regions import interpolates
from gan_lab.studies.contract import Result, Study
from gan_lab.studies.critics import CriticTraining, OptimizerFactory, check_single_logit
from gan_lab.theory import lipschitz_estimate, lipschitz_optimum
from gan_lab.training.randomness import fold, generator_for
from gan_lab.types import DataSpec

LINE = DataSpec("line", "points", (1,), 1, ("all",))
STD = 0.5  # of both laws
SCORED = 10_000  # samples of each
POINTS = 121  # of the critic that is drawn


class LipschitzEstimates(Study):
    """Train a small critic between two normal laws of the line that differ by a shift, and bound
    its Lipschitz constant from both sides.

    The upper bound is the product of the layers' norms. Beside it, as the score `seed_004`, stands
    a printed number: 0.06554 for weight clipping, 0.9993 for spectral normalisation, 1.100 for the
    gradient penalty. They come from an introduction to GANs that names neither data nor sizes of
    its networks of three layers; 0.0655 is 0.01³ · 2¹⁶, all weights of 256 units at the clip and
    one input. docs/thesis.md, "Beside the thesis", says more of them.

    Without a constraint of its own the optimum f' - c of the gradient penalty is (F_g - F_r) /
    (2 λ ρ), ρ the density of interpolates: it is not the same everywhere, but its mean over
    interpolates is W1 / (2 λ). That of the maximal one is W1 / (2 λ) everywhere.

    Args:
        loss: wasserstein.
        penalty: clipping, spectral normalisation, or a penalty with target 1.
        optimizer: of the critic.
        architecture: of the critic.
        shift: between the means, which is W1.
        max_steps: of the optimizer.
        batch_size: fakes and reals of a step.

    Source:
        Clipping: Arjovsky et al. 2017 (arXiv:1701.07875), Algorithm 1; the gradient penalty:
        Gulrajani et al. 2017 (arXiv:1704.00028), section 4; spectral normalisation: Miyato et al.
        2018 (arXiv:1802.05957), section 2.1; MaxGP: thesis (2-17).
    """

    def __init__(
        self,
        loss: ScalarLoss,
        penalty: Penalty,
        optimizer: OptimizerFactory,
        architecture: MLP,
        *,
        shift: float,
        max_steps: int,
        batch_size: int,
    ) -> None:
        check_single_logit(loss)
        self.loss, self.penalty, self.optimizer = loss, penalty, optimizer
        self.architecture = architecture
        self.shift = float(checks.number("shift", shift, above=0))
        self.steps = checks.whole("max_steps", max_steps, at_least=1)
        self.batch_size = checks.whole("batch_size", batch_size, at_least=1)

    def begin(self, seed: int) -> None:
        """The critic, its weights from the seed."""
        self.seed = seed
        torch.manual_seed(fold(seed, "initial weights"))
        critic = self.architecture.critic(LINE, outputs=1).to(self.device)
        self.training = CriticTraining(critic, self.loss, self.penalty, self.optimizer)

    def step(self, number: int) -> Mapping[str, Any]:
        """One step of the critic, on new samples."""
        rng = generator_for(self.seed, "samples", number)
        fake, real = self._samples(self.batch_size, rng)
        return self.training.step(real, fake, rng)

    def _samples(self, count: int, rng: torch.Generator) -> Tensor:
        """Fakes around -shift/2 and reals around +shift/2, (2, count, 1)."""
        means = torch.tensor([-self.shift / 2, self.shift / 2]).view(2, 1, 1)
        return (means + STD * torch.randn(2, count, 1, generator=rng)).to(self.device)

    def state_dict(self) -> dict[str, Any]:
        """The state of the critic's training."""
        return self.training.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state of the critic's training."""
        self.training.load_state_dict(state)

    def result(self) -> Result:
        """Both bounds beside the optimum and the published number, and what is left of W1."""
        # the whole network's bounds
        estimate = lipschitz_estimate(
            self.training.critic,
            LINE.shape,
            rng=generator_for(self.seed, "starts of the ascent"),
            scale=self.shift,
        )

        # its slope and its rise on samples that no step has seen
        rng = generator_for(self.seed, "scored samples")
        fake, real = self._samples(SCORED, rng)
        between = interpolates(real, fake, rng)
        slope = float(self.training.gradient(between).norm(dim=1).mean())
        rise = float(self.training.values(real).mean() - self.training.values(fake).mean())

        # the critic itself, for its picture
        x = torch.linspace(-2 * self.shift, 2 * self.shift, POINTS, device=self.device).unsqueeze(1)
        return Result(
            scores={
                "lower": estimate.lower,
                "upper": estimate.upper,
                "seed_004": _published(self.penalty),
                "mean_slope": slope,
                "optimal_slope": self._optimal_slope(),
                "w1_ratio": rise / self.shift,
            },
            drawn={
                "x": x.squeeze(1),
                "value": self.training.values(x),
                "gradient": self.training.gradient(x).squeeze(1),
                "factors": [norm for _, norm in estimate.factors if norm != 1],
            },
        )

    def _optimal_slope(self) -> float:
        """The mean over interpolates of the best critic's slope, of any network; of clipping the
        largest that the layers' norms allow, which is that of all weights at the clip."""
        if isinstance(self.penalty, WeightClipping):
            widths = np.array([1] + [self.architecture.width] * self.architecture.depth + [1])
            return float((self.penalty.clip * np.sqrt(widths[:-1] * widths[1:])).prod())
        if isinstance(self.penalty, SpectralNorm):
            return 1.0
        weight, target = (float(getattr(self.penalty, name, 0.0)) for name in ("weight", "target"))
        if not weight or self.loss.name != "wasserstein":
            return float("nan")
        return lipschitz_optimum(self.shift, weight, target).constant


def _published(penalty: Penalty) -> float:
    """The printed constant of this method; NaN for a method without one."""
    if isinstance(penalty, WeightClipping):
        return 0.06554
    if isinstance(penalty, SpectralNorm):
        return 0.9993
    is_gp = isinstance(penalty, GradientPenalty) and not penalty.one_sided and penalty.target == 1
    return 1.100 if is_gp else float("nan")
