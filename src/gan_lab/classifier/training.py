"""The training of a data set's own classifier."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import torch
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor, nn

from gan_lab import terminal
from gan_lab.classifier.networks import Classifier, standardise
from gan_lab.classifier.recipe import PRECISIONS, ClassifierRecipe
from gan_lab.data import LoadedData
from gan_lab.errors import UserError, one_line
from gan_lab.files import is_intact, write_with_checksum
from gan_lab.optim import capturable
from gan_lab.reading.schema import Count, misfit
from gan_lab.training.precision import resolved
from gan_lab.training.randomness import fold, generator_for
from gan_lab.training.state import load_state, save_state

_SECONDS_BETWEEN_CHECKPOINTS = 60
_IMAGES_FOR_STATISTICS = 5000


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network.

    Args:
        network: in eval mode.
        mean: (C,), of the pixels that it was trained on, on the scale 0..255.
        std: (C,), likewise.
        precision: that it was trained in.
        seconds: that it took, those before a resume included.
    """

    network: Classifier
    mean: Tensor
    std: Tensor
    precision: str
    seconds: float


def fit(
    data: LoadedData,
    recipe: ClassifierRecipe,
    checkpoint: Path,
    device: torch.device,
    console: Console,
) -> Fitted:
    """Train a classifier on the training split, from a checkpoint where there is one.

    Args:
        data: whose training split is used.
        recipe: how to train.
        checkpoint: about once a minute the training is kept there; who has published the result
            removes it.
        device: where to train.
        console: shows the progress.

    Returns:
        The trained network.

    Raises:
        UserError: where the loss is not finite.
    """
    # data and network: the seed decides the initial weights
    train = data.splits["train"]
    images, labels = (torch.from_numpy(array).to(device) for array in (train.values, train.labels))
    mean, std = pixel_statistics(images)
    torch.manual_seed(fold(recipe.seed, "classifier"))
    network = recipe.network.network(data.spec).to(device).to(memory_format=torch.channels_last)

    # some layers are set from training images, before the first step
    rng = generator_for(recipe.seed, "classifier statistics")
    some = torch.randperm(len(labels), generator=rng)[:_IMAGES_FOR_STATISTICS]
    network.fit_statistics(standardise(images[some.to(device)], mean, std))

    # how it is trained, and how far it has come
    optimizer = torch.optim.SGD(
        network.parameters(),
        recipe.lr,
        recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.momentum > 0,
    )
    batch_size = min(recipe.batch_size, len(labels))
    steps = len(labels) // batch_size
    begun = _resume(checkpoint, network, optimizer)
    precision = begun["precision"] or resolved(recipe.precision, device)
    first, seconds_before = begun["epochs"], begun["seconds"]
    began = saved = time.monotonic()
    console.print(
        f"training the classifier of {data.spec.name} ({type(recipe.network).__name__}, "
        f"{recipe.epochs} epochs, {precision}); it is kept for later runs"
    )

    with terminal.progress(console) as progress:
        task = progress.add_task("classifier", total=recipe.epochs * steps, completed=first * steps)
        for epoch in range(first, recipe.epochs):
            # one pass over the images, in an order of its own
            rng = generator_for(recipe.seed, "classifier", epoch, device)
            order = torch.randperm(len(labels), generator=rng, device=device)
            for step in range(steps):
                # the rate in the middle of the step
                factor = recipe.schedule((epoch * steps + step + 0.5) / (recipe.epochs * steps))
                for group in optimizer.param_groups:
                    group["lr"] = recipe.lr * factor

                # cross-entropy on an augmented batch
                rows = order[step * batch_size : (step + 1) * batch_size]
                x = _augment(standardise(images[rows], mean, std), recipe, rng)
                with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
                    loss = F.cross_entropy(network(x), labels[rows])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                progress.advance(task)

            # Once an epoch the loss is read, which waits for the device.
            progress.update(task, description=f"classifier: cross-entropy {loss.item():.3f}")
            if not math.isfinite(loss.item()):
                raise UserError(
                    f"the classifier diverged in epoch {epoch + 1}: lower classifier.lr={recipe.lr}"
                )

            # what is done is kept
            if time.monotonic() - saved > _SECONDS_BETWEEN_CHECKPOINTS:
                saved = time.monotonic()
                spent = seconds_before + saved - began
                progressed = _Progress(epochs=epoch + 1, seconds=spent, precision=precision)
                _save(checkpoint, network, optimizer, progressed)

    network.eval()
    return Fitted(network, mean, std, precision, seconds_before + time.monotonic() - began)


def _augment(x: Tensor, recipe: ClassifierRecipe, rng: torch.Generator) -> Tensor:
    """A random crop for each image after padding, and a mirror image for half of them.

    Args:
        x: standardised images (n, C, H, W).
        recipe: the padding, and whether images are mirrored.
        rng: draws both.

    Returns:
        (n, C, H, W), in the layout channels last.
    """
    # every image has its own rows and columns of the padded one
    n, _, height, width = x.shape
    if recipe.crop:
        shifts = torch.randint(2 * recipe.crop + 1, (2, n), generator=rng, device=x.device)
        rows = shifts[0, :, None] + torch.arange(height, device=x.device)
        columns = shifts[1, :, None] + torch.arange(width, device=x.device)
        padded = F.pad(x, [recipe.crop] * 4, mode=recipe.padding).permute(0, 2, 3, 1)
        index = torch.arange(n, device=x.device)[:, None, None]
        x = padded[index, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)

    # mirrored on the device: nothing is read back
    if recipe.flip:
        mirrored = torch.rand(n, generator=rng, device=x.device) < 0.5
        x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
    return x.contiguous(memory_format=torch.channels_last)


def pixel_statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, (C,) each; exact up to the division."""
    pixels = images.transpose(0, 1).flatten(1)
    count = pixels.shape[1]
    mean = torch.stack([channel.long().sum() for channel in pixels]).double() / count
    squares = torch.stack([channel.long().square().sum() for channel in pixels]).double() / count

    # a blank channel, without variance, is not scaled
    variance = (squares - mean.square()).clamp(min=1)
    return mean.float(), variance.sqrt().float()


class _Progress(TypedDict):
    """What a checkpoint of a training holds beside states."""

    epochs: Count
    seconds: float
    precision: str | None  # None: not said, by an older checkpoint


def _save(
    path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, progressed: _Progress
) -> None:
    """Write a checkpoint of the training."""
    states = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
    write_with_checksum(path, lambda temporary: save_state({**progressed, **states}, temporary))


def _resume(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> _Progress:
    """Load a training that was stopped.

    Args:
        path: the checkpoint.
        network: takes its weights.
        optimizer: takes its state.

    Returns:
        How far it had come: not begun where there is no checkpoint that is whole.

    Raises:
        UserError: where the checkpoint is of another classifier.
    """
    # A damaged checkpoint costs time alone: the training begins anew.
    not_begun = _Progress(epochs=0, seconds=0.0, precision=None)
    if not is_intact(path):
        return not_begun
    try:
        state = load_state(path)
    except Exception:  # a crafted file can raise anything; nothing in it was called
        return not_begun

    # One of another classifier is refused: the network may have taken half of it.
    try:
        progressed = _Progress(
            epochs=state["epochs"],
            seconds=state["seconds"],
            precision=state.get("precision"),
        )
        if misfit(progressed, _Progress):
            raise ValueError("its numbers are none")
        if progressed["precision"] not in (None, *PRECISIONS):
            raise ValueError(f"precision is {progressed['precision']!r}")
        network.load_state_dict(state["network"])
        capturable.load_state(optimizer, state["optimizer"])
    except Exception as error:  # torch's loaders raise any type
        raise UserError(
            f"{path} is not of this classifier ({one_line(error)[:120]}): remove it"
        ) from None

    return progressed
