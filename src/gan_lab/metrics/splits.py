"""Class probabilities averaged within splits of the samples: what IS, AM and Mode Score share."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_lab import checks
from gan_lab.errors import UserError
from gan_lab.metrics.base import Score
from gan_lab.metrics.log_space import entropy, log_probabilities, log_sum_exp


def averages(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The averages of `SplitScore` for all samples as one split.

    Args:
        logits: (n, K).

    Returns:
        log mean C(x), (1, K), and E H(C(x)), (1,).

    Raises:
        UserError: for no samples or for logits without a softmax.
    """
    log_p = log_probabilities(logits)
    log_mass, entropies = log_sum_exp(log_p)[None], entropy(log_p).sum()[None]
    return _averages(log_mass, entropies, torch.tensor([len(log_p)]).to(log_p.device))


def spread(values: Tensor) -> Tensor:
    """The population standard deviation over splits (S,), 0 for one; +inf where a value is."""
    if len(values) == 1:
        return torch.zeros_like(values[0])
    return torch.where(values.isinf().any(), torch.inf, values.std(correction=0))


class SplitScore(Score):
    """Keeps log Σ p, Σ H(p) and n of every split, p = softmax of the classifier's logits.

    The sum over p is kept as its logarithm, which does not underflow.

    Args:
        num_classes: K.
        splits: S, into how many parts the samples are divided.

    Raises:
        UserError: unless num_classes and splits are integers >= 1.
    """

    log_mass: Tensor
    entropies: Tensor
    counts: Tensor

    def __init__(self, num_classes: int, splits: int = 1) -> None:
        super().__init__()
        checks.whole("num_classes", num_classes, at_least=1)
        checks.whole("splits", splits, at_least=1)
        self.num_classes = num_classes
        self.splits = splits
        empty = torch.full((splits, num_classes), -torch.inf, dtype=torch.float64)
        self.add_state("log_mass", empty, dist_reduce_fx=log_sum_exp)
        self.add_state("entropies", torch.zeros(splits, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("counts", torch.zeros(splits, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, logits: Tensor, split: int | Tensor | None = None) -> None:
        """Take in logits.

        Args:
            logits: (n, num_classes).
            split: which split the samples belong to, int or int64 (n,) in [0, splits), a fact of
                the sample, so that the score does not depend on the number of processes; None:
                sample i of this process goes to split i mod splits.

        Raises:
            UserError: for another shape or range.
        """
        log_p = log_probabilities(logits)
        if log_p.shape[1] != self.num_classes:
            raise UserError(
                f"logits have {log_p.shape[1]} classes and the score {self.num_classes}: give "
                "num_classes (or a train_marginal) of the classifier's"
            )
        if not len(log_p):
            return

        # log(Σ p so far + Σ p now), by the largest term of each class
        which = self._split_of(split, len(log_p))
        rows = which[:, None].expand_as(log_p)
        top = self.log_mass.scatter_reduce(0, rows, log_p, "amax")
        shift = torch.where(top.isneginf(), 0.0, top)  # -inf - -inf is no number
        mass = (self.log_mass - shift).exp().index_add(0, which, (log_p - shift[which]).exp())
        self.log_mass = mass.log() + shift

        # the sums that need no logarithm
        self.entropies = self.entropies.index_add(0, which, entropy(log_p))
        self.counts = self.counts.index_add(0, which, torch.ones_like(which))

    def averages(self) -> tuple[Tensor, Tensor]:
        """log mean C(x), (S, K), and E H(C(x)), (S,), of each split.

        Raises:
            UserError: where a split has no sample, and for logits without a softmax.
        """
        if bool((self.counts == 0).any()):
            n, splits = int(self.counts.sum()), self.splits
            raise UserError(
                f"fewer samples than splits need: {n} samples leave "
                f"{int((self.counts == 0).sum())} of {splits} splits empty: "
                "give more samples, or fewer splits"
            )
        return _averages(self.log_mass, self.entropies, self.counts)

    def overall_averages(self) -> tuple[Tensor, Tensor]:
        """log mean C(x), (K,), and E H(C(x)), 0-d, of the samples of all splits together.

        Raises:
            UserError: as `averages`.
        """
        sums = log_sum_exp(self.log_mass), self.entropies.sum(), self.counts.sum()
        log_q, conditional = _averages(*(part[None] for part in sums))
        return log_q[0], conditional[0]

    def _split_of(self, split: int | Tensor | None, n: int) -> Tensor:
        """The split of each of n samples, int64 (n,)."""
        if isinstance(split, Tensor) and split.ndim:
            return self._place(split, self.splits, "split", n)
        device = self.counts.device
        if split is None:
            return (self.counts.sum() + torch.arange(n, device=device)) % self.splits
        return self._place(torch.as_tensor(split).expand(n), self.splits, "split", n)


def _averages(log_mass: Tensor, entropies: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Sums of S splits divided by their numbers of samples. Raises UserError as `averages`."""
    if not bool(counts.all()):
        raise UserError("no samples: give logits of at least one")
    if bool(log_mass.isnan().any()) or not bool(entropies.isfinite().all()):
        raise UserError(
            "some logits have no softmax (NaN, +inf, or -inf alone): look for a diverged network"
        )
    return log_mass - counts.to(log_mass.dtype).log()[:, None], entropies / counts
