"""Pictures of what the EMA generator makes of the same noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from gan_lab.data.resident import to_uint8
from gan_lab.files import atomic_path
from gan_lab.training import GAN, sampling
from gan_lab.training.randomness import generator_for
from gan_lab.types import DataSpec

COUNT = 64  # 8 x 8
MOST_ROWS, COLUMNS = 20, 10  # of the samples by class
_SMALLEST_TILE = 48  # pixels a side; smaller images are enlarged without smoothing


class SampleGrid(pl.Callback):
    """Write samples/step_<N>.png every `every` generator steps and at the end: 64 samples of fixed noise.

    Where samples have classes also samples/classes_<N>.png: a row for each class (the first 20), drawn with the sample
    or, for dynamic labels, seen by the critic; white where the class did not come up.
    """

    def __init__(self, run_dir: Path, every: int, spec: DataSpec, real: Tensor) -> None:
        """real: some real samples, drawn behind generated points."""
        self.folder = run_dir / "samples"
        self.every = every
        self.spec = spec
        self.real = real
        self.newest: Path | None = None

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Draw where asked."""
        assert isinstance(pl_module, GAN)
        if pl_module.generator_steps % self.every == 0:
            self.draw(pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the last state."""
        assert isinstance(pl_module, GAN)
        if self.newest != self._path(pl_module):
            self.draw(pl_module)

    @torch.no_grad()
    def draw(self, gan: GAN) -> None:
        """Sample and save."""
        count = COUNT if self.spec.kind == "images" else 1024
        samples = gan.sample(count, generator_for(gan.recipe.seed, "samples", device=gan.device))[0].float().cpu()
        self.newest = self._path(gan)
        with atomic_path(self.newest) as path:
            if self.spec.kind == "images":
                save_grid(samples, path)
            else:
                save_scatter(samples, self.real, path)
        if self.spec.kind == "images" and sampling.knows_classes(gan):
            rng = generator_for(gan.recipe.seed, "samples by class", device=gan.device)
            classes = range(min(gan.targets.num_classes, MOST_ROWS))
            rows = sampling.by_class(gan, classes, COLUMNS, rng)
            with atomic_path(self.folder / f"classes_{gan.generator_steps}.png") as path:
                save_grid(filled_up(rows, COLUMNS), path, COLUMNS)

    def _path(self, gan: GAN) -> Path:
        return self.folder / f"step_{gan.generator_steps}.png"


def filled_up(rows: list[Tensor], columns: int) -> Tensor:
    """Rows of up to `columns` images (m, C, H, W) as (rows · columns, C, H, W), white where an image is missing."""
    return torch.cat([torch.cat([row, row.new_ones(columns - len(row), *row.shape[1:])]) for row in rows])


def save_grid(samples: Tensor, path: Path, columns: int = 8) -> None:
    """Images (n, C, H, W) in [-1, 1] as a PNG of rows of `columns`."""
    height = samples.shape[-2]
    scale = -(-_SMALLEST_TILE // height)
    tiles = to_uint8(samples).repeat_interleave(scale, -1).repeat_interleave(scale, -2)
    grid = make_grid(tiles, nrow=columns, padding=2, pad_value=255)
    Image.fromarray(grid.permute(1, 2, 0).numpy()).save(path, format="png")


def save_scatter(samples: Tensor, real: Tensor, path: Path) -> None:
    """Points (n, 2), generated over real, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="tight")
    axes = figure.subplots()
    axes.scatter(real[:, 0], real[:, 1], s=4, color="0.7", label="real")
    axes.scatter(samples[:, 0], samples[:, 1], s=4, color="tab:red", label="generated")
    axes.set_aspect("equal")
    axes.legend(loc="upper right")
    figure.savefig(path, format="png", dpi=120)
