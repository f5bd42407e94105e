"""Which classes a classifier sees in samples, and how sure it is of each sample."""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from torch import Tensor

from gan_lab import checks
from gan_lab.errors import UserError
from gan_lab.metrics.base import Score
from gan_lab.metrics.log_space import entropy, log_probabilities
from gan_lab.metrics.setting import Reference, ScoreSetting
from gan_lab.reading.declared_scores import ScoreFacts


class ClassHistogramValue(NamedTuple):
    """Which classes samples are of, and how unsure the classifier is.

    Args:
        value: E H(C(x)), 0-d float64, in nats.
        histogram: int64 (K,), how many samples have each class as argmax C(x).
        per_class: float64 (K,), E H(C(x)) of these samples, in nats, nan where there is none.

    Examples:
        >>> import torch
        >>> from gan_lab.metrics import ClassHistogram
        >>> metric = ClassHistogram(num_classes=2)
        >>> metric.update(torch.zeros(3, 2))  # unsure of all samples: log 2
        >>> round(float(metric.compute().value), 4)
        0.6931
    """

    value: Tensor
    histogram: Tensor
    per_class: Tensor


class ClassHistogram(Score):
    """Mean entropy per sample, with the histogram of likeliest classes, in constant memory.

    Args:
        num_classes: K.

    Raises:
        UserError: unless num_classes is an integer >= 1, and in `compute` without a sample.

    Source:
        Thesis 4.7.2.

    Examples:
        >>> import torch
        >>> from gan_lab.metrics import ClassHistogram
        >>> metric = ClassHistogram(num_classes=2)
        >>> metric.update(torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0]]))
        >>> metric.compute().histogram
        tensor([2, 1])
    """

    facts = ScoreFacts("entropy", reads="logits", higher_is_better=False)

    counts: Tensor
    entropies: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        checks.whole("num_classes", num_classes, at_least=1)
        self.num_classes = num_classes
        self.add_state("counts", torch.zeros(num_classes, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state(
            "entropies", torch.zeros(num_classes, dtype=torch.float64), dist_reduce_fx="sum"
        )

    @classmethod
    def of_setting(cls, setting: ScoreSetting, reference: Reference | None = None) -> Self:
        """The metric that scores a run."""
        return cls(setting.num_classes)

    def update(self, logits: Tensor) -> None:
        """Take in logits.

        Args:
            logits: (n, num_classes).

        Raises:
            UserError: for another shape.
        """
        log_p = log_probabilities(logits)
        if log_p.shape[1] != self.num_classes:
            raise UserError(
                f"logits have {log_p.shape[1]} classes and the histogram {self.num_classes}: give "
                "num_classes of the classifier's"
            )
        likeliest = log_p.argmax(1)
        self.counts = self.counts.index_add(0, likeliest, torch.ones_like(likeliest))
        self.entropies = self.entropies.index_add(0, likeliest, entropy(log_p))

    def compute(self) -> ClassHistogramValue:
        """The histogram and entropies of all samples of all processes."""
        if not bool(self.counts.any()):
            raise UserError("no samples: give logits of at least one")
        if not bool(self.entropies.isfinite().all()):
            raise UserError(
                "some logits have no softmax (NaN, +inf, or -inf alone): "
                "look for a diverged network"
            )
        per_class = torch.where(self.counts > 0, self.entropies / self.counts, torch.nan)
        return ClassHistogramValue(self.entropies.sum() / self.counts.sum(), self.counts, per_class)
