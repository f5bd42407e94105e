"""Inception Score (4-25) and its two terms (4-26)."""

from __future__ import annotations

from typing import NamedTuple, Self

from torch import Tensor

from gan_lab.declared_scores import ScoreFacts
from gan_lab.metrics.base import exactly
from gan_lab.metrics.log_space import entropy
from gan_lab.metrics.setting import Reference, ScoreSetting
from gan_lab.metrics.splits import SplitScore, averages, spread


class InceptionScoreValue(NamedTuple):
    """0-d float64 each; the entropies in nats, means over splits."""

    value: Tensor
    std: Tensor
    marginal_entropy: Tensor
    conditional_entropy: Tensor


@exactly
def inception_score(logits: Tensor) -> InceptionScoreValue:
    """exp(E_x KL(C(x) ‖ mean C)) = exp(H(mean C) - E H(C(x))) for logits (n, K), as one split: std
    is 0.

    Source: thesis (4-25), (4-26); Salimans et al. 2016. Raises UserError for no samples, or logits
    without a softmax.
    """
    return _value(*averages(logits))


class InceptionScore(SplitScore):
    """The mean and population standard deviation of `inception_score` over splits, in constant
    memory.

    A score of 10 splits of 5,000 is another one than of 50,000: IS grows with the samples of a
    split. Raises UserError unless num_classes and splits are integers >= 1, and in `compute` where
    a split has no sample.
    """

    facts = ScoreFacts("is", reads="logits", higher_is_better=True, over_splits=True)

    def __init__(self, num_classes: int, splits: int = 1) -> None:
        super().__init__(num_classes, splits)

    @classmethod
    def of_setting(cls, setting: ScoreSetting, reference: Reference | None = None) -> Self:
        """The metric that scores a run."""
        return cls(setting.num_classes, setting.protocol.splits)

    def compute(self) -> InceptionScoreValue:
        """The score of all samples of all processes."""
        return _value(*self.averages())


def _value(log_marginal: Tensor, conditional: Tensor) -> InceptionScoreValue:
    marginal = entropy(log_marginal)
    scores = (marginal - conditional).exp()
    return InceptionScoreValue(scores.mean(), spread(scores), marginal.mean(), conditional.mean())
