"""What a metric that scores runs can be made with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from typing import Protocol as Interface

from torch import Tensor

from gan_lab.metrics.feature_moments import Moments


@dataclass(frozen=True, eq=False)
class Reference:
    """What is kept of a split of the real data, as the extractor sees it.

    Args:
        moments: of its features.
        marginal: the mean of C(x), (K,).
        features: (n, d), where a score needs them.
    """

    moments: Moments
    marginal: Tensor
    features: Tensor | None = None


class ScoreSetting(Interface):
    """The facts of an evaluation; `gan_lab.scoring.meters.Setting` has them.

    Attributes:
        num_classes: K of the extractor's logits.
        num_features: d of its features.
        least_logit: where the largest logit of a sample is not above it, the sample is of no class;
            None: every sample is of one.
        train_marginal: (K,), the mean of C over the training set.
        references: by split of the real data.
        samples: how many are scored.
        protocol: the fields of the group `evaluation`, as `splits` and `chunks`; a knob of a score
            is one of them.
    """

    @property
    def num_classes(self) -> int: ...

    @property
    def num_features(self) -> int: ...

    @property
    def least_logit(self) -> float | None: ...

    @property
    def train_marginal(self) -> Tensor: ...

    @property
    def references(self) -> Mapping[str, Reference]: ...

    @property
    def samples(self) -> int: ...

    @property
    def protocol(self) -> Any: ...
