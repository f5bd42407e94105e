"""Records: from run directories into results/records/, and from there to whoever reports them."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gan_lab import records, terminal
from gan_lab.errors import DamagedFile, UserError
from gan_lab.files import safe_name, write_atomically
from gan_lab.records import folder as names
from gan_lab.records import versions

Record = dict[str, Any]  # records.Content
_REQUIRED = ("run_id", "config.seed", "seed")
_OF_A_STUDY = ("config_hash", "choices.study")
_OF_A_GAN = ("choices.loss", "choices.penalty", "dataset.name", "dataset.content_hash")
_PLACES = (
    *("run_dir", "resume", "data_cache", "dataset.root"),
    *("evaluation.weights", "evaluation.extractor.weights"),
)
ABSENT = object()
"""In place of a value that a record does not have."""


# Reading ------------------------------------------------------------------------------------------


def warn(line: str) -> None:
    """Tell beside what a program prints."""
    terminal.tell(f"warning: {line}", error=True)


def read_records(
    folder: Path,
    select: Mapping[str, Any] | None = None,
    allow: Collection[str] = (),
    report: Callable[[str], None] = warn,
) -> list[Record]:
    """Read the records folder/*.json, checked, in the order of their names.

    Args:
        folder: of collected records.
        select: as `selected` takes it.
        allow: see records.check_citable.
        report: called with one line for each damaged file, which is passed over.

    Returns:
        The records as of today (records.updated).

    Raises:
        UserError: names the file that may not be used; and where nothing is left.
    """
    if not folder.is_dir():
        raise UserError(
            f"{folder}: there is no such folder; collect records into it with scripts/collect.py"
        )

    # a damaged file must not take the whole table with it; a record that may not be cited does
    content: list[Record] = []
    damaged: list[DamagedFile] = []

    for path in sorted(folder.glob("*.json")):
        try:
            record = records.read_content(path)
            check_record(record, str(path), allow)
        except DamagedFile as error:
            damaged.append(error)
            continue
        content.append(with_history_about(records.updated(record)))

    # where nothing but damage was found, that is the reason to give
    if damaged and not content:
        raise damaged[0]
    for damage in damaged:
        report(f"passed over: {damage}")

    return selected(content, select)


def selected(content: Sequence[Record], select: Mapping[str, Any] | None) -> list[Record]:
    """Choose the records whose fields hold what `select` asks for, in their order.

    Args:
        content: the records.
        select: {field as `setting` takes it, also by an old name: value, or a list of values}; the
            value None stands for records without the field.

    Raises:
        UserError: for a field that no record has, and where nothing is left.
    """
    if not isinstance(select, Mapping | None):
        raise UserError(
            f"select={select}: name fields and values, as "
            f"'select={{config.max_generator_steps:1500}}'"
        )

    # one field after the other, so that a refusal names the one that leaves nothing
    kept = list(content)
    for typed, wanted in (select or {}).items():
        name = versions.new_name(str(typed))
        if kept and all(setting(record, name, ABSENT) is ABSENT for record in kept):
            raise UserError(
                f"select: no record has the field {name!r}; write it with dots, as "
                "config.penalty.weight"
            )

        # a list of values is a choice among them
        values = [setting(record, name) for record in kept]
        choices = wanted if isinstance(wanted, list | tuple) else [wanted]
        kept = [
            record
            for record, value in zip(kept, values, strict=True)
            if any(agree(value, choice) for choice in choices)
        ]

        # the values that there are say what could have been typed
        if values and not kept:
            known = ", ".join(sorted(set(map(str, values))))
            raise UserError(f"select: no record is left with {name}={wanted}; there are: {known}")
    return kept


def check_record(record: Mapping[str, Any], where: str, allow: Collection[str] = ()) -> None:
    """Refuse a record that cannot be reported.

    Raises:
        DamagedFile: it is no whole record.
        UserError: it may not be cited; both messages begin with `where`.
    """
    # what every table and file name is made of
    if record.get("status") not in records.STATUSES:
        raise DamagedFile(
            f"{where}: no status {record.get('status')!r}; there are {', '.join(records.STATUSES)}"
        )

    required = (*_REQUIRED, *(_OF_A_STUDY if is_study(record) else _OF_A_GAN))
    missing = [name for name in required if field(record, name) is None]
    if missing:
        raise DamagedFile(
            f"{where}: it has no {', '.join(missing)}; it is damaged, collect the run again"
        )

    # a whole record may still be of a run that did not finish, or of code that no commit has
    try:
        records.check_citable(record, allow)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def is_study(record: Mapping[str, Any]) -> bool:
    """Whether a record is of a study, in which no GAN was trained."""
    return field(record, "choices.study") is not None


def source_name(record: Mapping[str, Any]) -> str:
    """The data set that a run was trained on; of a study its name."""
    if is_study(record):
        return f"study {record['choices']['study']}"
    return str(record["dataset"]["name"])


def studied_data(record: Mapping[str, Any]) -> str:
    """The name of the data set that a study took; where an older record has none, the option's."""
    return str(setting(record, "dataset.name", "") or field(record, "choices.dataset"))


def with_history_about(record: Record) -> Record:
    """Add to a record how each score of its history was taken.

    An older record says it once, for all of them.
    """
    about = record.get("history_about") or {}
    extractor = record.get("extractor")
    implied = {
        name: {"extractor": extractor} for name in record.get("history") or {} if "." not in name
    }
    return record | {"history_about": implied | about} if extractor is not None else record


def field(record: Mapping[str, Any], dotted: str, default: Any = None) -> Any:
    """record["a"]["b"] for "a.b"; `default` where there is none."""
    value: Any = record
    for key in dotted.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return default
        value = value[key]
    return value


def setting(record: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """Look up what a run was asked to be, or what its record says of it.

    Args:
        record: of the run.
        name: a group ("penalty": the option that was chosen), a field of the config
            ("penalty.weight", "seed"), or any field of the record ("git.sha",
            "config.penalty.weight").
        default: where there is no such thing.
    """
    choices = record.get("choices") or {}
    places = (
        field(record, name, ABSENT),
        choices.get(name, ABSENT),
        field(record, f"config.{name}", ABSENT),
    )
    values = [value for value in places if value is not ABSENT]

    # "dataset" is both the option and what the record says of the data: a single value is meant
    single = [value for value in values if not isinstance(value, Mapping)]
    return next(iter([*single, *values]), default)


def agree(value: Any, wanted: Any) -> bool:
    """Whether a field holds what was typed."""
    # also as texts: a hash may look like a number
    return value == wanted or (wanted is not None and str(value) == str(wanted))


# Collecting ---------------------------------------------------------------------------------------


def collect(
    runs: Iterable[Path],
    out: Path,
    allow: Collection[str] = (),
    report: Callable[[str], None] = terminal.tell,
    replace: bool = False,
) -> list[Path]:
    """Copy every citable record below some folders to `out`, without the places of this machine.

    Args:
        runs: the folders.
        out: the folder of collected records.
        allow: see records.check_citable.
        report: called with one line for each record, written or refused and why.
        replace: remove other records in `out` of the same experiment, cell and seed, which could
            not stand in one table with the new ones.

    Returns:
        The files written.

    Raises:
        UserError: for a folder without any record, and where all of them were refused.
    """
    records.check_allowances(allow)
    written: list[Path] = []
    for folder in runs:
        paths = sorted(folder.rglob(names.RECORD))
        if not paths:
            raise UserError(
                f"{folder}: there is no {names.RECORD} below it; name a folder of run directories"
            )

        # what is refused is told and does not stop the others
        for path in paths:
            try:
                record = records.read(path.parent).content
                check_record(record, str(path), allow)
                name = file_name(record)
            except UserError as error:
                report(f"refused: {error}")
                continue

            target = out / name
            write_atomically(target, records.to_json(without_places(record), indent=2) + "\n")
            written.append(target)
            report(f"{path} -> {target}")

            # only once the new record is there may the older ones go
            for older in _older(record, target) if replace else ():
                older.unlink()
                report(f"removed: {older}, of the same experiment, cell and seed")

    if not written:
        raise UserError("every record was refused (reasons above); nothing was collected")
    return written


_CELL = (
    "experiment",
    "architecture",
    "loss",
    "penalty",
    "optimizer",
)  # choices that tell cells apart


def _older(record: Record, path: Path) -> list[Path]:
    """The other records beside `path` of the experiment, cell and seed of the one in it.

    A file's name does not say all: another part, whether typed or by default, makes another cell,
    and so does what both commands set, and set differently.
    """
    cell = path.name.removesuffix(f"{record['run_id']}.json")
    found = []
    for other in path.parent.glob(f"{cell}*.json"):
        if other == path or (content := _content(other)) is None:
            continue

        mine, its = _overrides(record), _overrides(content)
        is_of_cell = all(mine[key] == its[key] for key in mine.keys() & its.keys())
        alike = [[field(one, f"choices.{name}") for name in _CELL] for one in (record, content)]
        if is_of_cell and alike[0] == alike[1]:
            found.append(other)
    return found


def _content(path: Path) -> Record | None:
    """A record as it stands; None of a damaged one."""
    try:
        return records.read_content(path)
    except UserError:
        return None


def _overrides(record: Record) -> dict[str, str]:
    """{field: value} of what the command of a run set of its result."""
    determining = records.determining(record["config"])
    words = map(str, record.get("command") or ())
    pairs = (word.split("=", 1) for word in words if "=" in word)
    return {
        key: value
        for key, value in pairs
        if key.split(".")[0] in determining and key not in _PLACES
    }


def file_name(record: Mapping[str, Any]) -> str:
    """<dataset>_<loss>_<penalty><weight>[_<variant>][_<labels>][_extra-layer]_seed<seed>_<run_id>.json

    variant: AC-GAN's "original", or "classifier<weight>" where the generator's weight is not 1.
    Of a study: study_<name>_<config hash>_seed<seed>_<run_id>.json
    """
    # the hash tells a study's cells apart: each study has fields of its own
    if is_study(record):
        name, cell = record["choices"]["study"], record["config_hash"]
        return safe_name(f"study_{name}_{cell}_seed{record['seed']}_{record['run_id']}") + ".json"

    # in every name: data and method
    weight = field(record, "config.penalty.weight")
    choices = record["choices"]
    penalty = choices["penalty"] + ("" if weight is None else f"{weight:g}")
    parts = [record["dataset"]["name"], choices["loss"], penalty]

    # where they are not the usual ones: what tells the cells of Table 4-1 apart
    if field(record, "config.loss.original") is True:
        parts.append("original")
    if (of_classifier := field(record, "config.loss.generator_classifier_weight", 1)) != 1:
        parts.append(f"classifier{of_classifier:g}")
    if choices.get("labels", "none") != "none":
        parts.append(choices["labels"])
    if field(record, "config.architecture.extra_layer") is True:
        parts.append("extra-layer")

    # the run last: `_older` finds the other runs of a cell and seed by what stands before it
    stem = "_".join([*parts, f"seed{record['seed']}", record["run_id"]])
    return safe_name(stem) + ".json"


def without_places(record: Record) -> Record:
    """Copy a record without the places of a machine.

    The fields _PLACES of its config go; every other absolute path is cut to its last part.
    """
    record = copy.deepcopy(record)
    for name in _PLACES:
        parent, _, last = f"config.{name}".rpartition(".")
        if isinstance(group := field(record, parent), dict):
            group.pop(last, None)

    # the program's own path has no meaning elsewhere, its name has
    command = record.get("command") or []
    if command and "=" not in command[0]:
        command[0] = Path(command[0]).name
    shortened = _shorten(record)
    assert isinstance(shortened, dict)
    return shortened


# An address stands as it is; an absolute path begins where neither word, dot, tilde nor slash is
# before its slash.
_PLACE = re.compile(
    r"(?P<address>\w+://\S*)|(?<![\w.~/])~?/(?:[^/\s'\",;:]+/)*(?P<last>[^/\s'\",;:{}\[\]()]+)/*"
)


def _shorten(value: Any) -> Any:
    if isinstance(value, str):
        return _PLACE.sub(lambda place: place["address"] or place["last"], value)
    if isinstance(value, dict):
        return {key: _shorten(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shorten(item) for item in value]
    return value
