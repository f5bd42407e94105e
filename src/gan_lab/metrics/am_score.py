"""AM Score (4-32): how far the class marginal is from the training set's, plus how unsure the
classifier is."""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from torch import Tensor

from gan_lab.declared_scores import ScoreFacts
from gan_lab.metrics.base import exactly
from gan_lab.metrics.log_space import check_classes, divergence, log_marginal
from gan_lab.metrics.setting import Reference, ScoreSetting
from gan_lab.metrics.splits import SplitScore, averages, spread


class AMScoreValue(NamedTuple):
    """0-d float64 each, in nats, of all samples at once; lower is better.

    std: the population standard deviation of the values of the splits alone, which is no spread of
    `value` itself: the divergence of a part is larger than that of the whole.
    """

    value: Tensor
    std: Tensor
    marginal_divergence: Tensor
    conditional_entropy: Tensor


@exactly
def am_score(logits: Tensor, train_marginal: Tensor) -> AMScoreValue:
    """KL(C̄_train ‖ mean C) + E H(C(x)) for logits (n, K) and train_marginal (K,); std is 0.

    The marginal is a log-sum-exp of log-probabilities: finite for any finite logits, +inf where a
    class of the training set is exactly missing, never clipped. Source: thesis (4-32). Raises
    UserError for no samples, logits without a softmax, a marginal that does not sum to 1 or has
    another K.
    """
    log_q, conditional = averages(logits)
    return _value(log_q[0], conditional[0], log_marginal(train_marginal))


class AMScore(SplitScore):
    """`am_score` of all samples at once, and its population standard deviation over splits, in
    constant memory.

    The mean over splits is larger, by about 0.02 for 10 splits of 5,000 and K = 200, since KL is
    convex in mean C.

    Args:
        train_marginal: (K,), the mean of C over the training set.
        splits: for the standard deviation.

    Raises: UserError unless train_marginal is a distribution and splits an integer >= 1, and in
        `compute` where a split has no sample.
    Source: thesis (4-32); over all samples: the author's program [code].
    """

    facts = ScoreFacts("am", reads="logits", higher_is_better=False)

    log_train: Tensor

    def __init__(self, train_marginal: Tensor, splits: int = 1) -> None:
        log_train = log_marginal(train_marginal)
        super().__init__(len(log_train), splits)
        self.register_buffer("log_train", log_train, persistent=False)

    @classmethod
    def of_setting(cls, setting: ScoreSetting, reference: Reference | None = None) -> Self:
        """The metric that scores a run."""
        return cls(setting.train_marginal, setting.protocol.splits)

    def compute(self) -> AMScoreValue:
        """The score of all samples of all processes."""
        of_splits = _value(*self.averages(), self.log_train)
        overall = _value(*self.overall_averages(), self.log_train)
        return overall._replace(std=spread(of_splits.value))


def _value(log_q: Tensor, conditional: Tensor, log_train: Tensor) -> AMScoreValue:
    """The score for log mean C (..., K) and E H(C(x)) (...,), std 0."""
    check_classes(log_q, log_train)
    missed = divergence(log_train.to(log_q.device), log_q)
    return AMScoreValue(missed + conditional, torch.zeros_like(missed), missed, conditional)
