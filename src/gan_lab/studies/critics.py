"""A critic that is trained between two fixed laws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gan_lab.errors import UserError
from gan_lab.losses import ClassLoss, Loss
from gan_lab.optim.base import moves
from gan_lab.penalties import Penalty
from gan_lab.penalties.regions import Noise

OptimizerFactory = Callable[[Any], torch.optim.Optimizer]  # parameters -> optimizer


def check_single_logit(loss: Loss) -> None:
    """Refuse a loss of classes, of which a critic between two laws has none.

    Raises:
        UserError: for a loss of classes.
    """
    if isinstance(loss, ClassLoss):
        raise UserError("loss: use one of a single logit, as loss=exp")


class CriticTraining:
    """Minimise E[phi(f(fake))] + E[varphi(f(real))] + penalty over the critic alone.

    Args:
        critic: a network (n, *sample) -> (n, 1).
        loss: with one logit.
        penalty: may wrap the critic, as spectral normalisation does.
        optimizer: of its parameters.
    """

    def __init__(
        self, critic: nn.Module, loss: Loss, penalty: Penalty, optimizer: OptimizerFactory
    ) -> None:
        self.critic = penalty.wrap(critic)
        self.loss, self.penalty = loss, penalty

        # what a step changes beside the critic, as Fisher's multiplier and S_max
        device = next(critic.parameters()).device
        stateful = (part for part in (loss, penalty) if isinstance(part, nn.Module))
        self.terms = nn.ModuleList(stateful).to(device)
        self.optimizer = optimizer(self.critic.parameters())

    def score(self, x: Tensor) -> Tensor:
        """f: (n, *sample) -> (n,)."""
        return self.loss.score(self.critic(x))

    def step(self, real: Tensor, fake: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """One step of the optimizer.

        Args:
            real: (n, *sample).
            fake: (n, *sample).
            rng: draws the interpolates.

        Returns:
            The loss without the penalty, and the penalty; 0-d, where the last gradient was taken.
        """
        noise = self.penalty.draw(real, rng)
        for move in moves(self.optimizer):
            values = self.take_gradient(real, fake, noise)
            self.move(move)
        return values

    def take_gradient(self, real: Tensor, fake: Tensor, noise: Noise) -> dict[str, Tensor]:
        """Leave the gradient in the parameters; `step` has the arguments and what is returned."""
        value = self.loss.critic(self.critic(real), self.critic(fake))
        penalty = self.penalty(self.score, real, fake, noise=noise)
        self.optimizer.zero_grad()
        (value + penalty).backward()
        return {"critic_loss": value.detach(), "penalty": penalty.detach()}

    def move(self, move: Callable[[], Any]) -> None:
        """One of `moves` of the optimizer, after which the penalty may change the critic."""
        move()
        self.penalty.after_step(self.critic)

    def gradient(self, points: Tensor) -> Tensor:
        """grad_x f(x) at every point, (n, *sample), with the critic in eval mode."""
        was_training = self.critic.training
        self.critic.eval()
        points = points.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self.score(points).sum(), points)
        self.critic.train(was_training)
        return gradient.detach()

    def values(self, points: Tensor) -> Tensor:
        """f(x) at every point, (n,), with the critic in eval mode."""
        was_training = self.critic.training
        self.critic.eval()
        with torch.no_grad():
            values = self.score(points)
        self.critic.train(was_training)
        return values

    def state_dict(self) -> dict[str, Any]:
        """All that a step changes."""
        return {
            "critic": self.critic.state_dict(),
            "terms": self.terms.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a `state_dict`."""
        self.critic.load_state_dict(state["critic"])
        self.terms.load_state_dict(state["terms"])
        self.optimizer.load_state_dict(state["optimizer"])
