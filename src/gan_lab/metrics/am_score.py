"""AM Score (4-32): how far the class marginal is from the data's, plus how unsure C is."""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from torch import Tensor

from gan_lab.metrics.exact import exactly
from gan_lab.metrics.log_space import check_classes, divergence, log_marginal
from gan_lab.metrics.setting import Reference, ScoreSetting
from gan_lab.metrics.splits import SplitScore, averages, spread
from gan_lab.reading.declared_scores import ScoreFacts


class AMScoreValue(NamedTuple):
    """The AM Score and its two terms, 0-d float64 each, in nats; lower is better.

    Args:
        value: the score of all samples at once.
        std: the population standard deviation of the values of the splits alone, which is no spread
            of `value` itself: the divergence of a part is larger than that of the whole.
        marginal_divergence: KL(C̄_train ‖ mean C).
        conditional_entropy: E H(C(x)).

    Examples:
        >>> import torch
        >>> from gan_lab.metrics import am_score
        >>> score = am_score(torch.zeros(4, 2), train_marginal=torch.tensor([0.5, 0.5]))
        >>> round(float(score.conditional_entropy), 4)  # log 2
        0.6931
    """

    value: Tensor
    std: Tensor
    marginal_divergence: Tensor
    conditional_entropy: Tensor


@exactly
def am_score(logits: Tensor, train_marginal: Tensor) -> AMScoreValue:
    """KL(C̄_train ‖ mean C) + E H(C(x)).

    The marginal is a log-sum-exp of log-probabilities: finite for any finite logits, +inf where a
    class of the training set is exactly missing, never clipped.

    Args:
        logits: (n, K), of C for each sample.
        train_marginal: (K,), the mean of C over the training set.

    Returns:
        The score and its terms; std is 0.

    Raises:
        UserError: for no samples, logits without a softmax, and a marginal that does not sum to 1
            or has another K.

    Source:
        Thesis (4-32).

    Examples:
        Sure of every sample, and both classes as often as in the training set:

        >>> import torch
        >>> from gan_lab.metrics import am_score
        >>> logits = torch.tensor([[50.0, 0.0], [0.0, 50.0]])
        >>> round(float(am_score(logits, train_marginal=torch.tensor([0.5, 0.5])).value), 4)
        0.0
    """
    log_q, conditional = averages(logits)
    return _value(log_q[0], conditional[0], log_marginal(train_marginal))


class AMScore(SplitScore):
    """`am_score` of all samples at once, with its standard deviation over splits.

    It takes constant memory. The mean over splits is larger, by about 0.02 for 10 splits of 5,000
    and K = 200, since KL is convex in mean C.

    Args:
        train_marginal: (K,), the mean of C over the training set.
        splits: for the standard deviation.

    Raises:
        UserError: unless train_marginal is a distribution and splits an integer >= 1, and in
            `compute` where a split has no sample.

    Source:
        Thesis (4-32); over all samples: the author's program [code].

    Examples:
        >>> import torch
        >>> from gan_lab.metrics import AMScore
        >>> metric = AMScore(train_marginal=torch.tensor([0.5, 0.5]))
        >>> metric.update(torch.tensor([[50.0, 0.0]]))
        >>> metric.update(torch.tensor([[0.0, 50.0]]))
        >>> round(float(metric.compute().value), 4)
        0.0
    """

    facts = ScoreFacts("am", reads="logits", higher_is_better=False, reference="marginal")

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
