"""Objectives of the form (2-5), made of three scalar functions, and operations on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, replace

from torch import Tensor

from gan_lab.errors import UserError
from gan_lab.losses.contract import SingleLogit

# elementwise; a function of a module or a frozen dataclass, so that it pickles
ScalarFunction = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class ScalarLoss(SingleLogit):
    """A loss made of three scalar functions.

        J_D = E_z[phi(f(g(z)))] + E_x[varphi(f(x))]
        J_G = E_z[psi(f(g(z)))]

    A declared True is a promise about the formulas. False says of an option that it does not hold
    (tests measure both), and of a combination that it is not promised.

    Args:
        name: the option of the config group, or a formula of such names.
        phi: of the critic's logits on generated samples, in J_D.
        varphi: of those on real samples, in J_D.
        psi: of those on generated samples, in J_G.
        increasing: phi' > 0 and varphi' < 0 everywhere.
        convex: phi and varphi both are.
        strictly_convex: phi and varphi both are.
        member: condition (2-11) holds: increasing, convex, and phi'(a) + varphi'(a) = 0 for some a.

    Source:
        Thesis (2-5) and (2-10).

    Examples:
        >>> import torch
        >>> from gan_lab.losses import ScalarLoss
        >>> loss = ScalarLoss(
        ...     "example",
        ...     phi=torch.exp,
        ...     varphi=torch.neg,
        ...     psi=torch.neg,
        ...     increasing=True,
        ...     convex=True,
        ...     strictly_convex=False,
        ...     member=True,
        ... )
        >>> loss.critic(real=torch.tensor([2.0]), fake=torch.tensor([0.0]))  # e^0 - 2
        tensor(-1.)
    """

    name: str
    phi: ScalarFunction
    varphi: ScalarFunction
    psi: ScalarFunction
    _: KW_ONLY
    increasing: bool
    convex: bool
    strictly_convex: bool
    member: bool

    def critic(
        self,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> Tensor:
        """E[phi(fake)] + E[varphi(real)], 0-d."""
        return self.phi(self.score(fake)).mean() + self.varphi(self.score(real)).mean()

    def generator(self, fake: Tensor, targets: Tensor | None = None) -> Tensor:
        """E[psi(fake)], 0-d."""
        return self.psi(self.score(fake)).mean()


@dataclass(frozen=True)
class Affine:
    """t -> function(factor * t + offset)."""

    function: ScalarFunction
    factor: float = 1.0
    offset: float = 0.0

    def __call__(self, t: Tensor) -> Tensor:
        return self.function(self.factor * t + self.offset)


@dataclass(frozen=True)
class WeightedSum:
    """t -> sum_i weights[i] * functions[i](t)."""

    functions: tuple[ScalarFunction, ...]
    weights: tuple[float, ...]

    def __call__(self, t: Tensor) -> Tensor:
        first, *rest = (
            weight * function(t)
            for function, weight in zip(self.functions, self.weights, strict=True)
        )
        return sum(rest, start=first)


def combine(losses: Sequence[ScalarLoss], weights: Sequence[float]) -> ScalarLoss:
    """sum_i w_i phi_i against sum_i w_i varphi_i, with the psi of the first loss.

    A sum of members is a member, even where each has its own a_i: h_i = phi_i' + varphi_i' is
    continuous (phi_i and varphi_i are convex and differentiable), nondecreasing and zero at a_i, so
    sum_i w_i h_i is <= 0 at min a_i and >= 0 at max a_i, and zero in between.

    Args:
        losses: at least one.
        weights: w_i > 0, one for each.

    Raises:
        UserError: for a weight that is not positive and for other losses.

    Source:
        Thesis 2.C.1.

    Examples:
        >>> import torch
        >>> from gan_lab.losses import combine, exponential, wasserstein
        >>> loss = combine([wasserstein(), exponential()], weights=[1.0, 2.0])
        >>> loss.name, loss.phi(torch.tensor([0.0]))  # 0 + 2 e^0
        ('1 wasserstein + 2 exp', tensor([2.]))
    """
    # losses and weights that fit
    if not losses or len(losses) != len(weights):
        raise UserError(
            f"combine got {len(losses)} losses and {len(weights)} weights: "
            "give one weight to each loss"
        )
    if other := [type(loss).__name__ for loss in losses if not isinstance(loss, ScalarLoss)]:
        raise UserError(
            f"combine cannot add {other[0]}: only losses made of phi, varphi and psi add up"
        )

    if not all(math.isfinite(weight) and weight > 0 for weight in weights):
        raise UserError(f"combine got weights {list(weights)}: they must be positive numbers")

    # the name is the formula
    terms = [f"{weight:g} {loss.name}" for loss, weight in zip(losses, weights, strict=True)]

    # every property of all losses is one of the sum; strict convexity of one suffices
    factors = tuple(weights)
    convex = all(loss.convex for loss in losses)
    return ScalarLoss(
        name=" + ".join(terms),
        phi=WeightedSum(tuple(loss.phi for loss in losses), factors),
        varphi=WeightedSum(tuple(loss.varphi for loss in losses), factors),
        psi=losses[0].psi,
        increasing=all(loss.increasing for loss in losses),
        convex=convex,
        strictly_convex=convex and any(loss.strictly_convex for loss in losses),
        member=all(loss.member for loss in losses),
    )


def scale(loss: ScalarLoss, factor: float) -> ScalarLoss:
    """phi(factor t) and varphi(factor t); psi and every property stay.

    Both are scaled: 2t against -t has no a with phi'(a) + varphi'(a) = 0. a becomes a / factor.

    Args:
        loss: the loss.
        factor: > 0.

    Raises:
        UserError: for a factor <= 0.

    Examples:
        >>> import torch
        >>> from gan_lab.losses import scale, wasserstein
        >>> scale(wasserstein(), 2.0).critic(real=torch.tensor([3.0]), fake=torch.tensor([1.0]))
        tensor(-4.)
    """
    if not (math.isfinite(factor) and factor > 0):
        raise UserError(f"scale got factor={factor}: it must be a positive number")
    phi, varphi = Affine(loss.phi, factor=factor), Affine(loss.varphi, factor=factor)
    return replace(loss, name=f"({loss.name} at {factor:g}t)", phi=phi, varphi=varphi)


def shift(loss: ScalarLoss, offset: float) -> ScalarLoss:
    """phi(t + offset) and varphi(t + offset); psi and every property stay.

    a becomes a - offset.

    Args:
        loss: the loss.
        offset: a finite number.

    Raises:
        UserError: for another offset.

    Examples:
        >>> import torch
        >>> from gan_lab.losses import hinge, shift
        >>> shift(hinge(), 0.5).phi(torch.tensor([1.0]))  # max(0, 1 + 0.5 + 1)
        tensor([2.5000])
    """
    if not math.isfinite(offset):
        raise UserError(f"shift got offset={offset}: it must be a finite number")
    phi, varphi = Affine(loss.phi, offset=offset), Affine(loss.varphi, offset=offset)
    return replace(loss, name=f"({loss.name} at t{offset:+g})", phi=phi, varphi=varphi)
