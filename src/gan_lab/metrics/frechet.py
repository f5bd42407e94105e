"""Fréchet (Inception) Distance: the squared 2-Wasserstein distance of two Gaussians.

They are those with the moments of the features of each side.
"""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from gan_lab import checks
from gan_lab.errors import UserError
from gan_lab.metrics.base import Score
from gan_lab.metrics.exact import exactly
from gan_lab.metrics.feature_moments import (
    Moments,
    check_features,
    load_reference,
    moments,
    moments_of_sums,
    save_reference,
)
from gan_lab.metrics.setting import Reference, ScoreSetting
from gan_lab.reading.declared_scores import ScoreFacts

__all__ = [
    "FrechetDistance",
    "Moments",
    "frechet_distance",
    "load_reference",
    "moments",
    "save_reference",
]


@exactly
def frechet_distance(a: Moments, b: Moments) -> Tensor:
    """|μ_a - μ_b|² + tr Σ_a + tr Σ_b - 2 tr (Σ_a Σ_b)^½.

    Eigenvalues below 0 are rounding and count as 0, and so does a distance below 0; nothing is
    added to a singular covariance. Compare only distances of equal n.

    Args:
        a: the moments of one side.
        b: those of the other.

    Returns:
        0-d float64, on the device of `a`.

    Raises:
        UserError: for moments of different d.

    Source:
        Heusel et al. 2017 (arXiv:1706.08500).

    Examples:
        Means 3 apart, standard deviations 1 and 2: 3² + 1 + 4 - 2 · 2.

        >>> import torch
        >>> from gan_lab.metrics import Moments, frechet_distance
        >>> a = Moments(torch.tensor([0.0]), torch.tensor([[1.0]]), n=1000)
        >>> b = Moments(torch.tensor([3.0]), torch.tensor([[4.0]]), n=1000)
        >>> float(frechet_distance(a, b))
        10.0
    """
    if a.mean.shape != b.mean.shape:
        raise UserError(
            f"moments of {len(a.mean)} and of {len(b.mean)} features cannot be compared: "
            "take both from one extractor"
        )
    b = b.to(a.mean.device)
    shift = (a.mean.double() - b.mean.double()).square().sum()
    cov_a, cov_b = a.covariance.double(), b.covariance.double()

    # With R = Σ_a^½ the trace is that of (R Σ_b R)^½: two symmetric eigenvalue problems.
    values, vectors = torch.linalg.eigh(cov_a)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    product = root @ cov_b @ root
    cross = torch.linalg.eigvalsh((product + product.T) / 2).clamp(min=0).sqrt().sum()
    return (shift + cov_a.trace() + cov_b.trace() - 2 * cross).clamp(min=0)


class FrechetDistance(Score):
    """`frechet_distance` of streamed features, in constant memory: Σ x, Σ x xᵀ and n in float64.

    Args:
        num_features: d.
        reference: the real side, in place of real features.

    Raises:
        UserError: unless num_features is an integer >= 1 that the reference shares, and in
            `compute` for fewer than 2 samples on a side or features that are not finite.

    Examples:
        Means 3 apart, variances 2 on both sides:

        >>> import torch
        >>> from gan_lab.metrics import FrechetDistance
        >>> metric = FrechetDistance(num_features=1)
        >>> metric.update(torch.tensor([[0.0], [2.0]]), real=True)
        >>> metric.update(torch.tensor([[3.0], [5.0]]))
        >>> round(float(metric.compute()), 4)
        9.0
    """

    facts = ScoreFacts("fid", reads="features", higher_is_better=False, reference="moments")

    def __init__(self, num_features: int, reference: Moments | None = None) -> None:
        super().__init__()
        checks.whole("num_features", num_features, at_least=1)
        if reference is not None and len(reference.mean) != num_features:
            raise UserError(
                f"the reference has {len(reference.mean)} features and the extractor "
                f"{num_features}: compute it anew"
            )

        # the sums of each side that is streamed
        self.num_features = num_features
        self.reference = reference
        for side in ("fake",) if reference else ("fake", "real"):
            count = torch.zeros((), dtype=torch.int64)
            total = torch.zeros(num_features, dtype=torch.float64)
            outer = torch.zeros(num_features, num_features, dtype=torch.float64)
            self.add_state(f"{side}_n", count, dist_reduce_fx="sum")
            self.add_state(f"{side}_sum", total, dist_reduce_fx="sum")
            self.add_state(f"{side}_outer", outer, dist_reduce_fx="sum")

    @classmethod
    def of_setting(cls, setting: ScoreSetting, reference: Reference | None = None) -> Self:
        """The metric that scores a run."""
        assert reference is not None, "FID compares with real data"
        return cls(setting.num_features, reference.moments)

    def update(self, features: Tensor, real: bool = False) -> None:
        """Take in features.

        Args:
            features: (n, num_features).
            real: whether they are of real samples.

        Raises:
            UserError: for another shape, and for real ones beside a reference.
        """
        if real and self.reference is not None:
            raise UserError(
                "real features beside reference moments: "
                "leave out the reference, or the real features"
            )
        x = check_features(features, self.num_features).to(torch.float64)
        side = "real" if real else "fake"
        setattr(self, f"{side}_n", getattr(self, f"{side}_n") + len(x))
        setattr(self, f"{side}_sum", getattr(self, f"{side}_sum") + x.sum(0))
        setattr(self, f"{side}_outer", torch.addmm(getattr(self, f"{side}_outer"), x.T, x))

    def fake_moments(self) -> Moments:
        """Moments of the fake features so far, in this process.

        Raises:
            UserError: as `moments`.
        """
        return self._moments("fake")

    def real_moments(self) -> Moments:
        """The reference, or moments of the real features so far, in this process."""
        return self.reference or self._moments("real")

    def compute(self) -> Tensor:
        """The distance for all samples of all processes, 0-d float64."""
        fake = self.fake_moments()
        return frechet_distance(self.real_moments().to(fake.mean.device), fake)

    def _moments(self, side: str) -> Moments:
        return moments_of_sums(*(getattr(self, f"{side}_{part}") for part in ("n", "sum", "outer")))
