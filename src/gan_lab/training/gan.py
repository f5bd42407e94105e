"""Algorithm 1 of every GAN here: n_critic critic steps, then one generator step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from gan_lab import parallel
from gan_lab.architectures import Growing, frozen_statistics, normalises_by_batch
from gan_lab.errors import Diverged, UserError
from gan_lab.inference import layers_that_mix_samples
from gan_lab.losses import ClassLoss, Loss, RelativeLoss
from gan_lab.losses.targets import Targets
from gan_lab.optim import capturable
from gan_lab.optim.base import LooksAhead, moves
from gan_lab.penalties import Penalty
from gan_lab.penalties.regions import Noise
from gan_lab.training import passes
from gan_lab.training.ema import ExponentialMovingAverage
from gan_lab.training.randomness import fold, generator_for, seed_global

OptimizerFactory = Callable[[Iterator[nn.Parameter]], torch.optim.Optimizer]
Schedule = Callable[[int, int], float]


@dataclass(frozen=True)
class TrainingSettings:
    """The numbers of a training run. Batch sizes are global: over all devices.

    Args:
        seed: of everything random.
        n_critic: critic steps for each generator step.
        batch_size: of a critic step: so many real and as many fake samples.
        generator_batch_size: of a generator step: so many fake samples.
        max_generator_steps: after which the run ends.
        latent_dim: the length of z.
        ema_decay: see `ExponentialMovingAverage`.
        log_every: generator steps between two lines of metrics.
    """

    seed: int
    n_critic: int
    batch_size: int
    generator_batch_size: int
    max_generator_steps: int
    latent_dim: int
    ema_decay: float
    log_every: int

    def is_logged(self, generator_steps: int) -> bool:
        """Whether metrics are read after so many steps: every `log_every`, and after the last."""
        return generator_steps % self.log_every == 0 or generator_steps == self.max_generator_steps


@dataclass(frozen=True)
class Latent:
    """Input of the generator.

    Args:
        z: (n, latent_dim + conditions), with the code of a class where one is drawn.
        drawn: int64 (n,), the classes that are drawn; None: none are.
    """

    z: Tensor
    drawn: Tensor | None


@dataclass(frozen=True)
class Draws:
    """All that is random in one generator iteration.

    Layers that draw themselves (dropout, input noise) are the exception: torch's global generator
    serves them.

    Args:
        real: (n_critic, n, *sample), n samples in each critic batch of this process.
        labels: int64 (n_critic, n), of the real samples.
        fake: the generator's input for each critic batch.
        noise: the penalty's for each critic batch.
        latent: the generator's input for its own step.
    """

    real: Tensor
    labels: Tensor
    fake: tuple[Latent, ...]
    noise: tuple[Noise, ...]
    latent: Latent

    def tensors(self) -> list[Tensor]:
        """All tensors, always in the same order."""
        latents = [
            part for latent in (*self.fake, self.latent) for part in (latent.z, latent.drawn)
        ]
        noise = [part for of_batch in self.noise for part in of_batch]
        every = [self.real, self.labels, *latents, *noise]
        return [part for part in every if part is not None]


class GAN(pl.LightningModule):
    """Generator against critic. One `training_step` is one generator iteration.

    A batch is (real, labels) of shapes (n_critic, batch_size, *sample) and (n_critic, batch_size).
    Everything else that is random in a step comes from (seed, generator step), so a run resumes
    exactly. It is drawn first; what follows is a function of these draws and of the state alone,
    which it changes in place.

    `metrics` holds 0-d tensors on the device after every step; nothing here waits for the device.

    Args:
        generator: (n, latent_dim + conditions) -> samples (n, *sample).
        critic: samples (n, *sample) -> logits (n, outputs).
        loss: J_D and J_G.
        penalty: what keeps the critic Lipschitz; it may wrap the critic.
        targets: which class a generated sample is meant to have.
        generator_optimizer: makes the optimizer of the generator's parameters.
        critic_optimizer: makes that of the critic's.
        schedule: (step, max_generator_steps) -> the factor of both learning rates.
        settings: the numbers of the run.

    Source:
        Algorithm 1 of Gulrajani et al. 2017 (arXiv:1704.00028), with any loss and penalty.
    """

    finite: Tensor  # 0-d: whether every loss and gradient so far was

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        loss: Loss,
        penalty: Penalty,
        targets: Targets,
        generator_optimizer: OptimizerFactory,
        critic_optimizer: OptimizerFactory,
        schedule: Schedule,
        settings: TrainingSettings,
    ) -> None:
        super().__init__()
        # Lightning's own loop takes one optimizer step a batch
        self.automatic_optimization = False

        # the parts; a penalty wraps networks before their parameters go to the optimizers
        self.generator = penalty.wrap_generator(generator)
        self.critic = penalty.wrap(critic)
        self.loss = loss
        self.penalty = penalty
        self.targets = targets
        self.ema = ExponentialMovingAverage(self.generator, settings.ema_decay)
        self.schedule = schedule
        self.settings = settings

        # Where a layer mixes samples, no gradient belongs to one sample alone.
        self._critic_mixes_samples = bool(layers_that_mix_samples(critic))
        self._sees_norm = (
            not self._critic_mixes_samples and loss.has_score and not penalty.measures_norm
        )

        # the schedule multiplies the rates that the optimizers were made with
        self._optimizers = [
            generator_optimizer(self.generator.parameters()),
            critic_optimizer(self.critic.parameters()),
        ]
        self._base_rates = [
            [group["lr"] for group in optimizer.param_groups] for optimizer in self._optimizers
        ]

        # How far the run is. Only the counts are part of the state.
        self._growing = [module for module in self.modules() if isinstance(module, Growing)]
        self.generator_steps = 0
        self.critic_steps = 0
        self.metrics: dict[str, Tensor] = {}
        self.run_iteration: Callable[[Draws], None] = self.iterate  # or its CUDA graph
        self.use_passes(passes.eager(self.generator, self.critic))
        self.register_buffer("finite", torch.ones((), dtype=torch.bool), persistent=False)

    @property
    def generator_steps(self) -> int:
        """Generator steps that are done; networks that grow are told."""
        return self._generator_steps

    @generator_steps.setter
    def generator_steps(self, steps: int) -> None:
        self._generator_steps = steps
        for network in self._growing:
            network.grow(steps)

    def use_passes(self, chosen: passes.Passes) -> None:
        """Let the passes of a step be these: of the networks as they are, or compiled."""
        self.passes = chosen
        self.score = passes.CriticScore(self.loss, self.critic, chosen)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """The generator's optimizer, then the critic's."""
        if self.device.type == "cuda":
            for optimizer in self._optimizers:
                capturable.make_capturable(optimizer)
        return self._optimizers

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Draw, then n_critic critic steps, one generator step and one step of the EMA.

        Args:
            batch: (real, labels), a fresh part of both for each critic step.
            batch_idx: Lightning's count, not used.
        """
        self._set_learning_rates(*self.trainer.optimizers)
        rng = generator_for(self.settings.seed, "step", self.generator_steps, self.device)
        draws = self.draw(*batch, rng)

        # dropout and input noise use the global generator, which differs from process to process
        own = f"global of rank {parallel.rank()}" if parallel.rank() else "global"
        seed_global(fold(self.settings.seed, own, self.generator_steps), self.device)
        self.run_iteration(draws)

        # k for the log, where the penalty does not measure it anyway
        if self._sees_norm and self.has_norm(self.generator_steps + 1):
            self._observe_norm(draws.real[-1], rng)
        self.generator_steps += 1
        self.critic_steps += self.settings.n_critic

    def draw(self, real: Tensor, labels: Tensor, rng: torch.Generator) -> Draws:
        """All that is random in an iteration on these real samples."""
        fake, noise = [], []
        for samples in real:
            fake.append(self.share_of_latent(len(samples) * parallel.world_size(), rng))
            noise.append(self.penalty.draw(samples, rng))
        latent = self.share_of_latent(self.settings.generator_batch_size, rng)
        return Draws(real, labels, tuple(fake), tuple(noise), latent)

    def iterate(self, draws: Draws) -> None:
        """Algorithm 1 for one generator step: it changes the state in place."""
        generator_optimizer, critic_optimizer = self.trainer.optimizers
        looks_ahead = any(isinstance(one, LooksAhead) for one in self.trainer.optimizers)
        with self._autocast():
            if looks_ahead:
                self._iterate_looking_ahead(draws, generator_optimizer, critic_optimizer)
            else:
                for i in range(self.settings.n_critic):
                    self._critic_gradient(draws, i)
                    self._move_critic(critic_optimizer.step)
                self._generator_gradient(draws)
                generator_optimizer.step()
        self.ema.update(self.generator)
        self.metrics["gradient_norm"] = self.penalty.last_norm

    def _iterate_looking_ahead(
        self,
        draws: Draws,
        generator_optimizer: torch.optim.Optimizer,
        critic_optimizer: torch.optim.Optimizer,
    ) -> None:
        """The same by extragradient: every step takes its gradient where a first one would lead.

        The generator's step and the last of the critic are one, of both players: both look ahead,
        then both take their gradients there, on the same draws. The critic's other steps are its
        own. A player whose optimizer does not look ahead stays where it is meanwhile: it takes no
        first gradient, and its state (batch norm's statistics, S_max) moves once a step.
        """
        # the critic alone
        last = self.settings.n_critic - 1
        for i in range(last):
            for move in moves(critic_optimizer):
                self._critic_gradient(draws, i)
                self._move_critic(move)

        # the first gradients, of those who look ahead: all are taken before anybody moves
        critic_looks = isinstance(critic_optimizer, LooksAhead)
        if critic_looks:
            self._critic_gradient(draws, last)
        if isinstance(generator_optimizer, LooksAhead):
            of_critic = nullcontext() if critic_looks else frozen_statistics(self.critic)
            with frozen_statistics(self.generator), of_critic:
                self._generator_gradient(draws)

        # they go there, and the others stay
        if isinstance(critic_optimizer, LooksAhead):
            self._move_critic(critic_optimizer.look_ahead)
        if isinstance(generator_optimizer, LooksAhead):
            generator_optimizer.look_ahead()

        # the second, of both, where they are now
        self._critic_gradient(draws, last)
        self._generator_gradient(draws)
        self._move_critic(critic_optimizer.step)
        generator_optimizer.step()

    def _move_critic(self, move: Callable[[], Any]) -> None:
        """θ_D moves, and the penalty may change it in place."""
        move()
        self.penalty.after_step(self.critic)

    def _critic_gradient(self, draws: Draws, i: int) -> None:
        """The gradient of J_D + penalty on the i-th critic batch."""
        loss, penalty = self.critic_objective(
            draws.real[i], draws.labels[i], draws.fake[i], draws.noise[i]
        )
        self._differentiate(loss + penalty, self.critic)
        self.metrics.update(critic_loss=_of_all(loss), penalty=_of_all(penalty))

    def _generator_gradient(self, draws: Draws) -> None:
        """The gradient of J_G."""
        loss = self.generator_objective(draws.latent, draws.real[-1])
        self._differentiate(loss, self.generator)
        self.metrics["generator_loss"] = _of_all(loss)

    def critic_objective(
        self, real: Tensor, labels: Tensor, latent: Latent, noise: Noise
    ) -> tuple[Tensor, Tensor]:
        """J_D and the penalty on a real and a fake batch, 0-d: a critic step descends their sum.

        The fakes are constants.

        Args:
            real: (n, *sample), this process's part of the batch.
            labels: int64 (n,), of the real samples.
            latent: the generator's input for as many fakes.
            noise: the penalty's.
        """
        # J_D
        fake = self.fake(latent, real.dtype)
        real_logits, fake_logits = self._logits(real, fake)
        aims = self._aims(fake_logits, latent.drawn)
        loss = self.loss.critic(real_logits, fake_logits, labels, aims)

        # the penalty on the same samples
        return loss, self.penalty(self.score, real, fake, noise=noise)

    def generator_objective(self, latent: Latent, real: Tensor) -> Tensor:
        """J_G on a batch, 0-d: a generator step descends it.

        Args:
            latent: the generator's input.
            real: (n, *sample), those of the last critic step: a relative loss compares with them.
        """
        logits = self.passes.constant_critic(self.passes.generator(latent.z))
        aims = self._aims(logits, latent.drawn)
        if not isinstance(self.loss, RelativeLoss):
            return self.loss.generator(logits, aims)
        with torch.no_grad():
            real_logits = self.passes.constant_critic(real)
        return self.loss.generator(logits, aims, real_logits)

    def _observe_norm(self, real: Tensor, rng: torch.Generator) -> None:
        """Measure k, the largest gradient norm, for the log.

        In eval mode, so that how often it is logged changes nothing: spectral norm moves its
        vectors with every pass in training mode.
        """
        self.critic.eval()
        latent = self.share_of_latent(len(real) * parallel.world_size(), rng)
        with self._autocast():
            self.penalty.observe(self.score, real, self.fake(latent, real.dtype), rng)
        self.critic.train()
        self.metrics["gradient_norm"] = self.penalty.last_norm

    def has_norm(self, step: int) -> bool:
        """Whether `gradient_norm` is of this generator step, where it is a number at all: what the
        penalty does not measure is measured only where every metric is logged."""
        return not self._sees_norm or self.settings.is_logged(step)

    def fake(self, latent: Latent, dtype: torch.dtype) -> Tensor:
        """Fake samples for a critic step.

        They are normalised by their batch, and the running statistics stay: these move only in
        generator steps [code].
        """
        with torch.no_grad(), frozen_statistics(self.generator):
            return self.passes.generator(latent.z).to(dtype)

    def _logits(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """The critic's logits of both: in one pass, or in two where batch norm would mix them."""
        if self._critic_mixes_samples:
            return self.passes.critic(real), self.passes.critic(fake)
        real_logits, fake_logits = self.passes.critic(torch.cat([real, fake])).split(len(real))
        return real_logits, fake_logits

    def _aims(self, logits: Tensor, drawn: Tensor | None) -> Tensor | None:
        """The classes (n,) that generated samples are meant to have, where the loss asks."""
        if not self.loss.needs_targets:
            return None
        assert isinstance(self.loss, ClassLoss)
        return self.targets.of(self.loss.classes(logits), drawn)

    def _differentiate(self, loss: Tensor, module: nn.Module) -> None:
        """The gradient of a loss in the parameters of `module` alone, in their `grad`."""
        # of this module only: the other one's would be work for nothing
        parameters = list(module.parameters())
        for parameter in parameters:
            parameter.grad = None
        # not Lightning's manual_backward: no precision of ours scales losses, and its hooks are
        # a hundredth of a small step
        loss.backward(inputs=parameters)
        parallel.average_gradients(parameters)

        # The loss of all processes, so that all of them stop, or none. A gradient that is not
        # finite stays in its parameter, where `check_finite` finds it.
        self.finite &= torch.isfinite(_of_all(loss))

    def latent(self, size: int, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Draw z ~ N(0, I), and a class for each where `targets` draws them.

        Returns:
            The generator's input, (size, latent_dim + conditions), and the classes (size,) or None.
        """
        z = torch.randn(size, self.settings.latent_dim, generator=rng, device=self.device)
        return self.targets.draw(z, rng)

    def share_of_latent(self, size: int, rng: torch.Generator) -> Latent:
        """This process's part of `latent` for a global batch of `size`."""
        z, drawn = self.latent(size, rng)
        return Latent(parallel.share(z), None if drawn is None else parallel.share(drawn))

    @property
    def sampling_batch_size(self) -> int | None:
        """How many samples share batch statistics: as many as in training; None: none do."""
        return self.settings.generator_batch_size if normalises_by_batch(self.generator) else None

    @property
    def batch_norm_statistics(self) -> str:
        """What the sampling generator normalises by: "running", or "of batches of 100 samples"."""
        size = self.sampling_batch_size
        return f"of batches of {size} samples" if size else "running"

    def sample(self, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Samples of the EMA generator.

        Where samples share batch statistics, whole batches are drawn and the rest is cut off, so
        that no sample depends on `count`.

        Args:
            count: how many.
            rng: draws the generator's input.

        Returns:
            Samples (count, *sample), and the classes (count,) that were drawn with them, or None.
        """
        size = self.sampling_batch_size or count
        inputs, drawn = zip(
            *(self.latent(size, rng) for _ in range(-(-count // size))), strict=True
        )
        samples = torch.cat([self.ema(z) for z in inputs])[:count]
        return samples, None if drawn[0] is None else torch.cat(drawn)[:count]

    @property
    def own_classes(self) -> int | None:
        """How many classes samples have: drawn with them, or told by the critic; None: none."""
        has_classes = self.targets.conditions or isinstance(self.loss, ClassLoss)
        return self.targets.num_classes if has_classes else None

    @property
    def classes_by_critic(self) -> bool:
        """Whether `classes_of` asks the critic."""
        return self.own_classes is not None and not self.targets.conditions

    def classes_of(self, samples: Tensor, drawn: Tensor | None) -> Tensor:
        """The classes of samples: those drawn with them, else argmax_k l_k of the critic.

        The critic's mode is the caller's: in eval mode a sample's class does not depend on the
        other samples, on noise or on dropout.

        Args:
            samples: (n, *sample).
            drawn: int64 (n,), as `sample` returns them, or None.

        Returns:
            int64 (n,).

        Raises:
            UserError: where samples have no classes.
        """
        if drawn is not None:
            return drawn
        if not isinstance(self.loss, ClassLoss):
            raise UserError(
                "samples of this loss have no classes: "
                "its critic has no class logits, and labels=none"
            )
        return self.loss.classes(self.critic(samples)).argmax(1)

    @contextmanager
    def _autocast(self) -> Iterator[None]:
        """The precision plugin's autocast without its cache of cast weights.

        The cache lives until the outermost autocast ends, that is for the whole training_step: it
        would serve weights from before the optimizer steps, and copies made under no_grad to passes
        that need a gradient.
        """
        device = self.device.type
        enabled, dtype = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)
        with torch.autocast(device, dtype=dtype, enabled=enabled, cache_enabled=False):
            yield

    def _set_learning_rates(self, *optimizers: torch.optim.Optimizer) -> None:
        """Give every group its own rate times the schedule's factor for this step."""
        factor = self.schedule(self.generator_steps, self.settings.max_generator_steps)
        for optimizer, rates in zip(optimizers, self._base_rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                capturable.set_rate(group, rate * factor)

    def check_finite(self) -> None:
        """Raise Diverged unless all losses so far and all parameters are finite.

        It waits for the device, so it is called only every so many steps.
        """
        parameters = [p for module in (self.generator, self.critic) for p in module.parameters()]
        if bool(self.finite) and math.isfinite(torch.nn.utils.get_total_norm(parameters).item()):
            return

        values = ", ".join(f"{name} {value.item():g}" for name, value in self.metrics.items())
        raise Diverged(
            f"a loss or parameter is not finite by step {self.generator_steps} ({values})"
        )

    def state_tensors(self) -> list[Tensor]:
        """Every tensor that one iteration leaves to the next."""
        of_optimizers = [
            tensor
            for optimizer in self.trainer.optimizers
            for tensor in capturable.tensors(optimizer)
        ]
        return [*self.state_dict().values(), self.finite, *of_optimizers]

    def run_state(self) -> dict[str, Any]:
        """Everything that decides how the run goes on, in plain containers and tensors."""
        return {
            "generator_steps": self.generator_steps,
            "critic_steps": self.critic_steps,
            "module": self.state_dict(),
            "optimizers": [
                capturable.saved_state(optimizer) for optimizer in self.trainer.optimizers
            ],
        }

    def load_run_state(self, state: dict[str, Any]) -> None:
        """Continue from `run_state`; it needs the optimizers, so not before on_fit_start."""
        self.load_state_dict(state["module"])
        for optimizer, saved in zip(self.trainer.optimizers, state["optimizers"], strict=True):
            capturable.load_state(optimizer, saved)
        self.generator_steps, self.critic_steps = state["generator_steps"], state["critic_steps"]


def _of_all(value: Tensor) -> Tensor:
    """The mean over processes, without gradient."""
    return parallel.mean(value.detach())
