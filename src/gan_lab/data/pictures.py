"""Pictures of samples: grids of images, points in the plane."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from gan_lab.data.resident import to_uint8

_SMALLEST_TILE = 48  # pixels a side; smaller images are enlarged without smoothing


def filled_up(rows: list[Tensor], columns: int) -> Tensor:
    """Rows of images as one tensor, white where an image is missing.

    Args:
        rows: (m, C, H, W) each, m <= columns.
        columns: images in a row.

    Returns:
        (rows · columns, C, H, W).
    """
    return torch.cat(
        [torch.cat([row, row.new_ones(columns - len(row), *row.shape[1:])]) for row in rows]
    )


def save_grid(samples: Tensor, path: Path, columns: int = 8) -> None:
    """Save images as a grid, in a PNG.

    Args:
        samples: (n, C, H, W), in [-1, 1].
        path: the file.
        columns: images in a row.
    """
    # small images are enlarged by a whole number, pixel by pixel
    height = samples.shape[-2]
    scale = -(-_SMALLEST_TILE // height)
    tiles = to_uint8(samples).repeat_interleave(scale, -1).repeat_interleave(scale, -2)
    grid = make_grid(tiles, nrow=columns, padding=2, pad_value=255)
    Image.fromarray(grid.permute(1, 2, 0).numpy()).save(path, format="png")


def save_scatter(samples: Tensor, real: Tensor, path: Path) -> None:
    """Save points, generated over real, in a PNG.

    Args:
        samples: generated points, (n, 2).
        real: real points, (m, 2).
        path: the file.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="tight")
    axes = figure.subplots()
    axes.scatter(real[:, 0], real[:, 1], s=4, color="0.7", label="real")
    axes.scatter(samples[:, 0], samples[:, 1], s=4, color="tab:red", label="generated")
    axes.set_aspect("equal")
    axes.legend(loc="upper right")
    figure.savefig(path, format="png", dpi=120)
