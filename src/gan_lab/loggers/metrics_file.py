"""metrics.jsonl: one object for each logged generator step."""

from __future__ import annotations

import math
import os
from argparse import Namespace
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from gan_lab.files import atomic_path, open_regular, parse_json
from gan_lab.reading.schema import misfit
from gan_lab.records import folder
from gan_lab.records.json_text import to_json
from gan_lab.records.record import Logged

METRICS_BYTES = 2**30  # of metrics.jsonl, millions of lines
LINE_BYTES = 2**20  # of one of them


class MetricsFile(Logger):
    """`metrics.jsonl` in the run directory: one JSON object
    {"generator_step", metric: value, ...} a line.

    Append-only. `keep_until(step)` drops what a killed run wrote after the checkpoint it resumes
    from, and a torn last line, so that every step stands once.

    Why our own: Lightning's CSVLogger deletes an existing file when a run is resumed.

    Args:
        save_dir: the run directory.
    """

    def __init__(self, save_dir: str) -> None:
        super().__init__()
        self.path = Path(save_dir) / folder.METRICS

    @property
    def name(self) -> str:
        """Part of Lightning's interface."""
        return "metrics"

    @property
    def version(self) -> str:
        """Part of Lightning's interface."""
        return ""

    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Nothing: config.yaml and record.json hold them."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append one line and push it to the operating system, which
        keeps it when the process is killed."""
        with self.path.open("a") as file:
            file.write(to_json({"generator_step": step, **metrics}) + os.linesep)

    def keep_until(self, step: int) -> None:
        """Keep the lines of generator steps 1..step.

        Args:
            step: of the checkpoint that a run is resumed from; 0 for a new run.

        Raises:
            UserError: for what is no file of ours.
        """
        # line by line: the file of a long run is larger than memory should be
        with atomic_path(self.path) as temporary, temporary.open("wb") as kept:
            if os.path.lexists(self.path):
                with open_regular(self.path, METRICS_BYTES) as file:
                    kept.writelines(
                        line
                        for line in iter(lambda: file.readline(LINE_BYTES), b"")
                        if _step(line) <= step
                    )


def _step(line: bytes) -> float:
    """The generator step of a line; infinite where it is none of ours, or torn by a kill."""
    try:
        logged = parse_json(line)
    except ValueError:
        return math.inf
    return (
        math.inf
        if misfit(logged, Logged) or not line.endswith(b"\n")
        else int(logged["generator_step"])
    )
