"""The costs of single parts of a step: penalties over none, optimizers, data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    """Measure the seconds of a critic's loss with each penalty and its gradients.

    The penalty's own are the difference to none. The loss is that of `config`, its networks too;
    there is no optimizer step. Weight clipping acts after the step: its cost is that of clamping.

    Args:
        config: of train.py.
        options: names of penalties, none among them.
        rounds: how often each is measured.
        device: where.
    """
    # networks of their own, because a penalty may need another critic (spectral norm)
    works = {}
    for option in options:
        own = composed(f"penalty={option}", f"architecture.channels={config.architecture.channels}")
        gan = build.gan(own, noise_data(32).spec).to(device)
        works[option] = _critic_gradients(gan, config.batch_size)
    seconds = _in_turns(works, rounds)

    # round by round: the time of a loss without a penalty is part of each
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
    """Measure the seconds of each optimizer's step on the critic of `config`."""
    works: dict[str, Callable[[], Any]] = {}
    for option in options:
        channels = config.architecture.channels
        own = composed(f"optimizer={option}", f"architecture.channels={channels}")
        gan = build.gan(own, noise_data(32).spec).to(device)
        parameters: list[Tensor] = list(gan.critic.parameters())

        # as training has it: on a CUDA device the step is part of a graph
        optimizer = build.make("optimizer", own.optimizer, parameters)
        if device.type == "cuda":
            capturable.make_capturable(optimizer)
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        works[option] = optimizer.step

    # a step is short: twenty of them make a round
    seconds = _in_turns(works, rounds, times=20)
    return {option: summary(values) for option, values in seconds.items()}


def _in_turns(
    works: Mapping[str, Callable[[], Any]], rounds: int, times: int = 1
) -> dict[str, list[float]]:
    """Measure works in alternating rounds; a busy minute of the machine meets all of them.

    Returns:
        {name: the seconds of a call, in each round}.
    """
    # the first call makes states and chooses kernels
    for work in works.values():
        work()

    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            seconds[name].append(seconds_of(work, times))
    return seconds


def data(config: DictConfig, rounds: int, device: torch.device) -> dict[str, Any]:
    """Measure the seconds in which the batches of a generator step are drawn and scaled.

    Returns:
        Their summary, and the images a second that they make.
    """
    resident = ResidentData.place(noise_data(32, samples=50_000), device)
    loader = iter(ResidentLoader(resident, config.batch_size, config.n_critic, seed=0, stop=10**9))
    next(loader)
    seconds = [seconds_of(lambda: next(loader), 20) for _ in range(rounds)]
    times = summary(seconds)
    return times | {"images_per_second": config.n_critic * config.batch_size / times["median_s"]}
