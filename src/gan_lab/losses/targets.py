"""Which class a generated sample is meant to be: drawn with z, read off the critic, or none."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Targets(Protocol):
    """How label losses get their targets; the training module calls `draw` before and `of` after the critic."""

    def draw(self, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """From z (n, latent) to the generator's input (n, latent + extra) and the drawn classes (n,), or None."""
        ...

    def of(self, logits: Tensor, drawn: Tensor | None) -> Tensor | None:
        """The targets (n,) of generated samples with critic logits (n, outputs), without gradient, or None."""
        ...


class NoTargets:
    """For losses with `needs_targets` False: the generator's input is z itself."""

    def draw(self, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """(z, None)."""
        return z, None

    def of(self, logits: Tensor, drawn: Tensor | None) -> Tensor | None:
        """None."""
        return None
