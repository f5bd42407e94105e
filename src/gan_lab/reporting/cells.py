"""Runs into the cells of a table: which belong together, which penalty weight a cell shows, and what it scored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gan_lab import records
from gan_lab.reporting.collection import Record, field
from gan_lab.reporting.published import ALIASES, Line
from gan_lab.reporting.statistics import Estimate, estimate
from gan_lab.types import UserError

# What may differ between the cells of a table (a line's own loss and penalty are compared within the line), and what
# says how a run was scored: that is compared as the score's name and its extractor.
_FREE = {"seed", "loss", "penalty", "evaluation", "existing_run"}
_EXTRACTOR = ("name", "architecture", "weights_sha256")


@dataclass(frozen=True)
class Protocol:
    """What a score is: its name, the extractor (name, architecture, weights), the samples and the
    parts (splits or chunks) they were cut into."""

    score: str
    extractor: str
    architecture: str
    weights_sha256: str
    n_samples: int
    parts: int


@dataclass(frozen=True)
class Score:
    """A score of a cell. spread: mean over seeds of the published kind of ± (None where there is none)."""

    estimate: Estimate
    spread: float | None


@dataclass(frozen=True)
class Weight:
    """The runs of one penalty weight: those that were scored and those that diverged."""

    weight: float | None
    scored: tuple[Record, ...]
    diverged: tuple[Record, ...]
    frechet_distance: float  # mean over seeds; nan where no run was scored


@dataclass(frozen=True)
class Cell:
    """A line of a table on one data set. chosen is None where no run can be shown."""

    line: Line
    searched: tuple[Weight, ...]
    unscored: tuple[Record, ...]  # finished, or allowed unfinished, without the score
    chosen: Weight | None
    inception_score: Score | None
    frechet_distance: Score | None


def runs_of(found: Sequence[Record], dataset: str) -> list[Record]:
    """The records on a data set, under any of its names."""
    return [record for record in found if canonical(record["dataset"]["name"]) == dataset]


def canonical(dataset: str) -> str:
    """The one name of a data set that records may call differently."""
    return ALIASES.get(dataset, dataset)


def belongs(record: Record, line: Line) -> bool:
    """Whether a run is one of a table line's."""
    choices, weight = record["choices"], field(record, "config.penalty.weight")
    return (choices["loss"], choices["penalty"]) == (line.loss, line.penalty) and line.weight in (None, weight)


def cell(line: Line, runs: Sequence[Record], inception_score: str | None, frechet_distance: str | None) -> Cell:
    """The cell of a line; λ is the weight of the least mean FID among those with the most scored seeds.

    inception_score, frechet_distance: the names of the scores; None where no run has one. Raises UserError where two
    runs are the same cell and seed.
    """
    mine = [record for record in runs if belongs(record, line)]
    by_weight: dict[float | None, list[Record]] = {}
    for record in mine:
        weight = field(record, "config.penalty.weight")
        by_weight.setdefault(None if weight is None else float(weight), []).append(record)
    searched = []
    for weight in sorted(by_weight, key=lambda value: -math.inf if value is None else value):
        _check_seeds(line, weight, by_weight[weight])
        diverged = tuple(record for record in by_weight[weight] if record["status"] == "diverged")
        scored = tuple(record for record in by_weight[weight] if _is_scored(record, frechet_distance))
        values = [score_value(record, frechet_distance) for record in scored if frechet_distance is not None]
        searched.append(Weight(weight, scored, diverged, sum(values) / len(values) if values else math.nan))
    most = max((len(one.scored) for one in searched), default=0)
    candidates = [one for one in searched if len(one.scored) == most and math.isfinite(one.frechet_distance)]
    chosen = min(candidates, key=lambda one: one.frechet_distance, default=None)
    return Cell(
        line=line,
        searched=tuple(searched),
        unscored=tuple(r for r in mine if r["status"] != "diverged" and not _is_scored(r, frechet_distance)),
        chosen=chosen,
        inception_score=_score(chosen, inception_score),
        frechet_distance=_score(chosen, frechet_distance),
    )


def score_value(record: Record, name: str) -> float:
    """The value of a score; a record writes "nan" and "inf" as strings."""
    return float(record["scores"][name]["value"])


def score_name(
    runs: Sequence[Record], prefix: str, suffix: str, asked: str | None, among: str, option: str
) -> str | None:
    """The one score `<prefix>...<suffix>` that the runs have in `among` ("scores" or "history"); None without any.

    Raises UserError where they have several and none was asked for: scores of two protocols are two scores.
    """
    names = {
        name
        for record in runs
        if record["status"] != "diverged"
        for name in record.get(among) or {}
        if name.startswith(prefix) and name.endswith(suffix)
    }
    if asked is not None and names:
        if asked not in names:
            raise UserError(f"{option}={asked}: the runs have no such score; there are {', '.join(sorted(names))}")
        return asked
    if len(names) > 1:
        several = " and ".join(sorted(names))
        raise UserError(f"the runs have {several}, which are different scores; choose one: {option}={min(names)}")
    return next(iter(names), None)


def protocol(runs: Sequence[Record], name: str | None) -> Protocol | None:
    """How the score `name` of these (comparable) runs was taken."""
    record = next((record for record in runs if _is_scored(record, name)), None)
    if record is None or name is None:
        return None
    score = record["scores"][name]
    extractor = score["extractor"]
    return Protocol(
        score=name,
        extractor=str(extractor.get("name")),
        architecture=_in_words(extractor.get("architecture")),
        weights_sha256=str(extractor.get("weights_sha256")),
        n_samples=int(score["n_samples"]),
        parts=int(score.get("chunks" if name.startswith("fid_") else "splits") or 1),
    )


def _in_words(architecture: Any) -> str:
    """ "ResNetClassifier (width 32)" of {"name": "ResNetClassifier", "width": 32}; a text stays as it is."""
    if not isinstance(architecture, Mapping):
        return str(architecture)
    fields = ", ".join(f"{name} {value}" for name, value in architecture.items() if name != "name")
    return f"{architecture['name']}" + (f" ({fields})" if fields else "")


# Comparable runs ------------------------------------------------------------------------------------------------------


def check_comparable(runs: Sequence[Record], lines: Sequence[Line], extractors: Sequence[str]) -> None:
    """Refuse runs of one data set that differ in more than loss, penalty weight and seed: they are no table.

    Compared are the data's content hash, what stands in the fields `extractors` ("scores.<name>.extractor", or
    "extractor" of the scores over training) where a run has them, and the identity of the config (records.identity);
    the fields of loss and penalty within each line. A field of the root that one config lacks is left out: it came
    with a later version. Raises UserError that names the two values and how to select one.
    """
    _check_same(runs, ["dataset.content_hash"])
    for dotted in extractors:
        scored = [record for record in runs if field(record, dotted) is not None]
        _check_same(scored, [f"{dotted}.{key}" for key in _EXTRACTOR])
    _check_same_config(runs, _FREE)
    for line in lines:
        mine = [record for record in runs if belongs(record, line)]
        everything_else = {key for record in mine for key in record["config"]} - {"loss", "penalty"}
        _check_same_config(mine, everything_else, ignore={"config.penalty.weight"})


def _check_same_config(runs: Sequence[Record], free: set[str], ignore: frozenset[str] | set[str] = frozenset()) -> None:
    configs = [records.identity(record["config"]) for record in runs]
    for key in sorted({key for config in configs for key in config} - free):
        having = [record for record, config in zip(runs, configs, strict=True) if key in config]
        flat = [_flat(records.identity(record["config"])[key], f"config.{key}") for record in having]
        _check_same(having, sorted({name for one in flat for name in one} - ignore))


def _check_same(runs: Sequence[Record], names: Sequence[str]) -> None:
    for name in names:
        seen: dict[float | str, Record] = {}  # by value, in which 1 and 1.0 are the same
        for record in runs:
            value = field(record, name)
            seen.setdefault(float(value) if isinstance(value, int | float) else str(value), record)
        if len(seen) > 1:
            first, second = list(seen.values())[:2]
            one, two = (field(record, name) for record in (first, second))
            raise UserError(
                f"runs that differ in {name} do not belong in one table: {one} (run {first['run_id']}) and {two} "
                f"(run {second['run_id']}); select one, for example 'select={{{name}:{one}}}'"
            )


def _flat(value: Any, path: str) -> set[str]:
    """The dotted names of the leaves; an empty mapping has none."""
    if isinstance(value, Mapping):
        return {name for key, item in value.items() for name in _flat(item, f"{path}.{key}")}
    return {path}


def _check_seeds(line: Line, weight: float | None, runs: Sequence[Record]) -> None:
    seen: dict[int, Record] = {}
    for record in runs:
        twin = seen.setdefault(record["seed"], record)
        if twin is not record:
            raise UserError(
                f"{line.text}, penalty weight {weight}, seed {record['seed']}: runs {twin['run_id']} and "
                f"{record['run_id']} are the same cell; delete one record, or select by run_id or git.sha"
            )


def _is_scored(record: Record, name: str | None) -> bool:
    return record["status"] != "diverged" and name is not None and name in (record.get("scores") or {})


def _score(chosen: Weight | None, name: str | None) -> Score | None:
    runs = [record for record in chosen.scored if _is_scored(record, name)] if chosen else []
    if name is None or not runs:
        return None
    spreads = [record["scores"][name].get("std") for record in runs]
    has_spread = all(spread is not None for spread in spreads)
    return Score(
        estimate([score_value(record, name) for record in runs]),
        sum(map(float, spreads)) / len(spreads) if has_spread else None,
    )
