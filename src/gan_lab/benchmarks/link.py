"""What a message between two processes of this machine costs.

A module of its own, since each of the two imports it anew: it needs nothing but torch.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor

MESSAGES = 30  # of each size that are timed
_LONG = 2**20  # numbers of the message that tells the bandwidth: as many as a critic has


@dataclass(frozen=True)
class Link:
    """What a message costs between two neighbours of a ring.

    Args:
        latency: seconds before the first number arrives.
        per_number: seconds for each number of 4 bytes.
    """

    latency: float
    per_number: float

    def all_reduce(self, devices: int, numbers: int) -> float:
        """Seconds of a sum over a ring of N devices: 2 (N - 1) turns with 1/N of the numbers."""
        turns = 2 * (devices - 1)
        return turns * (self.latency + self.per_number * numbers / devices)


def measured_link() -> Link:
    """Time messages between two processes of this machine: gloo, or NCCL between two GPUs."""
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_exchange, args=(folder,), nprocs=2)
        short, long = torch.load(f"{folder}/seconds.pt", weights_only=True)
    # between two, a sum has two turns with half of the numbers each
    return Link(short / 2, max(0.0, long - short) / _LONG)


def _exchange(rank: int, folder: str) -> None:
    """One of the two processes."""
    on_gpus = torch.cuda.device_count() >= 2
    device = torch.device("cuda", rank) if on_gpus else torch.device("cpu")
    torch.set_num_threads(1)
    rendezvous = f"file://{folder}/rendezvous"
    backend = "nccl" if on_gpus else "gloo"
    dist.init_process_group(backend, rank=rank, world_size=2, init_method=rendezvous)

    # the shortest of many: a process that had to wait for a core measured the waiting
    shortest = []
    for numbers in (1, _LONG):
        value = torch.zeros(numbers, device=device)
        shortest.append(min(_seconds_of_sum(value) for _ in range(MESSAGES)))
    if rank == 0:
        torch.save(shortest, f"{folder}/seconds.pt")
    dist.destroy_process_group()


def _seconds_of_sum(value: Tensor) -> float:
    """One sum over both processes, begun by both together."""
    dist.barrier()
    began = time.perf_counter()
    dist.all_reduce(value)
    value[0].item()  # waits for the device
    return time.perf_counter() - began
