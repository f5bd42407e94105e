"""The costs of single parts of a step: penalties over none, optimizers, data."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from omegaconf import DictConfig

from gan_lab import build
from gan_lab.benchmarks.measuring import seconds_of, summary
from gan_lab.benchmarks.steps import composed, noise_data
from gan_lab.data.resident import ResidentData, ResidentLoader
from gan_lab.optim import capturable
from gan_lab.optim.base import moves
from gan_lab.optim.memory import state_copies
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


FOREACH_ADAM = "foreach Adam"
_SWEPT = 2**25  # numbers between two steps, 128 MiB: more than caches hold


def optimizers(
    config: DictConfig, options: Sequence[str], rounds: int, device: torch.device
) -> dict[str, Any]:
    """Measure each optimizer's step on the critic of `config`, and what it keeps in memory.

    Between the steps of training networks pass through the caches. So steps are measured after
    other memory was swept through them ("step"), and in a row ("step in a row").

    Args:
        config: of train.py.
        options: names of optimizers.
        rounds: how often each is measured.
        device: where.

    Returns:
        {option, or variant of one: the summaries of both, beside torch's foreach Adam, and "state",
        the size of what it keeps between steps in copies of the parameters}.
    """
    # AdaShift is written as torch's foreach form is; the option adam has the fused one
    variants = {
        FOREACH_ADAM: ["optimizer=adam", "optimizer.fused=false", "+optimizer.foreach=true"]
    }
    variants |= {option: [f"optimizer={option}"] for option in options}
    longer = ["optimizer.n=10", "optimizer.betas=[0.9,0.999]"]
    variants |= {
        f"{option}, n = 10": [f"optimizer={option}", *longer]
        for option in options
        if option.startswith("adashift")
    }
    made = {
        name: _on_a_critic([f"architecture.channels={config.architecture.channels}", *own], device)
        for name, own in variants.items()
    }

    # a step is short: ten of them make a round
    works = {name: functools.partial(_step, optimizer) for name, optimizer in made.items()}
    in_a_row = _in_turns(works, rounds, times=10)
    others = torch.zeros(_SWEPT, device=device)
    swept: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            seconds = 0.0
            for _ in range(10):
                others.add_(1)
                seconds += seconds_of(work)
            swept[name].append(seconds / 10)

    return {
        name: {
            "step": summary(swept[name], swept[FOREACH_ADAM]),
            "step in a row": summary(in_a_row[name], in_a_row[FOREACH_ADAM]),
            "state": state_copies(optimizer),
        }
        for name, optimizer in made.items()
    }


def _step(optimizer: torch.optim.Optimizer) -> None:
    """One step; of an optimizer that looks ahead, what it does with both gradients."""
    for move in moves(optimizer):
        move()


def _on_a_critic(overrides: Sequence[str], device: torch.device) -> torch.optim.Optimizer:
    """An optimizer of a critic whose gradients are noise, as training has it."""
    own = composed(*overrides)
    parameters = list(build.gan(own, noise_data(32).spec).to(device).critic.parameters())
    optimizer: torch.optim.Optimizer = build.make("optimizer", own.optimizer, parameters)

    # on a CUDA device the step is part of a graph
    if device.type == "cuda":
        capturable.make_capturable(optimizer)
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)

    # queues are full
    for _ in range(own.optimizer.get("n") or 1):
        optimizer.step()
    return optimizer


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
