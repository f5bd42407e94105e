"""A run while it trains: what is trained, what watches it, and its record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig

from gan_lab import build, callbacks, records, terminal
from gan_lab.callbacks.clock import Seconds
from gan_lab.data import LoadedData
from gan_lab.data.module import ResidentDataModule
from gan_lab.data.resident import ResidentData
from gan_lab.errors import Interrupted
from gan_lab.loggers import MetricsFile, WandbLogger
from gan_lab.records import versions
from gan_lab.runs.export import export_generator
from gan_lab.runs.start import Machine, Previous
from gan_lab.scoring.evaluator import Evaluator
from gan_lab.terminal import pasted
from gan_lab.training import GAN
from gan_lab.training.diagnostics import Diagnostic
from gan_lab.training.strategy import SharedStep, first_process

_REAL_SAMPLES = 1024  # at most, for the pictures of points


class Session:
    """One start or resume of a run, from the first step that is left to the last.

    Args:
        config: as it was composed.
        plain: as it is stored.
        run_dir: where everything is written.
        machine: where it trains.
        data: the whole data set.
        training_view: what training sees of it.
        gan: what is trained.
        evaluator: what scores it, if anything.
        diagnostic: what is measured of it beside, if anything.
        loggers: where metrics go; none but in the first process.
        record: of the run.
        previous: what it goes on from, if anything.
    """

    def __init__(
        self,
        *,
        config: DictConfig,
        plain: dict[str, Any],
        run_dir: Path,
        machine: Machine,
        data: LoadedData,
        training_view: LoadedData,
        gan: GAN,
        evaluator: Evaluator | None,
        diagnostic: Diagnostic | None,
        loggers: list[Logger],
        record: records.RunRecord,
        previous: Previous | None,
    ) -> None:
        # what it was made of
        self.config, self.plain, self.run_dir, self.machine = config, plain, run_dir, machine
        self.data, self.training_view = data, training_view
        self.gan, self.evaluator = gan, evaluator
        self.loggers, self.record = loggers, record

        # where it stands
        self.exported: Path | None = None
        self.done = previous.generator_steps if previous else 0
        state = previous.state if previous else None

        # the networks get their state once they are on their device; what ends before has done this
        if state is not None:
            gan.generator_steps, gan.critic_steps = state["generator_steps"], state["critic_steps"]

        # the callbacks that the run asks later; all of them, in their order, are `in_every_step`
        self.seconds = Seconds(state["seconds"] if state else 0.0)
        self.stop = callbacks.StopOnSignal()

        self.evaluate: callbacks.Evaluate | None = None
        if evaluator is not None:
            every = config.evaluate_every
            self.evaluate = callbacks.Evaluate(evaluator, every, record, self.seconds)
        self.diagnose: callbacks.Diagnose | None = None
        if diagnostic is not None:
            train = ResidentData.place(training_view, "cpu")
            self.diagnose = callbacks.Diagnose(diagnostic, train, record, self.seconds)

        self.reader = callbacks.ReadMetrics(state["last_metrics"] if state else None, self._at)
        self.samples = callbacks.SampleGrid(
            run_dir, config.sample_every, training_view.spec, _some_real(data)
        )
        self.checkpoint = callbacks.Checkpoint(
            run_dir, config.checkpoint_every, config.keep_checkpoints, self._beside_the_state, state
        )
        self.watchers: list[callbacks.WandbRun] = []

    def in_every_step(self) -> list[pl.Callback]:
        """What acts in every step. Lightning calls them in this order."""
        # time counts before anything else of a step
        ordered: list[pl.Callback] = [self.seconds]

        # a graph, or compiled networks, take their place before the first step
        if self.config.trainer.get("capture") == "auto":
            ordered.append(callbacks.Capture(self.machine.console.print))
        if self.config.trainer.get("compile"):
            ordered.append(callbacks.Compile(self.machine.console.print))

        # scores and diagnostics of a step are read with its metrics, so they come before
        ordered += [watcher for watcher in (self.evaluate, self.diagnose) if watcher]
        ordered.append(self.reader)

        # pictures and checkpoints come from a state that the reader found finite
        if self.machine.is_first:
            ordered.append(self.samples)
        ordered.append(self.checkpoint)
        if self.machine.is_first:
            images = self.config.n_critic * self.config.batch_size
            steps = self.config.max_generator_steps
            ordered.append(callbacks.ProgressBar(self.reader, images, steps, self.machine.console))

        # a signal ends the run once its checkpoint of this step is written
        ordered.append(self.stop)

        # W&B sees what all others have made
        return [*ordered, *self.watchers]

    def fit(self) -> None:
        """Train what is left.

        Raises:
            Interrupted: where a signal asked to stop before the last step.
        """
        # every step has batches of its own, whatever part of the run it is in
        self._begin_loggers()
        feed = ResidentDataModule(
            self.training_view,
            self.config.batch_size,
            self.config.n_critic,
            self.config.seed,
            start=self.done,
            stop=self.config.max_generator_steps,
        )

        # the processes that Lightning starts are told which one is the first
        with first_process():
            trainer = build.trainer(
                self.config, self.in_every_step(), self.loggers, str(self.run_dir)
            )
            if isinstance(trainer.strategy, SharedStep):
                trainer.strategy.on_lost = self._lost_process
            trainer.fit(self.gan, feed)

        # a signal during the last step has nothing left to stop
        is_cut = self.gan.generator_steps < self.config.max_generator_steps
        if self.stop.received is not None and is_cut:
            raise Interrupted(self.stop.received)

    def export(self) -> None:
        """Write the EMA generator, and a grid of it where none was drawn."""
        if not self.machine.is_first:
            return

        # a run that was killed after its last step had nothing left to train
        if self.samples.newest is None:
            self.samples.draw(self.gan)
        architecture = versions.without_facts(self.plain["architecture"])
        self.exported = export_generator(
            self.gan, architecture, self.training_view.spec, self.run_dir
        )

    def score(self) -> None:
        """Measure the final scores; those that the record has of this very step
        stay, those of a shorter run go."""
        with self.seconds.paused():
            gan, step = self.gan.to(self.machine.device), self.gan.generator_steps
            before = self.record["scores"].items()
            scores = {name: entry for name, entry in before if entry["step"] == step}
            if self.evaluator is not None:
                self.machine.console.print(f"scoring {self.evaluator.protocol.samples:,} samples")
                scores |= self.evaluator.scores(gan, self.evaluator.protocol)
            self.record.update(scores=scores)

    def close(self) -> None:
        """End what is open, whatever became of the run."""
        for watcher in self.watchers:
            watcher.close()

    def _at(self, step: int) -> dict[str, float]:
        """What was scored and measured after a generator step."""
        watchers = (self.evaluate, self.diagnose)
        return {k: v for watcher in watchers if watcher for k, v in watcher.at(step).items()}

    def _begin_loggers(self) -> None:
        for logger in self.loggers:
            logger.log_hyperparams(self.plain)
            if isinstance(logger, MetricsFile):
                logger.keep_until(self.done)
            if isinstance(logger, WandbLogger):
                self.watchers.append(callbacks.WandbRun(logger, self.record, self.samples))

    def _beside_the_state(self) -> dict[str, Any]:
        """What a checkpoint holds beside networks, optimizers and steps."""
        return {
            "seconds": self.seconds(),
            "identity": records.determining(self.plain),
            "last_metrics": self.reader.last,
        }

    def _lost_process(self, what: str) -> None:
        """Another process of the run has died: Lightning ends this one without a word."""
        if self.record["status"] == "running":
            self.record.update(status="failed", reason=f"another process of this run ended: {what}")
            go_on = f"continue with: python train.py {pasted('resume', self.run_dir)}"
            go_on += f"; record: {self.record.path}"
            terminal.tell(f"error: {self.record['reason']}; {go_on}", error=True)


def _some_real(data: LoadedData) -> torch.Tensor:
    train = ResidentData.place(data, "cpu")
    return train.gather(torch.arange(min(_REAL_SAMPLES, len(train))))[0]
