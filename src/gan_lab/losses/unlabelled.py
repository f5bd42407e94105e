"""Objectives that find classes without labels: CatGAN, and the guidance (4-34)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_lab import parallel
from gan_lab.errors import UserError
from gan_lab.losses.class_logits import LabelLoss, check_classes, given, widened
from gan_lab.types import UNLABELLED


@dataclass(frozen=True)
class CatLoss:
    """CatGAN: real samples sure and of all classes, fake ones unsure.

        J_D = E_real[H(C)] - H(E_real[C]) - E_fake[H(C)] + E_labelled[H(u(y), C)]
        J_G = E_fake[H(C)] - H(E_fake[C])

    It has no real-fake score, so no gradient penalty. Without labels the classes are found, not
    named.

    Source:
        Springenberg 2016 (arXiv:1511.06390).

    Examples:
        Generated samples that are sure and of both classes: 0 - log 2.

        >>> import torch
        >>> from gan_lab.losses import CatLoss
        >>> CatLoss().generator(torch.tensor([[50.0, 0.0], [0.0, 50.0]]))
        tensor(-0.6931)
    """

    name: str = "cat_gan"
    needs_labels: ClassVar[bool] = True
    needs_targets: ClassVar[bool] = False
    has_score: ClassVar[bool] = False

    def outputs(self, num_classes: int) -> int:
        """K.

        Raises:
            UserError: for data without classes.
        """
        return check_classes(num_classes)

    def classes(self, logits: Tensor) -> Tensor:
        """The logits themselves, in float32 or wider."""
        return widened(logits)

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """(n, K): log C."""
        return self.classes(logits).log_softmax(1)

    def score(self, logits: Tensor) -> Tensor:
        """Refuse a score: CatGAN has none that tells real from fake.

        Raises:
            UserError: always.
        """
        raise UserError(
            "loss=cat_gan has no real-fake score that a penalty could measure: take penalty=none"
        )

    def critic(
        self,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> Tensor:
        """J_D, 0-d; see Loss.critic."""
        labels = given(labels)
        classes = self.classes(real)

        # the mean over the labelled samples of all processes, 0 without one
        known = F.cross_entropy(classes, labels, ignore_index=UNLABELLED, reduction="sum")
        count = parallel.mean((labels != UNLABELLED).sum().to(known.dtype))
        known = known / count.clamp(min=1 / parallel.world_size())

        unsure = _entropy(self.classes(fake).log_softmax(1)).mean()
        return _sure_and_even(classes) - unsure + known

    def generator(self, fake: Tensor, targets: Tensor | None = None) -> Tensor:
        """J_G, 0-d."""
        return _sure_and_even(self.classes(fake))


@dataclass(frozen=True)
class GuidedLoss:
    """A loss with H(p_ref, R(E_unlabelled[D(x)])) added to J_D.

    The term says which share of the data each class shall have. R divides the first K of K+1
    probabilities by their sum. A batch without an unlabelled sample adds nothing.

    Args:
        loss: a loss with classes.
        reference: p_ref, K positive numbers that sum to 1.

    Source:
        Thesis (4-34).

    Examples:
        Nothing known and all logits 0: D is uniform, and the term is log 2.

        >>> import torch
        >>> from gan_lab.losses import GuidedLoss, am_gan
        >>> logits, unknown = torch.zeros(1, 2), torch.tensor([-1])
        >>> guided = GuidedLoss(am_gan(), reference=(0.5, 0.5)).critic(logits, logits, unknown)
        >>> guided - am_gan().critic(logits, logits, unknown)
        tensor(0.6931)
    """

    loss: LabelLoss | CatLoss
    reference: tuple[float, ...]
    needs_labels: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """The name of `loss`."""
        return self.loss.name

    @property
    def needs_targets(self) -> bool:
        """Whether `loss` reads targets."""
        return self.loss.needs_targets

    @property
    def has_score(self) -> bool:
        """Whether `loss` has a score."""
        return self.loss.has_score

    def outputs(self, num_classes: int) -> int:
        """The number of logits of `loss`."""
        assert num_classes == len(self.reference), (num_classes, self.reference)
        return self.loss.outputs(num_classes)

    def classes(self, logits: Tensor) -> Tensor:
        """(n, outputs) -> (n, K): the class logits."""
        return self.loss.classes(logits)

    def score(self, logits: Tensor) -> Tensor:
        """(n, outputs) -> (n,): f.

        Raises:
            UserError: where `loss` has none.
        """
        return self.loss.score(logits)

    def critic(
        self,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> Tensor:
        """J_D with its new term, 0-d; see Loss.critic."""
        unlabelled = given(labels) == UNLABELLED
        any_unlabelled = parallel.largest(unlabelled.any().float()) > 0

        # without an unlabelled sample the mean of all, times 0: finite gradients
        masked = (~unlabelled & any_unlabelled)[:, None]
        mean = _log_total(self.loss.log_probabilities(real), ~masked)
        guidance = -(mean.new_tensor(self.reference) * mean.log_softmax(0)).sum()
        return self.loss.critic(real, fake, labels, targets) + any_unlabelled * guidance

    def generator(self, fake: Tensor, targets: Tensor | None = None) -> Tensor:
        """J_G, 0-d."""
        return self.loss.generator(fake, targets)


def _log_total(log_p: Tensor, counts: Tensor) -> Tensor:
    """log Σ p over the samples of all processes that count, of which there is at least one.

    Args:
        log_p: (n, K).
        counts: (n, 1), bool: whether a sample counts.

    Returns:
        (K,).
    """
    counted = log_p.masked_fill(~counts, -torch.inf)
    top = parallel.largest(counted.amax(0))
    return parallel.total((counted - top).exp().sum(0)).log() + top


def _entropy(log_p: Tensor) -> Tensor:
    """(..., K) -> (...): H(p), p > 0."""
    return -(log_p.exp() * log_p).sum(-1)


def _sure_and_even(classes: Tensor) -> Tensor:
    """E[H(C)] - H(E[C]), 0-d: CatGAN minimises it on real samples, its generator on its own."""
    log_p = classes.log_softmax(1)
    even = _log_total(log_p, log_p.new_ones((), dtype=torch.bool))
    return _entropy(log_p).mean() - _entropy(even.log_softmax(0))
