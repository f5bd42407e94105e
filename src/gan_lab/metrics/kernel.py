"""Kernel (Inception) Distance: the unbiased squared maximum mean discrepancy of features."""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from torch import Tensor

from gan_lab import checks
from gan_lab.checks import renamed_argument
from gan_lab.errors import UserError
from gan_lab.metrics.exact import exactly
from gan_lab.metrics.feature_sets import FeatureSets, check_sides
from gan_lab.metrics.setting import Reference, ScoreSetting
from gan_lab.reading.declared_scores import ScoreFacts


class KernelDistanceValue(NamedTuple):
    """The Kernel Distance, 0-d float64 each.

    Args:
        value: the mean over subsets, which may be below 0.
        std: the population standard deviation over subsets.

    Examples:
        >>> import torch
        >>> from gan_lab.metrics import kernel_distance
        >>> same = torch.ones(4, 1)
        >>> float(kernel_distance(same, same, subsets=2, subset_size=3).std)
        0.0
    """

    value: Tensor
    std: Tensor


@renamed_argument(old="generator", new="rng")
@exactly
def kernel_distance(
    real: Tensor,
    fake: Tensor,
    subsets: int,
    subset_size: int,
    rng: torch.Generator | None = None,
) -> KernelDistanceValue:
    """MMD² of two sets of features, over random subsets of s samples of each side.

        MMD² = Σ_{i≠j} [k(x_i, x_j) + k(y_i, y_j)] / (s (s - 1)) - 2 Σ_ij k(x_i, y_j) / s²
        k(x, y) = (x·y / d + 1)³

    Args:
        real: (n, d).
        fake: (m, d).
        subsets: how many are drawn.
        subset_size: s, drawn without replacement.
        rng: on the CPU, draws the subsets; the default one if None.

    Returns:
        Mean and standard deviation over the subsets.

    Raises:
        UserError: for fewer samples than subset_size on a side, subset_size < 2, and features that
            are not finite.

    Source:
        Bińkowski et al. 2018 (arXiv:1801.01401).

    Examples:
        All x are 0 and all y are 1: k(x, x) = 1, k(y, y) = 8, k(x, y) = 1.

        >>> import torch
        >>> from gan_lab.metrics import kernel_distance
        >>> x, y = torch.zeros(4, 1), torch.ones(4, 1)
        >>> float(kernel_distance(x, y, subsets=1, subset_size=4).value)
        7.0
    """
    checks.whole("subsets", subsets, at_least=1)
    checks.whole("subset_size", subset_size, at_least=2)
    real, fake = check_sides(real, fake, subset_size, "take a smaller subset_size")

    # drawn on the CPU, so that the subsets are the same on every device
    values = []
    for _ in range(subsets):
        x, y = (
            side[torch.randperm(len(side), generator=rng)[:subset_size].to(side.device)]
            for side in (real, fake)
        )
        values.append(_discrepancy(x, y))

    every = torch.stack(values)
    return KernelDistanceValue(every.mean(), every.std(correction=0))


class KernelDistance(FeatureSets):
    """`kernel_distance` of the features of both sides, kept in float32.

    Args:
        subsets: how many are drawn, >= 1.
        subset_size: samples in each, >= 2.
        seed: >= 0; `compute` draws the same subsets every time.

    Raises:
        UserError: for numbers out of range, and in `compute` as `kernel_distance` does.

    Examples:
        >>> import torch
        >>> from gan_lab.metrics import KernelDistance
        >>> metric = KernelDistance(subsets=1, subset_size=4)
        >>> metric.update(torch.zeros(4, 1), real=True)
        >>> metric.update(torch.ones(4, 1))
        >>> float(metric.compute().value)
        7.0
    """

    facts = ScoreFacts("kid", reads="features", higher_is_better=False, reference="features")

    def __init__(self, subsets: int = 100, subset_size: int = 1000, seed: int = 0) -> None:
        super().__init__()
        checks.whole("subsets", subsets, at_least=1)
        checks.whole("subset_size", subset_size, at_least=2)
        checks.whole("seed", seed, at_least=0)
        self.subsets = subsets
        self.subset_size = subset_size
        self.seed = seed

    @classmethod
    def of_setting(cls, setting: ScoreSetting, reference: Reference | None = None) -> Self:
        """The metric that scores a run."""
        return cls(subset_size=setting.protocol.kid_subset_size)

    @classmethod
    def check_setting(cls, setting: ScoreSetting) -> None:
        """Refuse a side with fewer samples than a subset.

        Raises:
            UserError: names the side and the largest size that is possible.
        """
        size = setting.protocol.kid_subset_size
        sides = {split: reference.moments.n for split, reference in setting.references.items()}
        sides["a chunk of the samples"] = setting.samples // setting.protocol.chunks
        for side, count in sides.items():
            if count < size:
                raise UserError(
                    f"KID takes subsets of evaluation.kid_subset_size={size}, and {side} has "
                    f"{count} images: set evaluation.kid_subset_size={count} or less, or leave kid "
                    "out of evaluation.scores"
                )

    def compute(self) -> KernelDistanceValue:
        """The distance for all samples of all processes."""
        rng = torch.Generator().manual_seed(self.seed)
        return kernel_distance(*self.sides(), self.subsets, self.subset_size, rng)


def _discrepancy(x: Tensor, y: Tensor) -> Tensor:
    """MMD², 0-d, of x and y (s, d)."""
    size = len(x)
    within = _kernel(x, x) + _kernel(y, y)
    return (within.sum() - within.trace()) / (size * (size - 1)) - 2 * _kernel(x, y).mean()


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    """k of all pairs: (s, d), (t, d) -> (s, t)."""
    return (x @ y.T / x.shape[1] + 1) ** 3
