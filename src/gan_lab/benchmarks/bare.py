"""gan_lab's own step without a framework: no logging, no checks, no resume, no Lightning."""

from __future__ import annotations

from collections.abc import Callable

import torch
from omegaconf import DictConfig
from torch import Tensor

from gan_lab.architectures import frozen_statistics
from gan_lab.config.schema import plain_config
from gan_lab.training import GAN


class Bare:
    """A loop of exp + maxgp and Adam on the networks of `gan`, with real samples from `real`."""

    def __init__(
        self, gan: GAN, config: DictConfig, device: torch.device, real: Callable[[], Tensor]
    ) -> None:
        self.device, self.real = device, real
        modules = gan.generator, gan.critic, gan.ema.average
        self.generator, self.critic, self.average = (module.to(device) for module in modules)
        self.config = config
        settings = {
            key: value for key, value in plain_config(config.optimizer).items() if key != "_target_"
        }
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), **settings)
        self.generator_optimizer = torch.optim.Adam(self.generator.parameters(), **settings)

    def step(self) -> None:
        """Train one generator step."""
        for _ in range(self.config.n_critic):
            self._critic_step()

        # in this step the critic's kernels need no gradient
        self.generator_optimizer.zero_grad()
        self.critic.requires_grad_(requires_grad=False)
        size = self.config.generator_batch_size, self.config.architecture.latent_dim
        noise = torch.randn(*size, device=self.device)
        (-self.critic(self.generator(noise)).mean()).backward()
        self.critic.requires_grad_(requires_grad=True)
        self.generator_optimizer.step()

        # the moving average of the weights, decay 0.99
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.average.parameters()), list(self.generator.parameters()), 0.01
            )

    def _critic_step(self) -> None:
        real = self.real()
        latent = self.config.architecture.latent_dim
        with torch.no_grad(), frozen_statistics(self.generator):
            fake = self.generator(torch.randn(len(real), latent, device=self.device))

        # real and fake in one pass
        self.critic_optimizer.zero_grad()
        scores_real, scores_fake = self.critic(torch.cat([real, fake])).chunk(2)
        loss = scores_fake.exp().mean() + (-scores_real).exp().mean() + self._penalty(real, fake)
        loss.backward()
        self.critic_optimizer.step()

    def _penalty(self, real: Tensor, fake: Tensor) -> Tensor:
        """MaxGP (2-17)."""
        u = torch.rand(len(real), *[1] * (real.ndim - 1), device=self.device)
        points = (u * real + (1 - u) * fake).requires_grad_()
        (gradient,) = torch.autograd.grad(self.critic(points).sum(), points)
        worst = gradient.flatten(1).norm(dim=1).argmax()

        # as in gan_lab, a graph for the second backward pass of the arg-max sample alone
        point = points.detach().index_select(0, worst[None]).requires_grad_()
        (gradient,) = torch.autograd.grad(self.critic(point).sum(), point, create_graph=True)
        return self.config.penalty.weight * gradient.norm() ** 2
