"""Table 3-7 and Figure 3-7a: optimizers on a critic whose generator is frozen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gan_lab import checks
from gan_lab.architectures import MLP, ResNet
from gan_lab.data import LoadedData
from gan_lab.data.resident import ResidentData, ResidentLoader, check_batch_size
from gan_lab.errors import UserError
from gan_lab.losses import Loss
from gan_lab.penalties import Penalty
from gan_lab.runs.sampler import load_generator
from gan_lab.studies.classifiers import BlockMeans
from gan_lab.studies.contract import Result, Study
from gan_lab.studies.critics import CriticTraining, OptimizerFactory, check_single_logit
from gan_lab.training.randomness import fold, generator_for

CURVES = ("critic_loss", "penalty")
BLOCKS = 200  # of the curves; the last tenth of them is the score


class CriticOnly(Study):
    """Train a critic between a data set and the samples of a generator that does not move, so that
    optimizers differ in nothing but how far they minimise one loss.

    Args:
        loss: of the critic, logistic in the thesis.
        penalty: maxgp with λ 0.1 (author's program).
        optimizer: of the critic.
        architecture: of the critic, and of a generator at its initial weights.
        dataset: the real samples.
        generator: the folder of a finished run, whose generator is taken; null: initial weights,
            with batch statistics as in training. The thesis does not say which.
        max_steps: of the optimizer.
        batch_size: reals, and as many fakes, of a step.

    Source:
        Thesis 3.5.5, Table 3-7 and Figure 3-7a.
    """

    def __init__(
        self,
        loss: Loss,
        penalty: Penalty,
        optimizer: OptimizerFactory,
        architecture: MLP | ResNet,
        dataset: LoadedData,
        *,
        generator: str | None,
        max_steps: int,
        batch_size: int,
    ) -> None:
        check_single_logit(loss)
        self.loss, self.penalty, self.optimizer = loss, penalty, optimizer
        self.architecture, self.dataset, self.generator = architecture, dataset, generator
        self.steps = checks.whole("max_steps", max_steps, at_least=10)
        self.batch_size = checks.whole("batch_size", batch_size, at_least=1)
        check_batch_size(batch_size, len(dataset.splits["train"]), dataset.spec.name)

    def begin(self, seed: int) -> None:
        """The generator; the critic, its weights from the seed."""
        self.seed = seed
        spec = self.dataset.spec
        self.reals = ResidentData.place(self.dataset, self.device)
        self.batches = ResidentLoader(self.reals, self.batch_size, n_critic=1, seed=seed, stop=0)

        # networks are made one after the other from one seed, as in a GAN
        torch.manual_seed(fold(seed, "initial weights"))
        self.network = self.architecture.generator(spec).to(self.device)
        critic = self.architecture.critic(spec, self.loss.outputs(1)).to(self.device)
        self.training = CriticTraining(critic, self.loss, self.penalty, self.optimizer)

        # where a generator is named, its samples are the fakes
        self.saved = None
        if self.generator is not None:
            self.saved = load_generator(self.generator, device=self.device.type)
            if self.saved.spec.shape != spec.shape:
                raise UserError(
                    f"generator={self.generator}: it makes samples of shape "
                    f"{self.saved.spec.shape}, and those of {spec.name} have {spec.shape}"
                )
        self.curves = BlockMeans(CURVES, self.steps, BLOCKS)

    def fakes(self, number: int) -> Tensor:
        """The generator's samples of a step, (batch_size, *sample)."""
        if self.saved is not None:
            seed = fold(self.seed, "fakes", number)
            return self.saved.sample(self.batch_size, seed).to(self.device)
        rng = generator_for(self.seed, "z", number)
        z = torch.randn(self.batch_size, self.architecture.latent_dim, generator=rng)
        with torch.no_grad():
            samples: Tensor = self.network(z.to(self.device))
        return samples

    def step(self, number: int) -> Mapping[str, Any]:
        """One step of the critic, on new samples."""
        real = self.reals.gather(self.batches.indices(number - 1).view(-1))[0]
        rng = generator_for(self.seed, "interpolates", number, self.device)
        values = self.training.step(real, self.fakes(number), rng)
        self.curves.add(number, values)
        return values

    def state_dict(self) -> dict[str, Any]:
        """The state of the critic's training, and the curves so far."""
        return {"training": self.training.state_dict(), "curves": self.curves.sums}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a `state_dict`."""
        self.training.load_state_dict(state["training"])
        self.curves.sums = state["curves"]

    def result(self) -> Result:
        """Loss and penalty over the last tenth of the steps, their sum, and both curves."""
        curves = self.curves.means()
        scores = {name: self._of_last_tenth(curves[name]) for name in CURVES}
        return Result(
            scores={**scores, "objective": sum(scores.values())},
            drawn={"steps": self.curves.ends(), **curves},
        )

    def _of_last_tenth(self, means: list[float]) -> float:
        last = means[-max(1, len(means) // 10) :]
        return sum(last) / len(last)
