"""Trained critics beside optimal ones that are known in closed form, in up to 128 dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_lab import checks
from gan_lab.architectures import MLP
from gan_lab.losses import ScalarLoss
from gan_lab.penalties import Penalty
from gan_lab.studies.contract import Result, Study
from gan_lab.studies.critics import CriticTraining, OptimizerFactory, check_single_logit
from gan_lab.theory import MinFunnels
from gan_lab.training.randomness import fold
from gan_lab.types import DataSpec


class KnownCritics(Study):
    """Train a critic between the two laws of an instance of MinFunnels, on new samples in each
    step, and score it against the instance's own potential.

    Args:
        loss: wasserstein, of which the potential is an optimum.
        penalty: with target 1, or a constraint with constant 1.
        optimizer: of the critic.
        architecture: of the critic.
        dimension: D of the samples.
        funnels: of the potential.
        max_steps: of the optimizer; 60,000 in the paper.
        batch_size: fakes and reals of a step.
        samples: fakes and reals that the scores are means over.

    Source:
        Korotin, Kolesov and Burnaev 2022 (arXiv:2206.07767). Their instances cannot be drawn again
        from their seed, so these are our own; MaxGP is not in their table.
    """

    def __init__(
        self,
        loss: ScalarLoss,
        penalty: Penalty,
        optimizer: OptimizerFactory,
        architecture: MLP,
        *,
        dimension: int,
        funnels: int,
        max_steps: int,
        batch_size: int,
        samples: int,
    ) -> None:
        check_single_logit(loss)
        self.loss, self.penalty, self.optimizer = loss, penalty, optimizer
        self.architecture = architecture

        # what the instance is, and how long the critic trains
        self.dimension = checks.whole("dimension", dimension, at_least=1)
        self.funnels = checks.whole("funnels", funnels, at_least=1)
        self.steps = checks.whole("max_steps", max_steps, at_least=1)
        self.batch_size = checks.whole("batch_size", batch_size, at_least=1)
        self.samples = checks.whole("samples", samples, at_least=1)

    def begin(self, seed: int) -> None:
        """The instance and the critic's weights, from the seed."""
        self.seed = seed
        self.instance = MinFunnels.make(self.dimension, self.funnels, self._rng("instance"))
        torch.manual_seed(fold(seed, "initial weights"))
        spec = DataSpec("funnels", "points", (self.dimension,), 1, ("all",))
        critic = self.architecture.critic(spec, outputs=1).to(self.device)
        self.training = CriticTraining(critic, self.loss, self.penalty, self.optimizer)

    def step(self, number: int) -> Mapping[str, Any]:
        """One step of the critic, on new samples."""
        fake, real = self.instance.sample(self.batch_size, self._rng("samples", number))
        rng = torch.Generator().manual_seed(fold(self.seed, "interpolates", number))
        return self.training.step(self._tensor(real), self._tensor(fake), rng)

    def state_dict(self) -> dict[str, Any]:
        """The state of the critic's training."""
        return self.training.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state of the critic's training."""
        self.training.load_state_dict(state)

    def result(self) -> Result:
        """The benchmark's scores, on samples that no step has seen."""
        fake, real = self.instance.sample(self.samples, self._rng("scored samples"))
        critic = self.training.critic.eval()
        scores = self.instance.score(
            lambda points: self.training.score(points.float().to(self.device)).double().cpu(),
            fake=fake,
            real=real,
        )
        critic.train()
        return Result(
            {
                "gradient_cosine": scores.cosine,
                "gradient_l2": scores.l2,
                "w1_ratio": scores.w1_ratio,
                "true_w1": scores.true_w1,
            }
        )

    def _rng(self, purpose: str, number: int = 0) -> np.random.Generator:
        return np.random.default_rng(fold(self.seed, purpose, number))

    def _tensor(self, points: np.ndarray) -> Tensor:
        return torch.from_numpy(points).float().to(self.device)
