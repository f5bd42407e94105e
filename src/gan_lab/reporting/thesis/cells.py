"""Runs into the cells of a table: which belong together, which penalty weight a cell shows, and
what it scored."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gan_lab.errors import UserError
from gan_lab.reporting.collection import Record, field
from gan_lab.reporting.comparable import (
    check_same_config,
    check_same_extractor,
    check_same_field,
    check_seeds,
)
from gan_lab.reporting.scores import has_score, names_in, score_value, sizes
from gan_lab.reporting.tables.statistics import Estimate, estimate
from gan_lab.reporting.thesis.design import ALIASES, Kind, Line


@dataclass(frozen=True)
class Score:
    """A score of a cell. values: of the seeds. spread: mean over seeds of the published kind of ±
    (None where there is none)."""

    values: tuple[float, ...]
    estimate: Estimate
    spread: float | None


@dataclass(frozen=True)
class Weight:
    """The runs of one penalty weight: those that were scored and those that diverged."""

    weight: float | None
    scored: tuple[Record, ...]
    diverged: tuple[Record, ...]
    mean: float  # over seeds, of the score that chooses the weight; nan without one


@dataclass(frozen=True)
class Cell:
    """A line of a table on one data set. chosen is None where no run can be shown. scores: by
    Kind.key."""

    line: Line
    searched: tuple[Weight, ...]
    unscored: tuple[Record, ...]  # finished, or allowed unfinished, without the score
    chosen: Weight | None
    scores: Mapping[str, Score | None]


def runs_of(found: Sequence[Record], dataset: str) -> list[Record]:
    """The records on a data set, under any of its names."""
    return [record for record in found if canonical(record["dataset"]["name"]) == dataset]


def canonical(dataset: str) -> str:
    """The one name of a data set that records may call differently."""
    return ALIASES.get(dataset, dataset)


def belongs(record: Record, line: Line) -> bool:
    """Whether a run is one of a table line's."""
    choices = record["choices"]
    return (
        (choices["loss"], choices["penalty"]) == (line.loss, line.penalty)
        and all(field(record, name) == value for name, value in line.where.items())
        and not any(field(record, name) == value for name, value in line.unless.items())
        and line.labels in (None, labels_column(record))
    )


def labels_column(record: Record) -> str:
    """The column of Table 4-1 that a run is of: "predefined" or "dynamic".

    A loss without targets stands in both: its predefined column is the network with the extra
    critic layer.
    """
    labels = record["choices"].get("labels", "none")
    extra_layer = field(record, "config.architecture.extra_layer") is True
    return (
        "predefined" if labels == "predefined" or (labels == "none" and extra_layer) else "dynamic"
    )


def cell(
    line: Line, runs: Sequence[Record], names: Mapping[str, str | None], chosen_by: str | None
) -> Cell:
    """The cell of a line; λ is the weight of the least mean of a score among those with the most
    scored seeds.

    names: of the scores by Kind.key; None where no run has one. chosen_by: the key of the score
    that chooses λ, without which no run counts as scored; None: there is one weight, and a run with
    any of the scores counts. Raises UserError where two runs are the same cell and seed.
    """
    if line.is_real:
        return _real_cell(line, runs, names)
    mine = [record for record in runs if belongs(record, line)]
    deciding = list(names.values()) if chosen_by is None else [names[chosen_by]]
    by_weight: dict[float | None, list[Record]] = {}
    for record in mine:
        weight = field(record, "config.penalty.weight")
        by_weight.setdefault(None if weight is None else float(weight), []).append(record)
    searched = []
    for weight in sorted(by_weight, key=lambda value: -math.inf if value is None else value):
        check_seeds_of(line, weight, by_weight[weight])
        diverged = tuple(record for record in by_weight[weight] if record["status"] == "diverged")
        scored = tuple(record for record in by_weight[weight] if has_score(record, deciding))
        name = None if chosen_by is None else names[chosen_by]
        values = [score_value(record, name) for record in scored] if name is not None else []
        searched.append(
            Weight(weight, scored, diverged, sum(values) / len(values) if values else math.nan)
        )
    most = max((len(one.scored) for one in searched), default=0)
    candidates = [one for one in searched if one.scored and len(one.scored) == most]
    if chosen_by is not None:
        candidates = [one for one in candidates if math.isfinite(one.mean)]
    chosen = min(candidates, key=lambda one: one.mean, default=None)
    return Cell(
        line=line,
        searched=tuple(searched),
        unscored=tuple(r for r in mine if r["status"] != "diverged" and not has_score(r, deciding)),
        chosen=chosen,
        scores={key: _score(chosen, name) for key, name in names.items()},
    )


def _real_cell(line: Line, runs: Sequence[Record], names: Mapping[str, str | None]) -> Cell:
    """What the training data themselves score, which entries of the runs say (the same value in all
    of them)."""
    scores: dict[str, Score | None] = {}
    for key, name in names.items():
        entries = [record["scores"][name] for record in runs if has_score(record, [name])]
        real = [float(entry["real"]) for entry in entries if entry.get("real") is not None]
        scores[key] = Score((real[0],), Estimate(real[0], None, 0), None) if real else None
    return Cell(line, searched=(), unscored=(), chosen=None, scores=scores)


def score_name(
    runs: Sequence[Record], kind: Kind, asked: str | None, among: str, option: str
) -> str | None:
    """The one score of a kind that the runs have in `among` ("scores" or "history"); None without
    any.

    Of several it is the one that is taken most as the thesis's is (Kind.published_words: first by
    its extractor). Raises UserError where several are left and none was asked for: scores of two
    protocols are two scores.
    """
    found = names_in(runs, among)
    names = {name for name in found if name.startswith(kind.prefix) and name.endswith(kind.suffix)}
    if asked is not None and names:
        if asked not in names:
            raise UserError(
                f"{option}={asked}: the runs have no such score; there are "
                f"{', '.join(sorted(names))}"
            )
        return asked
    for word in kind.published_words:
        names = {name for name in names if word in name.split("_")} or names

    if len(names) > 1:
        several, largest = " and ".join(sorted(names)), max(sorted(names), key=sizes)
        published = (
            f" (published: {', '.join(kind.published_words)})" if kind.published_words else ""
        )
        raise UserError(
            f"the runs have {several}, which are different scores{published}; choose one: "
            f"{option}={largest}"
        )
    return next(iter(names), None)


# Comparable runs ----------------------------------------------------------------------------------


def check_comparable(
    runs: Sequence[Record],
    lines: Sequence[Line],
    extractors: Sequence[str],
    may_differ: Collection[str],
) -> None:
    """Refuse runs of one data set that differ in more than may_differ (Design.may_differ): they are
    no table.

    Compared are the data's content hash, what stands in the fields `extractors`
    ("scores.<name>.extractor", or "extractor" of the scores over training) where a run has them,
    and the identity of the config (records.identity); the fields of may_differ but seed and penalty
    weight within each line, and the network within each column of labels. How a run was scored is
    compared as the score's name and its extractor. Raises UserError that names the two values and
    how to select one.
    """
    check_same_field(runs, "dataset.content_hash")
    for dotted in extractors:
        check_same_extractor(runs, dotted)
    check_same_config(runs, {f"config.{name}" for name in may_differ})
    roots = {key for record in runs for key in record["config"]}
    for column in dict.fromkeys(line.labels for line in lines if line.labels is not None):
        mine = [record for record in runs if labels_column(record) == column]
        check_same_config(mine, {f"config.{key}" for key in roots - {"architecture"}})
    differing = {name.split(".")[0] for name in may_differ}
    for line in lines:
        mine = [record for record in runs if belongs(record, line)]
        free = {f"config.{key}" for key in roots if key not in differing or key == "seed"}
        check_same_config(mine, free | {"config.penalty.weight"})


def check_seeds_of(line: Line, weight: float | None, runs: Sequence[Record]) -> None:
    """Refuse two runs of one seed in a cell. Raises UserError that names both."""
    which = f"penalty weight {weight}" if line.labels is None else f"{line.labels} labels"
    check_seeds(f"{line.text}, {which}", runs)


def _score(chosen: Weight | None, name: str | None) -> Score | None:
    runs = [record for record in chosen.scored if has_score(record, [name])] if chosen else []
    if name is None or not runs:
        return None
    spreads = [record["scores"][name].get("std") for record in runs]
    has_spread = all(spread is not None for spread in spreads)
    values = tuple(score_value(record, name) for record in runs)
    return Score(
        values,
        estimate(values),
        sum(map(float, spreads)) / len(spreads) if has_spread else None,
    )
