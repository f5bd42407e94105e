"""Penalties of the gradient at every point.

WGAN-GP, WGAN-LP, DRAGAN, R1 and zero-centred penalties are settings of one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_lab import checks, parallel
from gan_lab.checks import renamed_argument
from gan_lab.errors import UserError
from gan_lab.inference import layers_that_mix_samples
from gan_lab.penalties.base import Penalty, Score, gradient_norms
from gan_lab.penalties.regions import REGIONS, Noise


class PointPenalty(Penalty):
    """A penalty of the gradient norms at the points of a region, reduced by a subclass.

    Args:
        weight: lambda >= 0.
        target: c >= 0.
        region: a name of `regions.REGIONS`.

    Raises:
        UserError: for anything else.
    """

    measures_norm = True

    def __init__(self, weight: float, target: float, region: str) -> None:
        super().__init__()
        self.weight = checks.number("weight", weight, at_least=0)
        self.target = checks.number("target", target, at_least=0)
        self.region = checks.choice("region", region, REGIONS)

    @renamed_argument(old="generator", new="rng")
    def draw(self, real: Tensor, rng: torch.Generator | None = None) -> Noise:
        """The noise of the region."""
        return REGIONS[self.region].draw(real, rng)

    def points(
        self, real: Tensor, fake: Tensor, rng: torch.Generator | None, noise: Noise | None
    ) -> Tensor:
        """The points of the region for this batch, (n, *sample)."""
        noise = self.draw(real, rng) if noise is None else noise
        return REGIONS[self.region].points(real, fake, *noise)

    def wrap(self, critic: nn.Module) -> nn.Module:
        """The critic itself.

        Raises:
            UserError: where batch norm makes f(x) depend on the batch around x.
        """
        mixing = layers_that_mix_samples(critic)

        # a weight of 0 only measures
        if mixing and self.weight > 0:
            name, layer = next(iter(mixing.items()))
            raise UserError(
                "a gradient penalty needs one gradient per sample, and the critic's "
                f"{_in_words(layer)} ({name}) mixes samples: build the critic "
                "without it, or take penalty=spectral, clip or none"
            )
        return critic


class GradientPenalty(PointPenalty):
    """weight * E[(||grad f(x)|| - target)^2], x in a region.

    The options of penalty= are settings of it:

    * gp: weight 10, target 1.
    * lp: the same, one-sided.
    * dragan: the same as gp with region perturbed.
    * r1: region real, target 0, weight 10 without a 1/2 as in the authors' program; their paper
      writes gamma/2.

    * r1_r2: the same with region both, so that the weight is the gamma of gamma/2 (R1 + R2): the
      mean is over both batches together.

    The thesis writes rho/2 for the weight.

    Args:
        weight: lambda >= 0.
        target: c >= 0.
        region: where x lies: interpolates, real, fake, both or perturbed.
        one_sided: weight * E[max(0, ||grad f(x)|| - target)^2] instead.

    Raises:
        UserError: for arguments out of range.

    Source:
        gp: thesis (2-12), Gulrajani et al. 2017 (arXiv:1704.00028). lp: (2-13), Petzka et al. 2018
        (arXiv:1709.08894). dragan: Kodali et al. 2017 (arXiv:1705.07215). r1: Mescheder et al. 2018
        (arXiv:1801.04406). r1_r2: Huang et al. 2024 (arXiv:2501.05441).

    Examples:
        A linear critic whose gradient has length 5: 10 · (5 - 1)².

        >>> import torch
        >>> from gan_lab.penalties import GradientPenalty
        >>> real, fake = torch.ones(4, 2), torch.zeros(4, 2)
        >>> GradientPenalty()(lambda x: x @ torch.tensor([3.0, 4.0]), real, fake)
        tensor(160.)
    """

    def __init__(
        self,
        weight: float = 10.0,
        target: float = 1.0,
        region: str = "interpolates",
        *,
        one_sided: bool = False,
    ) -> None:
        super().__init__(weight, target, region)
        self.one_sided = checks.flag("one_sided", one_sided)

    def forward(
        self,
        critic_score: Score,
        real: Tensor,
        fake: Tensor,
        rng: torch.Generator | None = None,
        noise: Noise | None = None,
    ) -> Tensor:
        """The penalty, 0-d; see Penalty.forward."""
        norms = gradient_norms(critic_score, self.points(real, fake, rng, noise), create_graph=True)
        self.last_norm = parallel.largest(norms.max())
        excess = norms - self.target
        if self.one_sided:
            excess = excess.relu()
        return self.weight * excess.square().mean()


def _in_words(layer: nn.Module) -> str:
    """The name of a layer that mixes samples."""
    is_norm = isinstance(layer, nn.modules.batchnorm._BatchNorm)
    return "batch norm" if is_norm else "minibatch deviation"
