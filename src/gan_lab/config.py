"""The configuration: its schema and the checks that run before torch is imported."""

from __future__ import annotations

import difflib
import math
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf, open_dict

from gan_lab import plain_yaml, records, signature, trust, versions
from gan_lab.files import refuse_links
from gan_lab.schema import misfit
from gan_lab.terminal import quoted
from gan_lab.types import UserError

Group = dict[str, Any]
META_KEYS = frozenset({"_target_", "recipe", "accepts", "traits"})  # of an option's YAML, not passed on
META_KEYS |= {"capture", "tf32"}  # of trainer: whether its iterations become a CUDA graph; what CUDA may round
META_KEYS |= {"labelled_fraction", "num_classes", "reference_distribution"}  # of dataset, for training alone


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
    evaluation: Group = field(default_factory=dict)
    trainer: Group = field(default_factory=dict)
    logger: Group = field(default_factory=dict)
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
class FiguresConfig:
    """The fields of `scripts/figures.py`; see conf/figures.yaml."""

    figure: Any = None
    datasets: list[str] | None = None
    select: Any = None
    curve: Any = None
    frechet_distance: str | None = None
    records: str = "results/records"
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
    "classifier_schema": ClassifierConfig,
    "evaluate_schema": EvaluateConfig,
    "collect_schema": CollectConfig,
    "tables_schema": TablesConfig,
    "figures_schema": FiguresConfig,
    "wandb_dashboard_schema": WandbDashboardConfig,
}


def groups(schema: type) -> tuple[str, ...]:
    """The fields of a schema that hold a chosen option."""
    return tuple(item.name for item in fields(schema) if item.type == "Group")


GROUPS = groups(TrainConfig)


def register() -> None:
    """Tell Hydra the schemas and the resolvers. Called once by every entry point."""
    for name, fields_of in _SCHEMAS.items():
        schema = OmegaConf.structured(fields_of)
        for group in groups(
            fields_of
        ):  # open: `optimizer_critic.lr=1` needs no `+`; checks hold the keys to the target
            OmegaConf.set_struct(schema[group], False)
        ConfigStore.instance().store(name=name, node=schema)
    OmegaConf.register_new_resolver(
        "first", lambda *values: next((v for v in values if v is not None), None), replace=True
    )


# Ranges ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Range:
    """An interval for a number; `words` is how a message says it."""

    words: str
    holds: Callable[[float], bool]


def _at_least_one(value: float) -> bool:
    return value >= 1


def _not_negative(value: float) -> bool:
    return value >= 0


def _below_one(value: float) -> bool:
    return 0 <= value < 1


def _fraction(value: float) -> bool:
    return 0 <= value <= 1


def _at_least_two(value: float) -> bool:
    return value >= 2 and int(value) == value


AT_LEAST_ONE = Range("at least 1", _at_least_one)
NOT_NEGATIVE = Range("at least 0", _not_negative)
DECAY = Range("at least 0 and below 1", _below_one)
FRACTION = Range("between 0 and 1", _fraction)
AT_LEAST_TWO = Range("a whole number of at least 2", _at_least_two)
RANGES = {
    "seed": NOT_NEGATIVE,
    "n_critic": AT_LEAST_ONE,
    "max_generator_steps": AT_LEAST_ONE,
    "batch_size": AT_LEAST_ONE,
    "generator_batch_size": AT_LEAST_ONE,
    "ema_decay": DECAY,
    "log_every": AT_LEAST_ONE,
    "sample_every": AT_LEAST_ONE,
    "checkpoint_every": AT_LEAST_ONE,
    "evaluate_every": AT_LEAST_ONE,
    "keep_checkpoints": AT_LEAST_ONE,
    "penalty.weight": NOT_NEGATIVE,
    "penalty.target": NOT_NEGATIVE,
    "optimizer.lr": NOT_NEGATIVE,
    "optimizer_critic.lr": NOT_NEGATIVE,
    "architecture.channels": AT_LEAST_ONE,
    "dataset.labelled_fraction": FRACTION,
    "dataset.num_classes": AT_LEAST_TWO,
}
PRECISIONS = ("32-true", "bf16-mixed", "auto")
TF32 = (records.TF32, "all", "none")
EXISTING_RUN = ("refuse", "resume")
REFERENCES = (None, "uniform", "data")
DEVICES = ("auto", "cpu", "cuda")


# Checks ---------------------------------------------------------------------------------------------------------------


def check(config: DictConfig) -> None:
    """Refuse a config that cannot train: unknown keys, ranges, pairs that do not fit. Raises UserError."""
    check_fields(config, TrainConfig)
    merged = merged_critic_optimizer(config)
    _check_keys("optimizer_critic", merged)
    for path, allowed in RANGES.items():
        value = OmegaConf.select(config, path)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise UserError(f"{path}={value}: must be a number, {allowed.words}")
        if not allowed.holds(value):
            raise UserError(f"{path}={value}: must be {allowed.words}")
    if config.trainer.get("precision") not in PRECISIONS:
        raise UserError(f"trainer.precision={config.trainer.get('precision')}: choose {', '.join(PRECISIONS)}")
    if config.existing_run not in EXISTING_RUN:
        raise UserError(f"existing_run={config.existing_run}: choose {' or '.join(EXISTING_RUN)}")
    if (distribution := config.dataset.get("reference_distribution")) not in REFERENCES:
        raise UserError(f"dataset.reference_distribution={distribution}: choose uniform or data")
    _check_trainer(config)
    _check_pairs(config)


def _check_trainer(config: DictConfig) -> None:
    """Devices and how batches are shared by them; what this machine has is looked at later."""
    trainer = config.trainer
    if trainer.get("capture", "auto") not in ("auto", "off", False):  # YAML reads off as false
        raise UserError(f"trainer.capture={trainer.capture}: choose auto or off")
    if trainer.get("tf32", records.TF32) not in TF32:
        raise UserError(f"trainer.tf32={trainer.tf32}: choose {', '.join(TF32)}")
    devices, nodes, strategy = (
        trainer.get(name, other) for name, other in (("devices", 1), ("num_nodes", 1), ("strategy", None))
    )
    for name, value in (("devices", devices), ("num_nodes", nodes)):
        is_open = name == "devices" and value == "auto"
        if not is_open and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise UserError(f"trainer.{name}={value}: use a whole number of at least 1")
    if strategy is not None and not isinstance(strategy, Mapping):
        raise UserError(
            f"trainer.strategy={strategy}: several devices train with trainer=ddp, which has its own strategy; add it "
            "and leave trainer.strategy away"
        )
    if strategy is None and (devices, nodes) != (1, 1):
        raise UserError(f"trainer.devices={devices}: add trainer=ddp to train on several devices")
    if devices != "auto":
        check_shares(config, devices * nodes)


def check_shares(config: DictConfig, devices: int) -> None:
    """Raises UserError unless so many devices can share the batches."""
    for name in ("batch_size", "generator_batch_size"):
        if config[name] % devices:
            next_multiple = math.ceil(config[name] / devices) * devices
            raise UserError(
                f"{name}={config[name]} cannot be shared by {devices} devices: set a multiple of their number, as "
                f"{name}={next_multiple}"
            )


def logger_groups(config: DictConfig, sweep_dir: Path) -> dict[str, str]:
    """{field: group} of the loggers that have groups and were given none: a sweep's runs are one, named as its folder.

    It stands in the run's config.yaml then, so that a job that is resumed alone stays in its group.
    """
    nodes = config.logger.items()
    return {f"logger.{name}.group": sweep_dir.name for name, node in nodes if node.get("group", "") is None}


def uses_several_devices(config: DictConfig) -> bool:
    """Whether a run may be of more than one process; `auto` may be any number."""
    trainer = config.trainer
    return trainer.get("strategy") is not None and (trainer.get("devices"), trainer.get("num_nodes", 1)) != (1, 1)


def check_devices_of_job(config: DictConfig, launcher: str, overrides: Iterable[str], run_dir: Path) -> None:
    """Refuse several devices in a job that runs in the process of its sweep. Raises UserError.

    Lightning would start the other processes with this one's command line, which is the whole sweep's.
    """
    if launcher in ("serial", "basic") and uses_several_devices(config):
        alone = shlex.join([*overrides, f"run_dir={quoted(run_dir)}"])
        raise UserError(
            f"trainer.devices={config.trainer.devices}: several devices need a process for each cell: add "
            f"hydra/launcher=joblib hydra.launcher.n_jobs=1 to the sweep, or run this cell by itself: "
            f"python train.py {alone}"
        )


def check_fields(config: DictConfig, schema: type) -> None:
    """Refuse a field that the schema does not have and a key that a group's target does not take. Raises UserError."""
    known = {item.name for item in fields(schema)}
    for key in map(str, config):
        if key not in known:
            raise UserError(f"{key}: there is no such field{suggestion(key, known)}")
    for group in groups(schema):
        trust.check(group, plain_config(config[group]))
        _check_group(group, config[group])


def check_evaluation(config: DictConfig) -> None:
    """Refuse fields that scripts/evaluate.py does not have. Raises UserError.

    With `run_dir` and `runs`, `dataset.root` belongs to the data set of the runs, not to the one that is composed.
    """
    checked = config.copy()
    if config.run_dir or config.runs:
        with open_dict(checked):
            checked.dataset.pop("root", None)
    check_fields(checked, EvaluateConfig)


def check_device(device: str) -> None:
    """Refuse a device that is none of DEVICES. Raises UserError."""
    if device not in DEVICES:
        raise UserError(f"device={device}: choose {', '.join(DEVICES)}")


def _check_group(group: str, node: Mapping[str, Any]) -> None:
    if group == "evaluation" and not node:
        return  # evaluation=off
    if group == "logger":  # a group of loggers: one target for each key
        for name, logger in node.items():
            if not isinstance(logger, Mapping):
                raise UserError(
                    f"logger.{name}: there is no such logger; choose logger=csv, tensorboard, wandb, many or none"
                )
            _check_keys(f"logger.{name}", logger)
    elif group != "optimizer_critic":  # may be a part of an option; checked merged
        _check_keys(group, node)


def _check_keys(path: str, node: Mapping[str, Any]) -> None:
    target = node.get("_target_")
    if target is None:
        if path == "evaluation" and node:
            raise UserError(f"evaluation.{next(iter(node))}: evaluation=off has no fields; leave one of both away")
        raise UserError(f"{path}: no option is chosen; `python train.py --help` lists them")
    allowed = signature.parameters(str(target)) | META_KEYS
    for key in node:
        if key not in allowed:
            raise UserError(f"{path}.{key}: {target} takes no {key!r}{suggestion(str(key), allowed - META_KEYS)}")
        if isinstance(value := node[key], Mapping) and "_target_" in value:
            _check_keys(f"{path}.{key}", value)


def _check_pairs(config: DictConfig) -> None:
    kind = OmegaConf.select(config, "dataset.recipe.kind")
    accepted = config.architecture.get("accepts") or [kind]
    if kind is not None and kind not in accepted:
        raise UserError(
            f"architecture and dataset do not fit: {config.architecture._target_} takes {' and '.join(accepted)}, "
            f"dataset {config.dataset.get('name')} holds {kind}; add architecture=mlp"
        )
    _check_labels(config)
    if "root" in config.dataset and not config.dataset.root:
        raise UserError("dataset.root is not set: add dataset.root=FOLDER, the folder that holds the images")


def _check_labels(config: DictConfig) -> None:
    """Whether loss, labels, penalty and the critic's batch norm can work together; by the `traits` of the options."""
    loss, labels = config.loss.get("traits") or {}, config.labels.get("traits") or {}
    if loss.get("targets") and not labels.get("targets"):
        raise UserError(
            f"loss and labels do not fit: {config.loss._target_} aims every generated sample at a class; add "
            "labels=dynamic (the critic's own label) or labels=predefined (drawn with z)"
        )
    if labels.get("targets") and not loss.get("targets"):
        column = " (its column of Table 4-1 with predefined labels is labels=none architecture.extra_layer=true)"
        raise UserError(
            f"loss and labels do not fit: {config.loss._target_} has no term for the classes of generated samples, so "
            f"{config.labels._target_} has nothing to give; add labels=none"
            f"{column if 'extra_layer' in config.architecture else ''}"
        )
    if "weight" in config.penalty:  # it measures gradients, at weight 0 too
        if not loss.get("score", True):
            raise UserError(
                f"loss and penalty do not fit: {config.loss._target_} has no real-fake score whose gradient "
                f"{config.penalty._target_} could measure; add penalty=none"
            )
        if config.architecture.get("critic_batch_norm"):
            raise UserError(
                f"architecture and penalty do not fit: {config.penalty._target_} needs one gradient per sample, and "
                "the critic's batch norm mixes samples; add penalty=none, architecture.critic_batch_norm=false or "
                "architecture=resnet"
            )


def merged_critic_optimizer(config: DictConfig) -> DictConfig:
    """The critic's optimizer: `optimizer`, overridden by the fields of `optimizer_critic`.

    An `optimizer_critic` with a `_target_` of its own (`optimizer@optimizer_critic=adashift`) replaces it whole.
    """
    if "_target_" in config.optimizer_critic:
        return config.optimizer_critic
    merged = OmegaConf.merge(config.optimizer, config.optimizer_critic)
    assert isinstance(merged, DictConfig)
    return merged


def plain_config(node: DictConfig) -> dict[str, Any]:
    """The config, or a node of it, as dicts and lists with every interpolation resolved."""
    content = OmegaConf.to_container(node, resolve=True)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


def suggestion(key: str, known: Iterable[str]) -> str:
    """ "; did you mean 'weight'?" and the list of what there is."""
    names = sorted(known)
    close = difflib.get_close_matches(key, names, n=1)
    return (f"; did you mean {close[0]!r}?" if close else "") + f" (there are: {', '.join(names)})"


# Resume ---------------------------------------------------------------------------------------------------------------

CONFIG_FILE = "config.yaml"


# what a run that goes on may find elsewhere, or fetch again; none of it determines a result: see records.determining
WHERE = ("dataset.root", "dataset.download", "data_cache")


def resumed(config: DictConfig, overrides: Iterable[str], run_dir: Path) -> DictConfig:
    """The config of the run in `config.resume`, with the few things that a resume may change taken from `config`.

    overrides: what was typed. Allowed are trainer (not its precision), logger, evaluation, where the data are now
    (WHERE; their content is checked once they are read) and a larger max_generator_steps; any other override must
    repeat the saved value. Raises UserError naming the field that differs.
    """
    folder = Path(str(config.resume))
    saved = saved_config(folder, "resume")
    if folder.resolve() != run_dir.resolve():
        raise UserError(f"resume={folder}: a run goes on in its own folder; leave -m and run_dir away")
    result = saved.copy()
    result.resume = str(folder)
    for override in overrides:
        key = re.split(r"[=:]", override.lstrip("+~"))[0].rpartition("@")[2]
        root = key.split(".")[0]
        if root == "resume":
            continue
        if root in ("trainer", "logger", "evaluation"):
            if key == root:  # another option
                result[root] = config[root]
            else:
                OmegaConf.update(result, key, OmegaConf.select(config, key), force_add=True)
        elif key in WHERE and OmegaConf.select(saved, key) is not None:
            OmegaConf.update(result, key, OmegaConf.select(config, key))
        elif root == "max_generator_steps":
            if config.max_generator_steps < saved.max_generator_steps:
                raise UserError(f"{override}: a resumed run may only get longer; it has {saved.max_generator_steps}")
            result.max_generator_steps = config.max_generator_steps
        elif root not in saved or _determining(config, key) != _determining(saved, key):
            raise UserError(f"{override}: a resumed run keeps its {key}; start a new run, or leave {key} away")
    for name, implied in (("precision", None), ("tf32", records.TF32)):
        kept = saved.trainer.get(name, implied)
        if result.trainer.get(name, implied) != kept:
            raise UserError(f"trainer.{name}: a resumed run keeps its {name}; add trainer.{name}={kept}")
    return result


def _determining(config: DictConfig, key: str) -> Any:
    """The value of a field; of a data set without where it stands."""
    value = OmegaConf.select(config, key)
    if key != "dataset" or not isinstance(value, DictConfig):
        return value
    return records.determining({key: plain_config(value)})


def config_text(plain: Mapping[str, Any]) -> str:
    """The text of config.yaml for a resolved config."""
    return OmegaConf.to_yaml(OmegaConf.create({"version": versions.VERSION, **plain}))


def saved_config(folder: Path, field: str) -> DictConfig:
    """The config.yaml of a run directory, named by `field`, as a config of today: see versions.updated.

    Raises UserError where it is missing or damaged, where a newer gan_lab wrote it, and for a link in the folder.
    """
    refuse_links(folder)
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise UserError(f"{field}={folder} is no run directory: it has no {CONFIG_FILE}; name a folder of train.py's")
    content = plain_yaml.read(path)
    saved: dict[Any, Any] = content if isinstance(content, dict) else {}
    version = versions.check_version(saved.pop("version", 1), path)

    # what every version had must be there; the rest is filled in
    needed = {item.name for item in fields(TrainConfig)} - versions.implied_fields(version)
    if missing := needed - set(saved):
        raise UserError(f"{path} is damaged: it has no {', '.join(sorted(missing))}; restore it")
    if found := _interpolation(saved):
        raise UserError(f"{path} holds {found}, which train.py never writes: it was altered; restore it")
    if wrong := misfit(saved, records.Config):
        raise UserError(f"{path} is damaged: {wrong}; restore it")
    updated = versions.updated(saved, version)
    for group in GROUPS:  # what it names is its own, whatever takes its place afterwards
        trust.check(group, updated[group])
    return OmegaConf.create(updated)


def _interpolation(value: Any) -> str | None:
    """The first string with "${" in nested containers: it would read this machine's environment into the records."""
    if isinstance(value, str):
        return value if "${" in value else None
    items = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return next((found for item in items if (found := _interpolation(item))), None)
