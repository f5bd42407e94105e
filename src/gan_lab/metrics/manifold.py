"""Precision, recall, density and coverage: whether samples lie within nearest-neighbour balls of
the other side."""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from torch import Tensor

from gan_lab import checks
from gan_lab.declared_scores import ScoreFacts
from gan_lab.metrics.base import exactly
from gan_lab.metrics.feature_sets import FeatureSets, check_sides
from gan_lab.metrics.setting import Reference, ScoreSetting


class ManifoldValue(NamedTuple):
    """0-d float64 each, in [0, 1] but for density, which may exceed 1."""

    precision: Tensor
    recall: Tensor
    density: Tensor
    coverage: Tensor


@exactly
def precision_recall_density_coverage(
    real: Tensor, fake: Tensor, k: int = 5, chunk: int = 1024
) -> ManifoldValue:
    """The four numbers of real features (n, d) and fake ones (m, d), from all distances, in memory
    O(chunk · (n + m)).

    With r(x) the distance of x to the k-th nearest other sample of its side, and x in the ball of
    y: |x - y| < r(y),
    precision: share of fakes in a ball of a real; recall: share of reals in a ball of a fake;
    density: balls of reals around a fake, mean over the fakes, over k; coverage: share of reals
    with a fake in their ball.
    Source: Kynkäänniemi et al. 2019, Naeem et al. 2020. Raises UserError for fewer than k + 1
    samples on a side, k or chunk < 1, and features that are not finite.
    """
    checks.whole("k", k, at_least=1)
    checks.whole("chunk", chunk, at_least=1)
    real, fake = check_sides(real, fake, k + 1, "take a smaller k")
    real_radii, fake_radii = _radii(real, k, chunk), _radii(fake, k, chunk)
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

    Raises UserError unless k and chunk are integers >= 1, and in `compute` as the function does.
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
    radii = []
    for start in range(0, len(x), chunk):
        distances = _distances(x[start : start + chunk], x)
        distances.diagonal(start).fill_(torch.inf)  # a sample is no neighbour of its own
        radii.append(distances.kthvalue(k, dim=1).values)
    return torch.cat(radii)


def _distances(x: Tensor, y: Tensor) -> Tensor:
    # not by matrix products: a pair has one distance wherever it is asked for, so that ties with a
    # radius stay ties
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
