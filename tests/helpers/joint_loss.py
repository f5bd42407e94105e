"""LabelGAN and AM-GAN computed a second way: cross-entropies over one softmax of K+1 classes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_lab.losses import LabelLoss
from gan_lab.types import UNLABELLED
from helpers.loss_probes import loss


@dataclass(frozen=True)
class JointLabelLoss(LabelLoss):
    """The objectives as written in (4-3), (4-4), (4-17), (4-18).

        J_D = E_real[H(v(y), D)] + E_fake[H(v(K+1), D)]
        J_G = E_fake[H(v(t), D)], or without targets E_fake[-log Σ_{k<=K} D_k]

    E_real: see `unlabelled` of LabelLoss. v: one-hot of length K+1. By Lemma 4.2 (4-19) the same
    functions as LabelLoss with weights 1.
    """

    def critic(
        self,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> Tensor:
        """J_D, 0-d."""
        assert labels is not None
        likeliest = self.classes(real).detach().argmax(1)
        is_labelled = labels != UNLABELLED
        on_real = F.cross_entropy(
            self._joint(real), torch.where(is_labelled, labels, likeliest), reduction="none"
        )
        parts = (
            [on_real]
            if self.unlabelled == "pooled"
            else [on_real[is_labelled], on_real[~is_labelled]]
        )
        is_fake = torch.full((len(fake),), self.classes(fake).shape[1])
        return sum(part.mean() for part in parts if len(part)) + F.cross_entropy(
            self._joint(fake), is_fake
        )

    def generator(self, fake: Tensor, targets: Tensor | None = None) -> Tensor:
        """J_G, 0-d."""
        joint = self._joint(fake)
        if self.needs_targets:
            assert targets is not None
            return F.cross_entropy(joint, targets)
        return -joint.log_softmax(1)[:, :-1].logsumexp(1).mean()

    def _joint(self, logits: Tensor) -> Tensor:
        """(n, outputs) -> (n, K+1), the fake logit last."""
        return logits if self.learned_fake_logit else F.pad(logits, (0, 1))


def label_loss(option: str, *, joint: bool, **overrides: Any) -> LabelLoss:
    """A registered loss with classes, or its joint form."""
    made = loss(option, **overrides)
    if not joint:
        return made
    return JointLabelLoss(**{field.name: getattr(made, field.name) for field in fields(made)})
