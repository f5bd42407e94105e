"""Structural similarity of image pairs at one scale, and how many scales an image has."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from gan_lab.metrics.base import check_integers
from gan_lab.types import UserError

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the levels, Wang et al. 2003; their sum is 1.0001


def ssim(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The means over space and channels of SSIM and of its contrast-structure term, (n,) each, of (n, C, H, W) float64.

    SSIM is (2μ_xμ_y + C1) / (μ_x² + μ_y² + C1) times the contrast-structure term (2σ_xy + C2) / (σ_x² + σ_y² + C2),
    with moments under a Gaussian window of size min(11, side) and sigma 1.5 · size / 11, without padding;
    C1 = (0.01 · 255)², C2 = (0.03 · 255)² on the scale 0..255. Source: Wang et al. 2004.
    """
    n, channels, height, width = x.shape
    size = min(11, height, width)
    offsets = torch.arange(size, dtype=x.dtype, device=x.device) - (size - 1) / 2
    window = (-0.5 * (offsets / (1.5 * size / 11)).square()).exp()
    window = window / window.sum()
    maps = torch.cat([x, y, x * x, y * y, x * y]).reshape(5 * n * channels, 1, height, width)
    means = conv2d(conv2d(maps, window[None, None, :, None]), window[None, None, None, :])
    mu_x, mu_y, xx, yy, xy = means.reshape(5, n, channels * means.shape[2] * means.shape[3])
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    structure = (2 * (xy - mu_x * mu_y) + c2) / (xx - mu_x * mu_x + yy - mu_y * mu_y + c2)
    luminance = (2 * mu_x * mu_y + c1) / (mu_x * mu_x + mu_y * mu_y + c1)
    return (luminance * structure).mean(1), structure.mean(1)


def choose_levels(side: int, levels: int | None) -> int:
    """The number of levels for the smaller side of an image. Raises UserError where it has fewer than asked."""
    most = min(len(WEIGHTS), side.bit_length())
    if levels is None:
        return most
    check_integers(1, levels=levels)
    if levels > most:
        raise UserError(f"levels={levels} is too many for images of {side} pixels: ask for at most {most}")
    return levels
