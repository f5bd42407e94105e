"""The training split on the training device, and the batches drawn from it.

There are no worker processes and no copies from the host.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gan_lab import checks
from gan_lab.data.source import LoadedData
from gan_lab.errors import UserError

_PURPOSE = 0xDA7A  # keeps these permutations apart from other streams of the same seed


def to_float(images: Tensor) -> Tensor:
    """uint8 pixels x to float32 (x - 127.5) / 128, exact and of any shape.

    Examples:
        >>> import torch
        >>> from gan_lab.data.resident import to_float
        >>> to_float(torch.tensor([0, 255], dtype=torch.uint8))
        tensor([-0.9961,  0.9961])
    """
    return images.to(torch.float32, copy=True).sub_(127.5).mul_(1 / 128)


def to_uint8(images: Tensor) -> Tensor:
    """The inverse of `to_float`: round(128 x + 127.5), half to even, clamped to [0, 255].

    Examples:
        >>> import torch
        >>> from gan_lab.data.resident import to_uint8
        >>> to_uint8(torch.tensor([-1.0, 0.0, 1.0]))
        tensor([  0, 128, 255], dtype=torch.uint8)
    """
    wide = torch.promote_types(images.dtype, torch.float32)
    return images.to(wide).mul(128).add_(127.5).round_().clamp_(0, 255).to(torch.uint8)


def check_batch_size(batch_size: int, samples: int, name: str) -> None:
    """Check that at least one batch fits into the training samples.

    Args:
        batch_size: of one critic step, over all devices.
        samples: how many there are.
        name: the data set, for the message.

    Raises:
        UserError: where there are fewer samples.
    """
    if batch_size > samples:
        raise UserError(
            f"batch_size={batch_size} is more than the {samples} training samples of {name}: "
            f"set batch_size={samples} or less"
        )


@dataclass(frozen=True, eq=False)
class ResidentData:
    """One split as two tensors on one device.

    Args:
        name: the data set's.
        values: uint8 (N, C, H, W) images, or float32 (N, D) points.
        labels: int64 (N,).
    """

    name: str
    values: Tensor
    labels: Tensor

    @classmethod
    def place(
        cls, data: LoadedData, device: torch.device | str, split: str = "train"
    ) -> ResidentData:
        """A split of `data` on `device`; on the CPU it shares the memory of `data`."""
        arrays = data.splits[split]
        values, labels = torch.from_numpy(arrays.values), torch.from_numpy(arrays.labels)
        return cls(data.spec.name, values.to(device), labels.to(device))

    def __len__(self) -> int:
        return len(self.labels)

    def gather(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The samples of some indices, as networks take them.

        Args:
            indices: int64, of any shape, on the same device.

        Returns:
            Values (*indices.shape, *sample shape), float32, images scaled by `to_float`; and
            labels of the shape of `indices`.
        """
        flat = indices.reshape(-1)
        values = self.values.index_select(0, flat)
        if values.dtype == torch.uint8:
            values = to_float(values)
        labels = self.labels.index_select(0, flat)
        return values.view(*indices.shape, *values.shape[1:]), labels.view(indices.shape)


class ResidentLoader:
    """The batches of generator steps t = start .. stop - 1, `len` = stop - start.

    Each item is (values, labels) of shapes (n_critic, batch_size / world_size, *sample shape) and
    (n_critic, batch_size / world_size), on the device of `data`.

    The samples are a pure function of (seed, t): critic batch b = n_critic t + i takes rows
    batch_size * (b mod E) .. of the permutation of epoch b // E, with E = len(data) // batch_size
    batches to an epoch; the samples left over at the end of an epoch are dropped. A permutation
    depends on (seed, epoch) and is made on the CPU, so it is the same on every device.

    Args:
        data: on the training device.
        batch_size: of a critic step, global: rank r of world_size takes the r-th slice of it.
        n_critic: critic steps in a generator step.
        seed: of the permutations, >= 0.
        stop: the generator step after the last.
        start: the first generator step.
        rank: the number of this process.
        world_size: how many processes there are.

    Raises:
        UserError: where batch_size is more than len(data) or not a multiple of world_size, and for
            n_critic or seed out of range.

    Examples:
        >>> from gan_lab.data import Digits, load
        >>> from gan_lab.data.resident import ResidentData, ResidentLoader
        >>> data = ResidentData.place(load(Digits(), cache_dir=None), "cpu")
        >>> loader = ResidentLoader(data, batch_size=64, n_critic=5, seed=0, stop=10)
        >>> values, labels = next(iter(loader))
        >>> values.shape
        torch.Size([5, 64, 1, 8, 8])
    """

    def __init__(
        self,
        data: ResidentData,
        batch_size: int,
        n_critic: int,
        seed: int,
        stop: int,
        start: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        # what a user can set
        checks.whole("batch_size", batch_size, at_least=1)
        check_batch_size(batch_size, len(data), data.name)
        if batch_size % world_size:
            raise UserError(
                f"batch_size={batch_size} cannot be shared by {world_size} devices: "
                f"set a multiple of {world_size}"
            )

        checks.whole("n_critic", n_critic, at_least=1)
        checks.whole("seed", seed)

        # what the program sets
        assert 0 <= start <= stop, (start, stop)
        assert 0 <= rank < world_size, (rank, world_size)

        self.data = data
        self.batch_size = batch_size
        self.n_critic = n_critic
        self.seed = seed
        self.start, self.stop = start, stop
        self.rank, self.world_size = rank, world_size
        self._permutations: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for step in range(self.start, self.stop):
            yield self.data.gather(self.indices(step))

    def indices(self, step: int) -> Tensor:
        """This rank's samples of a generator step, int64 (n_critic, batch_size / world_size).

        It takes the same time for every step: no step before it is gone through.
        """
        # a step may reach over the end of an epoch, and a small data set has several in one step
        batches_per_epoch = len(self.data) // self.batch_size
        rows = []
        batch, end = step * self.n_critic, (step + 1) * self.n_critic
        first_epoch = batch // batches_per_epoch
        while batch < end:
            epoch, position = divmod(batch, batches_per_epoch)
            count = min(end - batch, batches_per_epoch - position)
            begin, end_of_rows = position * self.batch_size, (position + count) * self.batch_size
            chosen = self._permutation(epoch)[begin:end_of_rows]
            rows.append(chosen.view(count, self.batch_size))
            batch += count

        # permutations of epochs that are over
        for epoch in [epoch for epoch in self._permutations if epoch < first_epoch]:
            del self._permutations[epoch]

        share = self.batch_size // self.world_size
        return torch.cat(rows)[:, self.rank * share : (self.rank + 1) * share]

    def _permutation(self, epoch: int) -> Tensor:
        """The order of the samples in an epoch, int64 (N,), on the device of the data."""
        if epoch not in self._permutations:
            order = np.random.default_rng([self.seed, epoch, _PURPOSE]).permutation(len(self.data))
            host = torch.from_numpy(order)

            device = self.data.values.device
            if device.type == "cuda":  # from pinned memory the copy does not wait for the device
                host = host.pin_memory()
            self._permutations[epoch] = host.to(device, non_blocking=True)
        return self._permutations[epoch]
