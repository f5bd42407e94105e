"""A run on Weights & Biases: curves and grids of samples over generator steps, final scores, files.

Nothing of W&B is imported before a `WandbLogger` is made.
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.loggers import Logger

from gan_lab.callbacks.export import DESCRIPTION, WEIGHTS
from gan_lab.callbacks.metrics import MetricsFile
from gan_lab.callbacks.samples import SampleGrid
from gan_lab.records import FILE_NAME, RunRecord
from gan_lab.training import GAN
from gan_lab.types import UserError

STEP = "generator_step"
GRIDS = {"samples": "step", "samples_by_class": "classes"}  # key on W&B: how the files in samples/ begin
FINAL = "final/"  # before the names of scores after training; those over training have none
_ABOUT = ("choices", "config_hash", "git", "packages", "parameters")  # of the record, beside the config
_EXIT_CODES = {"finished": 0, "interrupted": 130}


class WandbLogger(Logger):
    """The run `id` on W&B, begun or continued when the first thing is logged.

    A row is what is logged of one generator step. It is sent when it is `sent`, or the next one begins, under that
    step as W&B's own and as `generator_step`, the x axis of everything: a resumed run goes on where it was, and W&B
    passes over steps that it has.

    save_dir: the run directory; everything is written below save_dir/wandb. name: of the run, its folder without one.
    offline: nothing is sent; `wandb sync` does it later. The environment (WANDB_MODE, WANDB_BASE_URL, ...) is heeded.
    Errors: UserError where it should be sent and nobody is logged in, or W&B cannot be reached.
    """

    def __init__(
        self,
        save_dir: str,
        id: str,
        project: str = "gan_lab",
        entity: str | None = None,
        group: str | None = None,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        offline: bool = True,
    ) -> None:
        super().__init__()
        if not isinstance(offline, bool):
            raise UserError(f"offline={offline}: use true or false")
        if not offline:
            check_login("logger.wandb.offline=true")
        self.about: dict[str, Any] = {
            "dir": str(Path(save_dir).resolve()),  # W&B writes in a process of its own
            "id": id,
            "project": project,
            "entity": entity,
            "group": group,
            "tags": tags,
        }
        self.about |= {"name": name or "/".join(Path(save_dir).parts[-2:]), "mode": "offline" if offline else None}
        self.row: dict[str, Any] = {}
        self.step = 0
        self._run: Any = None

    @property
    def name(self) -> str:
        """Part of Lightning's interface."""
        return "wandb"

    @property
    def version(self) -> str:
        """Part of Lightning's interface."""
        return ""

    @property
    def run(self) -> Any:
        """The wandb.Run. Raises UserError where W&B refuses it."""
        if self._run is None:
            import wandb

            # W&B's own 15 s would be lost by a kill, and the steps before the checkpoint among them do not come again.
            settings = wandb.Settings(quiet=True, x_transaction_log_flush_interval=1.0)
            try:
                self._run = wandb.init(**self.about, resume="allow", settings=settings)
            except Exception as error:  # W&B's have no class in common
                remedy = "logger=csv" if self.about["mode"] == "offline" else "logger.wandb.offline=true"
                said = " ".join(str(error).split()) or type(error).__name__
                raise UserError(f"logger.wandb: {said}; to do without, set {remedy}") from None
            self._run.define_metric(STEP)
            self._run.define_metric("*", step_metric=STEP)
        return self._run

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """The config."""
        self.run.config.update(params, allow_val_change=True)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Add to the row of generator step `step`. The terms of a score stand below it: "fid.term" as "fid/term"."""
        assert step is not None
        if step != self.step:
            self.send()
        self.step = step
        self.row |= {name.replace(".", "/"): value for name, value in metrics.items()}

    def send(self) -> None:
        """Send the row."""
        if self.row:
            self.run.log({STEP: self.step, **self.row}, step=self.step, commit=True)
            self.row = {}

    def finish(self, exit_code: int) -> None:
        """Send what is left and end the run on W&B, so that the next job of a sweep begins its own."""
        if self._run is not None:
            self.send()
            self._run.finish(exit_code)
            self._run = None


class WandbRun(pl.Callback):
    """Everything of a run but its metrics: what the record says of it, grids as they are drawn, and its end.

    It comes after every other callback. The last row of a training is held back until `close`, which adds to it.
    """

    def __init__(self, logger: WandbLogger, record: RunRecord, grids: SampleGrid) -> None:
        self.logger = logger
        self.record = record
        self.grids = grids
        self.shown: Path | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log what the run is. An agent of a W&B sweep chooses the id; the record keeps it for a resume."""
        run, content = self.logger.run, self.record.content
        about = {key: content[key] for key in _ABOUT} | {"data": content["dataset"], "cell": cell(content)}
        run.config.update(about, allow_val_change=True)
        if run.id != content["run_id"]:
            self.record.update(run_id=run.id)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Send the row of this step."""
        assert isinstance(pl_module, GAN)
        self._add_grids(pl_module.generator_steps)
        if not trainer.should_stop and pl_module.generator_steps < pl_module.recipe.max_generator_steps:
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
        drawn = {key: self.shown.with_name(f"{stem}_{step}.png") for key, stem in GRIDS.items()}
        images = {key: wandb.Image(str(path)) for key, path in drawn.items() if path.exists()}
        self.logger.log_metrics(images, step)

    def close(self) -> None:
        """End the run as its record says it ended: status, final scores as summary and table, files as artifacts."""
        content, logger = self.record.content, self.logger
        if content["status"] == "finished":
            self._add_grids(content["generator_steps"])
            with _staged_below(Path(logger.run.dir).parent):
                self._log_results(content)
        logger.run.summary.update({"status": content["status"], "reason": content["reason"]})
        logger.finish(_EXIT_CODES.get(content["status"], 1))

    def _log_results(self, content: Mapping[str, Any]) -> None:
        import wandb

        run, run_dir = self.logger.run, self.record.path.parent
        scores = content["scores"]
        columns: list[str | int] = ["score", "value", "std", "n_samples", STEP]
        rows = [
            [name, *(entry.get(key) for key in ("value", "std", "n_samples", "step"))] for name, entry in scores.items()
        ]
        final = {f"{FINAL}{name}": entry["value"] for name, entry in scores.items()}
        final |= {f"{FINAL}{name}/std": entry["std"] for name, entry in scores.items() if entry["std"] is not None}
        counts = ("generator_steps", "critic_steps", "images_seen", "seconds", "images_per_second", "peak_memory_bytes")
        run.summary.update(final | {name: content[name] for name in counts})
        if scores:
            self.logger.log_metrics({"scores": wandb.Table(columns=columns, data=rows)}, content["generator_steps"])
        for kind, names in {
            "scores": (FILE_NAME, MetricsFile.FILE_NAME),
            "generator": (WEIGHTS, DESCRIPTION),
        }.items():
            artifact = wandb.Artifact(f"{kind}-{run.id}", type=kind, metadata={"cell": cell(content)})
            for path in (run_dir / name for name in names):
                if path.exists():
                    artifact.add_file(str(path), skip_cache=True)
            run.log_artifact(artifact)


def cell(content: Mapping[str, Any]) -> str:
    """What a record's run has in common with those of other seeds, as "digits resnet exp maxgp 0.1 adam"."""
    choices = content["choices"]
    words = []
    for group in ("dataset", "architecture", "loss", "labels", "penalty", "optimizer"):
        if choices.get(group, "none") != "none":
            words.append(choices[group])
        if group == "penalty" and "weight" in content["config"]["penalty"]:
            words.append(f"{content['config']['penalty']['weight']:g}")
    return " ".join(words)


def check_login(remedy: str) -> None:
    """Raises UserError where nobody is logged in, with `remedy` as another way; nothing is asked, or sent."""
    import wandb

    if os.environ.get("WANDB_MODE", "online") not in ("online", "run"):
        return  # the environment keeps everything here
    try:
        logged_in = wandb.login(prompt=False)
    except wandb.Error as error:
        raise UserError(f"W&B: {' '.join(str(error).split())}; run `wandb login`, or set {remedy}") from None
    if not logged_in:
        raise UserError(f"W&B: nobody is logged in; run `wandb login`, or set {remedy}")


@contextmanager
def _staged_below(folder: Path) -> Iterator[None]:
    """Let W&B keep copies of logged files in `folder` instead of the user's home, until they are sent."""
    before = os.environ.get("WANDB_DATA_DIR")
    os.environ["WANDB_DATA_DIR"] = str(folder.resolve())
    try:
        yield
    finally:
        if before is None:
            del os.environ["WANDB_DATA_DIR"]
        else:
            os.environ["WANDB_DATA_DIR"] = before
