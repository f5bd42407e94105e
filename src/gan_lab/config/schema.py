"""The fields of every command, and the groups whose options are chosen. Torch-free."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf, open_dict

from gan_lab.errors import UserError
from gan_lab.records.versions import FACTS, RENAMED_FIELDS

Group = dict[str, Any]
TRAINER_KEYS = frozenset({"capture", "compile", "tf32"})
"""What only a trainer has: whether iterations become a CUDA graph, networks are compiled; what CUDA
rounds."""
META_KEYS = frozenset({"_target_", *FACTS}) | TRAINER_KEYS
"""Keys that an option's YAML may have beside the parameters of its target. Those of a trainer have
no effect elsewhere; runs of an older gan_lab may have them there."""


@dataclass
class TrainConfig:
    """The fields of `train.py`. Their values and explanations stand in conf/train.yaml.

    A group holds its chosen option: a `_target_` and the parameters that the target takes.
    """

    loss: Group = field(default_factory=dict)
    labels: Group = field(default_factory=dict)
    penalty: Group = field(default_factory=dict)
    optimizer: Group = field(default_factory=dict)
    optimizer_critic: Group = field(default_factory=dict)
    schedule: Group = field(default_factory=dict)
    architecture: Group = field(default_factory=dict)
    dataset: Group = field(default_factory=dict)
    supervision: Group = field(default_factory=dict)
    evaluation: Group = field(default_factory=dict)
    trainer: Group = field(default_factory=dict)
    logger: Group = field(default_factory=dict)
    diagnostics: Group = field(default_factory=dict)
    seed: int = MISSING
    n_critic: int = MISSING
    max_generator_steps: int = MISSING
    batch_size: int = MISSING
    generator_batch_size: int = MISSING
    ema_decay: float = MISSING
    log_every: int = MISSING
    sample_every: int = MISSING
    checkpoint_every: int = MISSING
    evaluate_every: int = MISSING
    keep_checkpoints: int = MISSING
    data_cache: str = MISSING
    run_dir: str = MISSING
    resume: str | None = None
    existing_run: str = MISSING


@dataclass
class StudyConfig:
    """The fields of `scripts/study.py`; see conf/study.yaml. A study takes some of the parts."""

    study: Group = field(default_factory=dict)
    loss: Group = field(default_factory=dict)
    penalty: Group = field(default_factory=dict)
    optimizer: Group = field(default_factory=dict)
    architecture: Group = field(default_factory=dict)
    dataset: Group = field(default_factory=dict)
    seed: int = MISSING
    device: str = MISSING
    log_every: int = MISSING
    checkpoint_every: int = MISSING
    data_cache: str = MISSING
    run_dir: str = MISSING
    existing_run: str = MISSING


@dataclass
class ClassifierConfig:
    """The fields of `scripts/classifier.py`; see conf/classifier.yaml."""

    classifier: Group = field(default_factory=dict)
    dataset: Group = field(default_factory=dict)
    data_cache: str = MISSING
    device: str = MISSING
    export: str | None = None


@dataclass
class EvaluateConfig:
    """The fields of `scripts/evaluate.py`; see conf/evaluate.yaml."""

    evaluation: Group = field(default_factory=dict)
    dataset: Group = field(default_factory=dict)
    run_dir: str | None = None
    runs: str | None = None
    history: bool = False
    rescore: bool = False
    samples: str | None = None
    reference: str | None = None
    self_test: bool = False
    data_statistics: bool = False
    resize: str = MISSING
    size: int | None = None
    data_cache: str = MISSING
    device: str = MISSING
    out: str = MISSING
    name: str | None = None


@dataclass
class SampleConfig:
    """The fields of `scripts/sample.py`; see conf/sample.yaml. The command says itself what its
    numbers must be."""

    run_dir: str | None = None
    n: Any = MISSING
    between: Any = None
    interpolate: Any = False
    steps: Any = MISSING
    seed: Any = MISSING
    out: str | None = None
    images: str | None = None
    device: str = MISSING

    # `class` is a keyword of Python: it cannot be annotated, nor stand in a generated method
    __annotations__["class"] = "Any"
    vars()["class"] = field(default=None, init=False, repr=False, compare=False)


@dataclass
class CollectConfig:
    """The fields of `scripts/collect.py`; see conf/collect.yaml."""

    runs: Any = None
    out: str = "results/records"
    allow: list[str] = field(default_factory=list)
    replace: bool = False


@dataclass
class TablesConfig:
    """The fields of `scripts/tables.py`; see conf/tables.yaml."""

    table: str = "2-2"
    datasets: list[str] | None = None
    select: Any = None
    inception_score: str | None = None
    frechet_distance: str | None = None
    am_score: str | None = None
    entropy: str | None = None
    ms_ssim: str | None = None
    records: str = "results/records"
    allow: list[str] = field(default_factory=list)
    out: str = "results/tables"
    name: str | None = None


@dataclass
class TableConfig:
    """The fields of `scripts/table.py`; see conf/table.yaml."""

    runs: Any = None
    rows: Any = None
    columns: Any = None
    facet: Any = None
    score: Any = None
    baseline: Any = None
    select: Any = None
    allow: list[str] = field(default_factory=list)
    out: str = "outputs/tables"
    name: str | None = None


@dataclass
class CurvesConfig:
    """The fields of `scripts/curves.py`; see conf/curves.yaml."""

    runs: Any = None
    rows: Any = None
    facet: Any = None
    curves: Any = None
    select: Any = None
    allow: list[str] = field(default_factory=list)
    out: str = "outputs/figures"
    name: str | None = None


@dataclass
class ReportConfig:
    """The fields of `scripts/report.py`; see conf/report.yaml."""

    thesis: bool = False
    results: str = "results"
    runs: Any = None
    rows: Any = None
    columns: Any = None
    facet: Any = None
    score: Any = None
    curves: Any = None
    baseline: Any = None
    select: Any = None
    allow: list[str] = field(default_factory=list)
    megabytes: float = 20.0
    watch: bool = False
    port: int = 0
    every: float = 5.0
    out: str = "outputs/reports"
    name: str | None = None


@dataclass
class FiguresConfig:
    """The fields of `scripts/figures.py`; see conf/figures.yaml."""

    figure: Any = None
    datasets: list[str] | None = None
    select: Any = None
    curve: Any = None
    frechet_distance: str | None = None
    records: str = "results/records"
    studies: str = "results/studies"
    run_dirs: list[str] = field(default_factory=list)
    statistics: list[str] | None = None
    allow: list[str] = field(default_factory=list)
    out: str = "results/figures"


@dataclass
class WandbDashboardConfig:
    """The fields of `scripts/wandb_dashboard.py`; see conf/wandb_dashboard.yaml."""

    runs: str | None = None
    entity: str | None = None
    project: str = "gan_lab"
    name: str = "gan_lab"
    out: str = MISSING
    send: bool = False


_SCHEMAS = {
    "schema": TrainConfig,
    "study_schema": StudyConfig,
    "classifier_schema": ClassifierConfig,
    "evaluate_schema": EvaluateConfig,
    "sample_schema": SampleConfig,
    "collect_schema": CollectConfig,
    "table_schema": TableConfig,
    "tables_schema": TablesConfig,
    "curves_schema": CurvesConfig,
    "figures_schema": FiguresConfig,
    "report_schema": ReportConfig,
    "wandb_dashboard_schema": WandbDashboardConfig,
}


def groups(schema: type) -> tuple[str, ...]:
    """The fields of a schema that hold a chosen option."""
    return tuple(item.name for item in fields(schema) if item.type == "Group")


GROUPS = groups(TrainConfig)


def programs_with(name: str) -> list[str]:
    """The programs, as scripts/table.py, that have a field of this name."""
    return [
        f"scripts/{key.removesuffix('_schema')}.py" if "_" in key else "train.py"
        for key, schema in _SCHEMAS.items()
        if name in {item.name for item in fields(schema)}
    ]


def register(*schemas: type) -> None:
    """Tell Hydra the resolvers and the schemas of this program, as every entry point does.

    Args:
        schemas: those of the program; all where none is named.
    """
    _share_store()
    for name, fields_of in _SCHEMAS.items():
        if not schemas or fields_of in schemas:
            _store(name, fields_of)
    OmegaConf.register_new_resolver("first", _first, replace=True)
    OmegaConf.register_new_resolver("any", _any, replace=True)


@functools.cache
def _share_store() -> None:
    """Let all of Hydra's repositories have its one store. Each would copy it, with every schema:
    that was half of the time of `--help`, which makes a hundred, and a tenth of composing."""
    store = ConfigStore.instance()
    store.__deepcopy__ = lambda _: store  # type: ignore[attr-defined]


@functools.cache
def _store(name: str, fields_of: type) -> None:
    """Tell Hydra a schema, once in a process."""
    schema = OmegaConf.structured(fields_of)

    # open: `optimizer_critic.lr=1` needs no `+`; checks hold the keys to the target
    for group in groups(fields_of):
        OmegaConf.set_struct(schema[group], value=False)
    ConfigStore.instance().store(name=name, node=schema)


def _first(*values: Any) -> Any:
    """The first value that is set, for ${first:...} in conf/."""
    return next((value for value in values if value is not None), None)


def _any(*values: Any) -> bool:
    """Whether one of the values is true, for ${any:...} in conf/."""
    return any(values)


def listed(value: Any) -> list[str]:
    """The names in a field that takes one or a list of them, or none."""
    if value is None:
        return []
    return [str(name) for name in (value if isinstance(value, list) else [value])]


def typed_row(value: Any) -> Mapping[str, Any] | None:
    """Read the row of a table that `baseline` names, {field: value}, also as "field:value".

    Raises:
        UserError: it is neither.
    """
    if isinstance(value, Mapping | None):
        return value
    name, colon, wanted = str(value).partition(":")
    if not colon:
        raise UserError(
            f"baseline={value}: name a field of the rows and its value, "
            "as baseline=loss:wasserstein"
        )
    return {name: wanted}


def plain_config(node: DictConfig) -> dict[str, Any]:
    """The config, or a node of it, as dicts and lists with every interpolation resolved."""
    content = OmegaConf.to_container(node, resolve=True)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


def rename_old_fields(config: DictConfig, typed: Collection[str]) -> None:
    """Give every field of a composed config the name of today. It may have been typed, or stand in
    an experiment file, by the name that it had before.

    Args:
        config: is changed.
        typed: the dotted fields that stood on the command line.

    Raises:
        UserError: for a field that was typed by both names.
    """
    for old, renaming in RENAMED_FIELDS.items():
        group, _, name = old.rpartition(".")
        node = config.get(group)
        if renaming.new is None or not isinstance(node, DictConfig):
            continue
        if name not in node or not renaming.is_of(node):
            continue

        # two values for one field
        if renaming.new in typed:
            raise UserError(
                f"{old}: this is the old name of {renaming.new}, which is set, too; omit {old}"
            )
        with open_dict(config):
            OmegaConf.update(config, renaming.new, node.pop(name), force_add=True)
