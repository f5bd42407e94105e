"""What can be measured of a GAN while it trains, beside its losses, without changing the run.

A diagnostic looks at one batch that a run keeps from its first step to its last: what it shows
moves because the networks move, and not because other samples were drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan_lab import checks, parallel
from gan_lab.data.resident import ResidentData
from gan_lab.errors import UserError
from gan_lab.penalties.regions import Noise
from gan_lab.training import passes
from gan_lab.training.gan import GAN, Latent
from gan_lab.training.randomness import fold, generator_for

_PURPOSE = "diagnostics"  # keeps these draws apart from other streams of the same seed


# The batch ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FixedBatch:
    """This process's part of the batch of a diagnostic.

    Args:
        real: (n, *sample), of the training set.
        labels: int64 (n,), of the real samples.
        latent: the generator's input for n fakes.
        noise: the penalty's.
    """

    real: Tensor
    labels: Tensor
    latent: Latent
    noise: Noise


def fixed_batch(gan: GAN, data: ResidentData, samples: int) -> FixedBatch:
    """Draw the batch of a run: a function of its seed, whenever it is called.

    Args:
        gan: on its device.
        data: the training split, on any device.
        samples: real ones, and as many fakes, over all devices.
    """
    # real samples without replacement; every process takes its share of the same ones
    seed = gan.settings.seed
    order = torch.randperm(len(data), generator=generator_for(seed, _PURPOSE))[:samples]
    real, labels = data.gather(parallel.share(order).to(data.labels.device))
    real, labels = real.to(gan.device), labels.to(gan.device)

    # what a critic step draws beside them
    rng = generator_for(seed, _PURPOSE, 1, gan.device)
    latent = gan.share_of_latent(samples, rng)
    return FixedBatch(real, labels, latent, gan.penalty.draw(real, rng))


@contextmanager
def without_a_trace(gan: GAN) -> Iterator[None]:
    """Inside, the GAN's objectives are evaluated as in training; afterwards it is as it was.

    Layers that draw (dropout, input noise) draw the same in every block. Buffers that move with a
    pass (running statistics, the vectors of spectral normalisation, S_max, Fisher's multiplier,
    the norm that a penalty shows) are put back where they lay, which a CUDA graph relies on. Random
    states are put back, too.
    """
    # every buffer, and a copy of its values
    parts = (gan.generator, gan.critic, gan.penalty, gan.loss)
    modules = [module for part in parts if isinstance(part, nn.Module) for module in part.modules()]
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in modules
        for name, buffer in module.named_buffers(recurse=False)
    ]

    # the networks as they are: a compiled pass is made for one batch size
    passes_of_training = gan.passes
    devices = [gan.device] if gan.device.type == "cuda" else []

    # layers that draw do so from a state of their own, the same at every step
    try:
        with torch.random.fork_rng(devices), torch.enable_grad():
            torch.manual_seed(fold(gan.settings.seed, f"{_PURPOSE} of rank {parallel.rank()}"))
            gan.use_passes(passes.eager(gan.generator, gan.critic))
            yield
    finally:
        gan.use_passes(passes_of_training)
        with torch.no_grad():
            for module, name, buffer, values in buffers:
                setattr(module, name, buffer)
                buffer.copy_(values)


# Diagnostics --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Diagnostic:
    """What is measured of a GAN now and then on its `FixedBatch`.

    Args:
        every: generator steps between two measurements; the last step has one, too.
        samples: real ones, and as many fakes, in the batch, over all devices.

    Raises:
        UserError: for a number below 1.
    """

    every: int = 100
    samples: int = 512

    def __post_init__(self) -> None:
        checks.whole("every", self.every, at_least=1)
        checks.whole("samples", self.samples, at_least=1)

    def check_data(self, name: str, count: int) -> None:
        """Refuse a batch of more samples than there are.

        Args:
            name: of the data set.
            count: its training samples.

        Raises:
            UserError: says how many there are.
        """
        if self.samples > count:
            raise UserError(
                f"samples={self.samples} is more than the {count} training samples of {name}: "
                f"set diagnostics.samples={count} or less"
            )

    def is_due(self, gan: GAN) -> bool:
        """Whether it is measured after the step that was taken last."""
        step = gan.generator_steps
        return step % self.every == 0 or step == gan.settings.max_generator_steps

    def measure(self, gan: GAN, batch: FixedBatch) -> dict[str, Tensor]:
        """What it shows, by name, 0-d each; of all processes together.

        Args:
            gan: as it is.
            batch: of this diagnostic.
        """
        raise NotImplementedError


class CriticOutputs(Diagnostic):
    """The critic's mean output, E f(x) on real samples and E f(g(z)) on fakes.

    `output_real` and `output_fake` are the means. The Wasserstein objective is the same for f and
    f + c, so that nothing holds the two where they are; other members of (2-11) have one optimum.

    Args:
        every: as in `Diagnostic`.
        samples: likewise.

    Source:
        Thesis 2.6.4 and Figure 2-6.

    Examples:
        >>> from gan_lab.training.diagnostics import CriticOutputs
        >>> CriticOutputs(every=10)
        CriticOutputs(every=10, samples=512)
    """

    def measure(self, gan: GAN, batch: FixedBatch) -> dict[str, Tensor]:
        """output_real and output_fake."""
        with without_a_trace(gan), torch.no_grad():
            fake = gan.fake(batch.latent, batch.real.dtype)
            outputs = {"output_real": gan.score(batch.real), "output_fake": gan.score(fake)}
            return {name: parallel.mean(f.double().mean()) for name, f in outputs.items()}


class Stationarity(Diagnostic):
    """How far the game is from a point where neither player has a slope.

        stationarity = ‖∇_G J_G‖² + ‖∇_D (J_D + penalty)‖²

    `stationarity_generator` and `stationarity_critic` are its two terms. At an ε-first-order
    stationary point it is at most ε. Where J_G = -J_D up to terms without G, as for `wasserstein`
    and `vanilla`, it is ‖∇_G V‖² + ‖∇_D V‖² of V = -(J_D + penalty), the value of the game, with
    the points of the penalty as constants; the other losses have no such V. It is that of the
    networks themselves, not of the moving average that samples.

    Args:
        every: as in `Diagnostic`.
        samples: likewise.

    Source:
        Mescheder et al. 2017 (arXiv:1705.10461), where half of it is the objective of
        consensus optimisation; `gan_lab.theory.local_nash` for games of few parameters.

    Examples:
        >>> from gan_lab.training.diagnostics import Stationarity
        >>> Stationarity().every
        100
    """

    def measure(self, gan: GAN, batch: FixedBatch) -> dict[str, Tensor]:
        """stationarity, stationarity_generator and stationarity_critic."""
        with without_a_trace(gan):
            value, penalty = gan.critic_objective(
                batch.real, batch.labels, batch.latent, batch.noise
            )
            critic = _squared_slope(value + penalty, gan.critic)
            generator = _squared_slope(
                gan.generator_objective(batch.latent, batch.real), gan.generator
            )
        return {
            "stationarity": generator + critic,
            "stationarity_generator": generator,
            "stationarity_critic": critic,
        }


def _squared_slope(objective: Tensor, network: nn.Module) -> Tensor:
    """‖∇ J‖² over a network's parameters, 0-d float64, of the global batch."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    slopes = torch.autograd.grad(objective, parameters, allow_unused=True)
    flat = torch.cat([slope.reshape(-1) for slope in slopes if slope is not None])
    return parallel.mean(flat).double().square().sum()
