"""Which runs may stand together: in what their records differ, and refusals that name it."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gan_lab import records
from gan_lab.errors import UserError
from gan_lab.reporting.collection import Record, field
from gan_lab.terminal import quoted

_EXTRACTOR = ("name", "architecture", "weights_sha256")


def differing_fields(runs: Sequence[Record]) -> dict[str, list[Any]]:
    """Compare the configs of runs, and collect the fields that are not the same.

    Compared is what identifies a run (records.identity): no places, cadences or loggers.

    Returns:
        {dotted name, as "config.optimizer.lr": its value in each run}; a value is None where a run
        does not have the field.
    """
    configs = [leaves(records.identity(record["config"]), "config") for record in runs]
    names = sorted({name for config in configs for name in config})
    values = {name: [config.get(name) for config in configs] for name in names}

    # in canonical form, because a list or a mapping is no member of a set
    return {
        name: several
        for name, several in values.items()
        if len(set(map(records.canonical, several))) > 1
    }


def check_same_config(runs: Sequence[Record], free: Collection[str]) -> None:
    """Refuse runs whose configs differ.

    Args:
        runs: the runs.
        free: what is not compared, a field of the root ("config.loss") or below it
            ("config.penalty.weight").

    Raises:
        UserError: as `check_same_field`.
    """
    for name, values in differing_fields(runs).items():
        if name not in free and ".".join(name.split(".")[:2]) not in free:
            _check_same(runs, name, values)


def check_same_field(runs: Sequence[Record], name: str) -> None:
    """Refuse runs with two values of a field.

    Raises:
        UserError: names both and how to select one.
    """
    _check_same(runs, name, [field(record, name) for record in runs])


def check_same_extractor(runs: Sequence[Record], dotted: str) -> None:
    """Refuse runs scored by two extractors.

    Args:
        runs: those without the field `dotted` are passed over.
        dotted: where the extractor stands in a record, as "scores.<name>.extractor".

    Raises:
        UserError: as `check_same_field`.
    """
    scored = [record for record in runs if field(record, dotted) is not None]
    for key in _EXTRACTOR:
        check_same_field(scored, f"{dotted}.{key}")


def check_seeds(where: str, runs: Sequence[Record]) -> None:
    """Refuse two runs of one seed in a cell.

    Raises:
        UserError: begins with `where` and names both.
    """
    # a run that was trained again would count twice in the mean
    by_seed: dict[int, Record] = {}
    for record in runs:
        twin = by_seed.setdefault(record["seed"], record)
        if twin is not record:
            raise UserError(
                f"{where}, seed {record['seed']}: runs {twin['run_id']} and {record['run_id']} "
                "are the same cell; delete one record, or select by run_id or git.sha"
            )


def _check_same(runs: Sequence[Record], name: str, values: Sequence[Any]) -> None:
    """Refuse runs with two values of one field.

    Args:
        runs: their records.
        name: of the field.
        values: as they are compared; the message shows them as they stand in the records.
    """
    by_value: dict[str, Record] = {}
    for record, value in zip(runs, values, strict=True):
        by_value.setdefault(records.canonical(value), record)
    if len(by_value) < 2:
        return

    # two examples are enough to act on; a value that is a list stands in a list of one, or it would
    # be read as values to choose from
    first, second = list(by_value.values())[:2]
    ours, theirs = field(first, name), field(second, name)
    wanted = quoted([ours] if isinstance(ours, list) else ours)
    raise UserError(
        f"runs that differ in {name} do not belong in one table: {ours} (run {first['run_id']}) "
        f"and {theirs} (run {second['run_id']}); select one, for example "
        f"{shlex.quote(f'select={{{name}:{wanted}}}')}"
    )


def leaves(value: Any, path: str) -> dict[str, Any]:
    """{dotted name: value} of what is no mapping; an empty mapping has none."""
    if isinstance(value, Mapping):
        return {
            name: leaf
            for key, item in value.items()
            for name, leaf in leaves(item, f"{path}.{key}").items()
        }
    return {path: value}
