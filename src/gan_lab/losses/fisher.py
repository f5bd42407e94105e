"""The mu-Fisher GAN (thesis Table 2-1): a metric under a second-moment constraint."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from gan_lab import checks, parallel
from gan_lab.losses.contract import SingleLogit


def fisher(rho: float = 1e-6) -> FisherLoss:
    """sup E_r[f] - E_g[f] subject to (E_r[f^2] + E_g[f^2]) / 2 = 1.

    Args:
        rho: > 0, 1e-6 in the paper; see FisherLoss.

    Examples:
        r = 1 and s = -1 keep the constraint, so that J_D is -(r - s):

        >>> import torch
        >>> from gan_lab.losses import fisher
        >>> fisher().critic(real=torch.tensor([1.0]), fake=torch.tensor([-1.0]))
        tensor(-2.)
    """
    return FisherLoss(rho)


class FisherLoss(SingleLogit, nn.Module):
    """The augmented Lagrangian of Fisher GAN.

        J_D = -(E_r[f] - E_g[f] + lambda (1 - Omega) - rho/2 (Omega - 1)^2)
        Omega = (E_r[f^2] + E_g[f^2]) / 2
        J_G = -E_g[f]

    After each value lambda moves by gradient descent: lambda <- lambda - rho (1 - Omega), from 0.
    It is the buffer `multiplier`; like batch norm's statistics it moves in training mode only, at
    every call of `critic`.

    In one fake value t of n, J_D is neither monotone nor convex: its second derivative is
    (lambda + rho (Omega - 1)) / n + rho t^2 / n^2, negative near t = 0 while lambda < rho (1 -
    Omega), as at the start.

    Args:
        rho: > 0, the weight of the constraint and the step of lambda.

    Raises:
        UserError: for another rho.

    Source:
        Mroueh and Sercu 2017 (arXiv:1705.09675), equation 9.

    Examples:
        >>> import torch
        >>> from gan_lab.losses import FisherLoss
        >>> loss = FisherLoss(rho=0.5)
        >>> _ = loss.critic(real=torch.tensor([2.0]), fake=torch.tensor([0.0]))  # Omega = 2
        >>> loss.multiplier
        tensor(0.5000, dtype=torch.float64)
    """

    name = "fisher"
    increasing: ClassVar[bool] = False
    convex: ClassVar[bool] = False
    strictly_convex: ClassVar[bool] = False
    member: ClassVar[bool] = False
    multiplier: Tensor

    def __init__(self, rho: float = 1e-6) -> None:
        super().__init__()
        self.rho = checks.number("rho", rho, above=0)
        # float64: near 0.5 a step of rho = 1e-6 is below float32's resolution while Omega is within
        # 3% of 1
        self.register_buffer("multiplier", torch.zeros((), dtype=torch.float64))

    def critic(
        self,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> Tensor:
        """J_D, 0-d; in training mode also the step of the multiplier."""
        real, fake = self.score(real), self.score(fake)
        excess = parallel.mean((real.square().mean() + fake.square().mean()) / 2) - 1

        # a copy: the graph keeps it while the buffer moves
        multiplier = self.multiplier.to(excess.dtype, copy=True)
        if self.training:
            with torch.no_grad():
                self.multiplier += self.rho * excess
        return fake.mean() - real.mean() + multiplier * excess + self.rho / 2 * excess.square()

    def generator(self, fake: Tensor, targets: Tensor | None = None) -> Tensor:
        """-E[fake], 0-d."""
        return -self.score(fake).mean()
