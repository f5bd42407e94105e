"""Samples of chosen classes, and paths between two of them.

The EMA generator draws; nothing of the run changes.
"""

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
    """Draw samples of each of some classes.

    A sample's class is the one that was drawn with it (predefined labels), else argmax_k l_k of the
    critic's class logits in eval mode. Batches are drawn as in training, of all classes, and
    sorted: a class that seldom comes up in MOST_BATCHES of them has fewer samples.

    Args:
        gan: whose EMA generator draws.
        classes: which classes.
        each: how many samples of each.
        rng: draws the generator's input.

    Returns:
        For every class up to `each` samples (m, *sample), float32 on the CPU, in the order of
        drawing.

    Raises:
        UserError: where samples have no classes, and for no class or no sample.
    """
    if not classes or each < 1:
        raise UserError(
            f"{each} samples of each of {len(classes)} classes: ask for at least one sample of at "
            "least one class"
        )

    # draw until every class has enough
    samples_of: dict[int, list[Tensor]] = {which: [] for which in classes}
    with undisturbed(gan):
        for _ in range(MOST_BATCHES):
            if all(len(samples) >= each for samples in samples_of.values()):
                break
            samples, drawn = gan.sample(gan.sampling_batch_size or BATCH, rng)
            labels = gan.classes_of(samples, drawn).tolist()
            for sample, which in zip(samples.float().cpu(), labels, strict=True):
                if which in samples_of and len(samples_of[which]) < each:
                    samples_of[which].append(sample)

    # a class that never came up has a tensor of no samples
    empty = samples.new_empty((0, *samples.shape[1:]), device="cpu", dtype=torch.float32)
    return [torch.stack(samples_of[which]) if samples_of[which] else empty for which in classes]


def between(
    gan: GAN, first: int, second: int, rows: int, steps: int, rng: torch.Generator
) -> Tensor:
    """Samples along straight lines in the generator's input, from one class to another.

    Every row begins at an input whose sample is of class `first` and ends at one of class `second`
    (classes as in `by_class`). With batch statistics a row is drawn in a batch filled up with
    random inputs.

    Args:
        gan: whose EMA generator draws.
        first: the class at the beginning of each row.
        second: the class at its end.
        rows: how many lines.
        steps: samples on each, its ends included.
        rng: draws the ends.

    Returns:
        (rows, steps, *sample), float32 on the CPU.

    Raises:
        UserError: where samples have no classes, one of the two does not come up in MOST_BATCHES
            batches, or both are the same.
    """
    if first == second:
        raise UserError(f"between {first} and {second}: name two different classes")
    size = _line_batch(gan, steps)
    with undisturbed(gan):
        ends = _inputs_of_classes(gan, (first, second), rows, size, rng)
        return _lines(gan, ends[first][:rows], ends[second][:rows], steps, size, rng)


def along(
    gan: GAN, rows: int, steps: int, rng: torch.Generator, within: int | None = None
) -> Tensor:
    """Samples along straight lines in the generator's input, between inputs as they are drawn.

    Args:
        gan: whose EMA generator draws.
        rows: how many lines.
        steps: samples on each, its ends included.
        rng: draws the ends.
        within: the class of both ends, as in `by_class`; None: as they come.

    Returns:
        (rows, steps, *sample), float32 on the CPU.

    Raises:
        UserError: for a class that samples do not have, or that does not come up often enough.
    """
    size = _line_batch(gan, steps)
    with undisturbed(gan):
        if within is None:
            ends = list(gan.latent(2 * rows, rng)[0])
        else:
            ends = _inputs_of_classes(gan, (within,), 2 * rows, size, rng)[within]
        return _lines(gan, ends[:rows], ends[rows : 2 * rows], steps, size, rng)


def _line_batch(gan: GAN, steps: int) -> int:
    """The size of the batch that a line is drawn in.

    Raises:
        UserError: for a line that is longer.
    """
    size = gan.sampling_batch_size or BATCH
    if steps > size:
        raise UserError(
            f"steps={steps} is more than the {size} samples of a batch: set steps={size} or less"
        )
    return size


def _lines(
    gan: GAN,
    starts: Sequence[Tensor],
    ends: Sequence[Tensor],
    steps: int,
    size: int,
    rng: torch.Generator,
) -> Tensor:
    """(rows, steps, *sample) on the way from each start to its end, in batches of `size`."""
    # every line stands at the head of a batch of its own, so that no line depends on another
    fraction = torch.linspace(0, 1, steps, device=gan.device)[:, None]
    lines = []
    for start, end in zip(starts, ends, strict=True):
        inputs, _ = gan.latent(size, rng)
        inputs[:steps] = torch.lerp(start, end, fraction)
        lines.append(gan.ema(inputs)[:steps].float().cpu())
    return torch.stack(lines)


def _inputs_of_classes(
    gan: GAN, classes: Sequence[int], each: int, size: int, rng: torch.Generator
) -> dict[int, list[Tensor]]:
    """At least `each` inputs of the generator whose samples are of each class, by class.

    Batches have `size` inputs. Raises UserError where a class does not come up often enough.
    """
    # draw until every class has enough
    found: dict[int, list[Tensor]] = {which: [] for which in classes}
    for _ in range(MOST_BATCHES):
        if all(len(inputs) >= each for inputs in found.values()):
            break

        inputs, drawn = gan.latent(size, rng)
        told = gan.classes_of(gan.ema(inputs), drawn)
        for which, its_inputs in found.items():
            its_inputs.extend(inputs[told == which])

    # a line has no use for one end alone
    for which, its_inputs in found.items():
        if len(its_inputs) < each:
            raise UserError(
                f"class {which} came up {len(its_inputs)} times among {MOST_BATCHES * size} "
                "samples: too few"
            )
    return found
