"""From runs to the cells of a table of the thesis: their runs, penalty weight and scores."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gan_lab.errors import UserError
from gan_lab.reporting.collection import Record, field, is_study
from gan_lab.reporting.comparable import (
    check_same_config,
    check_same_extractor,
    check_same_field,
    check_seeds,
)
from gan_lab.reporting.scores import counts_in_mean, fields_of, has_score, names_in, score_value
from gan_lab.reporting.tables.statistics import Estimate, estimate
from gan_lab.reporting.thesis.design import ALIASES, Kind, Line


@dataclass(frozen=True)
class CellScore:
    """A score of a cell."""

    values: tuple[float, ...]  # of the seeds
    estimate: Estimate
    # mean over seeds of the within-run deviation that the thesis prints after ±; None without one
    spread: float | None


@dataclass(frozen=True)
class Weight:
    """The runs of one penalty weight: each is scored, diverged or neither."""

    weight: float | None
    scored: tuple[Record, ...]
    diverged: tuple[Record, ...]
    unscored: tuple[Record, ...]  # finished without the score, or allowed unfinished
    mean: float  # over seeds, of the score that chooses the weight; nan without one

    @property
    def runs(self) -> int:
        """How many there are."""
        return len(self.scored) + len(self.diverged) + len(self.unscored)

    @property
    def has_diverged(self) -> bool:
        """Whether all of them diverged."""
        return len(self.diverged) == self.runs


@dataclass(frozen=True)
class ThesisCell:
    """A line of a table on one data set."""

    line: Line
    searched: tuple[Weight, ...]
    chosen: Weight | None  # None where no run can be shown
    scores: Mapping[str, CellScore | None]  # by Kind.key

    @property
    def unscored(self) -> list[Record]:
        """Those of every weight."""
        return [record for weight in self.searched for record in weight.unscored]


def runs_of(content: Sequence[Record], dataset: str) -> list[Record]:
    """The records on a data set, under any of its names."""
    return [record for record in content if canonical(record["dataset"]["name"]) == dataset]


def canonical(dataset: str) -> str:
    """The one name of a data set that records may call differently."""
    return ALIASES.get(dataset, dataset)


def belongs(record: Record, line: Line) -> bool:
    """Whether a run is one of a table line's; a study is of none."""
    if is_study(record):
        return False
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
    is_predefined = labels == "predefined" or (labels == "none" and extra_layer)
    return "predefined" if is_predefined else "dynamic"


def cell(
    line: Line, runs: Sequence[Record], names: Mapping[str, str | None], chosen_by: str | None
) -> ThesisCell:
    """Make the cell of a line.

    λ is the weight of the least mean of a score among those with the most scored seeds.

    Args:
        line: of the table.
        runs: of one data set, also those of other lines.
        names: of the scores by Kind.key; None where no run has one.
        chosen_by: the key of the score that chooses λ, without which no run counts as scored;
            None: there is one weight, and a run with any of the scores counts.

    Raises:
        UserError: two runs are the same cell and seed.
    """
    if line.is_real:
        return _real_cell(line, runs, names)

    # the runs of each weight; None (of a penalty without one) first
    mine = [record for record in runs if belongs(record, line)]
    by_weight: dict[float | None, list[Record]] = {}
    for record in mine:
        weight = field(record, "config.penalty.weight")
        by_weight.setdefault(None if weight is None else float(weight), []).append(record)
    weights = sorted(by_weight, key=lambda value: -math.inf if value is None else value)

    # which of them count: those with the score that chooses, or with any where none chooses
    choosing = None if chosen_by is None else names[chosen_by]
    deciding = list(names.values()) if chosen_by is None else [choosing]
    searched = []
    for weight in weights:
        check_seeds_of(line, weight, by_weight[weight])
        searched.append(_searched(weight, by_weight[weight], deciding, choosing))

    # a weight of which some seeds diverged may not win by the mean of those that are left
    most = max((len(weight.scored) for weight in searched), default=0)
    candidates = [weight for weight in searched if weight.scored and len(weight.scored) == most]
    if chosen_by is not None:
        candidates = [weight for weight in candidates if math.isfinite(weight.mean)]
    chosen = min(candidates, key=lambda weight: weight.mean, default=None)
    return ThesisCell(
        line=line,
        searched=tuple(searched),
        chosen=chosen,
        scores={key: _score(chosen, name) for key, name in names.items()},
    )


def _searched(
    weight: float | None,
    runs: Sequence[Record],
    deciding: Collection[str | None],
    choosing: str | None,
) -> Weight:
    """Sort the runs of one penalty weight.

    Args:
        weight: their penalty weight.
        runs: all of them.
        deciding: the scores of which a run that counts has one.
        choosing: the score whose mean is taken; None: no mean.
    """
    diverged = tuple(record for record in runs if record["status"] == "diverged")
    others = [record for record in runs if record["status"] != "diverged"]
    scored = tuple(record for record in others if counts_in_mean(record, deciding))
    unscored = tuple(record for record in others if not counts_in_mean(record, deciding))
    values = [score_value(record, choosing) for record in scored] if choosing is not None else []
    mean = sum(values) / len(values) if values else math.nan
    return Weight(weight, scored, diverged, unscored, mean)


def _real_cell(line: Line, runs: Sequence[Record], names: Mapping[str, str | None]) -> ThesisCell:
    """Make the cell of the training data themselves.

    Entries of the runs hold its score, the same value in all of them.
    """
    scores: dict[str, CellScore | None] = {}
    for key, name in names.items():
        entries = [record["scores"][name] for record in runs if has_score(record, [name])]
        real = [float(entry["real"]) for entry in entries if entry.get("real") is not None]
        scores[key] = CellScore((real[0],), Estimate(real[0], None, 0), None) if real else None
    return ThesisCell(line, searched=(), chosen=None, scores=scores)


def chosen_score(
    runs: Sequence[Record], kind: Kind, asked: str | None, among: str, option: str
) -> str | None:
    """Find the one score of a kind that the runs have; None without any.

    Of several it is the one whose protocol is most like the thesis's (Kind.published_words: first
    by its extractor).

    Args:
        runs: of one data set.
        kind: of score.
        asked: a whole name, or None; where the runs have no score of the kind (one data set of
            several may have none), it is not looked at.
        among: the field of a record that is searched, "scores" or "history".
        option: the field that `asked` was typed for.

    Raises:
        UserError: several are left and none was asked for, since scores of two protocols are two
            scores; or the runs have some, and not the one that was asked for.
    """
    names = {
        name
        for name in names_in(runs, among)
        if name.startswith(kind.prefix) and name.endswith(kind.suffix)
    }

    # what is asked for is taken, whatever its protocol
    if asked is not None and names:
        if asked not in names:
            raise UserError(
                f"{option}={asked}: the runs have no such score; there are "
                f"{', '.join(sorted(names))}"
            )
        return asked

    # otherwise the thesis's words decide, one after the other, as far as they leave something
    for word in kind.published_words:
        names = {name for name in names if word in name.split("_")} or names

    # the largest is advised: FID falls with the number of samples
    if len(names) > 1:
        several = " and ".join(sorted(names))
        largest = max(sorted(names), key=lambda name: _size_of(runs, name))
        words = ", ".join(kind.published_words)
        published = f" (published: {words})" if words else ""
        raise UserError(
            f"the runs have {several}, which are different scores{published}; choose one: "
            f"{option}={largest}"
        )
    return next(iter(names), None)


def _size_of(runs: Sequence[Record], name: str) -> tuple[int, int]:
    """Samples of a score, and their parts."""
    fields = fields_of(runs, name)
    return (fields.samples, fields.parts) if fields is not None else (0, 1)


# Comparable runs ----------------------------------------------------------------------------------


def check_comparable(
    runs: Sequence[Record],
    lines: Sequence[Line],
    extractors: Sequence[str],
    may_differ: Collection[str],
) -> None:
    """Refuse runs of one data set that are no table: they differ in more than they may.

    How a run was scored is compared as the score's name and its extractor.

    Args:
        runs: of one data set.
        lines: of the table.
        extractors: the fields in which extractors stand, where a run has them
            ("scores.<name>.extractor", or "extractor" of the scores over training).
        may_differ: Design.may_differ.

    Raises:
        UserError: names the two values and how to select one.
    """
    # in all of them: the data, the extractors, and whatever may not differ
    check_same_field(runs, "dataset.content_hash")
    for dotted in extractors:
        check_same_extractor(runs, dotted)
    check_same_config(runs, {f"config.{name}" for name in may_differ})

    # in a column of labels: the network
    roots = {key for record in runs for key in record["config"]}
    for column in dict.fromkeys(line.labels for line in lines if line.labels is not None):
        mine = [record for record in runs if labels_column(record) == column]
        check_same_config(mine, {f"config.{key}" for key in roots - {"architecture"}})

    # in a line: also what may differ between lines, but for seed and penalty weight
    differing = {name.split(".")[0] for name in may_differ}
    for line in lines:
        mine = [record for record in runs if belongs(record, line)]
        free = {f"config.{key}" for key in roots if key not in differing or key == "seed"}
        check_same_config(mine, free | {"config.penalty.weight"})


def check_seeds_of(line: Line, weight: float | None, runs: Sequence[Record]) -> None:
    """Refuse two runs of one seed in a cell.

    Raises:
        UserError: names both.
    """
    which = f"penalty weight {weight}" if line.labels is None else f"{line.labels} labels"
    check_seeds(f"{line.text}, {which}", runs)


def _score(chosen: Weight | None, name: str | None) -> CellScore | None:
    runs = [record for record in chosen.scored if has_score(record, [name])] if chosen else []
    if name is None or not runs:
        return None

    values = tuple(score_value(record, name) for record in runs)
    spreads = [record["scores"][name].get("std") for record in runs]
    has_spread = all(spread is not None for spread in spreads)
    spread = sum(map(float, spreads)) / len(spreads) if has_spread else None
    return CellScore(values, estimate(values), spread)
