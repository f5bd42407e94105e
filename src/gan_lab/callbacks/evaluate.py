"""Scores over training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl

from gan_lab.callbacks.clock import Seconds
from gan_lab.records.record import RunRecord, is_commit
from gan_lab.scoring.evaluator import Evaluator
from gan_lab.scoring.protocol import TERMS, Entry
from gan_lab.training import GAN


class Evaluate(pl.Callback):
    """Score the EMA generator every `every` generator steps by the protocol's `in_training`.

    The values, and the terms of IS and AM Score as "<score>.<term>", go into the record's `history`
    and, as `newest`, to the loggers through `ReadMetrics`. The time they take is not training time.

    Args:
        evaluator: makes the scores.
        every: generator steps between two of them.
        record: of the run.
        seconds: its clock, which stands still meanwhile.
    """

    def __init__(
        self, evaluator: Evaluator, every: int, record: RunRecord, seconds: Seconds
    ) -> None:
        self.evaluator = evaluator
        self.every = every
        self.record = record
        self.seconds = seconds
        self.newest: tuple[int, dict[str, float]] = (-1, {})

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Score where asked; a generator that is not finite is left to `ReadMetrics`."""
        assert isinstance(pl_module, GAN)
        step = pl_module.generator_steps
        if step % self.every:
            return

        # a score of a diverged generator would be a number nobody could use
        pl_module.check_finite()
        with self.seconds.paused():
            entries = self.evaluator.scores(pl_module, self.evaluator.protocol.in_training)

        self.newest = step, add_to_history(self.record, step, entries)

    def at(self, step: int) -> dict[str, float]:
        """The scores of generator step `step`, if it is the newest that was scored."""
        return self.newest[1] if self.newest[0] == step else {}


def curves_of(entries: Mapping[str, Entry]) -> dict[str, float]:
    """The values of scores by name, and the terms of those that have some as "<score>.<term>"."""
    values = {name: entry["value"] for name, entry in entries.items()}
    return values | {
        f"{name}.{term}": entry[term]
        for name, entry in entries.items()
        for term in TERMS
        if term in entry
    }


def add_to_history(
    record: RunRecord, step: int, entries: Mapping[str, Entry], *, keep_unknown: bool = True
) -> dict[str, float]:
    """Put the scores of a generator step into a record's history, in
    place of those of the same step.

    A curve is of one protocol: points of the same name by another extractor or protocol make way.

    Args:
        record: of the run.
        step: the generator step.
        entries: its scores.
        keep_unknown: whether points of an older gan_lab, which told no protocol,
            stay; none is told of such a curve.

    Returns:
        `curves_of` the entries.
    """
    # `history_about` says of each curve by which protocol it was made
    history = dict(record.content.get("history") or {})
    about = dict(record.content.get("history_about") or {})

    for name, entry in entries.items():
        its = about.get(name) or {}
        about[name] = {
            key: entry[key]
            for key in (
                *("extractor", "score", "n_samples", "parts", "reference"),
                *("splits", "protocol", "git"),
            )
        }
        if all(point[0] == step for point in history.get(name, [])):
            continue

        # other points stay, with what is known of them, or make way
        same = its.get("protocol") == entry["protocol"] or (
            keep_unknown and its.get("protocol") is None
        )
        if is_by_another(record, name, entry) or not same:
            history = {key: points for key, points in history.items() if key.split(".")[0] != name}
        else:
            about[name]["protocol"] = its.get("protocol")
            if "git" in its and not is_commit(its["git"]):
                about[name]["git"] = its["git"]

    # the points of this step
    values = curves_of(entries)
    for name, value in values.items():
        others = [point for point in history.get(name, []) if point[0] != step]
        history[name] = sorted([*others, [step, value]], key=lambda point: point[0])

    record.update(history=history, history_about=about)
    return values


def is_by_another(record: RunRecord, name: str, entry: Entry) -> bool:
    """Whether a record's history has a score of this name by another extractor than the entry's."""
    if not (record.content.get("history") or {}).get(name):
        return False
    its = (record.content.get("history_about") or {}).get(name) or {
        "extractor": record.content.get("extractor")
    }
    extractor = its.get("extractor") or {}
    return bool(extractor.get("weights_sha256") != entry["extractor"]["weights_sha256"])
