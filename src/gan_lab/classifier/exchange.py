"""A classifier in a file: exported for a study that has one on every machine, or shipped with the
package.

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
from gan_lab.data.source import one_line
from gan_lab.errors import UserError
from gan_lab.files import asked_path, read_json, sha256_of
from gan_lab.reading.schema import misfit

SHIPPED = Path(gan_lab.__file__).parent / "shipped"
"""The classifiers that come with the package: those of the embedded data."""

_NETWORKS = {network.__name__: network for network in (ResNetClassifier, DenseNetBC)}


def export_classifier(trained: Path, path: Path) -> None:
    """Copy a trained classifier's weights and record to `path` (export=FILE). Raises UserError."""
    if path.suffix != ".safetensors":
        raise UserError(f"export={path}: name a file that ends with .safetensors")
    for source, target in (
        (trained.with_suffix(".json"), path.with_suffix(".json")),
        (trained, path),
    ):
        with asked_path("export", target) as temporary:
            shutil.copyfile(source, temporary)


def check_file(weights: str, sha256: str | None) -> dict[str, Any]:
    """The record of a classifier's file, with its weights_sha256.

    Raises UserError unless both files are there and the weights have the SHA-256 that is asked for
    (None: any).
    """
    path = Path(weights).expanduser()
    beside = path.with_suffix(".json")
    for file in (path, beside):
        if not file.is_file():
            raise UserError(
                f"evaluation.extractor.weights={weights}: there is no file {file}; "
                "scripts/classifier.py export=FILE "
                "writes both the weights and the .json beside them"
            )

    # the weights are the ones meant
    found = sha256_of(path)
    if sha256 is not None and found != sha256:
        raise UserError(
            f"evaluation.extractor.weights={weights} has SHA-256 {found[:16]}…, not "
            f"{sha256[:16]}…: get the file "
            "again, or leave evaluation.extractor.sha256 out if you mean this one"
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
    """The classifier in a file, for the data that it was trained on.

    Raises UserError as check_file does, for other data, and where the file does not hold the
    network of its record.
    """
    record = check_file(weights, sha256)
    its = record["data"]
    if its.get("content_hash") != data.content_hash:
        raise UserError(
            f"evaluation.extractor.weights={weights} is the classifier of {its.get('name')} with "
            "content hash "
            f"{str(its.get('content_hash'))[:12]}, and these data ({data.spec.name}) have "
            f"{data.content_hash[:12]}: name the classifier of these data, or leave weights out to "
            "train one"
        )
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
    return read_weights(
        Path(weights).expanduser(), network, record, device, "export the classifier again"
    )


def shipped_classifier(
    name: str,
    sha256: str | None,
    data: LoadedData,
    recipe: ClassifierRecipe,
    device: torch.device | str,
) -> TrainedClassifier | None:
    """The classifier that comes with the package under `name`, if it is the one that `recipe` would
    train on `data`.

    None for data of another content (another split), and for another recipe; in which precision it
    was trained is no difference. Raises UserError where the package's file is not the one that the
    option names.
    """
    weights = str(SHIPPED / f"{name}.safetensors")
    record = check_file(weights, sha256)
    is_of_data = record["data"].get("content_hash") == data.content_hash
    asked, its = (
        dict(one) | {"precision": None} for one in (_plain(described(recipe)), record["recipe"])
    )
    if not is_of_data or asked != its or record.get("version") != VERSION:
        return None
    return classifier_from_file(weights, sha256, data, device)


def _plain(value: Any) -> Any:
    """A value as JSON gives it back."""
    return json.loads(json.dumps(value))
