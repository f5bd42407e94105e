"""Pictures of samples: grids of images, points in the plane."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from gan_lab.data.resident import to_uint8

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SMALLEST_TILE = 48  # pixels a side; smaller images are enlarged without smoothing
_MARGIN = 0.25  # around real points, of their larger extent ...
_AROUND_A_POINT = 2.0  # ... or as they are, where they have none
_TICKS = 120  # a side of the grid on which the critic is drawn


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


def save_points(
    samples: Tensor,
    real: Tensor,
    path: Path,
    critic: Callable[[Tensor], Tensor] | None = None,
) -> None:
    """Save generated points over real ones, in a PNG, with the critic's score f behind them.

    In the plane f is drawn as contours, on the line as a curve; of more dimensions only the first
    two are drawn, without f. The window is that of the real points with a margin, so that the
    pictures of a run can be compared; the legend says how many samples are outside.

    Args:
        samples: generated points, (n, D).
        real: real points, (m, D).
        path: the file.
        critic: f, points (k, D) -> (k,); None: it is not drawn.
    """
    from matplotlib.figure import Figure

    # a window around the first two coordinates of the real points
    dimension = real.shape[1]
    samples, real = samples[:, :2], real[:, :2]
    low, high = real.amin(0), real.amax(0)
    margin = _MARGIN * float((high - low).max()) or _AROUND_A_POINT
    low, high = low - margin, high + margin

    # a sample outside of the window is counted, not drawn
    outside = int(((samples < low) | (samples > high)).any(1).sum())
    label = f"generated ({outside} of {len(samples)} outside)" if outside else "generated"

    # the critic first, the points over it; on the line they stand on the axis
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    if dimension == 1:
        height = torch.zeros(1)
        if critic is not None:
            x = torch.linspace(float(low), float(high), _TICKS)
            axes.plot(x, critic(x[:, None]), color="tab:blue", label="critic f")
        axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
        axes.scatter(real[:, 0], height.expand(len(real)), color="black", label="real")
        axes.scatter(samples[:, 0], height.expand(len(samples)), color="tab:red", label=label)
    else:
        if critic is not None and dimension == 2:
            _draw_contours(figure, axes, critic, low, high)
        axes.scatter(real[:, 0], real[:, 1], s=8, color="black", label="real")
        axes.scatter(samples[:, 0], samples[:, 1], s=5, color="tab:red", alpha=0.5, label=label)
        axes.set_ylim(float(low[1]), float(high[1]))
        axes.set_aspect("equal")

    axes.set_xlim(float(low[0]), float(high[0]))
    figure.legend(loc="outside upper center", ncols=3, fontsize="small")
    figure.savefig(path, format="png", dpi=100)


def _draw_contours(
    figure: Figure, axes: Axes, critic: Callable[[Tensor], Tensor], low: Tensor, high: Tensor
) -> None:
    """Draw f over the window, with a bar that says its values; nothing where f is not finite."""
    # f on a grid of the window
    x, y = (torch.linspace(float(low[i]), float(high[i]), _TICKS) for i in range(2))
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    values = critic(grid.flatten(0, 1)).reshape(_TICKS, _TICKS)
    if not bool(values.isfinite().all()):
        return

    # a constant f has no levels
    filled = axes.contourf(x, y, values, levels=20, cmap="Blues", alpha=0.8)
    if float(values.min()) < float(values.max()):
        axes.contour(x, y, values, levels=20, colors="tab:blue", linewidths=0.4)
    figure.colorbar(filled, ax=axes, label="critic f")
