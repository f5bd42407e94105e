"""The runs of a cell that are in no mean, and why: none of them is left out without a word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from gan_lab.reporting.collection import Record
from gan_lab.reporting.runs import Run
from gan_lab.terminal import brief

OUTCOMES = ("diverged", "failed", "unfinished", "unscored", "missing")
"""Of a seed that is in no mean. unscored: it finished without what is shown; missing: the cell has
no such run."""

_OF_STATUS = {"diverged": "diverged", "failed": "failed", "finished": "unscored"}  # else unfinished
_IN_WORDS = {"unscored": "without it"}  # the others say it themselves


def outcomes(runs: Sequence[Run], left_out: Sequence[Record], seeds: int | None) -> dict[str, int]:
    """Count what became of a cell's seeds, by OUTCOMES.

    Args:
        runs: all of the cell.
        left_out: those of them that are in no mean.
        seeds: how many its table has; None: each cell is one of them, so that none is missing.
    """
    counts = Counter(_OF_STATUS.get(record["status"], "unfinished") for record in left_out)

    # a run that does not know its seed is one of those that would be missing
    if seeds is not None:
        unknown = sum(run.record["seed"] is None for run in runs)
        counts["missing"] = max(0, seeds - len(known_seeds(runs)) - unknown)
    return {name: counts[name] for name in OUTCOMES}


def known_seeds(runs: Sequence[Run]) -> set[int]:
    """The seeds that runs were asked for."""
    return {run.record["seed"] for run in runs if run.record["seed"] is not None}


def outcomes_text(counts: Mapping[str, int]) -> str:
    """Outcomes in words: "1 diverged, 2 missing"; empty where every seed is in the mean."""
    return ", ".join(
        f"{count} {_IN_WORDS.get(name, name)}" for name, count in counts.items() if count
    )


def unplaced(run: Run) -> str:
    """A run that is in no cell, and why: "outputs/mine/3 failed (lr=-1: use a number >= 0)"."""
    reason = f" ({brief(str(run.record['reason']), 200)})" if run.record.get("reason") else ""
    return f"{run.run_dir or run.record['run_id']} {run.record['status']}{reason}"
