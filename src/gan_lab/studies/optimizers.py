"""A fair comparison: every optimizer is tuned with the same budget on the same workloads."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from gan_lab import checks, terminal
from gan_lab.architectures import MLP, ResNet, frozen_statistics
from gan_lab.data import LoadedData
from gan_lab.data.resident import ResidentData, ResidentLoader, check_batch_size, to_uint8
from gan_lab.data.source import Split
from gan_lab.errors import UserError
from gan_lab.losses import ScalarLoss
from gan_lab.metrics import FrechetDistance
from gan_lab.metrics.frechet import Moments
from gan_lab.optim.base import LooksAhead, moves
from gan_lab.optim.memory import state_copies
from gan_lab.penalties import Penalty
from gan_lab.scoring.extractors import OwnClassifier
from gan_lab.scoring.features import Extractor
from gan_lab.studies.classifiers import NETWORKS, ClassifierTraining, steps_of_epoch, test_split
from gan_lab.studies.contract import Result, Study
from gan_lab.studies.critics import CriticTraining, OptimizerFactory, check_single_logit
from gan_lab.training.randomness import fold, generator_for

VALID, TEST = "valid", "test"

# Tuning -------------------------------------------------------------------------------------------


class Trial(Protocol):
    """A training that can be judged at any time; lower scores are better."""

    def step(self, number: int) -> Tensor:
        """Take step 1, 2, ...; the loss, 0-d."""

    def score(self, split: str) -> float:
        """What is compared, on VALID or TEST."""

    def state_dict(self) -> dict[str, Any]:
        """All that a step changes."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a `state_dict`."""

    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """All optimizers that take the rate."""


@dataclass(frozen=True)
class AtRate:
    """An optimizer with another learning rate.

    Args:
        optimizer: parameters -> optimizer.
        rate: of all its groups.
    """

    optimizer: OptimizerFactory
    rate: float

    def __call__(self, parameters: Any) -> torch.optim.Optimizer:
        made = self.optimizer(parameters)
        for group in made.param_groups:
            group["lr"] = self.rate
        return made


class Tuning(Study):
    """Train one workload once with each of some learning rates; nothing else is tuned.

    All trials have the same initial weights and batches. One whose loss or score is not finite has
    diverged, and its steps that are left are not taken.

    Args:
        optimizer: what is compared, with the other fields of its option.
        rates: the budget of the tuning: a trial for each.
        max_steps: of each trial.
        tests: how often a trial is judged on what is held out.

    Attributes:
        workload, metric: for figures.
    """

    workload: str
    metric: str

    def __init__(
        self, optimizer: OptimizerFactory, rates: Sequence[float], max_steps: int, tests: int
    ) -> None:
        is_list = isinstance(rates, Sequence) and not isinstance(rates, str)
        if not is_list or not rates or list(rates) != sorted(set(rates)):
            raise UserError(f"rates={rates}: use a list of rising numbers, as [1e-3,1e-2,1e-1]")
        self.rates = [checks.number("rates", rate, above=0) for rate in rates]
        self.max_steps = checks.whole("max_steps", max_steps, at_least=1)
        self.tests = checks.whole("tests", tests, at_least=1)
        checks.number("tests", tests, at_most=max_steps)
        self.optimizer = optimizer
        self.steps = len(rates) * max_steps

    def trial(self, optimizer: OptimizerFactory) -> Trial:
        """Begin a training."""
        raise NotImplementedError

    def begin(self, seed: int) -> None:
        """Make a first trial, so that what it refuses is refused before anything is written."""
        self.seed = seed
        self.trial(AtRate(self.optimizer, self.rates[0]))
        self.curves: list[list[float]] = [[] for _ in self.rates]
        self.test: list[float | None] = [None] * len(self.rates)
        self.copies = 0.0
        self.diverged = False

    def _start(self, index: int) -> None:
        """Begin the trial of a rate."""
        self.running, self.index = self.trial(AtRate(self.optimizer, self.rates[index])), index
        self.diverged = False

    def step(self, number: int) -> Mapping[str, Any]:
        """One step of a trial, of the next one after the last."""
        index, before = divmod(number - 1, self.max_steps)
        if before == 0:
            self._start(index)
        if not self.diverged:
            self._step_of_trial(before + 1)
        return {"trial": index, "diverged": float(self.diverged)}

    def _step_of_trial(self, done: int) -> None:
        # judged at even distances, the last time after the last step
        loss = float(self.running.step(done))
        judged = done in self.judged
        score = self.running.score(VALID) if judged and math.isfinite(loss) else 0.0
        self.diverged = not math.isfinite(loss) or not math.isfinite(score)
        if self.diverged or not judged:
            return

        # the test data are looked at once, and choose nothing
        self.curves[self.index].append(score)
        if done == self.max_steps:
            self.test[self.index] = self.running.score(TEST)
            self.copies = max(map(state_copies, self.running.optimizers()))

    @property
    def judged(self) -> list[int]:
        """The steps after which a trial is judged."""
        return [-(-i * self.max_steps // self.tests) for i in range(1, self.tests + 1)]

    def state_dict(self) -> dict[str, Any]:
        """The state of the trial that runs, and the results of those before."""
        return {
            "index": self.index,
            "diverged": self.diverged,
            "curves": self.curves,
            "test": self.test,
            "copies": self.copies,
            "trial": self.running.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a `state_dict`."""
        self._start(state["index"])
        self.running.load_state_dict(state["trial"])
        self.diverged, self.copies = state["diverged"], state["copies"]
        self.curves = [list(curve) for curve in state["curves"]]
        self.test = list(state["test"])

    def result(self) -> Result:
        """The trial that is best at its end on what was held out, and all curves."""
        # a trial that diverged has a shorter curve
        whole = [i for i, curve in enumerate(self.curves) if len(curve) == self.tests]
        best = min(whole, key=lambda i: self.curves[i][-1], default=None)

        # without a trial that ended there is nothing to score
        missing = math.nan
        return Result(
            scores={
                "valid": missing if best is None else self.curves[best][-1],
                "test": missing if best is None else float(self.test[best] or 0.0),
                "rate": missing if best is None else self.rates[best],
                "diverged": len(self.rates) - len(whole),
                "state_copies": self.copies if whole else missing,
            },
            drawn={
                "workload": self.workload,
                "metric": self.metric,
                "rates": self.rates,
                "steps": self.judged,
                "valid": self.curves,
                "test": self.test,
            },
        )


# Classifiers --------------------------------------------------------------------------------------


class OptimizersOnClassifier(Tuning):
    """Optimizers on a classifier, judged by the error on images held out of the training split.

    Args:
        optimizer: see Tuning.
        dataset: labelled images with a test split.
        network: logistic mlp mlp_linear resnet18 densenet.
        batch_size: images in a step.
        held_out: the share of the training images that is held out, in (0, 1).
        rates: see Tuning.
        max_steps: see Tuning.
        tests: see Tuning.

    Source:
        In small the protocols of Schmidt et al. 2021 (arXiv:2007.01547) and Dahl et al. 2023
        (arXiv:2306.07179).
    """

    metric = "error"

    def __init__(
        self,
        optimizer: OptimizerFactory,
        dataset: LoadedData,
        *,
        network: str,
        batch_size: int,
        held_out: float,
        rates: Sequence[float],
        max_steps: int,
        tests: int,
    ) -> None:
        super().__init__(optimizer, rates, max_steps, tests)
        self.network = checks.choice("network", network, NETWORKS)
        checks.number("held_out", held_out, above=0, below=1)
        self.dataset, self.batch_size = dataset, batch_size
        self.workload = f"{network} on {dataset.spec.name}"

        # the same images whatever the seed, and the test split for the end alone
        train = dataset.splits["train"]
        order = np.random.default_rng(0).permutation(len(train))
        count = max(1, round(held_out * len(train)))
        if count == len(train):
            raise UserError(f"held_out={held_out}: it leaves no image to train on: use less")
        self.tuned = replace(
            dataset,
            splits={
                "train": Split(train.values[order[count:]], train.labels[order[count:]]),
                "test": Split(train.values[order[:count]], train.labels[order[:count]]),
            },
        )

        # a batch that is larger than a split is refused before the first trial
        steps_of_epoch(dataset, batch_size)
        steps_of_epoch(self.tuned, batch_size)

    def trial(self, optimizer: OptimizerFactory) -> Trial:
        """A classifier, its weights from the seed."""
        training = ClassifierTraining(
            self.network,
            self.tuned,
            optimizer,
            batch_size=self.batch_size,
            seed=self.seed,
            device=self.device,
        )
        data = {
            VALID: training.test,
            TEST: ResidentData.place(self.dataset, self.device, test_split(self.dataset)),
        }
        return _ClassifierTrial(training, data)


@dataclass(frozen=True)
class _ClassifierTrial:
    training: ClassifierTraining
    data: Mapping[str, ResidentData]

    def step(self, number: int) -> Tensor:
        return self.training.step(number)

    def score(self, split: str) -> float:
        return 1 - self.training.accuracy(self.data[split])

    def state_dict(self) -> dict[str, Any]:
        return self.training.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.training.load_state_dict(state)

    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        return [self.training.optimizer]


# GANs ---------------------------------------------------------------------------------------------


class OptimizersOnGAN(Tuning):
    """Optimizers on critic and generator of a GAN, judged by the Fréchet distance.

    It is that of features of the data set's own classifier, between so many samples and the
    training split (VALID) or the test split (TEST). There is no average over weights; batch norm
    takes the statistics of its batch.

    Args:
        loss: of a single logit.
        penalty: of the critic.
        optimizer: of both networks, each by an instance of its own.
        architecture: of both.
        dataset: images with labels, for which there is a classifier.
        extractor: finds or trains the classifier.
        n_critic: critic steps in a step.
        batch_size: reals, and as many fakes.
        samples: for a score.
        rates: see Tuning.
        max_steps: see Tuning; generator steps.
        tests: see Tuning.
    """

    metric = "FID"

    def __init__(
        self,
        loss: ScalarLoss,
        penalty: Penalty,
        optimizer: OptimizerFactory,
        architecture: MLP | ResNet,
        dataset: LoadedData,
        *,
        extractor: OwnClassifier,
        n_critic: int,
        batch_size: int,
        samples: int,
        rates: Sequence[float],
        max_steps: int,
        tests: int,
    ) -> None:
        super().__init__(optimizer, rates, max_steps, tests)
        check_single_logit(loss)
        if not isinstance(loss, ScalarLoss):
            raise UserError("loss: use one without a state or reals of its own, as loss=exp")
        self.loss, self.penalty, self.architecture = loss, penalty, architecture
        self.dataset, self.extractor = dataset, extractor
        self.n_critic = checks.whole("n_critic", n_critic, at_least=1)
        self.batch_size = checks.whole("batch_size", batch_size, at_least=1)
        self.samples = checks.whole("samples", samples, at_least=2)
        check_batch_size(batch_size, len(dataset.splits["train"]), dataset.spec.name)
        self.workload = f"GAN on {dataset.spec.name}"

    def begin(self, seed: int) -> None:
        """The features of the real images."""
        super().begin(seed)
        quiet = terminal.console(quiet=True)
        self.features = self.extractor.make(self.dataset, self.cache, self.device, quiet)
        splits = {VALID: "train", TEST: test_split(self.dataset)}
        self.real = {
            name: _moments(self.features, ResidentData.place(self.dataset, self.device, split))
            for name, split in splits.items()
        }

    def trial(self, optimizer: OptimizerFactory) -> Trial:
        """Two networks, their weights from the seed."""
        return _GANTrial(self, optimizer)


class _GANTrial:
    """Algorithm 1 at one rate."""

    def __init__(self, study: OptimizersOnGAN, optimizer: OptimizerFactory) -> None:
        self.study, self.device = study, study.device
        spec, seed = study.dataset.spec, study.seed
        self.reals = ResidentData.place(study.dataset, self.device)
        self.batches = ResidentLoader(
            self.reals, study.batch_size, n_critic=study.n_critic, seed=seed, stop=0
        )

        # loss and penalty may have a state of their own, as S_max
        loss, penalty = copy.deepcopy(study.loss), copy.deepcopy(study.penalty)
        torch.manual_seed(fold(seed, "initial weights"))
        self.generator = study.architecture.generator(spec).to(self.device)
        critic = study.architecture.critic(spec, loss.outputs(1)).to(self.device)
        self.critic = CriticTraining(critic, loss, penalty, optimizer)
        self.optimizer = optimizer(self.generator.parameters())

    def fakes(self, count: int, purpose: str, number: int) -> Tensor:
        """Samples of the generator."""
        rng = generator_for(self.study.seed, purpose, number)
        z = torch.randn(count, self.study.architecture.latent_dim, generator=rng)
        samples: Tensor = self.generator(z.to(self.device))
        return samples

    def step(self, number: int) -> Tensor:
        """n_critic steps of the critic and one of the generator; the loss of both."""
        reals, _ = self.reals.gather(self.batches.indices(number - 1))
        for i in range(len(reals) - 1):
            for move in moves(self.critic.optimizer):
                self._critic_gradient(reals, i, number)
                self.critic.move(move)

        # The generator's step and the last of the critic: one after the other, or one of both
        # players, who look ahead together (as in `gan_lab.training.GAN`).
        both = zip(moves(self.critic.optimizer), moves(self.optimizer), strict=True)
        looks_ahead = isinstance(self.optimizer, LooksAhead)
        for half, (move_critic, move_generator) in enumerate(both):
            critic_loss = self._critic_gradient(reals, len(reals) - 1, number)
            if not looks_ahead:
                self.critic.move(move_critic)

            # batch norm's statistics move once
            with frozen_statistics(self.generator) if looks_ahead and half == 0 else nullcontext():
                generator_loss = self._generator_gradient(number)
            if looks_ahead:
                self.critic.move(move_critic)
            move_generator()
        return critic_loss + generator_loss

    def _critic_gradient(self, reals: Tensor, i: int, number: int) -> Tensor:
        """Leave the gradient of the i-th critic batch in the critic; J_D + penalty, 0-d."""
        with torch.no_grad(), frozen_statistics(self.generator):
            fake = self.fakes(len(reals[i]), f"critic {i} z", number)
        rng = generator_for(self.study.seed, f"critic {i} interpolates", number, self.device)
        noise = self.critic.penalty.draw(reals[i], rng)
        values = self.critic.take_gradient(reals[i], fake, noise)
        return values["critic_loss"] + values["penalty"]

    def _generator_gradient(self, number: int) -> Tensor:
        """Leave the gradient in the generator; J_G, 0-d."""
        # the critic passes the gradient on, and takes none
        self.critic.critic.requires_grad_(requires_grad=False)
        fake = self.fakes(self.study.batch_size, "z", number)
        loss = self.critic.loss.generator(self.critic.critic(fake))
        self.optimizer.zero_grad()
        loss.backward()
        self.critic.critic.requires_grad_(requires_grad=True)
        return loss.detach()

    def score(self, split: str) -> float:
        """The Fréchet distance to a split; infinite where samples are not finite."""
        with torch.no_grad(), frozen_statistics(self.generator):
            samples = self.fakes(self.study.samples, "scored z", 0)
            if not bool(samples.isfinite().all()):
                return math.inf
            real = self.study.real[split]
            distance = FrechetDistance(len(real.mean), real)
            distance.update(self.study.features(to_uint8(samples)).features)
        return float(distance.compute())

    def state_dict(self) -> dict[str, Any]:
        return {
            "critic": self.critic.state_dict(),
            "generator": self.generator.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.critic.load_state_dict(state["critic"])
        self.generator.load_state_dict(state["generator"])
        self.optimizer.load_state_dict(state["optimizer"])

    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        return [self.critic.optimizer, self.optimizer]


def _moments(extractor: Extractor, data: ResidentData) -> Moments:
    """Mean and covariance of the features of real images."""
    distance = FrechetDistance(extractor.num_features)
    with torch.no_grad():
        for images in data.values.split(500):
            distance.update(extractor(images).features, real=True)
    return distance.real_moments()
