"""Where gradient penalties look: what is drawn for a batch, and the points that follow from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gan_lab import parallel
from gan_lab.errors import UserError

Noise = tuple[Tensor, ...]  # the draws for one batch


@dataclass(frozen=True)
class Region:
    """Points of shape (n, *sample), a pure function of real samples, fake samples and noise.

    Args:
        draw: (real, rng) -> noise; torch's default generator if None.
        points: (real, fake, *noise) -> points.
    """

    draw: Callable[[Tensor, torch.Generator | None], Noise]
    points: Callable[..., Tensor]

    def __call__(self, real: Tensor, fake: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """The points for fresh noise."""
        return self.points(real, fake, *self.draw(real, rng))


def _nothing(real: Tensor, rng: torch.Generator | None) -> Noise:
    """No noise."""
    return ()


def _real(real: Tensor, fake: Tensor) -> Tensor:
    """The real samples."""
    return real


def _fake(real: Tensor, fake: Tensor) -> Tensor:
    """The fake samples, in the precision of the real ones."""
    return fake.to(real.dtype)


def _both(real: Tensor, fake: Tensor) -> Tensor:
    """The real samples, then the fake ones."""
    return torch.cat([real, fake.to(real.dtype)])


def _one_a_pair(real: Tensor, rng: torch.Generator | None) -> Noise:
    """u ~ U(0, 1), one for each pair."""
    return (_uniform((len(real),), real, rng),)


def _between(real: Tensor, fake: Tensor, u: Tensor) -> Tensor:
    """u real + (1 - u) fake. Raises UserError for batches of different shapes."""
    if real.shape != fake.shape:
        raise UserError(
            f"real {tuple(real.shape)} and fake {tuple(fake.shape)} make no pairs: "
            "give equal batches"
        )
    return u * real + (1 - u) * fake


def _one_a_value(real: Tensor, rng: torch.Generator | None) -> Noise:
    """delta ~ U(0, 1) for each value of a sample, and u ~ U(0, 1) for each sample."""
    delta = _uniform(tuple(real.shape), real, rng)
    return delta, _uniform((len(real),), real, rng)


def _around(real: Tensor, fake: Tensor, delta: Tensor, u: Tensor) -> Tensor:
    """real + u delta std(real) / 2, std over the whole batch, divided by its number of values."""
    variance = parallel.mean((real - parallel.mean(real.mean())).square().mean())
    return real + u * delta * (variance.sqrt() / 2)


# one u for each pair (WGAN-GP; thesis 2.5.2)
interpolates = Region(_one_a_pair, _between)

# from the program of DRAGAN's authors, whose noise is one-sided; the paper (Kodali et al. 2017)
# writes a normal one
perturbed = Region(_one_a_value, _around)

REGIONS: dict[str, Region] = {
    "interpolates": interpolates,
    "real": Region(_nothing, _real),
    "fake": Region(_nothing, _fake),
    "both": Region(_nothing, _both),
    "perturbed": perturbed,
}


def _uniform(shape: tuple[int, ...], like: Tensor, rng: torch.Generator | None) -> Tensor:
    """This process's share of U(0, 1) for the global batch.

    Args:
        shape: of the share, without the axes that it is the same over.
        like: gives the dtype, the device, and the number of axes to broadcast over.
        rng: draws; the default one if None.
    """
    shape = (shape[0] * parallel.world_size(), *shape[1:]) + (1,) * (like.ndim - len(shape))
    device = like.device if rng is None else rng.device
    return parallel.share(torch.rand(shape, generator=rng, dtype=like.dtype, device=device)).to(
        like.device
    )
