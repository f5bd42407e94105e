"""Where gradient penalties look: (real, fake, generator) -> points, all of shape (n, *sample)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gan_lab import parallel
from gan_lab.types import UserError

Region = Callable[[Tensor, Tensor, torch.Generator | None], Tensor]


def interpolates(real: Tensor, fake: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """u real + (1 - u) fake, one u ~ U(0, 1) for each pair (WGAN-GP; thesis 2.5.2). Raises UserError for odd pairs."""
    if real.shape != fake.shape:
        raise UserError(f"real {tuple(real.shape)} and fake {tuple(fake.shape)} make no pairs: give equal batches")
    u = _uniform((len(real),), real, generator)
    return u * real + (1 - u) * fake


def on_real(real: Tensor, fake: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """The real samples."""
    return real


def on_fake(real: Tensor, fake: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """The fake samples, in the precision of the real ones."""
    return fake.to(real.dtype)


def perturbed(real: Tensor, fake: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """real + u delta std(real) / 2, u ~ U(0, 1) for each sample, delta ~ U(0, 1) for each value of it.

    std is over the whole batch, divided by its number of values. From the program of DRAGAN's authors, whose noise is
    one-sided; the paper (Kodali et al. 2017) writes a normal one.
    """
    delta = _uniform(tuple(real.shape), real, generator)
    u = _uniform((len(real),), real, generator)
    variance = parallel.mean((real - parallel.mean(real.mean())).square().mean())
    return real + u * delta * (variance.sqrt() / 2)


REGIONS: dict[str, Region] = {"interpolates": interpolates, "real": on_real, "fake": on_fake, "perturbed": perturbed}


def _uniform(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """U(0, 1) in the dtype of `like` and on its device, with trailing 1s to broadcast against it; a process's share."""
    shape = (shape[0] * parallel.world_size(), *shape[1:]) + (1,) * (like.ndim - len(shape))
    device = like.device if generator is None else generator.device
    return parallel.share(torch.rand(shape, generator=generator, dtype=like.dtype, device=device)).to(like.device)
