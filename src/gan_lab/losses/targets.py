"""Which class a generated sample is meant to be: drawn with z, read off the critic, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from gan_lab.checks import renamed_argument


class Targets(Protocol):
    """How label losses get their targets.

    The training module calls `draw` before the critic and `of` after it.
    """

    @property
    def num_classes(self) -> int:
        """K."""
        ...

    @property
    def conditions(self) -> int:
        """How many numbers the generator's input has after z."""
        ...

    def draw(self, z: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Make the generator's input of z (n, latent).

        Returns:
            The input (n, latent + conditions), and the classes (n,) that were drawn, or None.
        """
        ...

    def of(self, classes: Tensor, drawn: Tensor | None) -> Tensor:
        """The targets of generated samples, int64 (n,), without gradient.

        Args:
            classes: their class logits, (n, K).
            drawn: what `draw` returned for them.
        """
        ...


@dataclass(frozen=True)
class NoTargets:
    """For losses with `needs_targets` False: the generator's input is z itself."""

    num_classes: int
    conditions: int = 0

    @renamed_argument(old="generator", new="rng")
    def draw(self, z: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """(z, None)."""
        return z, None

    def of(self, classes: Tensor, drawn: Tensor | None) -> Tensor:
        """Never asked."""
        raise AssertionError("labels=none has no targets")


@dataclass(frozen=True)
class Dynamic(NoTargets):
    """The class that the critic itself finds likeliest in this pass (4-23).

    The generator's input is z itself.
    """

    def of(self, classes: Tensor, drawn: Tensor | None) -> Tensor:
        """argmax_k l_k."""
        return classes.detach().argmax(1)


@dataclass(frozen=True)
class Predefined:
    """A class drawn uniformly beforehand: the generator's input is z and the one-hot class.

    That is 110 numbers in thesis 4.B, 100 of them z.
    """

    num_classes: int

    @property
    def conditions(self) -> int:
        """K."""
        return self.num_classes

    @renamed_argument(old="generator", new="rng")
    def draw(self, z: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """([z, u(y)], y) with y ~ U{0, ..., K-1}."""
        drawn = torch.randint(self.num_classes, (len(z),), generator=rng, device=z.device)

        # by hand: F.one_hot reads values back, which waits for the device
        one_hot = drawn[:, None] == torch.arange(self.num_classes, device=z.device)
        return torch.cat([z, one_hot.to(z.dtype)], 1), drawn

    def of(self, classes: Tensor, drawn: Tensor | None) -> Tensor:
        """y."""
        assert drawn is not None, "the classes that `draw` returned"
        return drawn
