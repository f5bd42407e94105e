"""A run's grids, record and files in W&B."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from gan_lab.callbacks.samples import SampleGrid
from gan_lab.loggers.wandb import STEP, WandbLogger
from gan_lab.records import folder
from gan_lab.records.record import RunRecord
from gan_lab.training import GAN

# key on W&B: the file of a generator step
GRIDS = {"samples": folder.samples_path, "samples_by_class": folder.classes_path}
FINAL = "final/"  # before the names of scores after training; those over training have none
# of the record, beside the config
_ABOUT = ("choices", "config_hash", "git", "packages", "parameters")
_EXIT_CODES = {"finished": 0, "interrupted": 130}


class WandbRun(pl.Callback):
    """Everything of a run but its metrics: what the record says of it, grids
    as they are drawn, and its end.

    It comes after every other callback. The last row of a training is held back until `close`,
    which adds to it.

    Args:
        logger: the run's.
        record: the run's.
        grids: draws the grids.
    """

    def __init__(self, logger: WandbLogger, record: RunRecord, grids: SampleGrid) -> None:
        self.logger = logger
        self.record = record
        self.grids = grids
        self.shown: Path | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log what the run is. An agent of a W&B sweep chooses the id;
        the record keeps it for a resume."""
        run, content = self.logger.run, self.record.content
        about = {key: content[key] for key in _ABOUT}
        about |= {"data": content["dataset"], "cell": cell(content)}
        run.config.update(about, allow_val_change=True)
        if run.id != content["run_id"]:
            self.record.update(run_id=run.id)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Send the row of this step."""
        assert isinstance(pl_module, GAN)
        self._add_grids(pl_module.generator_steps)
        if (
            not trainer.should_stop
            and pl_module.generator_steps < pl_module.settings.max_generator_steps
        ):
            self.logger.send()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The grid of the last state belongs to its row."""
        assert isinstance(pl_module, GAN)
        self._add_grids(pl_module.generator_steps)

    def _add_grids(self, step: int) -> None:
        import wandb

        if self.grids.newest is None or self.grids.newest == self.shown:
            return
        self.shown = self.grids.newest
        run_dir = self.record.path.parent
        drawn = {key: path_of(run_dir, step) for key, path_of in GRIDS.items()}
        images = {key: wandb.Image(str(path)) for key, path in drawn.items() if path.exists()}
        self.logger.log_metrics(images, step)

    def close(self) -> None:
        """End the run as its record says it ended: status, final scores as
        summary and table, files as artifacts."""
        content, logger = self.record.content, self.logger
        if content["status"] == "finished":
            self._add_grids(content["generator_steps"])
            with _staged_below(Path(logger.run.dir).parent):
                self._log_results(content)
        logger.run.summary.update({"status": content["status"], "reason": content["reason"]})
        logger.finish(_EXIT_CODES.get(content["status"], 1))

    def _log_results(self, content: Mapping[str, Any]) -> None:
        """Scores as summary and table, and the run's files."""
        import wandb

        # the summary is what W&B's table of runs shows
        run, run_dir = self.logger.run, self.record.path.parent
        scores = content["scores"]
        final = {f"{FINAL}{name}": entry["value"] for name, entry in scores.items()}
        final |= {
            f"{FINAL}{name}/std": entry["std"]
            for name, entry in scores.items()
            if entry["std"] is not None
        }

        counts = (
            *("generator_steps", "critic_steps", "images_seen"),
            *("seconds", "images_per_second", "peak_memory_bytes"),
        )
        run.summary.update(final | {name: content[name] for name in counts})

        # a score without its number of samples cannot be compared
        columns: list[str | int] = ["score", "value", "std", "n_samples", STEP]
        rows = [
            [name, *(entry.get(key) for key in ("value", "std", "n_samples", "step"))]
            for name, entry in scores.items()
        ]

        if scores:
            self.logger.log_metrics(
                {"scores": wandb.Table(columns=columns, data=rows)}, content["generator_steps"]
            )

        # W&B would copy each file into the user's home as well: skip_cache
        for kind, names in {
            "scores": (folder.RECORD, folder.METRICS),
            "generator": (folder.WEIGHTS, folder.DESCRIPTION),
        }.items():
            artifact = wandb.Artifact(
                f"{kind}-{run.id}", type=kind, metadata={"cell": cell(content)}
            )
            for path in (run_dir / name for name in names):
                if path.exists():
                    artifact.add_file(str(path), skip_cache=True)
            run.log_artifact(artifact)


def cell(content: Mapping[str, Any]) -> str:
    """The sweep cell of a run, its options without the seed: "digits resnet exp maxgp 0.1 adam"."""
    choices = content["choices"]
    words = []
    for group in ("dataset", "architecture", "loss", "labels", "penalty", "optimizer"):
        if choices.get(group, "none") != "none":
            words.append(choices[group])
        if group == "penalty" and "weight" in content["config"]["penalty"]:
            words.append(f"{content['config']['penalty']['weight']:g}")
    return " ".join(words)


@contextmanager
def _staged_below(folder: Path) -> Iterator[None]:
    """Let W&B keep copies of logged files in `folder` instead of the
    user's home, until they are sent."""
    before = os.environ.get("WANDB_DATA_DIR")
    os.environ["WANDB_DATA_DIR"] = str(folder.resolve())
    try:
        yield
    finally:
        if before is None:
            del os.environ["WANDB_DATA_DIR"]
        else:
            os.environ["WANDB_DATA_DIR"] = before
