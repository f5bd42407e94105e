"""Runs into the cells of a table: which belong together, which penalty weight a cell shows, and what it scored."""

from __future__ import annotations

import math
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gan_lab import records
from gan_lab.errors import UserError
from gan_lab.reporting.collection import Record, field
from gan_lab.reporting.tables.statistics import Estimate, estimate
from gan_lab.reporting.thesis.design import ALIASES, Kind, Line, sizes
from gan_lab.terminal import quoted

_EXTRACTOR = ("name", "architecture", "weights_sha256")


@dataclass(frozen=True)
class Protocol:
    """What a score is: its name, the extractor (name, architecture, weights), the samples and the
    parts (splits or chunks) they were cut into."""

    score: str
    extractor: str
    architecture: str
    weights_sha256: str | None  # None: no network takes part
    n_samples: int
    parts: int

    @property
    def network(self) -> str:
        """ "architecture ResNetClassifier (width 32), weights 9d467df3551e"; "no network" without one."""
        if self.weights_sha256 is None:
            return "no network"
        return f"architecture {self.architecture}, weights {self.weights_sha256[:12]}"


@dataclass(frozen=True)
class Score:
    """A score of a cell. values: of the seeds. spread: mean over seeds of the published kind of ± (None where there is
    none)."""

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
    """A line of a table on one data set. chosen is None where no run can be shown. scores: by Kind.key."""

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

    A loss without targets stands in both: its predefined column is the network with the extra critic layer.
    """
    labels = record["choices"].get("labels", "none")
    extra_layer = field(record, "config.architecture.extra_layer") is True
    return "predefined" if labels == "predefined" or (labels == "none" and extra_layer) else "dynamic"


def cell(line: Line, runs: Sequence[Record], names: Mapping[str, str | None], chosen_by: str | None) -> Cell:
    """The cell of a line; λ is the weight of the least mean of a score among those with the most scored seeds.

    names: of the scores by Kind.key; None where no run has one. chosen_by: the key of the score that chooses λ, without
    which no run counts as scored; None: there is one weight, and a run with any of the scores counts. Raises UserError
    where two runs are the same cell and seed.
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
        check_seeds(line, weight, by_weight[weight])
        diverged = tuple(record for record in by_weight[weight] if record["status"] == "diverged")
        scored = tuple(record for record in by_weight[weight] if _has_score(record, deciding))
        name = None if chosen_by is None else names[chosen_by]
        values = [score_value(record, name) for record in scored] if name is not None else []
        searched.append(Weight(weight, scored, diverged, sum(values) / len(values) if values else math.nan))
    most = max((len(one.scored) for one in searched), default=0)
    candidates = [one for one in searched if one.scored and len(one.scored) == most]
    if chosen_by is not None:
        candidates = [one for one in candidates if math.isfinite(one.mean)]
    chosen = min(candidates, key=lambda one: one.mean, default=None)
    return Cell(
        line=line,
        searched=tuple(searched),
        unscored=tuple(r for r in mine if r["status"] != "diverged" and not _has_score(r, deciding)),
        chosen=chosen,
        scores={key: _score(chosen, name) for key, name in names.items()},
    )


def _real_cell(line: Line, runs: Sequence[Record], names: Mapping[str, str | None]) -> Cell:
    """What the training data themselves score, which entries of the runs say (the same value in all of them)."""
    scores: dict[str, Score | None] = {}
    for key, name in names.items():
        entries = [record["scores"][name] for record in runs if _has_score(record, [name])]
        real = [float(entry["real"]) for entry in entries if entry.get("real") is not None]
        scores[key] = Score((real[0],), Estimate(real[0], None, 0), None) if real else None
    return Cell(line, searched=(), unscored=(), chosen=None, scores=scores)


def score_value(record: Record, name: str) -> float:
    """The value of a score; a record writes "nan" and "inf" as strings."""
    return float(record["scores"][name]["value"])


def score_name(runs: Sequence[Record], kind: Kind, asked: str | None, among: str, option: str) -> str | None:
    """The one score of a kind that the runs have in `among` ("scores" or "history"); None without any.

    Of several it is the one that is taken most as the thesis's is (Kind.published_words: first by its extractor). A
    name with a dot is a term of a score and no score. Raises UserError where several are left and none was asked for:
    scores of two protocols are two scores.
    """
    names = {
        name
        for record in runs
        if record["status"] != "diverged"
        for name in record.get(among) or {}
        if name.startswith(kind.prefix) and name.endswith(kind.suffix) and "." not in name
    }
    if asked is not None and names:
        if asked not in names:
            raise UserError(f"{option}={asked}: the runs have no such score; there are {', '.join(sorted(names))}")
        return asked
    for word in kind.published_words:
        names = {name for name in names if word in name.split("_")} or names

    if len(names) > 1:
        several, largest = " and ".join(sorted(names)), max(sorted(names), key=sizes)
        published = f" (published: {', '.join(kind.published_words)})" if kind.published_words else ""
        raise UserError(
            f"the runs have {several}, which are different scores{published}; choose one: {option}={largest}"
        )
    return next(iter(names), None)


def protocol(runs: Sequence[Record], name: str | None) -> Protocol | None:
    """How the score `name` of these (comparable) runs was taken."""
    record = next((record for record in runs if _has_score(record, [name])), None)
    if record is None or name is None:
        return None
    score = record["scores"][name]
    extractor = score["extractor"]
    return Protocol(
        score=name,
        extractor=str(extractor.get("name")),
        architecture=_in_words(extractor.get("architecture")),
        weights_sha256=extractor.get("weights_sha256"),
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


def check_comparable(
    runs: Sequence[Record], lines: Sequence[Line], extractors: Sequence[str], may_differ: Collection[str]
) -> None:
    """Refuse runs of one data set that differ in more than may_differ (Design.may_differ): they are no table.

    Compared are the data's content hash, what stands in the fields `extractors` ("scores.<name>.extractor", or
    "extractor" of the scores over training) where a run has them, and the identity of the config (records.identity);
    the fields of may_differ but seed and penalty weight within each line, and the network within each column of
    labels. How a run was scored is compared as the score's name and its extractor. Raises UserError that names the two
    values and how to select one.
    """
    _check_same_field(runs, "dataset.content_hash")
    for dotted in extractors:
        scored = [record for record in runs if field(record, dotted) is not None]
        for key in _EXTRACTOR:
            _check_same_field(scored, f"{dotted}.{key}")
    _check_same_config(runs, {f"config.{name}" for name in may_differ})
    roots = {key for record in runs for key in record["config"]}
    for column in dict.fromkeys(line.labels for line in lines if line.labels is not None):
        mine = [record for record in runs if labels_column(record) == column]
        _check_same_config(mine, {f"config.{key}" for key in roots - {"architecture"}})
    differing = {name.split(".")[0] for name in may_differ}
    for line in lines:
        mine = [record for record in runs if belongs(record, line)]
        free = {f"config.{key}" for key in roots if key not in differing or key == "seed"}
        _check_same_config(mine, free | {"config.penalty.weight"})


def _check_same_config(runs: Sequence[Record], free: Collection[str]) -> None:
    """free: what is not compared, a field of the root ("config.loss") or below it ("config.penalty.weight")."""
    configs = [_leaves(records.identity(record["config"]), "config") for record in runs]
    for name in sorted({name for config in configs for name in config}):
        if name not in free and ".".join(name.split(".")[:2]) not in free:
            _check_same(runs, name, [config.get(name) for config in configs])


def _check_same_field(runs: Sequence[Record], name: str) -> None:
    _check_same(runs, name, [field(record, name) for record in runs])


def _check_same(runs: Sequence[Record], name: str, values: Sequence[Any]) -> None:
    """values: of the field `name`, as they are compared; a message shows them as they stand in the records."""
    seen: dict[str, Record] = {}
    for record, value in zip(runs, values, strict=True):
        seen.setdefault(records.canonical(value), record)
    if len(seen) > 1:
        first, second = list(seen.values())[:2]
        one, two = (field(record, name) for record in (first, second))
        wanted = quoted([one] if isinstance(one, list) else one)  # a list of its own is of values to choose from
        raise UserError(
            f"runs that differ in {name} do not belong in one table: {one} (run {first['run_id']}) and {two} "
            f"(run {second['run_id']}); select one, for example {shlex.quote(f'select={{{name}:{wanted}}}')}"
        )


def _leaves(value: Any, path: str) -> dict[str, Any]:
    """{dotted name: value} of what is no mapping; an empty mapping has none."""
    if isinstance(value, Mapping):
        return {name: leaf for key, item in value.items() for name, leaf in _leaves(item, f"{path}.{key}").items()}
    return {path: value}


def check_seeds(line: Line, weight: float | None, runs: Sequence[Record]) -> None:
    """Refuse two runs of one seed in a cell. Raises UserError that names both."""
    which = f"penalty weight {weight}" if line.labels is None else f"{line.labels} labels"
    seen: dict[int, Record] = {}
    for record in runs:
        twin = seen.setdefault(record["seed"], record)
        if twin is not record:
            raise UserError(
                f"{line.text}, {which}, seed {record['seed']}: runs {twin['run_id']} and "
                f"{record['run_id']} are the same cell; delete one record, or select by run_id or git.sha"
            )


def _has_score(record: Record, names: Collection[str | None]) -> bool:
    return record["status"] != "diverged" and any(name in (record.get("scores") or {}) for name in names)


def _score(chosen: Weight | None, name: str | None) -> Score | None:
    runs = [record for record in chosen.scored if _has_score(record, [name])] if chosen else []
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
