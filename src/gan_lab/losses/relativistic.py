"""Relativistic losses: the critic judges how much more real one sample is than another."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gan_lab import checks, parallel
from gan_lab.errors import UserError
from gan_lab.losses.adversarial import (
    exponential,
    hinge,
    logistic,
    quadratic,
    sqrt,
    wasserstein,
)
from gan_lab.losses.contract import SingleLogit
from gan_lab.losses.scalar import ScalarFunction, ScalarLoss

# phi of these options of conf/loss, each with varphi(t) = phi(-t)
FAMILY: Mapping[str, Callable[..., ScalarLoss]] = {
    "wasserstein": wasserstein,
    "exp": exponential,
    "logistic": logistic,
    "sqrt": sqrt,
    "quadratic": quadratic,
    "hinge": hinge,
}
FORMS = ("pairing", "average")


def relativistic(phi: str = "logistic", form: str = "pairing") -> RelativisticLoss:
    """phi of a difference of logits; see RelativisticLoss.

    Args:
        phi: of which loss: wasserstein, exp, logistic, sqrt, quadratic or hinge, with alpha 1 where
            it has one. logistic is that of the papers.
        form: "pairing" compares a generated sample with one real sample, "average" with the mean of
            them.

    Raises:
        UserError: for another name.

    Examples:
        With phi = id the critic's loss is that of WGAN, twice in the average form.

        >>> import torch
        >>> from gan_lab.losses import relativistic
        >>> real, fake = torch.tensor([2.0]), torch.tensor([0.5])
        >>> relativistic("wasserstein").critic(real, fake)  # 0.5 - 2
        tensor(-1.5000)
        >>> relativistic("wasserstein", form="average").critic(real, fake)
        tensor(-3.)
    """
    loss = FAMILY[checks.choice("phi", phi, FAMILY)]()
    return RelativisticLoss(
        phi=loss.phi,
        average=checks.choice("form", form, FORMS) == "average",
        increasing=loss.increasing,
        convex=loss.convex,
        strictly_convex=loss.strictly_convex,
        member=loss.member,
    )


@dataclass(frozen=True)
class RelativisticLoss(SingleLogit):
    """Logits of generated samples s and of real ones r, compared with each other.

        pairing:  J_D = E[phi(s - r)]                          J_G = E[phi(r - s)]
        average:  J_D = E_s[phi(s - E r)] + E_r[phi(E s - r)]
                  J_G = E_s[phi(E r - s)] + E_r[phi(r - E s)]

    So J_G is J_D with real and generated samples exchanged. A pair is made by place: of n real and
    m generated samples, all in order, each is repeated until there are as many of both. Of 64 and
    128 the generated samples 0 and 1 meet real sample 0, 2 and 3 meet 1, and so on. (Processes that
    share both batches make the same pairs as one.)

    phi = id gives the critic's loss of WGAN back, and the generator's up to a constant.

    Args:
        phi: elementwise.
        average: the average form; else the pairing one.
        increasing: phi' > 0; a property, as the next three, of J_D in one logit.
        convex: phi is.
        strictly_convex: phi is.
        member: condition (2-11) holds for phi(t) and phi(-t).

    Source:
        Jolicoeur-Martineau 2018 (arXiv:1807.00734); the pairing form with R1 and R2: Huang et al.
        2024 (arXiv:2501.05441).

    Examples:
        >>> import torch
        >>> from gan_lab.losses import relativistic
        >>> loss = relativistic("exp")
        >>> real, fake = torch.tensor([1.0]), torch.tensor([1.0])
        >>> loss.critic(real, fake), loss.generator(fake, real=real)  # e^0 both
        (tensor(1.), tensor(1.))
    """

    phi: ScalarFunction
    average: bool
    increasing: bool
    convex: bool
    strictly_convex: bool
    member: bool

    name: ClassVar[str] = "relativistic"
    needs_real_logits: ClassVar[bool] = True

    def critic(
        self,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> Tensor:
        """J_D, 0-d."""
        return self._objective(above=self.score(real), below=self.score(fake))

    def generator(
        self, fake: Tensor, targets: Tensor | None = None, real: Tensor | None = None
    ) -> Tensor:
        """J_G, 0-d.

        Args:
            fake: the critic's logits on generated samples, (m,) or (m, 1).
            targets: not read.
            real: those on real samples, (n,) or (n, 1).

        Raises:
            UserError: without real logits.
        """
        fake = self.score(fake)
        if real is None:
            raise UserError(
                "a relativistic generator's loss compares with real samples: pass their logits, "
                "generator(fake, real=logits)"
            )
        return self._objective(above=fake, below=self.score(real))

    def _objective(self, above: Tensor, below: Tensor) -> Tensor:
        """The loss of whoever wants `above` to be above `below`, 0-d."""
        if self.average:
            mean_above = parallel.mean(above.mean())
            mean_below = parallel.mean(below.mean())
            return self.phi(below - mean_above).mean() + self.phi(mean_below - above).mean()
        above, below = _paired(above, below)
        return self.phi(below - above).mean()


def _paired(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Both (n,) and (m,) as (lcm(n, m),): every element repeated in its place."""
    length = math.lcm(len(one), len(other))
    return (
        one.repeat_interleave(length // len(one)),
        other.repeat_interleave(length // len(other)),
    )
