"""Numbers over generator steps, of scores and of metrics.jsonl, and their mean over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gan_lab.errors import DamagedFile
from gan_lab.files import open_regular, parse_json
from gan_lab.reading.schema import Number, misfit
from gan_lab.records import folder as names
from gan_lab.records.record import Logged
from gan_lab.reporting.tables.statistics import estimate

Array = NDArray[np.float64]
Series = Sequence[tuple[int, Any]]
"""(generator step, number) of one run; one that is not finite may be a text, as in a record."""

_FILE_BYTES = 2**30  # of metrics.jsonl, millions of lines
_LINE_BYTES = 2**20


@dataclass(frozen=True)
class Mean:
    """A mean over n seeds and its band, arrays of shape (steps,)."""

    steps: Array
    mean: Array
    low: Array
    high: Array
    n: int
    band: str  # the meaning of low and high; "" of one seed


def common_steps(series: Sequence[Series]) -> tuple[Array, Array]:
    """The steps that every run has, shape (steps,), and their numbers, shape (runs, steps)."""
    runs = [dict(points) for points in series]
    steps = sorted(set.intersection(*map(set, runs))) if runs else []
    values = [[float(points[step]) for step in steps] for points in runs]

    # two axes also where one of them is empty
    shaped = np.array(values, dtype=float).reshape(len(runs), len(steps))
    return np.array(steps, dtype=float), shaped


def mean_over_seeds(series: Sequence[Series]) -> Mean | None:
    """Average runs at the steps that all of them have; None without such a step.

    The band is Student's 95% interval of three seeds and more, the least to the greatest of two.
    """
    steps, values = common_steps(series)
    if not len(steps):
        return None
    mean = values.mean(axis=0)

    # the interval of two seeds is 12.7 standard errors wide to either side: it would fill the panel
    if len(values) < 3:
        band = "least to greatest" if len(values) > 1 else ""
        return Mean(steps, mean, values.min(axis=0), values.max(axis=0), len(values), band)

    half = np.array([estimate(list(column)).half_width for column in values.T], dtype=float)
    return Mean(steps, mean, mean - half, mean + half, len(values), "95% interval")


def read_metrics(run_dir: Path) -> dict[str, list[tuple[int, Any]]]:
    """Read the numbers of a run's metrics.jsonl; a last line that a kill has torn is omitted.

    Returns:
        {metric: its numbers over training}; empty where there is no such file.

    Raises:
        DamagedFile: any other line is none of ours.
        UserError: it is no regular file.
    """
    path = run_dir / names.METRICS
    if not path.exists():
        return {}

    # of a step that stands twice, as after a resume, the later line counts
    by_name: dict[str, dict[int, Any]] = {}
    for step, metrics in _lines(path):
        for name, value in metrics.items():
            by_name.setdefault(name, {})[step] = value
    return {name: sorted(values.items()) for name, values in by_name.items()}


def _lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    # piece by piece: a file without a line break must not fill the memory
    with open_regular(path, _FILE_BYTES) as file:
        pieces = iter(lambda: file.readline(_LINE_BYTES), b"")
        for number, line in enumerate(_whole(pieces), start=1):
            try:
                logged = parse_json(line)
            except ValueError:
                logged = None
            if wrong := misfit(logged, Logged) or misfit(logged, dict[str, Number]):
                raise DamagedFile(
                    f"{path} is damaged in line {number} ({wrong}): restore it, or remove it"
                )

            # the step is the place of the numbers, and none of them
            step = logged.pop("generator_step")
            yield step, logged


def _whole(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines that end."""
    return (line for line in lines if line.endswith(b"\n"))
