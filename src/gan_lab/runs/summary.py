"""What a run prints before its first step and after its last."""

from __future__ import annotations

import math

from omegaconf import DictConfig
from rich.table import Table

from gan_lab.data import LoadedData
from gan_lab.data.labelled import count_labelled
from gan_lab.records import folder
from gan_lab.runs.outcome import count_parameters
from gan_lab.runs.session import Session
from gan_lab.scoring.protocol import score_text
from gan_lab.training import GAN

_LAST = {
    "critic loss": "critic_loss",
    "generator loss": "generator_loss",
    "k (largest gradient norm)": "gradient_norm",
}
_COUNTS = 20  # of classes, at most, whose images are listed


def print_start(session: Session) -> None:
    """The data, the labels that are used, the sizes of the networks, and where the run is."""
    gan, data = session.gan, session.data
    resumed = f" (resumed from generator step {session.done})" if session.done else ""
    lines = [
        data.summary(),
        *(
            f"  labels of {name}: {_histogram(counts)}"
            for name, counts in data.label_histogram.items()
        ),
        *_labels_used(session.config, gan, session.training_view),
        f"parameters: generator {count_parameters(gan.generator):,}, critic "
        f"{count_parameters(gan.critic):,}",
        f"run directory: {session.run_dir}{resumed}",
    ]
    session.machine.console.print("\n".join(lines))


def print_end(session: Session) -> None:
    """Steps, time, last losses, scores, and where everything lies."""
    # what a person asks first: how long, how well
    record = session.record
    table = Table(show_header=False, title="finished")
    table.add_row(
        "generator steps",
        f"{record['generator_steps']:,} ({record['critic_steps']:,} critic steps)",
    )
    table.add_row(
        "time", f"{record['seconds']:.0f} s, {record['images_per_second']:,.0f} real images/s"
    )

    # a number that there is none of has no row: no norm where the penalty measures none
    for name, key in _LAST.items():
        value = record["last_metrics"].get(key)  # none of a damaged checkpoint
        if value is not None and not math.isnan(value):
            table.add_row(name, f"{value:.4g}")

    for name, entry in record["scores"].items():
        table.add_row(name, score_text(entry))

    # below the table, in full: a table would break the paths
    console = session.machine.console
    console.print(table)
    paths = {
        "samples": session.samples.newest,
        "generator": session.exported,
        "checkpoints": session.run_dir / folder.CHECKPOINTS,
        "record": record.path,
    }

    for name, path in paths.items():
        console.print(f"{name + ':':<12} {path}")


def _labels_used(config: DictConfig, gan: GAN, training_view: LoadedData) -> list[str]:
    """What a person should know of fields that not every loss reads."""
    labelled, samples = count_labelled(training_view), len(training_view.splits["train"])
    if gan.loss.needs_labels:
        if labelled == samples:
            return []
        return [
            f"  labels used: {labelled:,} of {samples:,}, {training_view.spec.num_classes} classes"
        ]
    idle = {
        "labelled_fraction": labelled < samples,
        "reference_distribution": config.supervision.reference_distribution,
    }
    return [
        f"  warning: this loss reads no labels: supervision.{name} has no effect"
        for name, is_set in idle.items()
        if is_set
    ]


def _histogram(counts: list[int]) -> str:
    shown = " ".join(map(str, counts[:_COUNTS]))
    if len(counts) <= _COUNTS:
        return shown
    return f"{shown} … ({len(counts)} classes, in full in {folder.RECORD})"
