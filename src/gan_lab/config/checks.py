"""The checks of a config that run before torch is imported; what a part checks itself is not
repeated here."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import InterpolationKeyError

from gan_lab import checks, records
from gan_lab.config import options, signature, trust
from gan_lab.config.schema import (
    META_KEYS,
    TRAINER_KEYS,
    EvaluateConfig,
    StudyConfig,
    TrainConfig,
    groups,
    plain_config,
    programs_with,
    rename_old_fields,
)
from gan_lab.config.traits import Traits, traits_of
from gan_lab.errors import UserError
from gan_lab.files import safe_name
from gan_lab.records.versions import FACTS, component

WHOLE_NUMBERS = {
    "seed": 0,
    "n_critic": 1,
    "max_generator_steps": 1,
    "batch_size": 1,
    "generator_batch_size": 1,
    "log_every": 1,
    "sample_every": 1,
    "checkpoint_every": 1,
    "evaluate_every": 1,
    "keep_checkpoints": 1,
}
"""Fields that no part checks, and the least that each may be."""

STUDY_NUMBERS = {"seed": 0, "log_every": 1, "checkpoint_every": 1}
"""The same of a study."""

AT_LEAST_0 = ("lr", "eps", "weight_decay", "momentum", "momentum_decay", "alpha")
"""Fields of torch's optimizers that must be numbers of at least 0."""

PRECISIONS = ("32-true", "bf16-mixed", "auto")
TF32 = (records.TF32, "all", "none")
CAPTURE = ("auto", "off")  # which YAML reads as false
EXISTING_RUN = ("refuse", "resume")
REFERENCES = (None, "uniform", "data")
DEVICES = ("auto", "cpu", "cuda")
_WITHOUT = {"evaluation": "off", "diagnostics": "none"}
"""Groups that may have no object, and the option that says so."""
_WITH_TRAITS = ("architecture", "loss", "labels", "penalty", "diagnostics")
"""Groups whose options say of themselves what the checks must know."""


def check(config: DictConfig) -> None:
    """Refuse a config that cannot train.

    Raises:
        UserError: for unknown keys, values out of range, and pairs that do not fit.
    """
    rename_old_fields(config, trust.typed_fields())
    _drop_fields_of_replaced_options(config, TrainConfig)
    check_fields(config, TrainConfig)
    merged = merged_critic_optimizer(config)
    _check_keys("optimizer_critic", merged)
    for path, optimizer in (("optimizer", config.optimizer), ("optimizer_critic", merged)):
        _check_optimizer(path, optimizer)
    for name, least in WHOLE_NUMBERS.items():
        checks.whole(name, config[name], at_least=least)
    checks.number("ema_decay", config.ema_decay, at_least=0, below=1)
    checks.choice("trainer.precision", config.trainer.get("precision"), PRECISIONS)
    checks.choice("existing_run", config.existing_run, EXISTING_RUN)
    _check_supervision(config)
    _check_trainer(config)
    _check_pairs(config)


def _drop_fields_of_replaced_options(config: DictConfig, schema: type) -> None:
    """Leave out what an option gives to its own class, where another class or option was typed in
    its place.

    `loss=exp loss._target_=my_losses.mine` keeps exp's `generator` only if `mine` takes one, or if
    it was typed, too. `experiment=sagan penalty=gp` has no use for what the experiment sets of its
    own penalty, `generator`.
    """
    for group in groups(schema):
        if isinstance(node := config.get(group), DictConfig):
            _drop_fields(group, node)


def _drop_fields(path: str, node: DictConfig) -> None:
    """The same of one node, and of the parts in it."""
    for name, part in list(node.items_ex(resolve=False)):
        if isinstance(part, DictConfig) and "_target_" in part:
            _drop_fields(f"{path}.{name!s}", part)

    # of another class everything may go; of another option what the others of its group have
    typed = trust.typed_fields()
    if f"{path}._target_" in typed:
        droppable = set(node)
    elif path in typed and "_target_" in node:
        contents = options.contents(path)
        own = contents.get(str(HydraConfig.get().runtime.choices.get(path)), {})
        droppable = {field for content in contents.values() for field in content} - own.keys()
    else:
        return

    # what it takes stays, and what was typed
    target = str(node["_target_"])
    trust.reach(target)
    kept = signature.parameters(target) | META_KEYS
    kept |= {field.removeprefix(f"{path}.") for field in typed}
    with open_dict(node):
        for key in droppable & set(node) - kept:
            del node[key]


def _check_optimizer(path: str, node: Mapping[str, Any]) -> None:
    """Ranges of torch's optimizers, which answer in Python's words, or take lr=inf. Ours, and the
    user's, check their own."""
    target = str(node["_target_"])
    if target.partition(".")[0] != "torch":
        return

    for name in AT_LEAST_0:
        if name in node:
            checks.number(f"{path}.{name}", node[name], at_least=0)
    if "betas" not in node:
        return
    betas = checks.betas(f"{path}.betas", node["betas"])

    # its constructor compares types
    if component(target) in ("Adam", "AdamW") and any(isinstance(beta, int) for beta in betas):
        floats = ",".join(str(float(beta)) for beta in betas)
        raise UserError(
            f"{path}.betas={betas}: {target} takes no whole numbers; set {path}.betas=[{floats}]"
        )


def _check_supervision(config: DictConfig) -> None:
    """How much training sees of the labels."""
    supervision = config.supervision
    fraction, classes = supervision.get("labelled_fraction", 1.0), supervision.get("num_classes")
    checks.number("supervision.labelled_fraction", fraction, at_least=0, at_most=1)
    if classes is not None:
        is_whole = isinstance(classes, float) and classes.is_integer()  # 10.0 is a whole number
        checks.whole("supervision.num_classes", int(classes) if is_whole else classes, at_least=2)
    reference = supervision.get("reference_distribution")
    checks.choice("supervision.reference_distribution", reference, REFERENCES)


def _check_trainer(config: DictConfig) -> None:
    """Devices and how batches are shared by them; what this machine has is looked at later."""
    # what makes a step faster
    trainer = config.trainer
    capture = trainer.get("capture", "auto")
    checks.choice("trainer.capture", "off" if capture is False else capture, CAPTURE)
    if checks.flag("trainer.compile", trainer.get("compile", False)) and trainer.get("strategy"):
        raise UserError("trainer.compile=true: it is for one device; set trainer.compile=false")
    checks.choice("trainer.tf32", trainer.get("tf32", records.TF32), TF32)

    # how many processes there are; devices=auto is as many as the machine has
    devices, nodes = trainer.get("devices", 1), trainer.get("num_nodes", 1)
    for name, value in (("devices", devices), ("num_nodes", nodes)):
        if not (name == "devices" and value == "auto"):
            checks.whole(f"trainer.{name}", value, at_least=1)

    # several of them need the strategy of trainer=ddp
    strategy = trainer.get("strategy")
    if strategy is not None and not isinstance(strategy, Mapping):
        raise UserError(
            f"trainer.strategy={strategy}: several devices train with trainer=ddp, which has its "
            "own strategy; add it and omit trainer.strategy"
        )
    if strategy is None and (devices, nodes) != (1, 1):
        raise UserError(f"trainer.devices={devices}: add trainer=ddp to train on several devices")
    if devices != "auto":
        check_shares(config, devices * nodes)


def check_shares(config: DictConfig, devices: int) -> None:
    """Refuse batches that so many devices cannot share.

    Raises:
        UserError: where a batch size is no multiple of the number of devices.
    """
    sizes = {name: config[name] for name in ("batch_size", "generator_batch_size")}
    if "samples" in config.diagnostics:
        samples = config.diagnostics.samples
        sizes["diagnostics.samples"] = checks.whole("diagnostics.samples", samples, at_least=1)
    for name, size in sizes.items():
        if size % devices:
            next_multiple = math.ceil(size / devices) * devices
            raise UserError(
                f"{name}={size} cannot be shared by {devices} devices: set a multiple of "
                "their number, as "
                f"{name}={next_multiple}"
            )


def check_fields(config: DictConfig, schema: type) -> None:
    """Refuse a field that the schema does not have and a key that a group's target does not take.

    Raises:
        UserError: for the first of them.
    """
    check_known(config, schema)
    _check_one_option_each(schema)
    for group in groups(schema):
        trust.check(group, plain_config(config[group]))
        _check_group(group, config[group])


def check_known(config: DictConfig, schema: type) -> None:
    """Refuse a field that the schema does not have.

    Raises:
        UserError: for the first of them.
    """
    known = {item.name for item in fields(schema)}
    for key in map(str, config):
        if key not in known:
            raise UserError(no_such_field(key, schema))


def _check_one_option_each(schema: type) -> None:
    """Refuse several options of a group, of which Hydra would make one part: the last, with fields
    of the others. Loggers alone stand beside each other."""
    if not HydraConfig.initialized():
        return
    for override in HydraConfig.get().overrides.task:
        group, _, options_of = override.lstrip("+").partition("=")
        is_list = options_of.startswith("[") and "," in options_of
        if is_list and group in groups(schema) and group != "logger":
            both = "; penalty=sum adds two penalties" if group == "penalty" else ""
            raise UserError(f"{override}: choose one {group}{both}")


def check_study(config: DictConfig) -> None:
    """Refuse a config that is of no study.

    Raises:
        UserError: for unknown keys, values out of range, no study, and parts that the study does
            not take.
    """
    check_known(config, StudyConfig)
    _check_one_option_each(StudyConfig)
    if "_target_" not in config.study:
        names = ", ".join(options.contents("study"))
        raise UserError(f"study is not set: add study=NAME (there are: {names})")

    # what it may name, then its own fields, and the parts that its option brings
    for group in groups(StudyConfig):
        trust.check(group, _plain_part(config, group))
    _drop_fields_of_replaced_options(config, StudyConfig)
    _check_keys("study", config.study)
    _check_parts(config)

    if config.optimizer:
        _check_optimizer("optimizer", config.optimizer)

    # a critic that judges by classes has none to judge by
    if config.architecture and traits_of("architecture", config.architecture).targets:
        raise UserError(
            f"architecture and study do not fit: the critic of {config.architecture._target_} "
            "judges every sample by its class, and a study draws none; set "
            "architecture.projection=false"
        )

    # what a study has in common with every run
    for name, least in STUDY_NUMBERS.items():
        checks.whole(name, config[name], at_least=least)
    checks.choice("existing_run", config.existing_run, EXISTING_RUN)
    check_device(config.device)


def _plain_part(config: DictConfig, group: str) -> dict[str, Any]:
    """A part of a study, as dicts. Raises UserError where a field follows from a group that the
    study does not have."""
    node = config[group]

    # whole, where the study has all that its fields follow from
    try:
        return plain_config(node)
    except InterpolationKeyError:
        target = node["_target_"]

    # as ${dataset.recipe.channels}, and ${labels.recipe.extra_layer}, which can be set
    follows = {
        str(name): match[1]
        for name, text in node.items_ex(resolve=False)
        if (match := re.match(r"\$\{(\w+)\.", str(text)))
    }
    if "dataset" in follows.values() and not config.dataset:
        raise UserError(
            f"{group} and study do not fit: {target} is sized by images, and "
            f"{config.study['_target_']} takes no dataset; add architecture=mlp"
        )

    missing = [f"{group}.{name}=VALUE" for name, of in follows.items() if not config.get(of)]
    raise UserError(
        f"{group}: {target} has fields that follow from what a study does not have; set "
        f"{' '.join(missing)}"
    )


def _check_parts(config: DictConfig) -> None:
    """Whether a study takes exactly the parts that it is given; its constructor names them as the
    groups are named. Raises UserError."""
    parts = [group for group in groups(StudyConfig) if group != "study"]
    target, typed = str(config.study["_target_"]), trust.typed_fields()
    taken = signature.parameters(target)
    for group in parts:
        if group in config.study:
            raise UserError(f"study.{group}: it is a part of its own: add {group}=NAME")

        # those of an option whose class was replaced go with its fields
        is_typed = any(name.split(".")[0] == group for name in typed)
        if group not in taken and not is_typed and "study._target_" in typed:
            config[group] = {}
        if config[group] and group not in taken:
            raise UserError(f"{group}: {target} takes no {group}: omit it")
        if config[group]:
            _check_keys(group, config[group])


def check_evaluation(config: DictConfig) -> None:
    """Refuse fields that scripts/evaluate.py does not have.

    With `run_dir` and `runs`, `dataset.root` belongs to the data set of the runs, not to the one
    that is composed.

    Raises:
        UserError: for the first of them.
    """
    checked = config.copy()
    if config.run_dir or config.runs:
        with open_dict(checked):
            checked.dataset.pop("root", None)
    check_fields(checked, EvaluateConfig)


def check_device(device: str) -> None:
    """Refuse a device that is none of DEVICES.

    Raises:
        UserError: names those that there are.
    """
    checks.choice("device", device, DEVICES)


def _check_group(group: str, node: Mapping[str, Any]) -> None:
    if group in _WITHOUT and not node:
        return
    if group == "logger":  # a group of loggers: one target for each key
        for name, logger in node.items():
            if not isinstance(logger, Mapping):
                raise UserError(
                    f"logger.{name}: there is no such logger; choose logger=csv, tensorboard, "
                    "wandb, many or none"
                )
            _check_keys(f"logger.{name}", logger)
            _check_folders(f"logger.{name}", logger)
    elif group != "optimizer_critic":  # may be a part of an option; checked merged
        _check_keys(group, node)


def _check_folders(path: str, node: Mapping[str, Any]) -> None:
    """Refuse fields that name folders of a logger and would lead out of the run directory. Raises
    UserError."""
    if "sub_dir" not in signature.parameters(str(node["_target_"])):
        return
    for name in ("name", "version", "sub_dir"):
        value = node.get(name)
        if value not in (None, "") and safe_name(value) != str(value):
            raise UserError(
                f"{path}.{name}={value}: a folder in the run directory is meant: use letters, "
                "digits and -"
            )


def _check_keys(path: str, node: Mapping[str, Any]) -> None:
    target = node.get("_target_")
    if target is None:
        if path in _WITHOUT and node:
            option = f"{path}={_WITHOUT[path]}"
            raise UserError(f"{path}.{next(iter(node))}: {option} has no fields; omit one of both")
        raise UserError(f"{path}: no option is chosen; `python train.py --help` lists them")
    parameters = signature.parameters(str(target))
    allowed = parameters | META_KEYS - _typed_without_effect(path)
    for key in node:
        if key not in allowed:
            named = f"{path}.{key!s}"
            advice = suggestion(str(key), parameters)
            raise UserError(
                f"{named}: {target} takes no {key!r}{advice}"
                f"{'' if 'did you mean' in advice else _to_add(named, str(target))}"
            )
        if isinstance(value := node[key], Mapping) and "_target_" in value:
            _check_keys(f"{path}.{key}", value)


def _typed_without_effect(path: str) -> set[str]:
    """The META_KEYS that were typed for an option and that nothing reads: a trainer's keys
    elsewhere, and facts that its file in conf/ has not. What files say is not looked at: an old run
    may have such a key, and goes on."""
    typed = {
        key
        for key in (*FACTS, *TRAINER_KEYS)
        for name in trust.typed_fields()
        if f"{name}.".startswith(f"{path}.{key}.")
    }
    if not typed or path == "trainer":
        return typed & set(FACTS)

    # the option in place of a group, or as a part of another one: penalty@penalty.first
    has: set[str] = {"traits"} if path.partition(".")[0] in _WITH_TRAITS else set()
    for place, option in HydraConfig.get().runtime.choices.items():
        group, _, part = place.partition("@")
        if option is not None and path == (part or group):
            has |= options.contents(group).get(option, dict.fromkeys(FACTS)).keys()
    return typed - has


def _to_add(field: str, target: str) -> str:
    """What to do where a class lacks the parameter that a field names and has none like it."""
    name = field.rpartition(".")[2]
    is_typed = any(f"{typed}.".startswith(f"{field}.") for typed in trust.typed_fields())
    if not is_typed:  # it stands in an option file, or a saved config
        return f"; add a parameter {name!r} to {target}, or omit {name!r} in the file that names it"
    is_own = target.partition(".")[0] not in ("gan_lab", "torch", "lightning")
    return f"; omit it, or add a parameter {name!r} to {target}" if is_own else ""


def _check_pairs(config: DictConfig) -> None:
    """Whether the chosen options fit each other; by their traits."""
    traits = _traits(config)
    kind = OmegaConf.select(config, "dataset.recipe.kind")
    kinds = traits["architecture"].kinds or (kind,)
    if kind is not None and kind not in kinds:
        raise UserError(
            f"architecture and dataset do not fit: {config.architecture._target_} takes "
            f"{' and '.join(kinds)}, "
            f"dataset {config.dataset.get('name')} holds {kind}; add architecture=mlp"
        )
    _check_labels(config, traits)
    _check_penalty(config, traits)
    _check_diagnostics(config, traits)
    if "root" in config.dataset and not config.dataset.root:
        raise UserError(
            "dataset.root is not set: add dataset.root=FOLDER, the folder that holds the images"
        )


def _traits(config: DictConfig) -> dict[str, Traits]:
    """{group: the traits of its option}, of every group whose options have some."""
    return {group: traits_of(group, config[group]) for group in _WITH_TRAITS if config.get(group)}


def _check_labels(config: DictConfig, traits: Mapping[str, Traits]) -> None:
    """Whether the loss aims at classes exactly where the labels give some."""
    loss, labels = traits["loss"], traits["labels"]

    # a critic that judges by classes needs drawn ones, whatever the loss
    if traits["architecture"].targets:
        if not labels.targets:
            raise UserError(
                f"architecture and labels do not fit: the critic of {config.architecture._target_} "
                "judges every sample by its class; add labels=predefined or "
                "architecture.projection=false"
            )
        return

    # a loss that aims at classes, and labels that give none; or the other way round
    if loss.targets and not labels.targets:
        raise UserError(
            f"loss and labels do not fit: {config.loss._target_} aims every generated sample at a "
            "class; add "
            "labels=dynamic (the critic's own label) or labels=predefined (drawn with z)"
        )

    if labels.targets and not loss.targets:
        column = (
            " (its column of Table 4-1 with predefined labels is labels=none "
            "architecture.extra_layer=true)"
        )
        raise UserError(
            f"loss and labels do not fit: {config.loss._target_} has no term for the classes of "
            "generated samples, so "
            f"{config.labels._target_} has nothing to give; add labels=none"
            f"{column if 'extra_layer' in config.architecture else ''}"
        )


def _check_diagnostics(config: DictConfig, traits: Mapping[str, Traits]) -> None:
    """Whether loss and critic have the score that a diagnostic reads."""
    diagnostics = config.diagnostics
    if not diagnostics or not traits["diagnostics"].score:
        return
    if not traits["loss"].score:
        raise UserError(
            f"loss and diagnostics do not fit: {config.loss._target_} has no real-fake score that "
            f"{diagnostics._target_} could read; add diagnostics=stationarity or diagnostics=none"
        )
    if traits["architecture"].targets:
        raise UserError(
            f"architecture and diagnostics do not fit: {diagnostics._target_} reads a score, and a "
            "critic that judges by classes has none without a class; add diagnostics=stationarity "
            "or diagnostics=none"
        )


def _check_penalty(config: DictConfig, traits: Mapping[str, Traits]) -> None:
    """Whether loss and critic have the gradients that the penalty measures."""
    if not traits["penalty"].gradient:
        return

    # a score of real against fake, of a sample without its class
    if not traits["loss"].score:
        raise UserError(
            f"loss and penalty do not fit: {config.loss._target_} has no real-fake score whose "
            "gradient "
            f"{config.penalty._target_} could measure; add penalty=none"
        )

    architecture = traits["architecture"]
    if architecture.targets:
        raise UserError(
            f"architecture and penalty do not fit: {config.penalty._target_} measures gradients of "
            "a score, and a critic that judges by classes has none without a class; add "
            "penalty=spectral, or set architecture.projection=false labels=none"
        )

    # by which of its fields an option has a layer that mixes samples
    if architecture.batch_norm:
        layers = {"critic_batch_norm": "batch norm", "minibatch_deviation": "minibatch deviation"}
        field = next((name for name in layers if name in config.architecture), None)
        without = f"architecture.{field}=false or " if field else ""
        raise UserError(
            f"architecture and penalty do not fit: {config.penalty._target_} needs one "
            "gradient per sample, and "
            f"the critic's {layers.get(str(field), 'batch norm')} mixes samples; add "
            f"penalty=none, {without}architecture=resnet"
        )


def check_declared(config: DictConfig, found: Mapping[tuple[str, str], bool]) -> None:
    """Refuse parts that do not fit and that `check` let pass, because a class of the user's does
    not declare its traits.

    Args:
        config: whose parts have been made.
        found: {(group, trait): what the made part is}.

    Raises:
        UserError: says which traits to add.
    """
    traits = _traits(config)
    undeclared = {
        (group, name): value
        for (group, name), value in found.items()
        if getattr(traits[group], name) != value
    }
    if not undeclared:
        return

    # the refusal is that of the same config with these traits
    for (group, name), value in undeclared.items():
        found_so: dict[str, Any] = {name: value}
        traits[group] = replace(traits[group], **found_so)

    try:
        _check_penalty(config, traits)
    except UserError as error:
        typed = " ".join(
            f"+{group}.traits.{name}={str(value).lower()}"
            for (group, name), value in undeclared.items()
        )
        raise UserError(
            f"{error}; and add {typed}, which the class does not declare (in its option file: "
            "traits: {...})"
        ) from None


def merged_critic_optimizer(config: DictConfig) -> DictConfig:
    """The critic's optimizer: `optimizer`, overridden by the fields of `optimizer_critic`.

    An `optimizer_critic` with a `_target_` of its own (`optimizer@optimizer_critic=adashift`)
    replaces it whole.
    """
    if "_target_" in config.optimizer_critic:
        return config.optimizer_critic
    merged = OmegaConf.merge(config.optimizer, config.optimizer_critic)
    assert isinstance(merged, DictConfig)
    return merged


def no_such_field(key: str, schema: type) -> str:
    """The message for a field that a program does not have.

    Where a few other programs have it, they are named: `rows` belongs to table.py, not to
    tables.py.
    """
    said = f"{key}: there is no such field{suggestion(key, [item.name for item in fields(schema)])}"
    others = programs_with(key)
    return f"{said}; it is a field of {', '.join(others)}" if 0 < len(others) < 4 else said


def suggestion(key: str, known: Iterable[str]) -> str:
    """ "; did you mean 'weight'?" and the list of what there is."""
    names = sorted(known)
    if not names:
        return " (it takes none)"
    close = difflib.get_close_matches(key, names, n=1)
    return (f"; did you mean {close[0]!r}?" if close else "") + f" (there are: {', '.join(names)})"
