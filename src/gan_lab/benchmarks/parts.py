"""What one part of a step costs: penalties over none, optimizers, data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from gan_lab import build
from gan_lab.benchmarks.measuring import seconds_of, summary
from gan_lab.benchmarks.steps import composed, noise_data
from gan_lab.data.resident import ResidentData, ResidentLoader
from gan_lab.optim import capturable
from gan_lab.training import GAN


def penalties(
    config: DictConfig, options: Sequence[str], rounds: int, device: torch.device
) -> dict[str, Any]:
    """Seconds of a critic's loss with a penalty and its gradients, and of the penalty alone: the
    difference to none.

    The loss is that of `config`, its networks too; no optimizer step. Weight clipping acts after
    the step: its cost is that of clamping. A penalty that needs another critic (spectral norm) has
    one of its own.
    """
    works = {}
    for option in options:
        overrides = [f"penalty={option}", f"architecture.channels={config.architecture.channels}"]
        own = composed(*overrides)
        works[option] = _critic_gradients(
            build.gan(own, noise_data(32).spec).to(device), config.batch_size
        )
    seconds: dict[str, list[float]] = {option: [] for option in options}
    for work in works.values():
        work()
    for _ in range(rounds):
        for option, work in works.items():
            seconds[option].append(seconds_of(work))
    added = {
        option: [mine - its for mine, its in zip(values, seconds["none"], strict=True)]
        for option, values in seconds.items()
    }
    return {
        option: {"loss": summary(seconds[option]), "over none": summary(added[option])}
        for option in options
    }


def _critic_gradients(gan: GAN, batch_size: int) -> Callable[[], None]:
    """The critic's loss of a batch of noise, its penalty and their gradients."""
    rng = torch.Generator(gan.device).manual_seed(0)
    real, fake = (
        torch.rand(batch_size, 3, 32, 32, generator=rng, device=gan.device) * 2 - 1
        for _ in range(2)
    )
    parameters = list(gan.critic.parameters())

    def work() -> None:
        real_logits, fake_logits = gan.critic(torch.cat([real, fake])).split(batch_size)
        loss = gan.loss.critic(real_logits, fake_logits) + gan.penalty(gan.score, real, fake, rng)
        torch.autograd.grad(loss, parameters, allow_unused=True)
        gan.penalty.after_step(gan.critic)

    return work


def optimizers(
    config: DictConfig, options: Sequence[str], rounds: int, device: torch.device
) -> dict[str, Any]:
    """Seconds of an optimizer's step on the critic of `config`."""
    works: dict[str, Callable[[], Any]] = {}
    for option in options:
        own = composed(
            f"optimizer={option}", f"architecture.channels={config.architecture.channels}"
        )
        gan = build.gan(own, noise_data(32).spec).to(device)
        parameters: list[Tensor] = list(gan.critic.parameters())
        optimizer = build.make("optimizer", own.optimizer, parameters)
        if device.type == "cuda":
            capturable.make_capturable(optimizer)
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        works[option] = optimizer.step
    seconds: dict[str, list[float]] = {option: [] for option in options}
    for work in works.values():
        work()
    for _ in range(rounds):
        for option, work in works.items():
            seconds[option].append(seconds_of(work, 20))
    return {option: summary(values) for option, values in seconds.items()}


def data(config: DictConfig, rounds: int, device: torch.device) -> dict[str, Any]:
    """Seconds in which the batches of a generator step are drawn and scaled, and the images a
    second they make."""
    resident = ResidentData.place(noise_data(32, samples=50_000), device)
    loader = iter(ResidentLoader(resident, config.batch_size, config.n_critic, seed=0, stop=10**9))
    next(loader)
    seconds = [seconds_of(lambda: next(loader), 20) for _ in range(rounds)]
    told = summary(seconds)
    return told | {"images_per_second": config.n_critic * config.batch_size / told["median_s"]}
