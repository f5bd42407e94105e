"""Class probabilities as their logarithms, in float64."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_lab.errors import UserError
from gan_lab.metrics.exact import exactly


@exactly
def log_probabilities(logits: Tensor) -> Tensor:
    """log softmax of logits, in float64 and nats; a logit of -inf is a probability of zero.

    Args:
        logits: (n, K).

    Returns:
        float64 (n, K).

    Raises:
        UserError: unless logits are 2-D with K >= 1.

    Examples:
        >>> import torch
        >>> from gan_lab.metrics import log_probabilities
        >>> log_probabilities(torch.tensor([[0.0, 0.0]])).exp()
        tensor([[0.5000, 0.5000]], dtype=torch.float64)
    """
    if logits.ndim != 2 or logits.shape[1] < 1:
        raise UserError(
            f"logits have shape {tuple(logits.shape)}: "
            "give one row of class logits per sample, (n, K)"
        )
    return torch.log_softmax(logits.to(torch.float64), dim=1)


@exactly
def entropy(log_p: Tensor) -> Tensor:
    """-Σ p log p over the last axis, with 0 log 0 = 0, in nats: (..., K) -> (...,).

    Args:
        log_p: log-probabilities, as `log_probabilities` gives them.

    Examples:
        >>> import torch
        >>> from gan_lab.metrics import entropy
        >>> entropy(torch.tensor([0.25, 0.25, 0.5]).log())  # 1.5 log 2
        tensor(1.0397)
    """
    return -expectation(log_p, log_p)


@exactly
def expectation(log_p: Tensor, values: Tensor) -> Tensor:
    """Σ p · values over the last axis; p = 0 counts as 0 whatever the value: (..., K) -> (...,)."""
    p = log_p.exp()
    return torch.where(p == 0, 0.0, p * values).sum(-1)


@exactly
def divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p ‖ q) = Σ p log(p / q) over the last axis, in nats; +inf where q = 0 < p."""
    return expectation(log_p, log_p - log_q)


def log_sum_exp(parts: Tensor) -> Tensor:
    """log Σ exp over the first axis, as a dist_reduce_fx: (parts, ...) -> (...)."""
    return torch.logsumexp(parts, dim=0)


def log_marginal(train_marginal: Tensor) -> Tensor:
    """log of class probabilities (K,), in float64; -inf for a class that does not occur.

    Raises:
        UserError: unless they are finite, >= 0 and sum to 1.
    """
    p = torch.as_tensor(train_marginal).to(torch.float64)
    if p.ndim != 1 or len(p) < 1:
        raise UserError(
            f"train_marginal has shape {tuple(p.shape)}: give one probability per class, (K,)"
        )

    # within 1e-5: they may come in float32
    sums_to_one = abs(float(p.sum()) - 1) < 1e-5
    if not (bool(torch.isfinite(p).all()) and bool((p >= 0).all()) and sums_to_one):
        raise UserError(
            "train_marginal is no distribution: give class probabilities >= 0 that sum to 1"
        )
    return p.log()


def check_classes(log_q: Tensor, log_train: Tensor) -> None:
    """Refuse distributions over different numbers of classes.

    Raises:
        UserError: where log_q and log_train differ in their last dimension.
    """
    if log_q.shape[-1] != log_train.shape[-1]:
        raise UserError(
            f"logits have {log_q.shape[-1]} classes and train_marginal {log_train.shape[-1]}: "
            "take one classifier"
        )
