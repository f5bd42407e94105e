"""The words and rounded numbers of any table, the same in every format."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gan_lab import records
from gan_lab.reporting.collection import Record, is_study, source_name
from gan_lab.reporting.scores import ScoreOrigin
from gan_lab.reporting.tables.statistics import Estimate

NO_RUN = "no run"
NOTHING = "–"
SMALL = 1e-6


def number(value: float, beside: float | None = None) -> str:
    """Round a number to two decimals from 1 on, to three significant digits below.

    Numbers below 1e-6, as rounding errors are, have an exponent.

    Args:
        value: the number.
        beside: another number whose decimals it takes, unless that leaves nothing of it.

    Examples:
        >>> number(15.6389), number(0.012345), number(0.1234, beside=15.64), number(2.5e-16)
        ('15.64', '0.0123', '0.12', '2.5e-16')
    """
    scale = abs(value if beside is None else beside)
    if not math.isfinite(value) or not math.isfinite(scale) or scale < SMALL:
        return f"{value:.3g}"
    text = f"{value:.{max(2, 2 - math.floor(math.log10(scale)))}f}"
    return text if float(text) or not value else f"{value:.1g}"


def interval(value: Estimate) -> str:
    """A mean in words: "8.03 ± 0.12", or that one seed gives no interval."""
    # real data, which no seed changes
    if value.n == 0:
        return number(value.mean)
    if value.half_width is None:
        return f"{number(value.mean)} (1 seed: no interval)"
    if not math.isfinite(value.half_width):
        return f"{number(value.mean)} (not finite: no interval)"
    return f"{number(value.mean)} ± {number(value.half_width, beside=value.mean)}"


def weight_text(value: float | None) -> str:
    """A penalty weight as tables and legends print it."""
    return "none" if value is None else f"{value:g}"


def run_ids(runs: Sequence[Record]) -> str:
    """The ids of runs, separated by spaces."""
    return " ".join(str(record["run_id"]) for record in runs)


def origin_text(origin: ScoreOrigin) -> str:
    """How a score was taken."""
    parts = f" in {origin.parts} parts" if origin.parts > 1 else ""
    extractor = f"extractor {origin.extractor}, {origin.network}"
    return f"{origin.score}: {extractor}; {origin.n_samples:,} samples{parts}."


def data_text(runs: Sequence[Record]) -> str:
    """The data set of (comparable) runs: name, sizes and the beginning of its hash."""
    if not runs:
        return ""
    if is_study(runs[0]):
        return source_name(runs[0])
    dataset = runs[0]["dataset"]
    sizes = ", ".join(f"{name} {size:,}" for name, size in (dataset.get("splits") or {}).items())
    return f"{dataset['name']} ({sizes}), content hash {dataset['content_hash'][:12]}"


def code_text(runs: Sequence[Record], names: Iterable[str | None]) -> str:
    """The commits that trained the runs, and those that took the scores `names`, where others."""
    # a run that was resumed may have been trained by several
    trained = {commit_text(part["git"]) for record in runs for part in records.parts_of(record)}
    entries = [
        (record, entry)
        for record in runs
        for name in names
        if (entry := (record.get("scores") or {}).get(name))
    ]

    # older entries do not say their commit: they were written by their run
    scored = {commit_text(entry.get("git") or record.get("git") or {}) for record, entry in entries}
    scored -= trained
    scored_text = f"; scores by {', '.join(sorted(scored))}" if scored else ""
    return ", ".join(sorted(trained)) + scored_text


def commit_text(git: Mapping[str, Any]) -> str:
    """The beginning of a commit, and whether the code differed from it."""
    return f"{str(git.get('sha'))[:9]}" + ("" if git.get("dirty") is False else " (dirty)")
