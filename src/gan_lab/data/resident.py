"""The training split on the training device, and the batches drawn from it. No worker processes, no
host copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gan_lab.data.source import LoadedData
from gan_lab.errors import UserError

_PURPOSE = 0xDA7A  # keeps these permutations apart from other streams of the same seed


def to_float(images: Tensor) -> Tensor:
    """uint8 pixels x to float32 (x - 127.5) / 128, which lies in [-0.9961, 0.9961]. Any shape;
    exact."""
    return images.to(torch.float32, copy=True).sub_(127.5).mul_(1 / 128)


def to_uint8(images: Tensor) -> Tensor:
    """The inverse of `to_float`: round(128 x + 127.5), half to even, clamped to [0, 255]. Any
    shape."""
    wide = torch.promote_types(images.dtype, torch.float32)
    return images.to(wide).mul(128).add_(127.5).round_().clamp_(0, 255).to(torch.uint8)


def check_batch_size(batch_size: int, samples: int, name: str) -> None:
    """Raises UserError when not even one batch of `batch_size` fits into the training samples of
    data set `name`."""
    if batch_size > samples:
        raise UserError(
            f"batch_size={batch_size} is more than the {samples} training samples of {name}: "
            f"set batch_size={samples} or less"
        )


@dataclass(frozen=True, eq=False)
class ResidentData:
    """One split as two tensors on one device.

    values: uint8 (N, C, H, W) images, or float32 (N, D) points. labels: int64 (N,).
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
        """The samples at `indices` (int64, any shape, on the same device), as networks take them.

        Returns values of shape (*indices.shape, *sample shape), float32, images scaled by
        `to_float`; and labels of the shape of `indices`.
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
    depends on (seed, epoch) and is made on the CPU, so it is the same on every device. `batch_size`
    is global: rank r of world_size takes the r-th slice of it.

    Raises UserError when batch_size is more than len(data) or not a multiple of world_size.
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
        check_batch_size(batch_size, len(data), data.name)
        if batch_size < 1 or batch_size % world_size:
            raise UserError(
                f"batch_size={batch_size} cannot be shared by {world_size} devices: set a multiple "
                f"of {world_size}"
            )
        if n_critic < 1:
            raise UserError(f"n_critic={n_critic}: give at least 1")
        if seed < 0:
            raise UserError(f"seed={seed}: give a number >= 0")
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
        """This rank's samples of generator step `step`: int64 (n_critic, batch_size / world_size),
        in O(1)."""
        batches_per_epoch = len(self.data) // self.batch_size
        rows = []
        batch, end = step * self.n_critic, (step + 1) * self.n_critic
        first_epoch = batch // batches_per_epoch
        while batch < end:
            epoch, position = divmod(batch, batches_per_epoch)
            count = min(end - batch, batches_per_epoch - position)
            chosen = self._permutation(epoch)[
                position * self.batch_size : (position + count) * self.batch_size
            ]
            rows.append(chosen.view(count, self.batch_size))
            batch += count
        for epoch in [epoch for epoch in self._permutations if epoch < first_epoch]:
            del self._permutations[epoch]
        share = self.batch_size // self.world_size
        return torch.cat(rows)[:, self.rank * share : (self.rank + 1) * share]

    def _permutation(self, epoch: int) -> Tensor:
        if epoch not in self._permutations:
            order = np.random.default_rng([self.seed, epoch, _PURPOSE]).permutation(len(self.data))
            host = torch.from_numpy(order)
            device = self.data.values.device
            if device.type == "cuda":  # from pinned memory the copy does not wait for the device
                host = host.pin_memory()
            self._permutations[epoch] = host.to(device, non_blocking=True)
        return self._permutations[epoch]
