"""Inception Score (4-25) and its two terms (4-26)."""

from __future__ import annotations

from typing import NamedTuple, Self

from torch import Tensor

from gan_lab.metrics.exact import exactly
from gan_lab.metrics.log_space import entropy
from gan_lab.metrics.setting import Reference, ScoreSetting
from gan_lab.metrics.splits import SplitScore, averages, spread
from gan_lab.reading.declared_scores import ScoreFacts


class InceptionScoreValue(NamedTuple):
    """The Inception Score and its two terms, 0-d float64 each.

    Args:
        value: the mean over splits.
        std: the population standard deviation over splits.
        marginal_entropy: H(mean C), in nats, mean over splits.
        conditional_entropy: E H(C(x)), in nats, mean over splits.

    Examples:
        >>> import torch
        >>> from gan_lab.metrics import inception_score
        >>> score = inception_score(torch.tensor([[50.0, 0.0], [0.0, 50.0]]))
        >>> round(float(score.marginal_entropy), 4)  # log 2
        0.6931
    """

    value: Tensor
    std: Tensor
    marginal_entropy: Tensor
    conditional_entropy: Tensor


@exactly
def inception_score(logits: Tensor) -> InceptionScoreValue:
    """exp(E_x KL(C(x) ‖ mean C)) = exp(H(mean C) - E H(C(x))), as one split.

    Args:
        logits: (n, K), of C for each sample.

    Returns:
        The score and its terms; std is 0.

    Raises:
        UserError: for no samples, or logits without a softmax.

    Source:
        Thesis (4-25), (4-26); Salimans et al. 2016 (arXiv:1606.03498).

    Examples:
        Sure of every sample, and both classes equally often:

        >>> import torch
        >>> from gan_lab.metrics import inception_score
        >>> round(float(inception_score(torch.tensor([[50.0, 0.0], [0.0, 50.0]])).value), 4)
        2.0
    """
    return _value(*averages(logits))


class InceptionScore(SplitScore):
    """Mean and standard deviation of `inception_score` over splits, in constant memory.

    A score of 10 splits of 5,000 is another one than of 50,000: IS grows with the samples of a
    split.

    Args:
        num_classes: K.
        splits: into how many parts the samples are divided.

    Raises:
        UserError: unless num_classes and splits are integers >= 1, and in `compute` where a split
            has no sample.

    Examples:
        >>> import torch
        >>> from gan_lab.metrics import InceptionScore
        >>> metric = InceptionScore(num_classes=2, splits=2)
        >>> metric.update(torch.tensor([[50.0, 0.0], [0.0, 50.0]]), split=0)  # both classes: 2
        >>> metric.update(torch.tensor([[50.0, 0.0], [50.0, 0.0]]), split=1)  # one class: 1
        >>> score = metric.compute()
        >>> round(float(score.value), 4), round(float(score.std), 4)
        (1.5, 0.5)
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
    """The score for log mean C (S, K) and E H(C(x)) (S,) of S splits."""
    marginal = entropy(log_marginal)
    scores = (marginal - conditional).exp()
    return InceptionScoreValue(scores.mean(), spread(scores), marginal.mean(), conditional.mean())
