"""The passes of a training step through both networks, one operator at a time or compiled."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from gan_lab.errors import UserError
from gan_lab.losses import Loss

Pass = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Passes:
    """The passes of a step that are differentiated once.

    Args:
        generator: the generator's input -> samples (n, *sample).
        critic: samples -> logits; the gradient reaches samples and parameters.
        constant_critic: the same, for passes whose gradient is taken for the samples alone.
    """

    generator: Pass
    critic: Pass
    constant_critic: Pass


class CriticScore:
    """f of a GAN, (n, *sample) -> (n,): what penalties differentiate, twice if they like.

    Compiled networks cannot be differentiated twice, so a call runs the critic itself, and
    `first_order` the pass that a norm without a graph needs (see `penalties.base.gradient_norms`).
    """

    def __init__(self, loss: Loss, critic: nn.Module, passes: Passes) -> None:
        self.loss = loss
        self.critic = critic
        self.passes = passes

    def __call__(self, samples: Tensor) -> Tensor:
        """f, differentiable as often as the critic is."""
        return self.loss.score(self.critic(samples))

    def first_order(self, samples: Tensor) -> Tensor:
        """f, for one derivative by the samples."""
        return self.loss.score(self.passes.constant_critic(samples))


def eager(generator: nn.Module, critic: nn.Module) -> Passes:
    """The networks as they are. (Autograd computes only the gradients it is asked for.)"""
    return Passes(generator, critic, critic)


def check_compiler(device: torch.device) -> None:
    """Refuse to compile where it cannot be done.

    Raises:
        UserError: for a device other than the CPU, or where there is no C++ compiler.
    """
    if device.type != "cpu":
        raise UserError(
            f"trainer.compile=true: it is for a CPU, and this run trains on {device.type}; set "
            "trainer.compile=false (trainer.capture=auto saves the launches there)"
        )
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise UserError(
            f"trainer.compile=true: there is no C++ compiler {compiler} here; install g++, name "
            "another in the environment variable CXX, or set trainer.compile=false"
        )


def compiled(generator: nn.Module, critic: nn.Module, backend: str = "inductor") -> Passes:
    """The networks compiled by torch in the first step, which takes a minute or two.

    The same values up to rounding. A compiled backward pass computes every gradient that its graph
    has, so the constant critic is a graph of its own, without those of the parameters.
    """

    def constant_critic(samples: Tensor) -> Tensor:
        parameters = {name: p.detach() for name, p in critic.named_parameters()}
        return functional_call(critic, parameters, (samples,))

    # every pass has one batch size, so shapes are constants
    networks = (generator, critic, constant_critic)
    return Passes(*(torch.compile(network, dynamic=False, backend=backend) for network in networks))
