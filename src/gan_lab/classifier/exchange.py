"""A classifier in a file: exported for a study on several machines, or shipped with the package.

A file is safetensors, FILE.safetensors, and beside it stands FILE.json: how the network was
trained, on which data, and how well it does. The weights are identified by the SHA-256 of the
safetensors.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

import gan_lab
from gan_lab.classifier.densenet import DenseNetBC
from gan_lab.classifier.networks import ResNetClassifier
from gan_lab.classifier.recipe import VERSION, ClassifierRecipe, described
from gan_lab.classifier.store import Known, TrainedClassifier, empty_network, read_weights
from gan_lab.data import LoadedData
from gan_lab.errors import UserError, one_line
from gan_lab.files import asked_path, read_json, sha256_of
from gan_lab.reading.schema import misfit

SHIPPED = Path(gan_lab.__file__).parent / "shipped"
"""The classifiers that come with the package: those of the embedded data."""

_NETWORKS = {network.__name__: network for network in (ResNetClassifier, DenseNetBC)}


def export_classifier(trained: Path, path: Path) -> None:
    """Copy a trained classifier's weights and record (export=FILE).

    Args:
        trained: the weights, beside which the record stands.
        path: FILE, which ends with .safetensors.

    Raises:
        UserError: for another ending, and where `path` cannot be written.
    """
    if path.suffix != ".safetensors":
        raise UserError(f"export={path}: name a file that ends with .safetensors")

    # the weights last: who sees them finds their record, too
    record = trained.with_suffix(".json"), path.with_suffix(".json")
    for source, target in (record, (trained, path)):
        with asked_path("export", target) as temporary:
            shutil.copyfile(source, temporary)


def check_file(weights: str, sha256: str | None) -> dict[str, Any]:
    """Check that a classifier's two files are there, whole, and belong together.

    Args:
        weights: the safetensors, as the user wrote it.
        sha256: the SHA-256 that it must have; None: any.

    Returns:
        The record in the .json beside it.

    Raises:
        UserError: where a file is missing, damaged or not the one that is meant.
    """
    # both files are there
    path = Path(weights).expanduser()
    beside = path.with_suffix(".json")
    for file in (path, beside):
        if not file.is_file():
            raise UserError(
                f"evaluation.extractor.weights={weights}: there is no file {file}; "
                "scripts/classifier.py export=FILE writes both the weights and the .json beside "
                "them"
            )

    # the weights are the ones meant
    found = sha256_of(path)
    if sha256 is not None and found != sha256:
        raise UserError(
            f"evaluation.extractor.weights={weights} has SHA-256 {found[:16]}…, not "
            f"{sha256[:16]}…: get the file again, "
            "or leave evaluation.extractor.sha256 out if you mean this one"
        )

    # and the record is theirs
    try:
        record = read_json(beside)
    except UserError:
        raise
    except (OSError, ValueError) as error:
        raise UserError(
            f"{beside} cannot be read ({one_line(error)[:80]}): export the classifier again"
        ) from None

    if wrong := misfit(record, Known):
        raise UserError(
            f"{beside} is no record of a classifier ({wrong}): export the classifier again"
        )

    if record["weights_sha256"] != found:
        raise UserError(
            f"{beside} is the record of other weights than {path}: export the classifier again"
        )

    return record


def classifier_from_file(
    weights: str, sha256: str | None, data: LoadedData, device: torch.device | str
) -> TrainedClassifier:
    """Load the classifier in a file, for the data that it was trained on.

    Args:
        weights: the safetensors, as the user wrote it.
        sha256: the SHA-256 that it must have; None: any.
        data: the data that it shall score.
        device: where it shall run.

    Returns:
        The classifier, ready to use.

    Raises:
        UserError: as `check_file`; for other data; and where the file does not hold the network of
            its record.
    """
    # trained on these data
    record = check_file(weights, sha256)
    its = record["data"]
    if its.get("content_hash") != data.content_hash:
        raise UserError(
            f"evaluation.extractor.weights={weights} is the classifier of {its.get('name')} with "
            f"content hash {str(its.get('content_hash'))[:12]}, and these data ({data.spec.name}) "
            f"have {data.content_hash[:12]}: "
            "name the classifier of these data, or leave weights out to train one"
        )

    # The record names the network; only those of this package are made from a file.
    architecture = dict(record["architecture"])
    name = architecture.pop("name", None)
    if name not in _NETWORKS:
        raise UserError(f"{weights} is a {name}: a file may hold {' or '.join(_NETWORKS)}")

    try:
        network = empty_network(_NETWORKS[name](**architecture), data.spec)
    except (TypeError, RuntimeError):
        raise UserError(
            f"{weights} is a {name} with unknown fields or values: export the classifier again"
        ) from None

    path = Path(weights).expanduser()
    return read_weights(path, network, record, device, "export the classifier again")


def shipped_classifier(
    name: str,
    sha256: str | None,
    data: LoadedData,
    recipe: ClassifierRecipe,
    device: torch.device | str,
) -> TrainedClassifier | None:
    """The classifier that comes with the package, if it is the one that a recipe would train.

    Args:
        name: its file in the package, without the ending.
        sha256: the SHA-256 that the option names; None: any.
        data: the data that it shall score.
        recipe: how a classifier of these data would be trained; in which precision is no
            difference.
        device: where it shall run.

    Returns:
        The classifier; None for data of another content (another split) and for another recipe.

    Raises:
        UserError: where the package's file is not the one that the option names.
    """
    weights = str(SHIPPED / f"{name}.safetensors")
    record = check_file(weights, sha256)
    is_of_data = record["data"].get("content_hash") == data.content_hash

    # "auto" trains in another precision from machine to machine
    asked, its = (
        dict(one) | {"precision": None} for one in (_plain(described(recipe)), record["recipe"])
    )
    if not is_of_data or asked != its or record.get("version") != VERSION:
        return None
    return classifier_from_file(weights, sha256, data, device)


def _plain(value: Any) -> Any:
    """A value as JSON gives it back."""
    return json.loads(json.dumps(value))
