"""Which modes of a mixture samples reach, how many samples are near one, and how evenly."""

from __future__ import annotations

import math
from typing import NamedTuple, Self

import torch
from torch import Tensor

from gan_lab import checks
from gan_lab.errors import UserError
from gan_lab.metrics.base import Score
from gan_lab.metrics.setting import Reference, ScoreSetting
from gan_lab.reading.declared_scores import ScoreFacts


class ModeCoverageValue(NamedTuple):
    """How samples lie among K modes.

    Args:
        modes: how many modes have a good sample, 0-d float64.
        good: the share of good samples, 0-d float64.
        modekl: KL(p ‖ uniform) in nats, p the shares of the modes among good samples, 0-d float64:
            0 where all modes are as likely, log K where all good samples are in one.
        modejsd: the Jensen-Shannon divergence of the same two, in nats, 0-d float64.
        histogram: int64 (K,), the good samples of each mode.

    Examples:
        >>> import torch
        >>> from gan_lab.metrics import ModeCoverage
        >>> metric = ModeCoverage(num_modes=4)
        >>> metric.update(torch.eye(4)[[0, 0, 2, 2]])
        >>> round(float(metric.compute().modekl), 4)  # log 4 - log 2
        0.6931
    """

    modes: Tensor
    good: Tensor
    modekl: Tensor
    modejsd: Tensor
    histogram: Tensor


class ModeCoverage(Score):
    """Counts the modes that samples reach, from one logit for each mode, in constant memory.

    A sample belongs to the mode of its largest logit, and is good where that logit is larger than
    `least_logit`. For a mixture of Gaussians with centres c_k and standard deviation σ the logits
    are -‖x - c_k‖²/(2 σ²), and least_logit = -9/2 counts what is within 3 σ of the nearest centre.

    Without a good sample there is no histogram: `modekl` and `modejsd` are then what they are for
    samples that are all of one mode, which is the most that they can be.

    Args:
        num_modes: K.
        least_logit: None: every sample is good.

    Raises:
        UserError: unless num_modes is an integer >= 1, and in `compute` without a sample or where
            logits are NaN.

    Source:
        Z. Lin et al., "PacGAN", NeurIPS 2018 (arXiv:1712.04086), section 4.1; the divergences are
        of good samples alone, with natural logarithms [code].

    Examples:
        Of four samples two are near the first of three modes, and one is near the second.

        >>> import torch
        >>> from gan_lab.metrics import ModeCoverage
        >>> metric = ModeCoverage(num_modes=3, least_logit=-4.5)
        >>> metric.update(torch.tensor([[0.0, -9, -9], [-4, -9, -9], [-9, -1, -9], [-9, -9, -5]]))
        >>> value = metric.compute()
        >>> float(value.modes), float(value.good), value.histogram
        (2.0, 0.75, tensor([2, 1, 0]))
    """

    facts = ScoreFacts(
        "modes",
        reads="logits",
        higher_is_better=True,
        values=("modes", "good", "modekl", "modejsd"),
        better_lower=("modekl", "modejsd"),
    )

    counts: Tensor
    samples: Tensor
    undefined: Tensor

    def __init__(self, num_modes: int, least_logit: float | None = None) -> None:
        super().__init__()
        checks.whole("num_modes", num_modes, at_least=1)
        if least_logit is not None:
            checks.number("least_logit", least_logit)
        self.num_modes = num_modes
        self.least_logit = least_logit
        self.add_state("counts", torch.zeros(num_modes, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("samples", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("undefined", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    @classmethod
    def of_setting(cls, setting: ScoreSetting, reference: Reference | None = None) -> Self:
        """The metric that scores a run."""
        return cls(setting.num_classes, setting.least_logit)

    def update(self, logits: Tensor) -> None:
        """Take in logits.

        Args:
            logits: (n, num_modes).

        Raises:
            UserError: for another shape.
        """
        if logits.ndim != 2 or logits.shape[1] != self.num_modes:
            raise UserError(
                f"logits have shape {tuple(logits.shape)}: give one for each of the "
                f"{self.num_modes} modes, (n, {self.num_modes})"
            )
        largest, mode = logits.max(1)
        good = torch.ones_like(mode)
        if self.least_logit is not None:
            good = (largest > self.least_logit).to(mode.dtype)
        self.counts = self.counts.index_add(0, mode, good)
        self.samples = self.samples + len(logits)
        self.undefined = self.undefined + logits.isnan().any(1).sum()

    def compute(self) -> ModeCoverageValue:
        """The counts of all samples of all processes."""
        if not bool(self.samples):
            raise UserError("no samples: give logits of at least one")
        if bool(self.undefined):
            raise UserError("some logits are NaN: look for a diverged network")

        # the shares of the modes; of no good sample at all they are those of a single mode
        number_good = self.counts.sum()
        shares = self.counts.double() / number_good.clamp(min=1)
        if not bool(number_good):
            shares[0] = 1.0

        # p against u = 1/K, and both against their mean m
        uniform = torch.full_like(shares, 1 / self.num_modes)
        mean = (shares + uniform) / 2
        jsd = (_divergence(shares, mean) + _divergence(uniform, mean)) / 2
        return ModeCoverageValue(
            modes=(self.counts > 0).sum().double(),
            good=number_good.double() / self.samples,
            modekl=math.log(self.num_modes) + torch.special.xlogy(shares, shares).sum(),
            modejsd=jsd,
            histogram=self.counts,
        )


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    """KL(p ‖ q) where q > 0, in nats."""
    return (torch.special.xlogy(p, p) - torch.special.xlogy(p, q)).sum()
