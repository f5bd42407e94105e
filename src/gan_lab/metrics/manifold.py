"""Precision, recall, density and coverage of samples, by nearest-neighbour balls."""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from torch import Tensor

from gan_lab import checks
from gan_lab.metrics.exact import exactly
from gan_lab.metrics.feature_sets import FeatureSets, check_sides
from gan_lab.metrics.setting import Reference, ScoreSetting
from gan_lab.reading.declared_scores import ScoreFacts


class ManifoldValue(NamedTuple):
    """Four numbers, 0-d float64 each, in [0, 1] but for density, which may exceed 1.

    Args:
        precision: the share of fakes in a ball of a real.
        recall: the share of reals in a ball of a fake.
        density: balls of reals around a fake, mean over the fakes, over k.
        coverage: the share of reals with a fake in their ball.

    Examples:
        >>> import torch
        >>> from gan_lab.metrics import precision_recall_density_coverage
        >>> real, fake = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.5], [9.0]])
        >>> value = precision_recall_density_coverage(real, fake, k=1)
        >>> float(value.precision), float(value.recall)  # a fake has a ball of radius 8.5
        (0.5, 1.0)
    """

    precision: Tensor
    recall: Tensor
    density: Tensor
    coverage: Tensor


@exactly
def precision_recall_density_coverage(
    real: Tensor, fake: Tensor, k: int = 5, chunk: int = 1024
) -> ManifoldValue:
    """The four numbers of `ManifoldValue`, from all distances, in memory O(chunk · (n + m)).

    x lies in the ball of y where |x - y| < r(y), with r(y) the distance of y to the k-th nearest
    other sample of its side.

    Args:
        real: features (n, d).
        fake: features (m, d).
        k: which neighbour gives the radius.
        chunk: real samples whose distances are held at once.

    Returns:
        Precision, recall, density and coverage.

    Raises:
        UserError: for fewer than k + 1 samples on a side, k or chunk < 1, and features that are not
            finite.

    Source:
        Kynkäänniemi et al. 2019 (arXiv:1904.06991); Naeem et al. 2020 (arXiv:2002.09797).

    Examples:
        The real balls have radius 1: one of two fakes is in both, and both reals have it in theirs.

        >>> import torch
        >>> from gan_lab.metrics import precision_recall_density_coverage
        >>> real, fake = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.5], [9.0]])
        >>> value = precision_recall_density_coverage(real, fake, k=1)
        >>> float(value.precision), float(value.density), float(value.coverage)
        (0.5, 1.0, 1.0)
    """
    # the balls of both sides
    checks.whole("k", k, at_least=1)
    checks.whole("chunk", chunk, at_least=1)
    real, fake = check_sides(real, fake, k + 1, "take a smaller k")
    real_radii, fake_radii = _radii(real, k, chunk), _radii(fake, k, chunk)

    # who lies in whose ball, for some real samples at a time
    balls_around_fake = torch.zeros(len(fake), dtype=torch.int64, device=real.device)
    recalled, covered = [], []
    for rows, radii in zip(real.split(chunk), real_radii.split(chunk), strict=True):
        distances = _distances(rows, fake)
        balls_around_fake += (distances < radii[:, None]).sum(0)
        recalled.append((distances < fake_radii).any(1))
        covered.append(distances.amin(1) < radii)

    return ManifoldValue(
        (balls_around_fake > 0).double().mean(),
        torch.cat(recalled).double().mean(),
        balls_around_fake.double().mean() / k,
        torch.cat(covered).double().mean(),
    )


class PrecisionRecallDensityCoverage(FeatureSets):
    """`precision_recall_density_coverage` of the features of both sides, kept in float32.

    Args:
        k: which neighbour gives the radius.
        chunk: real samples whose distances are held at once.

    Raises:
        UserError: unless k and chunk are integers >= 1, and in `compute` as the function does.

    Examples:
        >>> import torch
        >>> from gan_lab.metrics import PrecisionRecallDensityCoverage
        >>> metric = PrecisionRecallDensityCoverage(k=1)
        >>> metric.update(torch.tensor([[0.0], [1.0]]), real=True)
        >>> metric.update(torch.tensor([[0.5], [9.0]]))
        >>> float(metric.compute().precision)
        0.5
    """

    facts = ScoreFacts(
        "prdc",
        reads="features",
        higher_is_better=True,
        reference="features",
        values=("precision", "recall", "density", "coverage"),
    )

    def __init__(self, k: int = 5, chunk: int = 1024) -> None:
        super().__init__()
        checks.whole("k", k, at_least=1)
        checks.whole("chunk", chunk, at_least=1)
        self.k = k
        self.chunk = chunk

    @classmethod
    def of_setting(cls, setting: ScoreSetting, reference: Reference | None = None) -> Self:
        """The metric that scores a run."""
        return cls()

    def compute(self) -> ManifoldValue:
        """The four numbers for all samples of all processes."""
        return precision_recall_density_coverage(*self.sides(), self.k, self.chunk)


def _radii(x: Tensor, k: int, chunk: int) -> Tensor:
    """The distance of each sample to its k-th nearest other one: (n, d) -> (n,)."""
    radii = []
    for start in range(0, len(x), chunk):
        distances = _distances(x[start : start + chunk], x)
        distances.diagonal(start).fill_(torch.inf)  # a sample is no neighbour of its own
        radii.append(distances.kthvalue(k, dim=1).values)
    return torch.cat(radii)


def _distances(x: Tensor, y: Tensor) -> Tensor:
    """All distances between two sets: (n, d), (m, d) -> (n, m).

    Not by matrix products: a pair has one distance wherever it is asked for, so that ties with a
    radius stay ties.
    """
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
