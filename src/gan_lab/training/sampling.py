"""Samples of chosen classes, and paths between two of them. The EMA generator draws; nothing of the
run changes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gan_lab.errors import UserError
from gan_lab.inference import undisturbed
from gan_lab.training.gan import GAN

BATCH = 100  # samples drawn at once, where the generator does not say
MOST_BATCHES = 40  # drawn in search of a class


def knows_classes(gan: GAN) -> bool:
    """Whether samples have classes: drawn with them, or by the critic's own labels."""
    return gan.own_classes is not None


def by_class(gan: GAN, classes: Sequence[int], each: int, rng: torch.Generator) -> list[Tensor]:
    """For every one of `classes` up to `each` samples (m, *sample), as float32 on the CPU, in the
    order of drawing.

    A sample's class is the one that was drawn with it (predefined labels), else argmax_k l_k of the
    critic's class logits in eval mode. Batches are drawn as in training, of all classes, and
    sorted: a class that does not come up in MOST_BATCHES of them has fewer. Raises UserError where
    samples have no classes, and for no class or no sample.
    """
    if not classes or each < 1:
        raise UserError(
            f"{each} samples of each of {len(classes)} classes: ask for at least one of one"
        )
    samples_of: dict[int, list[Tensor]] = {which: [] for which in classes}
    with undisturbed(gan):
        for _ in range(MOST_BATCHES):
            if all(len(samples) >= each for samples in samples_of.values()):
                break
            samples, drawn = gan.sample(gan.sampling_batch_size or BATCH, rng)
            for sample, which in zip(
                samples.float().cpu(), gan.classes_of(samples, drawn).tolist(), strict=True
            ):
                if which in samples_of and len(samples_of[which]) < each:
                    samples_of[which].append(sample)
    empty = samples.new_empty((0, *samples.shape[1:]), device="cpu", dtype=torch.float32)
    return [torch.stack(samples_of[which]) if samples_of[which] else empty for which in classes]


def between(
    gan: GAN, first: int, second: int, rows: int, steps: int, rng: torch.Generator
) -> Tensor:
    """(rows, steps, *sample), float32 on the CPU: straight lines in the generator's input between
    two classes.

    Every row begins at an input whose sample is of class `first` and ends at one of class `second`
    (classes as in `by_class`). With batch statistics a row is drawn in a batch filled up with
    random inputs. Raises UserError where samples have no classes, one of the two does not come up
    in MOST_BATCHES batches, or both are the same.
    """
    if first == second:
        raise UserError(f"between {first} and {second}: name two different classes")
    size = gan.sampling_batch_size or BATCH
    if steps > size:
        raise UserError(
            f"steps={steps} is more than the {size} samples of a batch: set steps={size} or less"
        )
    ends: dict[int, list[Tensor]] = {first: [], second: []}
    with undisturbed(gan):
        for _ in range(MOST_BATCHES):
            if all(len(inputs_of_class) >= rows for inputs_of_class in ends.values()):
                break
            inputs, drawn = gan.latent(size, rng)
            classes = gan.classes_of(gan.ema(inputs), drawn)
            for which, inputs_of_class in ends.items():
                inputs_of_class.extend(inputs[classes == which])
        for which, inputs_of_class in ends.items():
            if len(inputs_of_class) < rows:
                raise UserError(
                    f"class {which} came up {len(inputs_of_class)} times among "
                    f"{MOST_BATCHES * size} samples: too few"
                )
        fraction = torch.linspace(0, 1, steps, device=gan.device)[:, None]
        lines = []
        for start, end in zip(ends[first][:rows], ends[second][:rows], strict=True):
            inputs, _ = gan.latent(size, rng)
            inputs[:steps] = torch.lerp(start, end, fraction)
            lines.append(gan.ema(inputs)[:steps].float().cpu())
    return torch.stack(lines)
