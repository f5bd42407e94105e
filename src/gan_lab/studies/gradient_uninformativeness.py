"""Figures 2-1 and 2-8 to 2-12: what a critic's gradient tells that nothing constrains."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_lab import checks
from gan_lab.architectures import MLP
from gan_lab.errors import UserError
from gan_lab.losses import ScalarLoss
from gan_lab.penalties import Penalty
from gan_lab.reporting.thesis.unconstrained_critics import SETTINGS
from gan_lab.studies.contract import Result, Study
from gan_lab.studies.critics import CriticTraining
from gan_lab.training.randomness import fold, generator_for
from gan_lab.types import DataSpec

# The line -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Uniform:
    """A mixture of uniform laws on intervals of the line: (share, low, high) of each."""

    parts: tuple[tuple[float, float, float], ...]

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, 1)."""
        shares = torch.tensor([share for share, _, _ in self.parts])
        which = torch.multinomial(shares, n, replacement=True, generator=rng)
        low = torch.tensor([low for _, low, _ in self.parts])[which]
        high = torch.tensor([high for _, _, high in self.parts])[which]
        return (low + (high - low) * torch.rand(n, generator=rng)).unsqueeze(1)

    def density(self, x: np.ndarray) -> np.ndarray:
        """At every x, (n,)."""
        return sum(
            (share / (high - low) * ((x >= low) & (x <= high)) for share, low, high in self.parts),
            np.zeros_like(x),
        )


@dataclass(frozen=True)
class Normal:
    """A mixture of normal laws on the line: (share, mean, standard deviation) of each."""

    parts: tuple[tuple[float, float, float], ...]

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, 1)."""
        shares = torch.tensor([share for share, _, _ in self.parts])
        which = torch.multinomial(shares, n, replacement=True, generator=rng)
        mean = torch.tensor([mean for _, mean, _ in self.parts])[which]
        std = torch.tensor([std for _, _, std in self.parts])[which]
        return (mean + std * torch.randn(n, generator=rng)).unsqueeze(1)

    def density(self, x: np.ndarray) -> np.ndarray:
        """At every x, (n,)."""
        return sum(
            (
                share * np.exp(-(((x - mean) / std) ** 2) / 2) / (std * np.sqrt(2 * np.pi))
                for share, mean, std in self.parts
            ),
            np.zeros_like(x),
        )


# name: (P_g, P_r); the thesis says what they are like, the numbers are ours
LAYOUTS: dict[str, tuple[Uniform | Normal, Uniform | Normal]] = {
    "disjoint": (Uniform(((1.0, -2.0, -1.0),)), Uniform(((1.0, 1.0, 2.0),))),
    "covered": (
        Uniform(((0.7, -2.0, -1.0), (0.3, 1.0, 2.0))),
        Uniform(((0.3, -2.0, -1.0), (0.7, 1.0, 2.0))),
    ),
    "overlapping": (Normal(((1.0, -0.3, 0.5),)), Normal(((0.5, -1.0, 0.5), (0.5, 1.0, 0.5)))),
}

_OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
_GRID = np.linspace(-3.0, 3.0, 241)
_FAKES = 1000  # whose gradients are looked at


class GradientUninformativeness(Study):
    """Train a critic of least squares without a constraint, on fixed laws of the line.

    Its optimum (αP_g + βP_r) / (P_g + P_r) says nothing outside of the supports, and within them
    its gradient is local: what a generator is told depends on optimizer and network.

    Args:
        loss: of the critic; the optimum is known for least squares.
        layout: of P_g and P_r: disjoint, covered (both on both intervals, with other densities),
            or overlapping.
        setting: 1 to 5, for figures 2-8 to 2-12.
        max_steps: of the optimizer.
        batch_size: samples of each law in a step.

    Source:
        Thesis 2.3, 2.6.1 and 2.B.
    """

    def __init__(
        self, loss: ScalarLoss, *, layout: str, setting: int, max_steps: int, batch_size: int
    ) -> None:
        if not isinstance(loss, ScalarLoss):
            raise UserError("loss: the optimum is known for least squares: omit it")
        checks.choice("layout", layout, tuple(LAYOUTS))
        checks.choice("setting", setting, tuple(SETTINGS))
        self.steps = checks.whole("max_steps", max_steps, at_least=1)
        self.batch_size = checks.whole("batch_size", batch_size, at_least=1)
        self.loss, self.setting = loss, setting
        self.fake, self.real = LAYOUTS[layout]

    def begin(self, seed: int) -> None:
        """The critic, its weights from the seed."""
        self.seed = seed
        optimizer, lr, activation, depth, width = SETTINGS[self.setting]
        torch.manual_seed(fold(seed, "initial weights"))
        line = DataSpec("line", "points", (1,), 1, ("all",))
        critic = MLP(depth, width, activation).critic(line, outputs=1).to(self.device)
        make = functools.partial(_OPTIMIZERS[optimizer], lr=lr, fused=True)
        self.training = CriticTraining(critic, self.loss, Penalty(), make)

    def step(self, number: int) -> Mapping[str, Any]:
        """One step of the critic, on new samples."""
        rng = generator_for(self.seed, "samples", number)
        real, fake = (
            law.sample(self.batch_size, rng).to(self.device) for law in (self.real, self.fake)
        )
        return self.training.step(real, fake, rng)

    def state_dict(self) -> dict[str, Any]:
        """The state of the critic's training."""
        return self.training.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state of the critic's training."""
        self.training.load_state_dict(state)

    def result(self) -> Result:
        """How far from its optimum the critic is, and where its gradient at fakes points."""
        # the critic along the line, beside the optimum where one is defined
        points = torch.tensor(_GRID, dtype=torch.float32, device=self.device).unsqueeze(1)
        values = self.training.values(points).cpu().numpy()
        slopes = self.training.gradient(points).squeeze(1).cpu().numpy()
        fake, real = self.fake.density(_GRID), self.real.density(_GRID)

        # where neither law has mass, no value of the critic is better than another
        total = fake + real
        known = total > 1e-3
        optimum = np.full_like(_GRID, np.nan)
        optimum[known] = _least_squares_optimum(self.loss, fake[known], real[known])

        # where the fakes should go: on a line the optimal plan keeps the order
        rng = generator_for(self.seed, "fakes that are looked at")
        fakes, reals = (law.sample(_FAKES, rng).sort(dim=0)[0] for law in (self.fake, self.real))
        gradient = self.training.gradient(fakes.to(self.device)).cpu()
        agrees = (gradient.sign() == (reals - fakes).sign()).float()
        spread = gradient.std() / gradient.abs().mean()

        # the error is that under the mean of the two laws
        weights = total[known] / total[known].sum()
        error = np.sqrt(np.sum(weights * (values[known] - optimum[known]) ** 2))
        in_fakes = slopes[fake > 1e-3]

        return Result(
            scores={
                "optimum_error": float(error),
                "transport_agreement": float(agrees.mean()),
                "gradient_spread": float(spread),
                "sign_changes": float(np.sum(in_fakes[1:] * in_fakes[:-1] < 0)),
            },
            drawn={
                "x": _GRID,
                "value": values,
                "gradient": slopes,
                "optimum": [None if np.isnan(value) else float(value) for value in optimum],
                "fake_density": fake,
                "real_density": real,
            },
        )


def _least_squares_optimum(loss: ScalarLoss, fake: np.ndarray, real: np.ndarray) -> np.ndarray:
    """argmin_t P_g phi(t) + P_r varphi(t) for phi = (t - a)^2 and varphi = (t - b)^2."""
    a, b = getattr(loss.phi, "target", None), getattr(loss.varphi, "target", None)
    if a is None or b is None:
        return np.full_like(fake, np.nan)
    return (fake * a + real * b) / (fake + real)
