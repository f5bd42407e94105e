"""A generator step on many devices, simulated from what one device and two processes measure.

One process is told that it is the first of N (torch's stand-in for a process group, whose messages
go nowhere): it does exactly its share of the work, and its messages are counted. What a message
costs is measured between two processes, and carried over to N by the model of a ring.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch.distributed as dist
from torch import Tensor

from gan_lab.benchmarks import steps
from gan_lab.benchmarks.link import Link
from gan_lab.errors import UserError


@dataclass(frozen=True)
class Share:
    """What one of N devices does in a generator step.

    Args:
        seconds: of a step without its messages, in each round.
        messages: {numbers in it: how many a step} of the messages to all others.
    """

    seconds: list[float]
    messages: dict[int, float]


def share(overrides: Sequence[str], side: int, devices: int, rounds: int) -> Share:
    """Measure a device's share of a generator step, of global batches that stay as they are.

    Args:
        overrides: of train.py.
        side: pixels of an image; the images are noise.
        devices: how many; must divide both batch sizes.
        rounds: of one step each.

    Raises:
        UserError: for a number of devices that cannot share the batches.
    """
    config = steps.composed(*overrides)
    if config.batch_size % devices or config.generator_batch_size % devices:
        raise UserError(
            f"--devices {devices}: batches of {config.batch_size} and "
            f"{config.generator_batch_size} cannot be shared by so many: use a divisor of both"
        )
    config.batch_size //= devices  # the loader's share; what a step draws it shares itself
    watch = steps.Rounds(1, rounds, {})
    with _first_of(devices) as sent:
        steps.fit(config, steps.noise_data(side), [watch], stop=watch.total)
    messages = {numbers: count / watch.total for numbers, count in sorted(sent.items())}
    return Share(watch.seconds["gan_lab"], messages)


@contextmanager
def _first_of(devices: int) -> Iterator[Counter[int]]:
    """Make this process the first of N that do not exist, and count what it sends them."""
    # torch has no public stand-in
    from torch.testing._internal.distributed.fake_pg import FakeStore

    sent: Counter[int] = Counter()
    if devices == 1:
        yield sent
        return

    all_reduce = dist.all_reduce

    def counted(value: Tensor, *arguments: Any, **named: Any) -> Any:
        sent[value.numel()] += 1
        return all_reduce(value, *arguments, **named)

    def gathered(parts: list[Tensor], value: Tensor, *arguments: Any, **named: Any) -> None:
        sent[devices * value.numel()] += 1  # charged as a sum: twice what a ring would need
        for part in parts:
            part.copy_(value)

    dist.init_process_group("fake", rank=0, world_size=devices, store=FakeStore())
    replace = mock.patch.object
    try:
        with replace(dist, "all_reduce", counted), replace(dist, "all_gather", gathered):
            yield sent
    finally:
        dist.destroy_process_group()


def seconds_of_messages(its: Share, link: Link, devices: int) -> float:
    """Add up a step's messages."""
    return sum(count * link.all_reduce(devices, numbers) for numbers, count in its.messages.items())
