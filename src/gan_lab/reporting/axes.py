"""Rows, columns and facet: the fields that tell runs apart.

Runs of one cell must differ in their seed alone; whatever else differs is refused here.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gan_lab.errors import UserError
from gan_lab.records import versions
from gan_lab.reporting.collection import ABSENT, Record, field, setting, source_name
from gan_lab.reporting.comparable import (
    check_same_extractor,
    check_same_field,
    check_seeds,
    differing_fields,
)
from gan_lab.reporting.runs import Found, Run
from gan_lab.terminal import pasted

Key = tuple[str, ...]
"""The labels of a row, a column or a facet: one for each of its fields."""
Place = tuple[Key, Key]
"""A row and a column."""


def axis_name(typed: str) -> str:
    """The one name of a field or group on an axis, by which axes are compared with what differs.

    It is today's, without the place in the record.

    Examples:
        >>> axis_name("config.penalty.weight"), axis_name("choices.loss"), axis_name("seed")
        ('penalty.weight', 'loss', 'seed')
    """
    return versions.new_name(typed).removeprefix("config.").removeprefix("choices.")


@dataclass(frozen=True)
class Axes:
    """The fields that make rows, columns and facets, each as collection.setting takes it.

    A field by another of its names gets the one that `axis_name` says.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...] = ()
    facet: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("rows", "columns", "facet"):
            object.__setattr__(self, name, tuple(map(axis_name, getattr(self, name))))

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of all three axes."""
        return (*self.facet, *self.rows, *self.columns)


@dataclass(frozen=True)
class Facet:
    """The runs of one table, or one panel, by row and column.

    Args:
        key: the facet's own labels.
        rows: the labels of each row, in their order.
        columns: the labels of each column, in their order.
        cells: the runs at each place.
    """

    key: Key
    rows: tuple[Key, ...]
    columns: tuple[Key, ...]
    cells: Mapping[Place, tuple[Run, ...]]

    @property
    def runs(self) -> list[Run]:
        """The runs of all cells."""
        return [run for runs in self.cells.values() for run in runs]

    @property
    def records(self) -> list[Record]:
        """The records of the runs whose config is known."""
        return [run.record for run in self.runs if run.is_whole]


def facets(
    axes: Axes, found: Found, extractors: Sequence[str] = ()
) -> tuple[list[Facet], list[Run]]:
    """Sort runs by facet, row and column, each axis in the order of its values.

    Args:
        axes: of which every field must be in some run.
        found: in any order.
        extractors: where those of the scores stand in a record, as "scores.<name>.extractor";
            scores of two extractors on one data set are two scores.

    Returns:
        The facets, and the runs that are in no cell: those without a config for which not every
        axis was typed.

    Raises:
        UserError: for a field that no run has, runs of one cell that differ in more than their
            seed, and runs of one data set that differ in its content or in an extractor.
    """
    check_fields(axes, found.records)

    # a run without a config is placed by what was typed; where that is not enough, it has no cell
    inside: list[Run] = []
    outside: list[Run] = []
    for run in found.runs:
        known = run.is_whole or all(
            setting(run.record, name, ABSENT) is not ABSENT for name in axes.fields
        )
        (inside if known else outside).append(run)

    # runs by their labels, in an order that does not depend on that of the records
    inside.sort(key=lambda run: (str(run.record["seed"]), str(run.record["run_id"])))
    rows, columns = _ordered(axes.rows, inside), _ordered(axes.columns, inside)
    result = []
    for key in _ordered(axes.facet, inside):
        cells: dict[Place, tuple[Run, ...]] = {}
        for run in inside:
            if key_of(run, axes.facet) == key:
                place = key_of(run, axes.rows), key_of(run, axes.columns)
                cells[place] = (*cells.get(place, ()), run)

        # a facet shows only those rows and columns that it has a run of
        rows_here = tuple(row for row in rows if any(place[0] == row for place in cells))
        columns_here = tuple(
            column for column in columns if any(place[1] == column for place in cells)
        )
        result.append(Facet(key, rows_here, columns_here, cells))

    # a mean over unlike runs would be a wrong number that looks like any other
    _check_alike(axes, result)
    _check_data(found.records, extractors)
    return result, outside


def key_of(run: Run, names: Sequence[str]) -> Key:
    """The labels of a run on an axis."""
    return tuple(label(setting(run.record, name)) for name in names)


def label(value: Any) -> str:
    """A value as it is typed: 1 for 1.0, "true", "[0, 0.9]".

    "none" stands for null and for a field that a run lacks.

    Examples:
        >>> label(1.0), label(True), label([0.0, 0.9]), label(None)
        ('1', 'true', '[0, 0.9]', 'none')
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()

    # the shortest text of the same number; a huge one stays in scientific notation
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, float) and float(short := f"{value:g}") == value:
        return short

    # a list is typed in brackets, each of its values as it would be alone
    if isinstance(value, list):
        return f"[{', '.join(map(label, value))}]"
    return str(value)


def assigned(names: Sequence[str], key: Key) -> str:
    """An axis and a key on it in words: "loss=exp, penalty=maxgp"."""
    return ", ".join(f"{name}={value}" for name, value in zip(names, key, strict=True))


def _ordered(names: Sequence[str], runs: Sequence[Run]) -> list[Key]:
    """The keys on an axis, by value: numbers first, in their order."""
    values = {key_of(run, names): [setting(run.record, name) for name in names] for run in runs}
    return sorted(values, key=lambda key: [_rank(value) for value in values[key]])


def _rank(value: Any) -> tuple[int, float, str]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return (0, float(value), "") if is_number else (1, 0.0, label(value))


# Refusals -----------------------------------------------------------------------------------------


def check_fields(axes: Axes, runs: Sequence[Record]) -> None:
    """Refuse axes by which these runs cannot be sorted.

    Raises:
        UserError: rows are missing, a field is named twice, or a field is one that no run has or
            that stands for several.
    """
    # the fields in which these runs do differ are the best advice for whoever names none
    if not axes.rows:
        known = ", ".join(varied_fields(runs)) or "none but the seed"
        raise UserError(
            f"rows is not set: name a field or a list, as rows=loss (these runs differ in: {known})"
        )

    # on two axes a field would leave every cell off the diagonal empty
    twice = next((name for name in axes.fields if axes.fields.count(name) > 1), None)
    if twice is not None:
        raise UserError(
            f"{twice} is named twice: a field can stand in one of rows, columns and facet"
        )

    # each field must have one plain value in a run; a misspelt one would make a single row "none"
    for option, names in (("rows", axes.rows), ("columns", axes.columns), ("facet", axes.facet)):
        for name in names:
            _check_field(option, name, runs)


def _check_field(option: str, name: str, runs: Sequence[Record]) -> None:
    """Refuse a field that no run has, and one that stands for several. Raises UserError."""
    values = [setting(record, name, ABSENT) for record in runs]
    if runs and all(value is ABSENT for value in values):
        close = difflib.get_close_matches(name, _names(runs), n=3)
        meant = f"; did you mean {' or '.join(close)}?" if close else ""
        raise UserError(f"{option}={name}: no run has such a group or field{meant}")

    # where no option was chosen for a group, it is a mapping of fields
    groups = [value for value in values if isinstance(value, Mapping)]
    if groups:
        inside = dict.fromkeys(f"{name}.{key}" for group in groups for key in group)
        raise UserError(
            f"{option}={name} is a group of fields; name one ({', '.join(inside) or 'it has none'})"
        )


def _names(runs: Sequence[Record]) -> list[str]:
    """Every group, and every field of a config."""
    groups = {name for record in runs for name in record["choices"]}
    return sorted(groups | {name for record in runs for name in _dotted(record["config"])})


def _dotted(node: Mapping[str, Any], path: str = "") -> list[str]:
    """The names of what is no mapping, with dots."""
    return [
        name
        for key, value in node.items()
        for name in (
            _dotted(value, f"{path}{key}.") if isinstance(value, Mapping) else [f"{path}{key}"]
        )
    ]


def varied_fields(runs: Sequence[Record], but: Sequence[str] = ("seed",)) -> dict[str, list[Any]]:
    """{group or field: its values, each once} of what runs differ in, without the fields `but`.

    Where another option was chosen, its fields are no difference of their own.
    """
    names = [name.removeprefix("config.") for name in differing_fields(runs)]
    roots = dict.fromkeys(name.split(".")[0] for name in names)
    chosen = [
        root
        for root in roots
        if len({label(field(record, f"choices.{root}")) for record in runs}) > 1
    ]
    names = [*chosen, *(name for name in names if name.split(".")[0] not in chosen)]
    return {name: _values(runs, name) for name in names if name not in but}


def _values(runs: Sequence[Record], name: str) -> list[Any]:
    """The values that runs have as a field, each once."""
    return sorted(
        {label(value): value for value in (setting(record, name) for record in runs)}.values(),
        key=_rank,
    )


def _check_alike(axes: Axes, panels: Sequence[Facet]) -> None:
    """Refuse runs of one cell that are no seeds of each other, or are one seed.

    Raises:
        UserError: names every field that differs, and two commands that tell the runs apart.
    """
    cells = [
        (_where(axes, facet, place), [run.record for run in runs if run.is_whole])
        for facet in panels
        for place, runs in facet.cells.items()
    ]

    # every field of every cell at once, so that one change of the command is enough
    differing: dict[str, list[Any]] = {}
    examples: list[tuple[str, list[Record]]] = []
    for where, runs in cells:
        differences = varied_fields(runs, ("seed", *axes.fields))
        for name, values in differences.items():
            differing.setdefault(name, []).extend(values)
        if differences:
            examples.append((where, runs))
    if differing:
        raise UserError(_advice(axes, differing, *examples[0]))

    # alike but for the seed: then two runs of one seed would count twice in the mean
    for where, runs in cells:
        check_seeds(where, runs)


def _advice(
    axes: Axes, differing: Mapping[str, list[Any]], where: str, runs: Sequence[Record]
) -> str:
    """In what runs of one cell differ, an example, and two ways to tell them apart.

    Args:
        differing: {field: its values} over all cells.
        where: the cell of the example, in words.
        runs: those of that cell.
    """
    labels = {
        name: dict.fromkeys(map(label, sorted(values, key=_rank)))
        for name, values in differing.items()
    }
    named = ", ".join(f"{name} ({' and '.join(several)})" for name, several in labels.items())

    # three examples: a cell may hold a hundred runs
    ids = " and ".join(str(record["run_id"]) for record in runs[:3])

    # the selection leaves at least the first run; a value that is a list stands in a list of one,
    # or it would be read as values to choose from
    first = {name: setting(runs[0], name) for name in differing}
    selection = {
        name: [value] if isinstance(value, list) else value for name, value in first.items()
    }
    return (
        f"runs of one cell differ in {named}, as {ids} of {where}; they are no seeds of each "
        "other: put what they differ in on rows, columns or facet, for example "
        f"{pasted('rows', [*axes.rows, *differing])}, or restrict it, for example "
        f"{pasted('select', selection)}"
    )


def _where(axes: Axes, facet: Facet, place: Place) -> str:
    """A cell in words: "dataset=digits, loss=exp, penalty.weight=1"."""
    parts = zip((axes.facet, axes.rows, axes.columns), (facet.key, *place), strict=True)
    return ", ".join(filter(None, (assigned(names, key) for names, key in parts)))


def _check_data(runs: Sequence[Record], extractors: Sequence[str]) -> None:
    """Refuse runs that name one data set and have two, or scores of it by two extractors.

    Raises:
        UserError: names both and how to select one.
    """
    by_name: dict[str, list[Record]] = {}
    for record in runs:
        by_name.setdefault(source_name(record), []).append(record)
    for mine in by_name.values():
        check_same_field(mine, "dataset.content_hash")
        for dotted in extractors:
            check_same_extractor(mine, dotted)


def also_differing(axes: Axes, runs: Sequence[Record]) -> dict[str, list[Any]]:
    """Collect what runs of different cells differ in besides the axes, as {field: values}.

    No cell averages over it, but whoever compares two of them must know it.
    """
    differences = varied_fields(runs, ("seed", *axes.fields))

    # what only some options of a group on an axis have belongs to them; what all of them have is
    # another difference, but for their names
    groups = {name for name in axes.fields for record in runs if name in record["choices"]}
    for name in (dotted.removeprefix("config.") for dotted in differing_fields(runs)):
        root, last = name.split(".")[0], name.split(".")[-1]
        if root not in groups or last in ("name", "_target_") or name in axes.fields:
            continue
        if all(field(record, f"config.{name}", ABSENT) is not ABSENT for record in runs):
            differences[name] = _values(runs, name)
    return differences
