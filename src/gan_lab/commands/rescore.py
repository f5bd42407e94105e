"""Scores of finished runs by one protocol: of the exported
generators, and of the kept checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from rich.console import Console

from gan_lab import build, records
from gan_lab.callbacks import list_checkpoints
from gan_lab.callbacks.evaluate import add_to_history, is_by_another
from gan_lab.config.schema import plain_config
from gan_lab.data import LoadedData
from gan_lab.errors import UserError
from gan_lab.reading.declared_scores import declared_scores
from gan_lab.records import folder as names
from gan_lab.records import versions
from gan_lab.runs.saved import (
    SavedRun,
    check_generator,
    load_checkpoint_into,
    load_critic_to_label,
    load_generator,
    open_run,
)
from gan_lab.scoring.evaluator import Evaluator
from gan_lab.scoring.protocol import Entry, Protocol
from gan_lab.training import GAN


class Rescoring:
    """Scores runs by the protocol of a config; what runs on the same data share is made once.

    Args:
        config: of scripts/evaluate.py. Its `dataset.root`, where it was
            typed, is where the data stand now.
        console: is told what is scored and what is passed over.

    Raises:
        UserError: for a typed field of the data set other than its root and its option, which must
            be that of the runs; for weights that are missing.
    """

    def __init__(self, config: DictConfig, console: Console) -> None:
        # of which data a run is, its record says
        typed = [override.lstrip("+~") for override in HydraConfig.get().overrides.task]
        of_data = {
            override.partition("=")[0]: override
            for override in typed
            if override.startswith("dataset")
        }
        for key, override in of_data.items():
            if key not in ("dataset", "dataset.root"):
                raise UserError(
                    f"{override}: runs are scored against their own data; only dataset.root may "
                    "have moved"
                )

        # what was typed of the data
        self.config = config
        self.console = console
        self.root = config.dataset.root if "dataset.root" in of_data else None
        self.option = of_data["dataset"].partition("=")[2] if "dataset" in of_data else None

        # by content, for all runs that share it
        self.protocols: dict[str, Protocol] = {}
        self.loaded: dict[str, LoadedData] = {}
        self.evaluators: dict[str, Evaluator] = {}

        # weights that are missing are refused here, before the first run is looked at
        self.protocol = self._protocol()
        self.device = build.device(config.device)

    def score(self, run_dir: Path, *, again: bool) -> dict[str, Entry]:
        """Score a finished run; the scores join its record, and with
        `history` those of its checkpoints do.

        Args:
            run_dir: of train.py.
            again: the exported generator also where the record has its
                scores by this protocol already.

        Returns:
            The new scores; none where they were there.

        Raises:
            UserError: where the run, its data or its checkpoints cannot be used.
        """
        # its own data, which may have moved since
        run = open_run(run_dir)
        if self.option not in (None, trained_on := run.record["choices"].get("dataset")):
            raise UserError(
                f"dataset={self.option}: {run_dir} was trained on dataset={trained_on}; "
                "omit dataset"
            )
        if self.root is not None and "root" in run.config.dataset:
            run.config.dataset.root = self.root
        elif self.root is not None:
            self._say(
                f"warning: {run_dir}: dataset.root has no effect, "
                "its data set is not read from a folder"
            )

        # the run's networks and what its scores are made with
        data = self._data(run)
        spec = build.training_data(run.config, data).spec
        check_generator(run, spec)
        gan = build.gan(run.config, spec).to(self.device)
        evaluator = self._evaluator(run, data, gan)

        # the generator as it was exported
        scores: dict[str, Entry] = {}
        if again or not _has_scores(run, evaluator):
            load_generator(gan, run)
            load_critic_to_label(gan, run, self.protocol)
            self._say(f"{run_dir}: scoring {self.protocol.samples:,} samples")
            scores = evaluator.scores(gan, evaluator.protocol)
            with _as_it_is_now(run):
                run.record.update(scores=versions.renamed(run.record["scores"]) | scores)

        # and as it was at its checkpoints
        if self.config.history:
            self._score_checkpoints(run, gan, evaluator)
        return scores

    def _score_checkpoints(self, run: SavedRun, gan: GAN, evaluator: Evaluator) -> None:
        """Add the points of the kept checkpoints to the record's history.

        Raises:
            UserError: where the history has points by another extractor.
        """
        protocol = evaluator.protocol.in_training
        checkpoints = list_checkpoints(run.folder)
        if not checkpoints:
            self._say(f"warning: {run.folder} keeps no checkpoints: nothing to add to its history")

        # the oldest first; what is scored by this protocol already is passed over
        for path in reversed(checkpoints):
            step = names.step_of(path)
            if not self.config.rescore and _has_point(run, step, evaluator.fingerprint(protocol)):
                continue

            # a damaged one does not stop the others
            try:
                load_checkpoint_into(gan, run, path, protocol)
            except UserError as error:
                self._say(f"warning: {error}: passed over")
                continue

            # a curve is of one extractor
            self._say(f"{path}: scoring {protocol.samples:,} samples")
            entries = evaluator.scores(gan, protocol)
            for name, entry in entries.items():
                if is_by_another(run.record, name, entry):
                    raise UserError(
                        f"{run.record.path} has {name} over training by another extractor: set "
                        "evaluation.extractor.weights to that one, or "
                        "evaluation.samples_in_training to another number"
                    )
            with _as_it_is_now(run):
                add_to_history(run.record, step, entries, keep_unknown=False)

    def _say(self, message: str) -> None:
        self.console.print(message)

    def _protocol(self) -> Protocol:
        """That of the config as it is now: to make one may hash a large file of weights."""
        key = records.canonical(plain_config(self.config.evaluation))
        if key not in self.protocols:
            self.protocols[key] = build.make("evaluation", self.config.evaluation)
        return self.protocols[key]

    def _data(self, run: SavedRun) -> LoadedData:
        """The data that a run was trained on. Raises UserError where they have changed since."""
        key = records.canonical(plain_config(run.config.dataset))
        if key not in self.loaded:
            self.loaded[key] = build.loaded(run.config.dataset, self.config.data_cache)
        data = self.loaded[key]
        if data.content_hash != run.record["dataset"]["content_hash"]:
            raise UserError(
                f"run_dir={run.folder}: the data at dataset.root have changed since this run "
                "was trained: set dataset.root=FOLDER to what they were"
            )
        return data

    def _evaluator(self, run: SavedRun, data: LoadedData, gan: GAN) -> Evaluator:
        """The evaluator of a run's data, with the classifier by the recipe of that data set.

        Raises:
            UserError: where scores of such data there are none.
        """
        # the evaluation takes the classifier's recipe from the config's data set
        if data.content_hash not in self.evaluators:
            self.config.dataset = run.config.dataset
            protocol = self._protocol()
            made = build.evaluator(self.config, data, self.device, self.console, gan, protocol)
            if made is None:
                raise UserError(
                    f"run_dir={run.folder}: {data.spec.name} holds {data.spec.kind}, and these "
                    "scores are of images: use evaluation=modes for a mixture of Gaussians"
                )
            self.evaluators[data.content_hash] = made
        return self.evaluators[data.content_hash]


def find_runs(folder: Path) -> list[Path]:
    """The run directories at any depth below a folder, in the order of their names.

    Raises:
        UserError: where there is none.
    """
    run_dirs = sorted(
        path.parent for path in folder.rglob(names.RECORD) if (path.parent / names.CONFIG).is_file()
    )
    if not run_dirs:
        raise UserError(
            f"runs={folder}: there is no run directory below it; name the folder of a sweep"
        )
    return run_dirs


@contextmanager
def _as_it_is_now(run: SavedRun) -> Iterator[None]:
    """Inside, the record is what stands on disk, and nobody else writes it: another evaluation may
    have added scores while this one was made.

    Raises:
        UserError: where the run is trained on, or was.
    """
    with records.only_writer(run.folder):
        steps = run.record["generator_steps"]
        run.record.read_again()
        if (run.record["status"], run.record["generator_steps"]) != ("finished", steps):
            raise UserError(f"{run.folder} was trained on meanwhile: score it again")
        yield


def _has_scores(run: SavedRun, evaluator: Evaluator) -> bool:
    """Whether a run's record has every score of the evaluator's protocol, of its last step.

    Another protocol may have scores of the same names, which took the place of some.
    """
    wanted = (evaluator.fingerprint(evaluator.protocol), run.record["generator_steps"])
    there = [
        name
        for name, entry in run.record["scores"].items()
        if (entry.get("protocol"), entry.get("step")) == wanted
    ]

    # some are several values under names of their own, as PRDC is
    facts = [declared_scores()[score].facts for score in evaluator.protocol.scores]
    words = [(its.values or (its.name,))[0] for its in facts]
    return all(any(name.startswith(f"{word}_") for name in there) for word in words)


def _has_point(run: SavedRun, step: int, fingerprint: str) -> bool:
    """Whether a run's history has the scores of a generator step by a protocol."""
    history, about = (run.record.content.get(name) or {} for name in ("history", "history_about"))
    names = [name for name, its in about.items() if its.get("protocol") == fingerprint]
    return bool(names) and all(
        any(point[0] == step for point in history.get(name, [])) for name in names
    )
