"""AM Score (4-32): how far the class marginal is from the training set's, plus how unsure the classifier is."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from gan_lab.metrics.base import exactly
from gan_lab.metrics.log_space import check_classes, divergence, log_marginal
from gan_lab.metrics.splits import SplitScore, averages, spread


class AMScoreValue(NamedTuple):
    """0-d float64 each, in nats, means over splits; lower is better."""

    value: Tensor
    std: Tensor
    marginal_divergence: Tensor
    conditional_entropy: Tensor


@exactly
def am_score(logits: Tensor, train_marginal: Tensor) -> AMScoreValue:
    """KL(C̄_train ‖ mean C) + E H(C(x)) for logits (n, K) and train_marginal (K,), as one split: std is 0.

    The marginal is a log-sum-exp of log-probabilities: finite for any finite logits, +inf where a class of the training
    set is exactly missing, never clipped. Source: thesis (4-32). Raises UserError for no samples, logits without a
    softmax, a marginal that does not sum to 1 or has another K.
    """
    return _value(*averages(logits), log_marginal(train_marginal))


class AMScore(SplitScore):
    """The mean and population standard deviation of `am_score` over splits, in constant memory.

    train_marginal: (K,), the mean of C over the training set. Raises UserError unless it is a distribution and splits
    an integer >= 1, and in `compute` where a split has no sample.
    """

    log_train: Tensor

    def __init__(self, train_marginal: Tensor, splits: int = 1) -> None:
        log_train = log_marginal(train_marginal)
        super().__init__(len(log_train), splits)
        self.register_buffer("log_train", log_train, persistent=False)

    def compute(self) -> AMScoreValue:
        """The score of all samples of all processes."""
        log_q, conditional = self.averages()
        return _value(log_q, conditional, self.log_train)


def _value(log_q: Tensor, conditional: Tensor, log_train: Tensor) -> AMScoreValue:
    check_classes(log_q, log_train)
    missed = divergence(log_train.to(log_q.device), log_q)
    scores = missed + conditional
    return AMScoreValue(scores.mean(), spread(scores), missed.mean(), conditional.mean())
