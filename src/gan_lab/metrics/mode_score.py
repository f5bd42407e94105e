"""Mode Score (4-30), which is the Inception Score in other words (4-31)."""

from __future__ import annotations

from typing import NamedTuple, Self

from torch import Tensor

from gan_lab.errors import UserError
from gan_lab.metrics.exact import exactly
from gan_lab.metrics.log_space import check_classes, divergence, expectation, log_marginal
from gan_lab.metrics.setting import Reference, ScoreSetting
from gan_lab.metrics.splits import SplitScore, averages, spread
from gan_lab.reading.declared_scores import ScoreFacts


class ModeScoreValue(NamedTuple):
    """The Mode Score, 0-d float64 each.

    Args:
        value: the mean over splits.
        std: the population standard deviation over splits.

    Examples:
        >>> import torch
        >>> from gan_lab.metrics import mode_score
        >>> score = mode_score(torch.zeros(3, 2), train_marginal=torch.tensor([0.5, 0.5]))
        >>> round(float(score.value), 4), float(score.std)  # unsure of all samples
        (1.0, 0.0)
    """

    value: Tensor
    std: Tensor


@exactly
def mode_score(logits: Tensor, train_marginal: Tensor) -> ModeScoreValue:
    """exp(E KL(C(x) ‖ C̄_train) - KL(mean C ‖ C̄_train)), as one split.

    Args:
        logits: (n, K), of C for each sample.
        train_marginal: (K,), the mean of C over the training set.

    Returns:
        The score; std is 0.

    Raises:
        UserError: for no samples, logits without a softmax, a marginal that does not sum to 1 or
            has another K, and where samples fall into a class that it lacks: both terms are
            infinite.

    Source:
        Thesis (4-30); Che et al. 2017 (arXiv:1612.02136).

    Examples:
        Equal to the Inception Score, whatever the marginal (4-31):

        >>> import torch
        >>> from gan_lab.metrics import mode_score
        >>> logits = torch.tensor([[50.0, 0.0], [0.0, 50.0]])
        >>> round(float(mode_score(logits, train_marginal=torch.tensor([0.9, 0.1])).value), 4)
        2.0
    """
    return _value(*averages(logits), log_marginal(train_marginal))


class ModeScore(SplitScore):
    """Mean and standard deviation of `mode_score` over splits, in constant memory.

    Args:
        train_marginal: (K,), the mean of C over the training set.
        splits: into how many parts the samples are divided.

    Raises:
        UserError: unless train_marginal is a distribution and splits an integer >= 1, and in
            `compute` as `mode_score` does or where a split has no sample.

    Examples:
        >>> import torch
        >>> from gan_lab.metrics import ModeScore
        >>> metric = ModeScore(train_marginal=torch.tensor([0.5, 0.5]))
        >>> metric.update(torch.tensor([[50.0, 0.0], [0.0, 50.0]]))
        >>> round(float(metric.compute().value), 4)
        2.0
    """

    facts = ScoreFacts(
        "mode", reads="logits", higher_is_better=True, over_splits=True, reference="marginal"
    )

    log_train: Tensor

    def __init__(self, train_marginal: Tensor, splits: int = 1) -> None:
        log_train = log_marginal(train_marginal)
        super().__init__(len(log_train), splits)
        self.register_buffer("log_train", log_train, persistent=False)

    @classmethod
    def of_setting(cls, setting: ScoreSetting, reference: Reference | None = None) -> Self:
        """The metric that scores a run."""
        return cls(setting.train_marginal, setting.protocol.splits)

    def compute(self) -> ModeScoreValue:
        """The score of all samples of all processes."""
        return _value(*self.averages(), self.log_train)


def _value(log_q: Tensor, conditional: Tensor, log_train: Tensor) -> ModeScoreValue:
    """The score for log mean C (S, K) and E H(C(x)) (S,) of S splits."""
    # finite unless a class that samples fall into never occurs in the training set
    check_classes(log_q, log_train)
    log_train = log_train.to(log_q.device)
    marginal_divergence = divergence(log_q, log_train)
    if bool(marginal_divergence.isinf().any()):
        raise UserError(
            "train_marginal is 0 for a class that samples fall into, and the Mode Score is inf - "
            "inf: take the mean softmax of the training set, which is positive"
        )

    # E KL(C(x) ‖ C̄) = -E H(C(x)) - Σ (mean C) log C̄: the sums over samples suffice
    mean_divergence = -conditional - expectation(log_q, log_train)
    scores = (mean_divergence - marginal_divergence).exp()
    return ModeScoreValue(scores.mean(), spread(scores))
