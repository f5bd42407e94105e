"""Objectives of critics that also tell the K classes apart; label.py makes the models of them.

f is the critic's belief in real against fake, D_r = sigmoid(f) and D_f = 1 - D_r; C(x) = softmax of
the class logits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_lab import parallel
from gan_lab.errors import UserError
from gan_lab.losses.adversarial import minus_log_sigmoid, softplus
from gan_lab.types import UNLABELLED


@dataclass(frozen=True, kw_only=True)
class LabelLoss:
    """A two-class game on f and cross-entropies on C; its models differ in five settings alone.

        J_D = E_real[-log D_r + classify_real H(u(y), C)]
            + E_fake[-log D_f + classify_fake H(u(t), C) + confuse_fake H(1/K, C)]
        J_G = E_fake[-log D_r + classify_generated H(u(t), C)]

    with y the labels of real samples, of which an unlabelled one (UNLABELLED) takes the class its
    logits make likeliest (4-33); t the targets of generated samples; u one-hot of length K.

    The logits of a sample: l_1 .. l_K, then a real logit where own_real_logit, then a fake logit
    where learned_fake_logit. f = (the real logit, or log Σ exp l_k) - (the fake logit, or 0). With
    the log-sum-exp, D_r C_k is the k-th probability of a softmax over K+1 classes.

    Args:
        name: the option of the config group.
        own_real_logit: whether the real logit is an output of its own.
        learned_fake_logit: whether the fake logit is an output; else it is 0.
        classify_real: the weight of H(u(y), C) on real samples in J_D.
        classify_fake: that of H(u(t), C) on generated samples in J_D.
        confuse_fake: that of H(1/K, C) on generated samples in J_D.
        classify_generated: that of H(u(t), C) in J_G.
        unlabelled: what E_real is where some samples have no label. "separate", as in (4-33): the
            mean over the labelled samples plus the mean over the unlabelled ones, each 0 without a
            sample; with own_real_logit, which makes -log D_r a game of its own, that term stays one
            mean over all. "pooled": one mean over all for every term.

    Examples:
        One real and one generated sample of K = 2 classes, all logits 0: D_r = 2/3 and C_k = 1/2.

        >>> import torch
        >>> from gan_lab.losses import LabelLoss
        >>> loss = LabelLoss(name="example", own_real_logit=False, learned_fake_logit=False)
        >>> logits = torch.zeros(1, loss.outputs(num_classes=2))
        >>> loss.critic(logits, logits, labels=torch.tensor([1]))  # -log 1/3 - log 1/3
        tensor(2.1972)
    """

    name: str
    own_real_logit: bool
    learned_fake_logit: bool
    classify_real: float = 1.0
    classify_fake: float = 0.0
    confuse_fake: float = 0.0
    classify_generated: float = 0.0
    unlabelled: str = "separate"

    needs_labels: ClassVar[bool] = True
    has_score: ClassVar[bool] = True

    @property
    def needs_targets(self) -> bool:
        """Whether a term has t."""
        return self.classify_fake > 0 or self.classify_generated > 0

    def outputs(self, num_classes: int) -> int:
        """K, and one more for each logit that is not a class's.

        Raises:
            UserError: for data without classes.
        """
        return check_classes(num_classes) + self.own_real_logit + self.learned_fake_logit

    def classes(self, logits: Tensor) -> Tensor:
        """(n, outputs) -> (n, K): the class logits, in float32 or wider."""
        return widened(logits)[:, : logits.shape[1] - self.own_real_logit - self.learned_fake_logit]

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """(n, outputs) -> (n, K): log(D_r C_k), the classes' part of the K+1 probabilities D(x)."""
        return F.logsigmoid(self.score(logits))[:, None] + self.classes(logits).log_softmax(1)

    def score(self, logits: Tensor) -> Tensor:
        """(n, outputs) -> (n,): f."""
        classes, wide = self.classes(logits), widened(logits)
        real = wide[:, classes.shape[1]] if self.own_real_logit else classes.logsumexp(1)
        return real - wide[:, -1] if self.learned_fake_logit else real

    def critic(
        self,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> Tensor:
        """J_D, 0-d.

        Args:
            real: logits of real samples, (n, outputs).
            fake: logits of generated samples, (m, outputs).
            labels: int64 (n,), of the real samples.
            targets: int64 (m,), where a term has t.

        Raises:
            UserError: without labels, and without targets where a term has t.
        """
        labels = given(labels)
        real_classes, fake_classes = self.classes(real), self.classes(fake)

        # real samples: the game on f, and the class of each
        is_real = minus_log_sigmoid(self.score(real))
        known = _known(labels, real_classes)
        in_class = self.classify_real * F.cross_entropy(real_classes, known, reduction="none")
        if self.own_real_logit:
            loss = is_real.mean() + self._mean_over_real(in_class, labels)
        else:
            loss = self._mean_over_real(is_real + in_class, labels)

        # generated samples: the game on f, and what the classifier is to make of them
        loss = loss + softplus(self.score(fake)).mean()
        if self.classify_fake:
            loss = loss + self.classify_fake * F.cross_entropy(fake_classes, given(targets))
        if self.confuse_fake:
            loss = loss - self.confuse_fake * F.log_softmax(fake_classes, 1).mean()
        return loss

    def generator(self, fake: Tensor, targets: Tensor | None = None) -> Tensor:
        """J_G, 0-d.

        Args:
            fake: logits of generated samples, (n, outputs).
            targets: int64 (n,), where a term has t.

        Raises:
            UserError: without targets where a term has t.
        """
        loss = minus_log_sigmoid(self.score(fake)).mean()
        if self.classify_generated:
            of_class = F.cross_entropy(self.classes(fake), given(targets))
            loss = loss + self.classify_generated * of_class
        return loss

    def _mean_over_real(self, terms: Tensor, labels: Tensor) -> Tensor:
        """E_real of one term per sample: (n,) -> 0-d."""
        if self.unlabelled == "pooled":
            return terms.mean()

        # Labelled samples are counted over all processes: their share differs between these.
        is_labelled = labels != UNLABELLED
        parts = torch.stack([is_labelled, ~is_labelled]).to(terms.dtype)
        counts = parallel.mean(parts.sum(1)).clamp(min=1 / parallel.world_size())
        return ((parts * terms).sum(1) / counts).sum()


def check_classes(num_classes: int) -> int:
    """The number of classes itself.

    Raises:
        UserError: below 2.
    """
    if num_classes < 2:
        raise UserError(
            f"a label loss needs at least 2 classes and the data have {num_classes}: set "
            "supervision.num_classes=K for K classes to be found without labels, or take loss=gan"
        )
    return num_classes


def widened(logits: Tensor) -> Tensor:
    """The logits in float32 or wider, whatever autocast made of them."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def given(classes: Tensor | None) -> Tensor:
    """The labels or targets themselves.

    Raises:
        UserError: for None.
    """
    if classes is None:
        raise UserError(
            "a label loss got no classes: "
            "pass labels to `critic`, and targets where needs_targets says so"
        )
    return classes


def _known(labels: Tensor, classes: Tensor) -> Tensor:
    """The labels, and for unlabelled samples the likeliest class, without gradient."""
    return torch.where(labels == UNLABELLED, classes.detach().argmax(1), labels)
