"""The two parameters of the Dirac-GAN: a point, and a linear critic."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan_lab import checks
from gan_lab.errors import UserError
from gan_lab.types import DataSpec


class Point(nn.Module):
    """The point θ, whatever the input: (n, ...) -> (n, D).

    Args:
        start: every coordinate of θ at first.
        dimension: D.
    """

    def __init__(self, start: float, dimension: int) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.full((dimension,), start))

    def forward(self, z: Tensor) -> Tensor:
        """θ, once for each row of z."""
        return self.theta.expand(len(z), -1)


@dataclass(frozen=True)
class Dirac:
    """A generator that is one point θ, and a critic ψ · x without a bias: for points alone.

    With `dataset=dirac`, whose samples are 0, plain gradient steps (`optimizer=sgd`,
    `schedule=constant`, `n_critic=1`) on `loss=vanilla` or `wasserstein` are the alternating
    updates of `gan_lab.theory.DiracGAN`, whose ψ is ours with the other sign; `penalty=r1` of
    weight γ/2 is its γ. A generator step follows each critic step, so simultaneous updates cannot
    be trained: `gan_lab.theory.game_trajectory` has them.

    Args:
        theta: every coordinate of θ at first.
        psi: every coordinate of ψ at first.
        latent_dim: the length of z, which has no effect.

    Raises:
        UserError: for a start that is no number, a latent_dim < 1, images and conditions.

    Source:
        L. Mescheder, A. Geiger and S. Nowozin, "Which Training Methods for GANs do actually
        Converge?", ICML 2018 (arXiv:1801.04406), Definition 2.1.

    Examples:
        >>> import torch
        >>> from gan_lab.architectures import Dirac
        >>> from gan_lab.types import DataSpec
        >>> line = DataSpec("line", "points", (1,), 1, ("all",))
        >>> made = Dirac(theta=2.0, psi=3.0)
        >>> point = made.generator(line)(torch.randn(1, 1))
        >>> point.item(), made.critic(line, outputs=1)(point).item()
        (2.0, 6.0)
    """

    theta: float = 1.0
    psi: float = 1.0
    latent_dim: int = 1

    def __post_init__(self) -> None:
        checks.number("theta", self.theta)
        checks.number("psi", self.psi)
        checks.whole("latent_dim", self.latent_dim, at_least=1)

    def generator(self, spec: DataSpec, conditions: int = 0) -> nn.Module:
        """A network (n, latent_dim) -> (n, D) that is θ everywhere."""
        _check(spec)
        if conditions:
            raise UserError(
                "architecture=dirac: its only point has no class to aim at; use architecture=mlp"
            )
        return Point(float(self.theta), spec.size)

    def critic(self, spec: DataSpec, outputs: int) -> nn.Module:
        """A linear map (n, D) -> (n, outputs)."""
        _check(spec)
        linear = nn.Linear(spec.size, outputs, bias=False)
        nn.init.constant_(linear.weight, float(self.psi))
        return linear


def _check(spec: DataSpec) -> None:
    """Refuse what is no vector of numbers. Raises UserError."""
    if spec.kind != "points":
        raise UserError(
            f"architecture=dirac is one point, and {spec.name} holds {spec.kind}: use "
            "architecture=resnet, dcgan or mlp"
        )
