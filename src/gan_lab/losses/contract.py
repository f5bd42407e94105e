"""What the training step asks of a loss."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from gan_lab.errors import UserError


@runtime_checkable
class Loss(Protocol):
    """A pair of objectives, for the critic and for the generator.

    Its methods take the critic's logits on real and on generated samples, of shape (n, outputs);
    the two batches may differ in size. Expectations are means over the batch; every loss is
    minimised. Any object with these attributes and methods is a loss.

    Examples:
        >>> from gan_lab.losses import Loss, hinge
        >>> isinstance(hinge(), Loss)
        True
    """

    @property
    def needs_labels(self) -> bool:
        """Whether `critic` reads labels; a loss that does not ignores them."""

    @property
    def needs_targets(self) -> bool:
        """Whether `critic` or `generator` reads targets; a loss that does not ignores them."""

    @property
    def has_score(self) -> bool:
        """Whether there is a `score`; without one no gradient penalty fits."""

    def outputs(self, num_classes: int) -> int:
        """The number of logits the critic must have for data of `num_classes` classes."""

    def score(self, logits: Tensor) -> Tensor:
        """The scalar f whose gradient penalties measure, large on real samples.

        Shapes: (n, outputs) -> (n,).
        """

    def critic(
        self,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> Tensor:
        """J_D, 0-d.

        Args:
            real: the critic's logits on real samples, (n, outputs).
            fake: those on generated samples, (m, outputs).
            labels: int64 (n,), the classes of the real samples, -1 where unknown.
            targets: int64 (m,), the classes that the generated samples are meant to have.
        """

    def generator(self, fake: Tensor, targets: Tensor | None = None) -> Tensor:
        """J_G, 0-d.

        Args:
            fake: the critic's logits on generated samples, (n, outputs).
            targets: int64 (n,), the classes that they are meant to have.
        """


@runtime_checkable
class ClassLoss(Loss, Protocol):
    """A loss whose critic tells classes apart, as targets and pictures by class need.

    Examples:
        >>> from gan_lab.losses import ClassLoss, am_gan, hinge
        >>> isinstance(am_gan(), ClassLoss), isinstance(hinge(), ClassLoss)
        (True, False)
    """

    def classes(self, logits: Tensor) -> Tensor:
        """(n, outputs) -> (n, K): the class logits, in float32 or wider."""


@runtime_checkable
class RelativeLoss(Loss, Protocol):
    """A loss whose generator compares its samples with real ones.

    Examples:
        >>> from gan_lab.losses import RelativeLoss, hinge, relativistic
        >>> isinstance(relativistic(), RelativeLoss), isinstance(hinge(), RelativeLoss)
        (True, False)
    """

    @property
    def needs_real_logits(self) -> bool:
        """True: training gives `generator` the logits on real samples."""

    def generator(
        self, fake: Tensor, targets: Tensor | None = None, real: Tensor | None = None
    ) -> Tensor:
        """J_G, 0-d.

        Args:
            fake: the critic's logits on generated samples, (m, outputs).
            targets: int64 (m,), the classes that they are meant to have.
            real: the critic's logits on real samples, (n, outputs), without gradient: in training
                those of the last critic step, of `batch_size`.
        """


class SingleLogit:
    """What losses whose critic has one logit, the score itself, have in common.

    Examples:
        >>> import torch
        >>> from gan_lab.losses import hinge
        >>> hinge().outputs(num_classes=10), hinge().score(torch.tensor([[2.0]]))
        (1, tensor([2.]))
    """

    needs_labels: ClassVar[bool] = False
    needs_targets: ClassVar[bool] = False
    has_score: ClassVar[bool] = True

    def outputs(self, num_classes: int) -> int:
        """One logit, whatever the data."""
        return 1

    def score(self, logits: Tensor) -> Tensor:
        """f itself: (n, 1) or (n,) -> (n,), in float32 or wider.

        Raises:
            UserError: for any other shape.
        """
        # refused, for a mean over K logits would train without a complaint
        if logits.ndim == 2 and logits.shape[1] == 1:
            logits = logits.squeeze(1)
        if logits.ndim != 1:
            raise UserError(
                f"this loss reads one logit per sample, not {tuple(logits.shape)}: "
                "give the critic 1 output"
            )
        return logits.to(torch.promote_types(logits.dtype, torch.float32))
