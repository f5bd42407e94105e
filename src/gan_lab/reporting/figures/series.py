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
"""(generator step, number) of one run; a number that is not finite may be a text, as in a
record."""

_FILE_BYTES = 2**30  # of metrics.jsonl, millions of lines
_LINE_BYTES = 2**20


@dataclass(frozen=True)
class Mean:
    """A mean over n seeds and its band, arrays of shape (steps,). band: what low and high are; ""
    of one seed."""

    steps: Array
    mean: Array
    low: Array
    high: Array
    n: int
    band: str


def common_steps(series: Sequence[Series]) -> tuple[Array, Array]:
    """The steps that every run has, shape (steps,), and their numbers, shape (runs, steps)."""
    found = [dict(one) for one in series]
    steps = sorted(set.intersection(*(set(one) for one in found))) if found else []
    values = [[float(one[step]) for step in steps] for one in found]
    return np.array(steps, dtype=float), np.array(values, dtype=float).reshape(
        len(found), len(steps)
    )


def mean_over_seeds(series: Sequence[Series]) -> Mean | None:
    """The mean at the steps that all runs have; None without any.

    The band is Student's 95% interval of three seeds and more, the least to the greatest of two.
    """
    steps, values = common_steps(series)
    if not len(steps):
        return None
    mean = values.mean(axis=0)
    if len(values) < 3:
        band = "least to greatest" if len(values) > 1 else ""
        return Mean(steps, mean, values.min(axis=0), values.max(axis=0), len(values), band)
    half = np.array([estimate(list(column)).half_width for column in values.T], dtype=float)
    return Mean(steps, mean, mean - half, mean + half, len(values), "95% interval")


def read_metrics(run_dir: Path) -> dict[str, list[tuple[int, Any]]]:
    """{metric: its numbers over training} of a run's metrics.jsonl; empty where there is none.

    A last line that a kill has torn is left out. Raises DamagedFile for any other that is none of
    ours, and UserError for what is no regular file.
    """
    path = run_dir / names.METRICS
    if not path.exists():
        return {}
    found: dict[str, dict[int, Any]] = {}
    for step, metrics in _lines(path):
        for name, value in metrics.items():
            found.setdefault(name, {})[step] = value
    return {name: sorted(values.items()) for name, values in found.items()}


def _lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with open_regular(path, _FILE_BYTES) as file:
        for number, line in enumerate(
            _whole(iter(lambda: file.readline(_LINE_BYTES), b"")), start=1
        ):
            try:
                logged = parse_json(line)
            except ValueError:
                logged = None
            wrong = misfit(logged, Logged) or misfit(logged, dict[str, Number])
            if wrong:
                raise DamagedFile(
                    f"{path} is damaged in line {number} ({wrong}): restore it, or remove it"
                )
            yield (
                logged["generator_step"],
                {name: value for name, value in logged.items() if name != "generator_step"},
            )


def _whole(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Those that end."""
    return (line for line in lines if line.endswith(b"\n"))
