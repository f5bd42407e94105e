"""Pictures of what the EMA generator makes of the same noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from gan_lab.data.pictures import filled_up, save_grid, save_points
from gan_lab.files import atomic_path
from gan_lab.inference import undisturbed
from gan_lab.records import folder
from gan_lab.training import GAN, sampling
from gan_lab.training.randomness import generator_for
from gan_lab.types import DataSpec

COUNT = 64  # 8 x 8
MOST_ROWS, COLUMNS = 20, 10  # of the samples by class


class SampleGrid(pl.Callback):
    """Write samples/step_<N>.png every `every` generator steps and at the
    end: 64 samples of fixed noise.

    Where samples have classes also samples/classes_<N>.png: a row for each class (the
    first 20), drawn with the sample or, for dynamic labels, seen by the critic; white
    where the class did not come up. Points are drawn over real ones and contours of the
    critic's score.

    Args:
        run_dir: the run's directory.
        every: generator steps between two grids.
        spec: of the data.
        real: some real samples, drawn behind generated points.
    """

    def __init__(self, run_dir: Path, every: int, spec: DataSpec, real: Tensor) -> None:
        self.run_dir = run_dir
        self.every = every
        self.spec = spec
        self.real = real
        self.newest: Path | None = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
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
        # the same noise each time, so that the pictures of a run can be compared
        count = COUNT if self.spec.kind == "images" else 1024
        rng = generator_for(gan.settings.seed, "samples", device=gan.device)
        samples = gan.sample(count, rng)[0].float().cpu()

        # a reader of the folder never sees half a picture
        self.newest = self._path(gan)
        with atomic_path(self.newest) as path:
            if self.spec.kind == "images":
                save_grid(samples, path)
            else:
                score = _critic_of(gan) if gan.loss.has_score else None
                save_points(samples, self.real, path, score)

        # a row for each class, of noise of its own: the grid above is the same without classes
        if self.spec.kind == "images" and sampling.knows_classes(gan):
            rng = generator_for(gan.settings.seed, "samples by class", device=gan.device)
            classes = range(min(gan.targets.num_classes, MOST_ROWS))
            rows = sampling.by_class(gan, classes, COLUMNS, rng)
            with atomic_path(folder.classes_path(self.run_dir, gan.generator_steps)) as path:
                save_grid(filled_up(rows, COLUMNS), path, COLUMNS)

    def _path(self, gan: GAN) -> Path:
        return folder.samples_path(self.run_dir, gan.generator_steps)


def _critic_of(gan: GAN) -> Callable[[Tensor], Tensor]:
    """f of the critic of now, points (n, D) -> (n,) on the CPU; asking it changes nothing."""

    def score(points: Tensor) -> Tensor:
        with undisturbed(gan.critic):
            return gan.score(points.to(gan.device)).float().cpu()

    return score
