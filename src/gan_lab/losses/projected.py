"""A scalar loss of a critic that has one logit for each class: the projection critic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gan_lab.errors import UserError
from gan_lab.losses.scalar import ScalarLoss


@dataclass(frozen=True)
class ProjectedLoss:
    """J_D and J_G of a scalar loss, of the logit f(x, y) that the critic has for a sample's class.

    f(x, y) is logit y of K. y is a real sample's label, and the class that a generated sample was
    drawn with. Without a class there is no f, so no gradient penalty fits.

    Args:
        loss: made of phi, varphi and psi.

    Raises:
        UserError: for another loss.

    Source:
        Miyato and Koyama 2018 (arXiv:1802.05637); the critic: `gan_lab.architectures.SAGAN`.

    Examples:
        A real sample of class 1 with f = 3, a generated one of class 0 with f = 1:

        >>> import torch
        >>> from gan_lab.losses import ProjectedLoss, wasserstein
        >>> real, fake = torch.tensor([[9.0, 3.0]]), torch.tensor([[1.0, 9.0]])
        >>> labels, targets = torch.tensor([1]), torch.tensor([0])
        >>> ProjectedLoss(wasserstein()).critic(real, fake, labels, targets)  # 1 - 3
        tensor(-2.)
    """

    loss: ScalarLoss

    needs_labels: ClassVar[bool] = True
    needs_targets: ClassVar[bool] = True
    has_score: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not isinstance(self.loss, ScalarLoss):
            raise UserError("loss: a projection takes one of phi, varphi and psi, as hinge()")

    @property
    def name(self) -> str:
        """The name of the scalar loss."""
        return self.loss.name

    def outputs(self, num_classes: int) -> int:
        """One logit for each class.

        Raises:
            UserError: for data without classes.
        """
        if num_classes < 2:
            raise UserError(
                f"num_classes={num_classes}: a projection judges samples by their class, of which "
                "it needs at least 2"
            )
        return num_classes

    def score(self, logits: Tensor) -> Tensor:
        """Refused: f needs a class."""
        raise UserError("a projection critic has no score without a class: take penalty=spectral")

    def classes(self, logits: Tensor) -> Tensor:
        """(n, K) -> (n, K): the class that fits a sample best has the largest logit."""
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def critic(
        self,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> Tensor:
        """J_D, 0-d."""
        assert labels is not None, "needs_labels"
        return self.loss.critic(_of_class(real, labels), self._generated(fake, targets))

    def generator(self, fake: Tensor, targets: Tensor | None = None) -> Tensor:
        """J_G, 0-d."""
        return self.loss.generator(self._generated(fake, targets))

    def _generated(self, fake: Tensor, targets: Tensor | None) -> Tensor:
        """f of generated samples and the classes that they are meant to have."""
        assert targets is not None, "needs_targets"
        return _of_class(fake, targets)


def _of_class(logits: Tensor, classes: Tensor) -> Tensor:
    """(n, K) and (n,) -> (n,): each sample's logit of its class."""
    return logits.gather(1, classes[:, None]).squeeze(1)
