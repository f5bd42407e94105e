"""From a config and the facts of the data to objects: the only place that joins the two."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig
from rich.console import Console

from gan_lab.architectures import initialise_from_data
from gan_lab.config import signature, trust
from gan_lab.config.checks import check_declared, check_shares, merged_critic_optimizer
from gan_lab.config.schema import plain_config
from gan_lab.data import LoadedData, load
from gan_lab.data.labelled import Supervision, class_shares, count_labelled, partly_labelled
from gan_lab.data.resident import ResidentData, ResidentLoader
from gan_lab.errors import UserError, one_line
from gan_lab.files import safe_name
from gan_lab.losses import CatLoss, GuidedLoss, LabelLoss, Loss, ProjectedLoss, ScalarLoss
from gan_lab.losses.class_logits import check_classes
from gan_lab.scoring.evaluator import Evaluator
from gan_lab.scoring.protocol import Protocol
from gan_lab.training.contract import check_part, found_traits
from gan_lab.training.diagnostics import Diagnostic
from gan_lab.training.gan import GAN, TrainingSettings
from gan_lab.training.randomness import fold
from gan_lab.types import DataSpec


def make(group: str, node: DictConfig, *facts: Any, **named_facts: Any) -> Any:
    """Call a config node's `_target_`. Nothing else calls what a config names.

    Args:
        group: the path of the node in the config, for messages.
        node: a `_target_` and its fields.
        facts: arguments that no config holds, as the shape of the data; named_facts likewise.

    Raises:
        UserError: where the target refuses a value or cannot be imported, under the path of the
            field; where a config may not name the target (see gan_lab.config.trust).
    """
    fields = trust.call_of(group, node)

    # a part speaks of its own argument; the path to it is added here, once
    try:
        made = instantiate(fields, *facts, _convert_="all", **named_facts)
        check_part(group, str(fields["_target_"]), made)
        return made
    except (InstantiationException, MisconfigurationException) as error:
        cause = error.__cause__ or error
        if isinstance(cause, _OF_A_VALUE):
            where = re.search(r"^full_key: (\S+)$", str(error), re.MULTILINE)  # Hydra's word
            message = one_line(cause)
            raise UserError(_at(group, fields, where[1] if where else "", message)) from None
        raise


def loaded(node: DictConfig, cache: str | Path) -> LoadedData:
    """Load the data set of a config node, decoded once into the folder `cache`.

    Raises:
        UserError: as `make` and `load`.
    """
    source = make("dataset", node)
    try:
        return load(source, Path(cache))
    except UserError as error:
        raise type(error)(_at("dataset", plain_config(node), "", str(error))) from error.__cause__


def _at(group: str, node: Mapping[str, Any], below: str, message: str) -> str:
    """A part's message under the path of the config: "lr=-1: ..." of the optimizer as
    "optimizer.lr=-1: ...".

    Only a message that begins with a parameter of the target `below` (dotted) of the group's node
    is one of its fields.
    """
    # down to the node that refused
    path = group
    for name in below.split(".") if below else ():
        path, node = f"{path}.{name}", node.get(name, {})

    target = str(node["_target_"])
    taken = signature.parameters(target)

    # Python's words for a class that needs more than its fields, or takes the facts elsewhere
    if missing := re.search(r"missing \d+ required [\w-]+ arguments?: (.+)$", message):
        names = [name for name in re.findall(r"'(\w+)'", missing[1]) if name in taken]
        if names:
            typed = " ".join(f"+{path}.{name}=VALUE" for name in names)
            return f"{path}: {target} needs {' and '.join(names)}: add {typed}, or defaults in it"

    if doubled := re.search(r"got multiple values for argument '(\w+)'", message):
        return (
            f"{path}: {target} takes {doubled[1]} first; add a parameter before it for what "
            "training gives, as an optimizer's `params`"
        )

    # does the message begin with one of its fields?
    first = re.match(r"\w*", message)
    is_field = first is not None and first[0] in taken
    if is_field and not message.startswith(f"{group}."):
        message = f"{path}.{message}"

    # a data set's messages begin with files and name its fields after them, as "... add size=32"
    if group == "dataset" and not below:
        fields = "|".join(map(re.escape, sorted(taken)))
        return re.sub(rf"(?<!\S)(?=(?:{fields})(?:\.\w+)*=)", f"{path}.", message)
    is_told = message.startswith(f"{group}.")
    return message if is_told else f"{path}: {message}"


_OF_A_VALUE = (
    *(ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError),
    *(ImportError, MisconfigurationException),
)
"""What somebody else's class raises for a value that it was not made for."""


def training_data(config: DictConfig, data: LoadedData) -> LoadedData:
    """The part of `data` that training sees.

    Its images, K classes, and as many labels as `supervision.labelled_fraction` leaves.
    """
    supervision: Supervision = make("supervision", config.supervision)
    classes = supervision.num_classes
    num_classes = None if classes is None else int(classes)  # 10.0 is a whole number
    return partly_labelled(data, supervision.labelled_fraction, num_classes, config.seed)


def gan(
    config: DictConfig,
    spec: DataSpec,
    data: LoadedData | None = None,
    training_view: LoadedData | None = None,
) -> GAN:
    """The module that a config describes.

    Its weights depend on the seed alone, and those of weight-normalised layers on the first batch.

    Args:
        config: of a run.
        spec: of the `training_data`.
        data: the whole data set. Without it weight-normalised layers are not scaled and no
            reference distribution is set: for a module whose weights will be loaded.
        training_view: the `training_data` of `data`, where they are at hand.

    Raises:
        UserError: where a part refuses its fields, or the parts do not fit each other.
    """
    # loss and targets
    loss = make("loss", config.loss)
    if data is not None:
        training_view = training_data(config, data) if training_view is None else training_view
        loss = _guided(loss, config.supervision.reference_distribution, data, training_view)
    targets = make("labels", config.labels, spec.num_classes)

    # networks, their weights from the seed
    architecture = make("architecture", config.architecture)
    if getattr(architecture, "projection", False):
        loss = _projected(loss, spec.num_classes, training_view)
    torch.manual_seed(fold(config.seed, "initial weights"))
    is_image = spec.kind == "images"
    layout = torch.channels_last if is_image else torch.contiguous_format  # faster convolutions
    generator = architecture.generator(spec, targets.conditions).to(memory_format=layout)
    critic = architecture.critic(spec, loss.outputs(spec.num_classes)).to(memory_format=layout)

    # what a class of the user's does not declare, the made parts show
    penalty = make("penalty", config.penalty)
    check_declared(config, found_traits(loss, penalty, critic))

    # weight-normalised layers are scaled by what they see first
    if training_view is not None:
        z = torch.randn(config.generator_batch_size, architecture.latent_dim)
        initialise_from_data(generator, targets.draw(z, torch.default_generator)[0])
        first = ResidentLoader(
            ResidentData.place(training_view, "cpu"), config.batch_size, 1, config.seed, stop=1
        )
        initialise_from_data(critic, next(iter(first))[0][0])

    # what trains them
    settings = TrainingSettings(
        seed=config.seed,
        n_critic=config.n_critic,
        batch_size=config.batch_size,
        generator_batch_size=config.generator_batch_size,
        max_generator_steps=config.max_generator_steps,
        latent_dim=architecture.latent_dim,
        ema_decay=config.ema_decay,
        log_every=config.log_every,
    )

    # optimizers wait for the parameters of the wrapped critic
    critic_optimizer = merged_critic_optimizer(config)
    return GAN(
        generator=generator,
        critic=critic,
        loss=loss,
        penalty=penalty,
        targets=targets,
        generator_optimizer=functools.partial(make, "optimizer", config.optimizer),
        critic_optimizer=functools.partial(make, "optimizer_critic", critic_optimizer),
        schedule=make("schedule", config.schedule),
        settings=settings,
    )


def empty_gan(config: DictConfig, spec: DataSpec) -> GAN:
    """`gan` without memory for its weights: to see whether a file fits it, of whatever size a
    config says it is.

    Args:
        config: of a run.
        spec: of its data.

    Raises:
        UserError: as `gan`, and for networks of more weights than can be counted.
    """
    try:
        with torch.device("meta"):
            return gan(config, spec)
    except (RuntimeError, OverflowError) as error:
        raise UserError(
            f"architecture: such networks cannot be made ({one_line(error)[:120]})"
        ) from None


def _projected(loss: Loss, num_classes: int, training_view: LoadedData | None) -> Loss:
    """The loss for a critic with a logit for each class.

    Raises:
        UserError: where the loss is not made for it, and where classes or labels are missing.
    """
    if not isinstance(loss, ScalarLoss):
        raise UserError(
            "architecture.projection=true takes a loss of phi, varphi and psi: add loss=hinge"
        )
    if num_classes < 2:
        raise UserError(
            "architecture.projection=true judges samples by their class, and these data have one: "
            "set architecture.projection=false labels=none"
        )
    if training_view is not None and count_labelled(training_view) < len(
        training_view.splits["train"].labels
    ):
        raise UserError(
            "architecture.projection=true needs the label of every sample: set "
            "supervision.labelled_fraction=1, or architecture.projection=false labels=none"
        )
    return ProjectedLoss(loss)


def _guided(loss: Loss, reference: str | None, data: LoadedData, training_view: LoadedData) -> Loss:
    """The loss with (4-34) by `reference`, which is uniform where no label guides the classes of a
    LabelLoss."""
    if reference is None and count_labelled(training_view) == 0 and isinstance(loss, LabelLoss):
        reference = "uniform"
    if reference is None or not isinstance(loss, LabelLoss | CatLoss):
        return loss
    classes = check_classes(training_view.spec.num_classes)
    if reference == "uniform":
        return GuidedLoss(loss, (1 / classes,) * classes)
    shares = class_shares(data)
    if len(shares) != classes or min(shares) == 0:
        raise UserError(
            f"supervision.reference_distribution=data: {data.spec.name} has labels of "
            f"{sum(map(bool, shares))} classes and "
            f"{classes} are trained; set supervision.reference_distribution=uniform"
        )
    return GuidedLoss(loss, shares)


def device(name: str) -> torch.device:
    """auto: a GPU where there is one."""
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda: this machine has no CUDA device; set device=auto")
    has_gpu = name == "cuda" or (name == "auto" and torch.cuda.is_available())
    return torch.device("cuda", 0) if has_gpu else torch.device("cpu")


def protocol(config: DictConfig) -> Protocol | None:
    """How the run is scored; None for evaluation=off.

    Raises:
        UserError: where weights are missing.
    """
    result: Protocol | None = make("evaluation", config.evaluation) if config.evaluation else None
    return result


def diagnostic(config: DictConfig, training_view: LoadedData) -> Diagnostic | None:
    """What is measured of the networks while they train; None for diagnostics=none.

    Raises:
        UserError: where it refuses its fields, or the data have too few samples.
    """
    if not config.diagnostics:
        return None
    made: Diagnostic = make("diagnostics", config.diagnostics)
    try:
        made.check_data(training_view.spec.name, len(training_view.splits["train"]))
    except UserError as error:
        raise UserError(f"diagnostics.{error}") from None
    return made


def evaluator(
    config: DictConfig,
    data: LoadedData,
    device: torch.device,
    console: Console,
    gan: GAN | None = None,
    scored_by: Protocol | None = None,
) -> Evaluator | None:
    """The evaluator of a run, with its classifier trained or its weights checked.

    Args:
        config: of a run.
        data: what the run trains on.
        device: where the extractor runs.
        console: says where points train without scores.
        gan: what is to be scored, so that a score which it cannot have is refused now; None:
            images without a generator.
        scored_by: the `protocol` of the config, where it is at hand.

    Returns:
        None for evaluation=off, and for points where the evaluation scores images.

    Raises:
        UserError: for images where the evaluation scores points, and as `Evaluator`.
    """
    scored_by = protocol(config) if scored_by is None else scored_by
    if scored_by is None:
        return None

    # the default is of images, and points train without scores
    kind, scored_kind = data.spec.kind, getattr(scored_by.extractor, "kind", "images")
    if kind == "points" and scored_kind == "images":
        advice = "" if data.modes is None else "; evaluation=modes counts the modes of a mixture"
        console.print(f"no scores: they are of images, and {data.spec.name} holds {kind}{advice}")
        return None
    if kind != scored_kind:
        raise UserError(
            f"evaluation: it scores {scored_kind}, and {data.spec.name} holds {kind}: use "
            "evaluation=classifier"
        )
    own_classes = None if gan is None else gan.own_classes
    return Evaluator(scored_by, data, Path(config.data_cache), device, console, own_classes)


def trainer(
    config: DictConfig, callbacks: list[pl.Callback], loggers: list[Logger], run_dir: str
) -> pl.Trainer:
    """Lightning's Trainer, for one epoch over the steps still to do.

    Checkpoints, bar and metrics are ours: Lightning's misbehave in manual optimisation.

    Args:
        config: of a run.
        callbacks: what acts in every step.
        loggers: where metrics go.
        run_dir: where everything is written.

    Raises:
        UserError: for devices that are not there, more processes than cores, and batches that they
            cannot share equally.
    """
    # a run on one device asks no cluster: SLURM_NTASKS may be of the job that it is a part of
    alone = config.trainer.get("strategy") is None
    try:
        made: pl.Trainer = make(
            "trainer",
            config.trainer,
            plugins=[LightningEnvironment()] if alone else None,
            callbacks=callbacks,
            logger=loggers or False,
            default_root_dir=run_dir,
            max_epochs=1,
            log_every_n_steps=1,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
    except UserError as error:
        raise UserError(f"{error} (trainer=auto takes what this machine has)") from None

    # how many processes there are is known only now
    check_shares(config, made.world_size)

    # more processes than cores only wait for each other
    cores = os.cpu_count() or 1
    if made.strategy.root_device.type == "cpu" and made.num_devices > cores:
        raise UserError(
            f"trainer.devices={made.num_devices}: this machine has {cores} cores; set "
            f"trainer.devices={cores} or less"
        )

    return made


def loggers(config: DictConfig, run_dir: str, run_id: str) -> list[Logger]:
    """The chosen loggers, writing into the run directory. W&B continues the run `run_id` after a
    resume."""
    made = []
    for name, node in config.logger.items():
        facts = {"save_dir": run_dir}
        taken = signature.parameters(node["_target_"])
        if "id" in taken:
            facts["id"] = safe_name(run_id)  # it may be from somebody else's record
        made.append(make(f"logger.{name}", node, **facts))
    return made
