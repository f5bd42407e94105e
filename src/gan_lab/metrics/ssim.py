"""Structural similarity of image pairs at one scale, and how many scales an image has."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from gan_lab import checks
from gan_lab.errors import UserError

# of the levels, Wang et al. 2003; their sum is 1.0001
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
VARIANTS = ("abs", "signed")


def ssim(x: Tensor, y: Tensor, variant: str = "abs") -> tuple[Tensor, Tensor]:
    """The means over space and channels of SSIM and of its contrast-structure term cs.

        SSIM = (2μ_xμ_y + C1) / (μ_x² + μ_y² + C1) · cs
        cs = (2σ_xy + C2) / (σ_x² + σ_y² + C2)

    with moments under a Gaussian window of size min(11, side) and sigma 1.5 · size / 11, without
    padding; C1 = (0.01 · 255)², C2 = (0.03 · 255)² on the scale 0..255.

    Args:
        x: images (n, C, H, W), float64, on the scale 0..255.
        y: likewise.
        variant: "signed", as above; "abs" takes |σ_xy| for σ_xy in both terms [code].

    Returns:
        The two means, (n,) each.

    Raises:
        UserError: for another variant.

    Source:
        Wang et al. 2004, "Image quality assessment"; "abs": the author's program of thesis
        Table 4-2.
    """
    # the moments under the window
    check_variant(variant)
    size = min(11, *x.shape[2:])
    mu_x, mu_y, xx, yy, xy = (_window_means(values, size) for values in (x, y, x * x, y * y, x * y))
    product, squares = mu_x * mu_y, mu_x.square() + mu_y.square()
    covariance = xy - product
    if variant == "abs":
        covariance = covariance.abs()

    # both terms, constants on the scale 0..255
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    structure = (2 * covariance + c2) / (xx + yy - squares + c2)
    luminance = (2 * product + c1) / (squares + c1)
    return (luminance * structure).mean(1), structure.mean(1)


def _window_means(values: Tensor, size: int) -> Tensor:
    """The means under the window at all its places: (n, C, H, W) -> (n, m).

    As two products with band matrices: on a CPU five times as fast as a convolution of one channel
    in float64.
    """
    rows, columns = (_band(size, side, values) for side in values.shape[2:])
    return (rows @ values.contiguous() @ columns.T).flatten(1)


def _band(size: int, side: int, like: Tensor) -> Tensor:
    """(side - size + 1, side): in row i the window of `size` from place i on."""
    offsets = torch.arange(size, dtype=like.dtype, device=like.device) - (size - 1) / 2
    window = (-0.5 * (offsets / (1.5 * size / 11)).square()).exp()
    window = window / window.sum()
    return torch.stack(
        [pad(window, (place, side - size - place)) for place in range(side - size + 1)]
    )


def check_variant(variant: str) -> None:
    """Refuse a variant that `ssim` does not have.

    Raises:
        UserError: names those that there are.
    """
    if variant not in VARIANTS:
        raise UserError(f"variant={variant} is unknown: choose one of {', '.join(VARIANTS)}")


def choose_levels(side: int, levels: int | None) -> int:
    """The number of levels for an image.

    Args:
        side: its smaller side, in pixels.
        levels: how many are asked; None: the most that it has, at most 5.

    Raises:
        UserError: where it has fewer than asked.
    """
    most = min(len(WEIGHTS), side.bit_length())
    if levels is None:
        return most
    checks.whole("levels", levels, at_least=1)
    if levels > most:
        raise UserError(
            f"levels={levels} is too many for images of {side} pixels: ask for at most {most}"
        )
    return levels
